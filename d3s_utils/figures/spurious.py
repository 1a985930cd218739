"""Figures of notebook 06: the pairing, the dial, the two sides at full correlation, and what loudness does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.figures.shapes import (
    COLORS,
    chance_line,
    image_grid,
    interval_dots,
    label_name,
    legend_below,
    new_axis,
    worded,
)
from d3s_utils.spurious.shown import SEEN, TEST
from d3s_utils.spurious.task import reader_name

SIDE_STYLES = {"agreeing": (COLORS["natural"], -0.15), "disagreeing": (COLORS["d3s"], 0.15)}


def draw_pairing(pixels: np.ndarray, shown: pd.DataFrame) -> Figure:
    """Training images that obey the pairing above, test images that break it below, one class per column.

    Args:
        pixels: (N, S, S, 3) pictures of the rows of `shown`, which come from `task.examples`.
    """
    columns = int((shown["kind"] == "training").sum())
    titles = [f"{row.class_name}\n{row.background}" for row in shown.iloc[:columns].itertuples()]
    return image_grid(pixels, titles, columns, row_titles=["training", "disagreeing\ntest"], side=1.25)


def plot_dial(
    summary: pd.DataFrame,
    readers: Sequence[tuple[str, str]],
    ax: Axes | None = None,
    *,
    chance: float,
    at: float | None = None,
) -> Axes:
    """Accuracy on disagreeing images against the correlation in training; bands are 95 % intervals.

    Args:
        summary: rows of `task.summarise`.
        readers: what to draw: methods and kinds of features.
        chance: in percent.
        at: a correlation where a line stands.
    """
    ax = new_axis(ax)
    rows = summary[summary["side"] == "disagreeing"].set_index(["method", "features"])
    for number, reader in enumerate(readers):
        if reader in rows.index:
            curve = rows.loc[[reader]].sort_values("correlation")
            x, color = curve["correlation"], f"C{number}"
            ax.fill_between(x, curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0)
            ax.plot(x, curve["accuracy"], "o-", color=color, label=reader_name(*reader, label_name("background")))
    chance_line(ax, chance)
    if at is not None:
        ax.axvline(at, color=COLORS["ink"], linewidth=1.4)
    ax.set(
        xlabel=worded("correlation of class and {background} in training"),
        ylabel="accuracy where they disagree (%)",
        ylim=(0, 102),
        title="The closer the pairing, the deeper the fall",
    )
    ax.legend(loc="lower left")
    return ax


def draw_dial_examples(pixels: np.ndarray, shown: pd.DataFrame, names: Mapping[int, str]) -> Figure:
    """Training images above, framed where they break the pairing; test images below, framed by right and wrong.

    Args:
        pixels: (N, S, S, 3) uint8 of the rows of `shown`.
        shown: see `shown.dial_examples`.
        names: class names by label.
    """
    columns = int(shown["kind"].value_counts().max())
    blank = np.full((8, 8, 3), 255, np.uint8)
    pictures, titles, colors = [], [], []
    for kind in (SEEN, TEST):
        places = np.flatnonzero(shown["kind"] == kind)
        missing = columns - len(places)
        pictures += [*pixels[places], *[blank] * missing]
        titles += [_shown_title(row, names) for row in shown.iloc[places].itertuples()] + [""] * missing
        colors += [_shown_color(row) for row in shown.iloc[places].itertuples()] + ["white"] * missing
    row_titles = ["training", "test, pairing\nbroken"]
    return image_grid(pictures, titles, columns, row_titles=row_titles, colors=colors, side=0.98)


def _shown_title(row: object, names: Mapping[int, str]) -> str:
    said = f"\n→ {names[row.guess]}" if row.guess >= 0 else ""
    return f"{names[row.label]}\n{row.background}{said}"


def _shown_color(row: object) -> str:
    if row.guess < 0:
        return COLORS["chance"] if row.agrees else COLORS["uniform"]
    return COLORS["good"] if row.guess == row.label else COLORS["bad"]


def plot_sides(summary: pd.DataFrame, ax: Axes | None = None, *, chance: float) -> Axes:
    """At one correlation: agreeing and disagreeing images for each reader, the worst class as a cross.

    Args:
        summary: rows of `task.summarise` of a single correlation.
    """
    readers = zip(summary["method"], summary["features"], strict=True)
    rows = summary.assign(reader=[reader_name(*reader, label_name("background")) for reader in readers])
    order = {name: position for position, name in enumerate(rows["reader"].unique())}
    ax = new_axis(ax, width=9.2, height=2.0 + 0.36 * len(order))
    for side, (color, shift) in SIDE_STYLES.items():
        own = rows[rows["side"] == side]
        interval_dots(own, "reader", ax=ax, color=color, label=f"{side} images", shift=shift)
        ax.plot(own["worst"], np.arange(len(own)) + shift, "x", color=color, markersize=6, label="worst class of them")
    chance_line(ax, chance, axis="x")
    ax.set(xlabel="accuracy (%)", xlim=(-2, 102), title=worded("When class and {background} always went together"))
    return legend_below(ax, 2)


def plot_loudness(louder: pd.DataFrame, ax: Axes | None = None, *, chance: float) -> Axes:
    """At full correlation: accuracy of heads on all features against how loud the background part is; 95 % bands.

    Args:
        louder: see `task.loudness`.
        chance: in percent.
    """
    ax, away = new_axis(ax), louder[louder["side"] == "disagreeing"]
    for number, (method, rows) in enumerate(away.groupby("method", sort=False)):
        curve, color = rows.sort_values("loudness"), f"C{number}"
        ax.fill_between(curve["loudness"], curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0)
        ax.plot(curve["loudness"], curve["accuracy"], "o-", color=color, label=method)
    chance_line(ax, chance)
    factors = sorted(away["loudness"].unique())
    ax.set(xscale="log", xlabel=worded("{background} part multiplied by (1: both parts of equal variance)"))
    ax.set_xticks(factors, [f"{factor:g}" for factor in factors])
    ax.minorticks_off()
    ax.set(ylabel="accuracy where they disagree (%)", ylim=(-2, 102), title="A head follows the louder part")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return ax
