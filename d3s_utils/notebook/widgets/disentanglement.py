"""The widget of notebooks 04 and 05 that picks a method."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.disentanglement.features import Features
from d3s_utils.figures.disentanglement import plot_head_accuracy
from d3s_utils.figures.methods import draw_method_maps, maps_of, plot_method_probes

if TYPE_CHECKING:
    from ipywidgets import Widget


def pick_method(
    features: Mapping[str, Features],
    images: pd.DataFrame,
    summary: pd.DataFrame | None = None,
    heads: pd.DataFrame | None = None,
) -> Widget:
    """Pick a method: where its features lie, and what is read out of them.

    See `draw_method_maps`, `plot_method_probes` and `plot_head_accuracy`.

    Args:
        features: by method, of all these images and maybe more.
        images: image_id, split, class_name and background; those to learn from are left out.
        summary: what probes read, see `probes.summarise`; None where nobody has probed yet.
        heads: accuracy of the heads trained along, see `head_accuracy`; None where they do not matter.
    """
    from d3s_utils.notebook.widgets.viewer import Viewer, choice

    shown = images[images["split"] != "train"]
    maps = functools.cache(lambda method: maps_of(features[method].pick(shown["image_id"])))

    def draw(method: str) -> list[Figure]:
        drawn = [draw_method_maps(maps(method), shown, method)]
        if summary is not None:
            drawn.append(plot_method_probes(summary, method).get_figure(root=True))
        if heads is not None:
            drawn.append(plot_head_accuracy(heads[heads["method"] == method]).get_figure(root=True))
        return drawn

    return Viewer(draw, {"method": choice("method", features)})
