"""The widget of notebook 02 that moves the line between accepted and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.figures.verification import draw_nearest, plot_split_sizes
from d3s_utils.verification.thresholds import accept_at, beliefs, nearest, split_sizes

if TYPE_CHECKING:
    from ipywidgets import Widget

SHOWN = 6  # pictures in a row


def move_threshold(
    verified: pd.DataFrame, table: pd.DataFrame, images: np.ndarray, seen: pd.DataFrame | None = None
) -> Widget:
    """Rule and threshold, and what becomes of the verified split; see `plot_split_sizes` and `draw_nearest`.

    Args:
        verified: see `rules.verify`.
        table: image_id, class_name and background of `images`.
        images: (N, S, S, 3) uint8.
        seen: what is there, where somebody knows; see `thresholds.label_error`.
    """
    from d3s_utils.notebook.widgets.viewer import Viewer, choice, slider

    named = table[["image_id", "class_name", "background"]]
    place = pd.Series(np.arange(len(table)), table["image_id"])
    sizes = {rule: split_sizes(verified, rule, seen) for rule in beliefs(verified).values()}

    def draw(rule: str, threshold: float) -> list[Figure]:
        shown = nearest(accept_at(verified, rule, threshold), threshold, SHOWN).merge(named, on="image_id")
        curve = plot_split_sizes(sizes[rule], threshold=threshold).get_figure(root=True)
        return [curve, draw_nearest(images[place[shown["image_id"]]], shown, SHOWN)]

    controls = {
        "rule": choice("belief", list(beliefs(verified).items())),
        "threshold": slider("at least", 0.55, 0.05, 1.0),
    }
    return Viewer(draw, controls)
