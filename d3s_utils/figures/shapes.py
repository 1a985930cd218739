"""The house style and the few shapes every figure here is made of. One module per notebook draws the rest.

A figure is a function of a table and an axis: `ax` in (None makes one), `ax` out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import offset_copy

from d3s_utils.ground import journal

STYLE = Path(__file__).with_name("d3s.mplstyle")
plt.style.use(STYLE)  # whoever draws with this room draws in the house style
journal.note_input(STYLE)

# One colour per idea, in every figure; all from the palette of Okabe and Ito.
COLORS = {
    "foreground": "#0072B2",
    "background": "#D55E00",
    "guide": "#6B6F76",
    "natural": "#0072B2",
    "d3s": "#D55E00",
    "verified": "#009E73",
    "uniform": "#CC79A7",
    "chance": "#8A8F98",
    "good": "#009E73",
    "bad": "#D55E00",
    "ink": "#333333",
}

WORDS = {"background": "background", "backgrounds": "backgrounds"}  # see `use_word`

# Inches of a picture grid: between pictures, per line of small text, per letter of it.
GAP, LINE, LETTER = 0.06, 0.17, 0.085


def panel(
    columns: int = 1, rows: int = 1, *, width: float = 5.6, height: float = 4.2, **subplots
) -> tuple[Figure, np.ndarray]:
    """A figure of `rows` x `columns` axes, each `width` x `height` inches. The axes come as one flat array."""
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **subplots)
    return figure, axes.ravel()


def new_axis(ax: Axes | None = None, *, width: float = 7.2, height: float = 4.2) -> Axes:
    """`ax` itself, or the axis of a new figure where none was given."""
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def nothing(ax: Axes | None, why: str) -> Axes:
    """An empty axis that says why."""
    ax = new_axis(ax, height=1.5)
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", color=COLORS["ink"])
    ax.set_axis_off()
    return ax


def legend_below(ax: Axes, columns: int = 3) -> Axes:
    """A legend under the axis, where no dot can be."""
    below = offset_copy(ax.transAxes, ax.get_figure(root=True), y=-42, units="points")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, 0), bbox_transform=below, ncols=columns, handletextpad=0.4)
    return ax


def use_word(word: str) -> None:
    """Call what the recipe of a run shifts `word` ("country") in all figures from now on; else it is a background."""
    plural = word[:-1] + "ies" if word.endswith("y") else f"{word}s"
    WORDS.update(background=word, backgrounds=plural)


def worded(text: str) -> str:
    """`text` with the word for what is shifted where it says {background} or {backgrounds}."""
    return text.format_map(WORDS)


def label_name(name: str) -> str:
    """One of the labels "foreground" and "background" (or "both") as it is called in figures."""
    return worded("{background}") if name == "background" else name


def image_grid(
    images: Sequence,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    *,
    row_titles: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    side: float = 1.3,
    title: str | None = None,
) -> Figure:
    """Pictures in rows, left to right.

    They share one axis, in inches from the top left: an axis for each picture takes many times as long to draw.

    Args:
        images: (S, S, 3) uint8 arrays or PIL images, in reading order.
        titles: one per image above it; or one per column, then only over the first row.
        columns: images per row; by default all in one row, at most ten.
        row_titles: one per row, at its left.
        colors: one frame colour per image, say green for right and orange for wrong.
        side: side of one image in inches.
        title: over the whole figure.
    """
    images = [np.asarray(image) for image in images]
    columns = columns or max(1, min(len(images), 10))
    rows = max(1, -(-len(images) // columns))
    line = max((text.count("\n") + 1 for text in titles or []), default=0) * LINE  # height of the titles, in inches
    head = [line if row == 0 or len(titles or []) > columns * row else 0.0 for row in range(rows)]
    left = max((len(part) for text in row_titles or [] for part in text.split("\n")), default=0) * LETTER
    top = 0.4 if title else 0.0
    down = [top + sum(head[: row + 1]) + row * (side + GAP) + GAP for row in range(rows)]
    width, height = left + columns * (side + GAP) + GAP, down[-1] + side + GAP
    figure, ax = _canvas(width, height)
    for position, image in enumerate(images):
        x, y = left + GAP + position % columns * (side + GAP), down[position // columns]
        ax.imshow(image, extent=(x, x + side, y + side, y), interpolation="none")
        if colors is not None:
            ax.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=colors[position], linewidth=3))
    for position, text in enumerate(titles or []):
        x, y = left + GAP + position % columns * (side + GAP), down[position // columns]
        ax.text(x + side / 2, y - GAP / 2, text, ha="center", va="bottom", fontsize=9, linespacing=1.1)
    for text, y in zip(row_titles or [], down, strict=False):
        ax.text(left - GAP / 2, y + side / 2, text, ha="right", va="center", fontsize=9, color=COLORS["ink"])
    ax.set(xlim=(0, width), ylim=(height, 0))
    if title:
        figure.suptitle(title, y=1 - 0.06 / height, va="top", fontsize=min(15, 105 * width / len(title)))
    return figure


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of `width` x `height` inches that is one bare axis from edge to edge."""
    figure = plt.figure(figsize=(width, height))
    figure.set_layout_engine("none")  # afterwards: asked for at birth, saving would bring the style's layout back
    ax = figure.add_axes((0, 0, 1, 1), aspect="auto")
    ax.set_axis_off()
    return figure, ax


def interval_dots(
    table: pd.DataFrame,
    category: str,
    value: str = "accuracy",
    *,
    ax: Axes | None = None,
    color: str | None = None,
    label: str | None = None,
    shift: float = 0.0,
) -> Axes:
    """One dot per row of `table`, first row on top, whiskers from its `low` to its `high` (in the axis's units).

    Args:
        category: column with the names on the vertical axis.
        value: column with the dots.
        shift: moves the dots by a fraction of a row, so that two series can stand side by side.
    """
    ax = new_axis(ax, height=0.9 + 0.36 * len(table))
    rows = np.arange(len(table))
    ax.hlines(rows + shift, table["low"], table["high"], color=color or COLORS["foreground"], alpha=0.35, linewidth=5)
    ax.plot(table[value], rows + shift, "o", color=color or COLORS["foreground"], label=label)
    ax.set_yticks(rows, table[category].astype(str))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(False, axis="y")
    return ax


def chance_line(ax: Axes, value: float, text: str = "chance", *, axis: str = "y") -> Axes:
    """A dashed line at the value guessing reaches; `axis` names the axis the value is on."""
    draw, point = (ax.axhline, (0.995, value)) if axis == "y" else (ax.axvline, (value, 0.99))
    draw(value, color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4, zorder=1)
    transform = ax.get_yaxis_transform() if axis == "y" else ax.get_xaxis_transform()
    style = {"ha": "right", "va": "bottom"} if axis == "y" else {"ha": "left", "va": "top", "rotation": 90}
    ax.text(*point, text, transform=transform, color=COLORS["ink"], fontsize=9, **style)
    return ax


def heatmap(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    vmin: float = 0,
    vmax: float = 100,
    fmt: str = "{:.0f}",
    label: str = "accuracy (%)",
) -> Axes:
    """A labelled grid of numbers: the rows and columns of `table` as they come, each cell's number written in it."""
    ax = new_axis(ax, width=2.4 + 0.62 * table.shape[1], height=1.4 + 0.46 * table.shape[0])
    values = table.to_numpy(dtype=float)
    picture = ax.imshow(np.ma.masked_invalid(values), vmin=vmin, vmax=vmax, aspect="auto")
    ax.set_xticks(range(table.shape[1]), table.columns.astype(str), rotation=35, ha="right")
    ax.set_yticks(range(table.shape[0]), table.index.astype(str))
    ax.grid(False)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = (value - vmin) / ((vmax - vmin) or 1) < 0.55
            ax.text(
                column,
                row,
                fmt.format(value),
                ha="center",
                va="center",
                fontsize=10,
                color="white" if dark else "black",
            )
    bar = ax.get_figure().colorbar(picture, ax=ax, shrink=0.9, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return ax
