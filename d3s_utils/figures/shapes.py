"""The house style and the few shapes every figure here is made of. One module per notebook draws the rest.

A figure is a function of a table and an axis: `ax` in (None makes one), `ax` out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import offset_copy

from d3s_utils.ground import journal

STYLE = Path(__file__).with_name("d3s.mplstyle")
plt.style.use(STYLE)  # whoever draws with this room draws in the house style
journal.note_input(STYLE)
# Where one is installed, names in scripts that DejaVu lacks (Chinese, Japanese, Korean, emoji) are drawn with it.
WIDE_FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "IPAexGothic", "Hiragino Sans",
              "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Noto Emoji", "Segoe UI Emoji")  # fmt: skip
INSTALLED = {font.name for font in font_manager.fontManager.ttflist}
plt.rcParams["font.sans-serif"] += [font for font in WIDE_FONTS if font in INSTALLED]

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


def legend(ax: Axes, loc: str, **style) -> Axes:
    """The legend at `loc`, without a title; names may begin with an underscore."""
    shown = ax.get_legend()
    entries = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    if shown is not None:
        names = [text.get_text() for text in shown.get_texts()]
        entries = dict(zip(names, shown.legend_handles, strict=True)) | entries
    ax.legend(entries.values(), entries, loc=loc, **style)
    return ax


def legend_below(ax: Axes, columns: int = 3) -> Axes:
    """A legend under the axis, where no dot can be."""
    below = offset_copy(ax.transAxes, ax.get_figure(root=True), y=-42, units="points")
    place = {"bbox_to_anchor": (0.4, 0), "bbox_transform": below}
    return legend(ax, "upper center", ncols=columns, handletextpad=0.4, **place)


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
    top, fit = 0.4 if title else 0.0, round(side / 0.072) if columns > 1 else 80  # letters over a picture
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
        text = "\n".join(part if len(part) <= fit else f"{part[: fit - 1]}…" for part in text.split("\n"))
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


MOST, ENDS = 40, 10  # rows of a figure; of more, this many at either end keep their names
AS_TABLED = {"estimator": lambda values: values.iloc[0], "errorbar": lambda values: (values.min(), values.max())}


def _ends(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Three rows for each of `table`: its `value`, its `low` and its `high`, all in the column `value`."""
    return pd.concat([table.assign(**{value: table[end]}) for end in (value, "low", "high")], ignore_index=True)


def dots(
    table: pd.DataFrame,
    category: str,
    value: str = "accuracy",
    *,
    hue: str | None = None,
    palette: str | Mapping[str, str] = COLORS["foreground"],
    ax: Axes | None = None,
) -> Axes:
    """One dot per row of `table` with its interval from `low` to `high`; the first row on top.

    Of more than `MOST` names the first and the last ten keep a row each, and the others are a cloud in one row.

    Args:
        category: column with the names on the vertical axis.
        value: column with the dots.
        hue: column with the series that stand beside each other in a row.
        palette: one colour, or one per series; of these the ones that `table` has are drawn, in this order.
    """
    table = table.assign(**{category: table[category].astype(str)}).dropna(subset=value)
    order = list(table[category].unique())
    crowd = table.iloc[:0]
    if len(order) > MOST:
        rest = f"{len(order) - 2 * ENDS:,} others".replace(",", " ")
        crowd = table[table[category].isin(order[ENDS:-ENDS])].assign(**{category: rest})
        table = table[~table[category].isin(order[ENDS:-ENDS])]
        order = [*order[:ENDS], rest, *order[-ENDS:]]
    series, look = 1, {"color": palette}
    if hue:
        levels = [level for level in palette if level in set(table[hue])]
        series, look = len(levels), {"hue": hue, "hue_order": levels, "palette": palette}
    ax = new_axis(ax, height=1.2 + 0.4 * len(order))
    where = {"x": value, "y": category, "order": order, "orient": "y", "ax": ax, "legend": False, **look}
    where["dodge"] = 0.6 * (1 - 1 / series) if series > 1 else False
    bars = {"linewidth": 5, "alpha": 0.35, "zorder": 1.5}
    sns.pointplot(_ends(table, value), **where, **AS_TABLED, linestyle="none", markersize=7, err_kws=bars)
    if len(crowd):
        where["dodge"] = series > 1
        sns.stripplot(crowd, **where, size=2.5, alpha=0.4, jitter=0.3)
    ax.set_ylabel("")
    return key(ax, {level: palette[level] for level in levels}, linestyle="none") if hue else ax


def bands(
    table: pd.DataFrame, x: str, value: str, *, hue: str, palette: Mapping[str, str], ax: Axes | None = None
) -> Axes:
    """`value` over `x`, a line for each series in the column `hue`, with a band from `low` to `high`."""
    ax = new_axis(ax)
    levels = [level for level in palette if level in set(table[hue])]
    look = {"marker": "o", "markersize": 7, "markeredgewidth": 0, "err_kws": {"alpha": 0.18, "linewidth": 0}}
    series = {"hue": hue, "hue_order": levels, "palette": palette, "legend": False}
    rows = _ends(table.sort_values(x, kind="stable"), value)  # sorted by seaborn, the lows would come first
    sns.lineplot(rows, x=x, y=value, sort=False, ax=ax, **series, **AS_TABLED, **look)
    return key(ax, {level: palette[level] for level in levels})


def key(ax: Axes, palette: Mapping[str, str], markers: Sequence[str] | None = None, **style) -> Axes:
    """A legend of the names and colours in `palette`; of a name that begins with an underscore as well."""
    look = zip(palette.values(), markers or "o" * len(palette), strict=False)
    handles = [Line2D([], [], color=color, marker=marker, **style) for color, marker in look]
    ax.legend(handles, list(palette))
    return ax


def zoom(ax: Axes, table: pd.DataFrame, step: int = 5) -> Axes:
    """Show of 0 to 100 % on the horizontal axis what the intervals of `table` need, and say so in its label."""
    low = max(0, step * int(np.floor((table["low"].min() - 1) / step)))
    high = min(100, step * int(np.ceil((table["high"].max() + 1) / step)))
    low, high = (low, high) if high - low <= 60 else (0, 100)
    margin = 0.015 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    if (low, high) != (0, 100):
        ax.set_xlabel(f"{ax.get_xlabel()}, from {low} to {high}")
    return ax


def name_points(ax: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str], **style) -> Axes:
    """The names of points in a column right of the axis, a thin line to each point; none lies on another.

    Limits of the axis are to be set before.
    """
    points = (ax.transData + ax.transAxes.inverted()).transform(np.column_stack([x, y]))
    order = np.argsort(points[:, 1], kind="stable")
    tall = 72 * ax.get_window_extent().height / ax.get_figure(root=True).dpi
    places = points[order, 1] - (gap := 12 / tall) * np.arange(len(order))
    places = np.maximum.accumulate(places)  # upwards, at least a line from one to the next
    places = np.minimum(places, max(0.0, 1 - gap * (len(order) - 1))) + gap * np.arange(len(order))
    for number, place in zip(order, places, strict=True):
        line = {"arrowstyle": "-", "color": COLORS["chance"], "linewidth": 0.7, "shrinkA": 2, "shrinkB": 4}
        ax.annotate(names[number], (x[number], y[number]), (1.06, place), textcoords=ax.transAxes, va="center",
                    fontsize=9, arrowprops=line, **style)  # fmt: skip
    return ax


def chance_line(ax: Axes, value: float, text: str = "chance", *, axis: str = "y") -> Axes:
    """A dashed line at the value guessing reaches; `axis` names the axis the value is on."""
    draw, point = (ax.axhline, (0.995, value)) if axis == "y" else (ax.axvline, (value, 0.99))
    draw(value, color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4, zorder=1)
    transform = ax.get_yaxis_transform() if axis == "y" else ax.get_xaxis_transform()
    style = {"ha": "right", "va": "bottom"} if axis == "y" else {"ha": "left", "va": "top", "rotation": 90}
    apart = offset_copy(transform, ax.get_figure(root=True), *((0, 2) if axis == "y" else (4, 0)), units="points")
    ax.text(*point, text, transform=apart, color=COLORS["ink"], fontsize=9, **style)
    return ax


def heatmap(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    vmin: float = 0,
    vmax: float = 100,
    norm: Normalize | None = None,
    fmt: str = "{:.0f}",
    label: str = "accuracy (%)",
) -> Axes:
    """A grid of numbers, the rows and columns of `table` as they come, each cell's number written in it.

    Of more than `MOST` rows or columns about twenty are named, and no numbers are written.

    Args:
        norm: how numbers become colours; evenly from `vmin` to `vmax` by default.
    """
    many = max(table.shape) > MOST
    down, across = (min(count, MOST / 2) for count in table.shape)
    ax = new_axis(ax, width=2.4 + 0.62 * across, height=1.4 + 0.46 * down)
    named = {axis: -(-count // 20) if count > MOST else 1 for axis, count in zip("yx", table.shape, strict=True)}
    scale = {"norm": norm} if norm else {"vmin": vmin, "vmax": vmax}
    sns.heatmap(
        table.astype(float),
        mask=table.isna(),
        annot=False if many else table.map(fmt.format),
        fmt="",
        cmap=plt.rcParams["image.cmap"],
        xticklabels=named["x"],
        yticklabels=named["y"],
        rasterized=many,
        annot_kws={"fontsize": 10},
        cbar_kws={"label": label, "shrink": 0.9, "pad": 0.02},
        ax=ax,
        **scale,
    )
    plt.setp(ax.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
    plt.setp(ax.get_yticklabels(), rotation=0)
    ax.grid(False)
    ax.set(xlabel="", ylabel=f"{named['y']} rows from name to name" if named["y"] > 1 else "")
    return ax
