"""One method at a time, for notebooks 04 and 05: where the features of each part lie, and what is read out of them."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.disentanglement.features import Features
from d3s_utils.figures.disentanglement import principal_axes
from d3s_utils.figures.probes import PROBE_NAMES, PROBE_STYLES, direction_name
from d3s_utils.figures.shapes import COLORS, new_axis, worded
from d3s_utils.probes.directions import DIRECTIONS

PARTS = {"fg": "foreground features", "bg": "{background} features"}
COLORED = {"class_name": "by class", "background": "by {background}"}


def maps_of(features: Features) -> dict[str, np.ndarray]:
    """Both parts on their two main axes, (N, 2) by "fg" and "bg"."""
    return {part: principal_axes(getattr(features, part)) for part in PARTS}


def draw_method_maps(points: Mapping[str, np.ndarray], images: pd.DataFrame, method: str) -> Figure:
    """Where the features of each part lie, coloured once by class and once by background.

    Args:
        points: see `maps_of`.
        images: class_name and background of each point.
    """
    places = {"left": 0.02, "right": 0.98, "top": 0.86, "bottom": 0.02, "wspace": 0.06, "hspace": 0.24}
    figure, axes = plt.subplots(2, 2, figsize=(5.2, 5.5), layout="none", gridspec_kw=places)
    for (part, name), row in zip(PARTS.items(), axes, strict=True):
        for (column, how), ax in zip(COLORED.items(), row, strict=True):
            codes = pd.factorize(images[column])[0]
            colors = plt.get_cmap("tab10")(codes % 10)
            ax.scatter(*points[part].T, s=7, c=colors, linewidth=0, alpha=0.8)
            ax.set(xticks=[], yticks=[])
            ax.set_title(worded(f"{name},\n{how}"), fontsize=10, pad=4)
    figure.suptitle(method, y=0.985, va="top", fontsize=13)
    return figure


def plot_method_probes(summary: pd.DataFrame, method: str, ax: Axes | None = None) -> Axes:
    """What the probes read out of the two parts of a method, with 95 % intervals; dashes are chance.

    Args:
        summary: see `directions.summarise`.
    """
    ax = new_axis(ax, width=5.6, height=3.4)
    rows = summary[summary["method"] == method]
    names = [direction.id for direction in DIRECTIONS]
    for probe, (color, shift) in PROBE_STYLES.items():
        own = rows[rows["probe"] == probe].set_index("direction").reindex(names)
        y = np.arange(len(names)) + shift
        ax.hlines(y, own["low"], own["high"], color=color, alpha=0.35, linewidth=4)
        ax.plot(own["accuracy"], y, "o", markersize=5, color=color, label=PROBE_NAMES[probe])
    chance = rows.drop_duplicates("direction").set_index("direction")["chance"].reindex(names)
    ax.vlines(
        chance, np.arange(len(names)) - 0.45, np.arange(len(names)) + 0.45, color=COLORS["chance"], linestyle="--"
    )
    ax.set_yticks(range(len(names)), [direction_name(name).replace(" from ", "\nfrom ") for name in names])
    ax.tick_params(axis="y", labelsize=9)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 102), xlabel="accuracy (%)")
    ax.set_title(f"What probes read: {method}", fontsize=11)
    ax.grid(False, axis="y")
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.35, -0.2), ncols=4, fontsize=8, columnspacing=0.8, handletextpad=0.2
    )
    return ax
