"""Figures of notebook 03 that show pictures: mistakes cell by cell, and two models on one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.evaluation.mistakes import confident_failures
from d3s_utils.figures.evaluation import draw_failures
from d3s_utils.figures.shapes import COLORS, image_grid, nothing

ZOO = "the whole zoo"
MOST = 10  # classes in a table of pictures


def show_failures(
    predictions: pd.DataFrame,
    load: Callable[[list[str]], np.ndarray],
    names: Sequence[str],
    model: str = ZOO,
    page: int = 0,
    per_page: int = 12,
) -> Figure:
    """One page of the surest mistakes of `model` on D3S, or of those that fool most of the zoo; closed.

    Beyond the last page there is the last page.

    Args:
        predictions: rows of predictions.parquet; leave out images whose label nobody accepted.
        load: image_ids to (N, S, S, 3) uint8.
        names: class names by label.
    """
    return draw_page(confident_failures(of_model(predictions, model)), load, names, page, per_page)


def draw_page(
    failures: pd.DataFrame, load: Callable[[list[str]], np.ndarray], names: Sequence[str], page: int, per_page: int
) -> Figure:
    """As `show_failures`, of `mistakes.confident_failures`."""
    page = min(page, max(0, len(failures) - 1) // per_page)
    shown = failures.iloc[page * per_page : (page + 1) * per_page]
    figure = draw_failures(load(list(shown["image_id"])), shown, names, max(3, min(6, len(shown))))
    plt.close(figure)
    return figure


def of_model(predictions: pd.DataFrame, model: str) -> pd.DataFrame:
    """The rows of `model`, or all of them for `ZOO`."""
    return predictions if model == ZOO else predictions[predictions["model"] == model]


def worst_classes(cells: pd.DataFrame, most: int = MOST) -> list[int]:
    """The labels that are misread most, the worst first.

    Args:
        cells: see `mistakes.failures_by_cell`.
    """
    share = cells.groupby("label")["share"].mean().sort_values(ascending=False, kind="stable")
    return [int(label) for label in share.index[:most]]


def draw_failure_table(
    cells: pd.DataFrame, load: Callable[[list[str]], np.ndarray], names: Sequence[str], title: str | None = None
) -> Figure:
    """Of each class (row, the worst on top) on each background the surest mistake, with the share that is wrong.

    Args:
        cells: see `mistakes.failures_by_cell`.
        load: image_ids to (N, S, S, 3) uint8.
        names: class names by label.
    """
    labels, backgrounds = worst_classes(cells), list(cells["background"].unique())
    grid = cells.set_index(["label", "background"])
    rows = [
        grid.loc[(label, place)] if (label, place) in grid.index else None for label in labels for place in backgrounds
    ]
    ids = [row["image_id"] for row in rows if row is not None and row["image_id"]]
    pictures = dict(zip(ids, load(ids), strict=True)) if ids else {}
    blank = np.full((8, 8, 3), 240, np.uint8)
    shown = [blank if row is None else pictures.get(row["image_id"], blank) for row in rows]
    titles = ["" if row is None else f"{row['share']:.0f} %" for row in rows]
    titles[: len(backgrounds)] = [f"{place}\n{text}" for place, text in zip(backgrounds, titles, strict=False)]
    return image_grid(
        shown, titles, len(backgrounds), row_titles=[names[label] for label in labels], side=0.9, title=title
    )


def draw_side_by_side(
    image: np.ndarray, guesses: Mapping[str, pd.DataFrame], label: int, names: Sequence[str], background: str
) -> Figure:
    """One picture, and beside it what each model sees in it: its five best classes, the right one in green.

    Args:
        image: (S, S, 3) uint8.
        guesses: see `answers.best_guesses`, by model.
        label: the right class.
        names: class names by label.
    """
    if not guesses:
        return nothing(None, "no model to ask").get_figure(root=True)
    figure = plt.figure(figsize=(2.6 + 2.5 * len(guesses), 2.9))
    left, *others = figure.subplots(1, 1 + len(guesses), width_ratios=[1.0, *[1.0] * len(guesses)])
    left.imshow(image, interpolation="none")
    left.set_axis_off()
    left.set_title(f"{names[label]}\n{background}", fontsize=10)
    for ax, (model, rows) in zip(others, guesses.items(), strict=True):
        colors = [COLORS["good"] if own == label else COLORS["chance"] for own in rows["label"]]
        ax.barh(range(len(rows)), 100 * rows["p"], color=colors, height=0.86, alpha=0.55)
        for number, row in enumerate(rows.itertuples()):
            ax.text(2, number, f"{row.class_name} {100 * row.p:.0f} %", va="center", fontsize=9)
        right = rows["label"].iloc[0] == label
        ax.set_title(f"{model}: {'right' if right else 'wrong'}", fontsize=10, color=COLORS["good" if right else "bad"])
        ax.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), yticks=[], xticks=[])
        ax.spines[:].set_visible(False)
    return figure
