"""Figures of notebook 01: the images beside their guides, what strength does, and how real the result is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.data.sources import Backgrounds, Photos
from d3s_utils.figures.shapes import (
    COLORS,
    chance_line,
    heatmap,
    image_grid,
    interval_dots,
    label_name,
    legend_below,
    new_axis,
    nothing,
    worded,
)
from d3s_utils.generation.guides import guide_for
from d3s_utils.generation.samples import Samples
from d3s_utils.generation.sketch import Sketch
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.squares import square

MOST_CLASSES = 10  # in a figure; more would be too small to see
QUESTION_COLORS = {"foreground": COLORS["foreground"], "background": COLORS["background"], "both": COLORS["verified"]}
WITHIN = {
    "class": (COLORS["foreground"], COLORS["foreground"], "class"),
    "cell": (COLORS["foreground"], "white", "class on one {background}"),
}
SET_COLORS = {"photographs": COLORS["natural"], "D3S": COLORS["d3s"], "guides": COLORS["guide"]}


# Pictures -------------------------------------------------------------------------------------------------------------


def guide_anatomy(row: pd.Series, photos: Photos, backgrounds: Backgrounds) -> Figure:
    """What one row of the manifest is made of: foreground and background, where its guide shows them, and the guide."""
    shown = {
        getattr(photos, "noun", "photograph"): (photos, row["foreground_source"]),
        label_name("background"): (backgrounds, row["background_source"]),
    }
    guide = guide_for(row, photos, backgrounds)
    parts = {title: square(of.picture(name), guide.width) for title, (of, name) in shown.items() if name}
    return image_grid([*parts.values(), guide], titles=[*parts, "guide"], side=2.0)


def draw_sample(samples: Samples, position: int = 0) -> Figure:
    """Guide and image number `position` of the samples, side by side under their prompt.

    Raises:
        D3SError: there are not so many.
    """
    if not 0 <= position < len(samples.rows):
        raise D3SError(f"There are {len(samples.rows)} samples; there is no number {position}.")
    row = samples.rows.iloc[position]
    figure = image_grid([samples.guides[position], samples.images[position]], ["guide", "image"], side=2.6)
    return _captioned(figure, row["prompt"], f"{row['image_id']} · strength {row['strength']:g}")


def draw_sketch(sketch: Sketch) -> list[Figure]:
    """The guide beside the image under the prompt; and, where steps are known, what the model held after some."""
    row, count = sketch.row, len(sketch.steps)
    pair = image_grid([sketch.guide, sketch.image], ["guide", "image"], side=2.6)
    place = f"pasted at ({row['left']}, {row['top']}), seed {row['seed']}"
    titles = [f"{taken} step{'s' if taken > 1 else ''}" for taken in sketch.taken]
    strip = [image_grid(list(sketch.steps), titles, count, side=1.15)] if count else []
    return [_captioned(pair, row["prompt"], place), *strip]


def _captioned(figure: Figure, title: str, below: str) -> Figure:
    """A grid of two pictures with room for a prompt above and a line below."""
    (ax,) = figure.axes
    lines = textwrap.wrap(title, 62)
    width, height = figure.get_size_inches()
    head, foot = 0.2 * len(lines) + 0.1, 0.28
    whole = head + height + foot
    figure.set_size_inches(width, whole)
    ax.set_position((0, foot / whole, 1, height / whole))
    figure.suptitle("\n".join(lines), fontsize=10, fontweight="normal", y=1 - 0.06 / whole, va="top")
    figure.supxlabel(below, fontsize=9, y=0.06 / whole, va="bottom")
    return figure


def background_sheet(samples: Samples, index: int = 0) -> Figure:
    """Every class (row) on every background (column): image number `index` of each cell."""
    turn = samples.rows.groupby(["class_name", "background"], sort=False).cumcount()
    chosen = samples.rows[turn == index]
    classes, backgrounds = list(chosen["class_name"].unique())[:MOST_CLASSES], list(samples.rows["background"].unique())
    at = {(row.class_name, row.background): position for position, row in chosen.iterrows()}
    empty = np.full_like(samples.images[0], 255)
    images = [samples.images[at[c, b]] if (c, b) in at else empty for c in classes for b in backgrounds]
    return image_grid(images, titles=backgrounds, columns=len(backgrounds), row_titles=classes, side=1.05)


def guides_and_images(samples: Samples, count: int = 8) -> Figure:
    """Guides in the upper row, below each what the model made of it; classes and backgrounds all different."""
    chosen = one_of_each(samples.rows, count)
    pictures = [*samples.guides[chosen], *samples.images[chosen]]
    rows = samples.rows.iloc[chosen]
    titles = [f"{name}\n{background}" for name, background in zip(rows["class_name"], rows["background"], strict=True)]
    return image_grid(pictures, titles=titles, columns=len(chosen), row_titles=["guide", "image"])


def strength_strip(rows: pd.DataFrame, guides: np.ndarray, sweep: Mapping[float, np.ndarray], count: int = 5) -> Figure:
    """One line per guide: the guide, then the images at rising strength. Seed and prompt stay the same along a line."""
    chosen = one_of_each(rows, count)
    pictures = [picture for i in chosen for picture in (guides[i], *(images[i] for images in sweep.values()))]
    names = [f"{rows['class_name'].iloc[i]}\n{rows['background'].iloc[i]}" for i in chosen]
    titles = ["guide", *(f"{strength:g}" for strength in sweep)]
    return image_grid(pictures, titles=titles, columns=len(titles), row_titles=names)


def one_of_each(rows: pd.DataFrame, count: int) -> list[int]:
    """Positions of at most `count` rows whose classes, and as far as it goes backgrounds, all differ."""
    chosen, classes, backgrounds = [], set(), set()
    n_backgrounds = rows["background"].nunique()
    for position, (name, background) in enumerate(zip(rows["class_name"], rows["background"], strict=True)):
        if name not in classes and (background not in backgrounds or len(backgrounds) == n_backgrounds):
            chosen.append(position)
            classes.add(name)
            backgrounds.add(background)
    return chosen[:count]


# What strength does ---------------------------------------------------------------------------------------------------


def plot_following(follow: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Correlation with the guide against strength, for position and colour; bands are 95 % bootstrap intervals."""
    ax = new_axis(ax)
    for quantity, table in follow.groupby("quantity", sort=False):
        color = COLORS["foreground" if quantity == "position" else "background"]
        ax.fill_between(table["strength"], table["low"], table["high"], color=color, alpha=0.18)
        ax.plot(table["strength"], table["correlation"], "o-", color=color, label=f"{quantity} of the object")
    chance_line(ax, 0, "no trace of the guide")
    ax.set(xlabel="strength (0: the guide itself)", ylabel="correlation with the guide", ylim=(-0.3, 1.02))
    ax.set_title("How closely the guide is followed")
    return _legend(ax, "lower left")


def plot_rates_by_strength(rates: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of images that show the asked labels against strength; bands are 95 % Wilson intervals."""
    ax = new_axis(ax)
    for question, table in rates.groupby("question", sort=False):
        color = QUESTION_COLORS[question]
        ax.fill_between(table["strength"], table["low"], table["high"], color=color, alpha=0.15)
        style = "o-" if question == "both" else "o--"  # dashes let the line below show where two agree
        order = 2 + (question != "both")
        ax.plot(table["strength"], table["rate"], style, color=color, label=label_name(question), zorder=order)
    ax.set(
        xlabel="strength (0: the guide itself)",
        ylabel="label right (%)",
        ylim=(0, 102),
        title="How often the judge sees what was asked",
    )
    return _legend(ax, "lower right")


# Labels ---------------------------------------------------------------------------------------------------------------


def plot_label_cells(rates: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Percent of images with both labels right, class x background, the hardest classes on top (at most 20).

    Args:
        rates: `labels.label_rates` by class_name and background.
    """
    both = rates[rates["question"] == "both"]
    if both.empty:
        return nothing(ax, "no judge knows these classes")
    cells = both.pivot(index="class_name", columns="background", values="rate")[both["background"].unique()]
    cells = cells.loc[cells.mean(axis=1).sort_values(kind="stable").index[:20]]
    low = 10 * np.floor(min(cells.min(axis=None), 90) / 10)
    ax = heatmap(cells, ax=ax, vmin=low, label="both labels right (%)")
    ax.set_title(f"Both labels right, by the judge ({_span(both['n'])} images a cell)")
    return ax


def plot_label_rates(rates: pd.DataFrame, category: str, ax: Axes | None = None) -> Axes:
    """One row per class or background, one dot per question; bars are 95 % Wilson intervals."""
    if rates.empty:
        return nothing(ax, "no judge knows these classes")
    order = rates[rates["question"] == "both"].sort_values("rate", kind="stable")[category]
    ax = new_axis(ax, height=0.9 + 0.42 * len(order))
    for shift, (question, table) in zip((-0.24, 0, 0.24), rates.groupby("question", sort=False), strict=True):
        table = table.set_index(category).loc[order].reset_index()
        style = {"color": QUESTION_COLORS[question], "label": label_name(question), "shift": shift}
        interval_dots(table, category, "rate", ax=ax, **style)
    low = 10 * np.floor(min(rates["low"].min(), 90) / 10)
    what = label_name(category.removesuffix("_name"))
    ax.set(xlabel="label right (%)", xlim=(low, 100.5), title=f"Labels right, by {what}")
    return legend_below(ax)


# Realism --------------------------------------------------------------------------------------------------------------


def plot_realism(realism: pd.DataFrame, metric: str, ax: Axes | None = None) -> Axes:
    """Distance from the reference, one row per set; bars are 95 % intervals. Left is nearer.

    Args:
        realism: see `distances.realism_table`, with `reference` in words.
        metric: FID or KID.
    """
    table = realism[realism["metric"] == metric].reset_index(drop=True)
    ax = _colored_dots(table, "distance", ax)
    space, n, reference = table[["features", "n", "reference"]].iloc[0]
    ax.set(xlabel=f"{metric}, features of the {space}\n{n} images a set", title=f"Distance from {reference}")
    ax.set_xlim(left=min(0, 1.1 * table["low"].min()))
    return ax


def plot_diversity(diversity: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Mean distance between two images of a class (filled) and of a cell (hollow); bars are 95 % intervals."""
    names = list(diversity["set"].unique())
    ax = new_axis(ax, height=0.9 + 0.55 * len(names))
    for shift, (within, table) in zip((-0.15, 0.15), diversity.groupby("within", sort=False), strict=False):
        color, face, of = WITHIN[within]
        rows = [names.index(name) + shift for name in table["set"]]
        ax.hlines(rows, table["low"], table["high"], color=color, alpha=0.35, linewidth=5)
        ax.plot(
            table["distance"], rows, "o", color=color, markerfacecolor=face, label=worded(f"two images of one {of}")
        )
    ax.set_yticks(range(len(names)), map(set_name, names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.set(xlabel="distance between two images (natural images of one class = 100)")
    ax.set_title("How varied the images are")
    ax.set_xlim(left=0)
    return legend_below(ax)


def _colored_dots(table: pd.DataFrame, value: str, ax: Axes | None) -> Axes:
    """As `interval_dots`, each set in its own colour."""
    ax = new_axis(ax, height=0.9 + 0.5 * len(table))
    colors = [SET_COLORS.get(name.split(",")[0], COLORS["ink"]) for name in table["set"]]
    rows = np.arange(len(table))
    ax.hlines(rows, table["low"], table["high"], color=colors, alpha=0.35, linewidth=5)
    ax.scatter(table[value], rows, color=colors, s=60, zorder=3)
    ax.set_yticks(rows, table["set"].map(set_name))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(False, axis="y")
    return ax


def set_name(name: str) -> str:
    """A set of images in words that hold for every source: "photographs, held out" may be renders."""
    return name.replace("photographs", "natural images")


def _span(n: pd.Series) -> str:
    """ "10", or "9 to 12" where the groups differ in size."""
    return f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"


def _legend(ax: Axes, location: str) -> Axes:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc=location)
    else:
        ax.text(0.5, 0.5, "no judge knows these classes", transform=ax.transAxes, ha="center", color=COLORS["ink"])
    return ax
