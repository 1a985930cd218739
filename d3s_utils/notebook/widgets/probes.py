"""The widget of notebook 05 that changes only the background of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.disentanglement.features import Features
from d3s_utils.figures.probes import draw_moved
from d3s_utils.probes.counterfactuals import moved_from

if TYPE_CHECKING:
    from ipywidgets import Widget


def move_background(
    pictures: np.ndarray, families: pd.DataFrame, encoded: Mapping[str, Features], reference: Mapping[str, Features]
) -> Widget:
    """A foreground on every background, and how far the features of a method move; see `draw_moved`.

    Args:
        pictures: (N, S, S, 3) uint8 of the rows of `families`.
        encoded: by method, features of `pictures`.
        reference: by method, features of many other images.
    """
    from d3s_utils.notebook.widgets.viewer import Viewer, choice

    table = families.reset_index(drop=True)
    rows = {
        f"{row.class_name}, family {row.family + 1}": (row.family, row.label)
        for row in table.drop_duplicates(["family", "label"]).itertuples()
    }

    def draw(method: str, row: tuple[int, int], start: str) -> Figure:
        moved = moved_from(encoded[method], reference[method], table, row, start)
        return draw_moved(pictures[moved.index], moved, method)

    controls = {
        "method": choice("method", encoded),
        "row": choice("foreground", list(rows.items())),
        "start": choice("distance from the image", table["background"].unique()),
    }
    return Viewer(draw, controls)
