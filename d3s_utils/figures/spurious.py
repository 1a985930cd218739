"""Figures of notebook 06: the pairing, the dial, and the two sides at full correlation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.figures.shapes import COLORS, chance_line, image_grid, interval_dots, new_axis
from d3s_utils.probes.directions import ERASED

SIDE_STYLES = {"agreeing": (COLORS["natural"], -0.15), "disagreeing": (COLORS["d3s"], 0.15)}
KIND_NAMES = {"fg": "foreground features", "bg": "background features", "all": "all features"}


def reader_name(method: str, kind: str) -> str:
    """What a head reads, in words: "hsic, foreground features"."""
    return f"{method}, {KIND_NAMES[kind]}"


def draw_pairing(pixels: np.ndarray, shown: pd.DataFrame) -> Figure:
    """Training images that obey the pairing above, test images that break it below, one class per column.

    Args:
        pixels: (N, S, S, 3) pictures of the rows of `shown`, which come from `spurious.examples`.
    """
    columns = int((shown["kind"] == "training").sum())
    titles = [f"{row.class_name}\n{row.background}" for row in shown.iloc[:columns].itertuples()]
    return image_grid(pixels, titles, columns, row_titles=["training", "disagreeing\ntest"], side=1.25)


def dial_readers(best: str) -> dict[str, tuple[str, str]]:
    """What the dial shows, by its name in the legend: (method, kind of features)."""
    pairs = [(best, "fg"), ("backbone" + ERASED, "fg"), ("none", "fg"), (best, "all"), ("backbone", "all")]
    return {reader_name(*pair): pair for pair in dict.fromkeys(pairs)}


def plot_dial(
    summary: pd.DataFrame, readers: dict[str, tuple[str, str]], ax: Axes | None = None, *, chance: float
) -> Axes:
    """Accuracy on disagreeing images against the correlation in training; bands are 95 % intervals.

    Args:
        summary: rows of `spurious.summarise`.
        readers: what to draw, by its name in the legend: (method, kind of features).
        chance: in percent.
    """
    ax = new_axis(ax)
    rows = summary[summary["side"] == "disagreeing"].set_index(["method", "features"])
    for number, (name, reader) in enumerate(readers.items()):
        if reader in rows.index:
            curve = rows.loc[[reader]].sort_values("correlation")
            ax.fill_between(
                curve["correlation"], curve["low"], curve["high"], color=f"C{number}", alpha=0.15, linewidth=0
            )
            ax.plot(curve["correlation"], curve["accuracy"], "o-", color=f"C{number}", label=name)
    chance_line(ax, chance)
    ax.set(
        xlabel="correlation of class and background in training",
        ylabel="accuracy where they disagree (%)",
        ylim=(0, 102),
        title="The closer the pairing, the deeper the fall",
    )
    ax.legend(loc="lower left")
    return ax


def plot_sides(summary: pd.DataFrame, ax: Axes | None = None, *, chance: float) -> Axes:
    """At one correlation: agreeing and disagreeing images for each reader, the worst class as a cross.

    Args:
        summary: rows of `spurious.summarise` of a single correlation.
    """
    rows = summary.assign(
        reader=[reader_name(*pair) for pair in zip(summary["method"], summary["features"], strict=True)]
    )
    order = {name: position for position, name in enumerate(rows["reader"].unique())}
    ax = new_axis(ax, width=8.4, height=1.4 + 0.36 * len(order))
    for side, (color, shift) in SIDE_STYLES.items():
        own = rows[rows["side"] == side]
        interval_dots(own, "reader", ax=ax, color=color, label=f"{side} images", shift=shift)
        ax.plot(own["worst"], np.arange(len(own)) + shift, "x", color=color, markersize=6, label="worst class of them")
    chance_line(ax, chance, axis="x")
    ax.set(xlabel="accuracy (%)", xlim=(-2, 102), title="When class and background always went together")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return ax
