"""The widgets of notebook 03: mistakes cell by cell, page by page, and two models on one picture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.data.sources import Photos
from d3s_utils.evaluation.answers import best_guesses, open_classifiers
from d3s_utils.evaluation.mistakes import confident_failures, failures_by_cell, failures_of_cell
from d3s_utils.evaluation.predict import ImageSet
from d3s_utils.evaluation.sets import D3S, of_set
from d3s_utils.figures.evaluation import draw_failures
from d3s_utils.figures.mistakes import ZOO, draw_page, draw_side_by_side, of_model, worst_classes
from d3s_utils.figures.shapes import nothing
from d3s_utils.ground.run import Run
from d3s_utils.notebook.widgets.pictures import remembered, thumbnail

if TYPE_CHECKING:
    from ipywidgets import Widget

SHOWN = 6  # pictures below the table


def browse_failures(
    predictions: pd.DataFrame, load: Callable[[list[str]], np.ndarray], names: Sequence[str], per_page: int = 12
) -> Widget:
    """Leaf through the mistakes, model by model, the surest first; see `show_failures`."""
    from d3s_utils.notebook.widgets.viewer import Stepper, Viewer, choice

    failures = functools.cache(lambda model: confident_failures(of_model(predictions, model)))
    load = remembered(load, failures(ZOO)["image_id"])

    def pages(model: str) -> int:
        return -(-len(failures(model)) // per_page)

    def draw(model: str, page: int) -> Figure:
        return draw_page(failures(model), load, names, page, per_page)

    controls = {
        "model": choice("model", [ZOO, *predictions["model"].unique()]),
        "page": Stepper(last=pages(ZOO) - 1, noun="page"),
    }

    def begin(change: object) -> None:
        controls["page"].value, controls["page"].last = 0, pages(controls["model"].value) - 1

    controls["model"].observe(begin, "value")
    return Viewer(draw, controls)


def failure_table(predictions: pd.DataFrame, load: Callable[[list[str]], np.ndarray], names: Sequence[str]) -> Widget:
    """A table of pictures, class by background: a click shows what was misread there, and as what.

    Its static twins are `draw_failure_table` and `draw_failures`.

    Args:
        predictions: rows of predictions.parquet; leave out images whose label nobody accepted.
        load: image_ids to (N, S, S, 3) uint8.
        names: class names by label.
    """
    from d3s_utils.notebook.widgets.viewer import PictureTable, Viewer, choice

    models = [ZOO, *of_set(predictions, D3S)["model"].unique()]
    cells = functools.cache(lambda model: failures_by_cell(of_model(predictions, model)))
    thumbnails: dict[str, str] = {}
    load = remembered(load, confident_failures(predictions)["image_id"])
    table = PictureTable()

    def fill(model: str) -> None:
        new = [name for name in cells(model)["image_id"] if name and name not in thumbnails]
        thumbnails.update(zip(new, map(thumbnail, load(new)), strict=True))
        table.html = table_html(cells(model), names, thumbnails)

    def draw(model: str, cell: list[int]) -> Figure:
        labels, backgrounds = worst_classes(cells(model)), list(cells(model)["background"].unique())
        row, column = min(cell[0], len(labels) - 1), min(cell[1], len(backgrounds) - 1)
        found = failures_of_cell(of_model(predictions, model), labels[row], backgrounds[column]).head(SHOWN)
        if found.empty:
            return nothing(None, f"{names[labels[row]]} {backgrounds[column]}: no mistake").get_figure(root=True)
        return draw_failures(load(list(found["image_id"])), found, names, max(3, len(found)))

    controls = {"model": choice("model", models)}
    fill(ZOO)
    controls["model"].observe(lambda change: fill(change["new"]), "value")
    return Viewer(draw, {**controls, "cell": table})


def table_html(cells: pd.DataFrame, names: Sequence[str], thumbnails: dict[str, str]) -> str:
    """The table of `failure_table`, a button for each cell; the redder, the more is wrong.

    Args:
        cells: see `failures_by_cell`.
        thumbnails: address by image_id.
    """
    backgrounds = list(cells["background"].unique())
    grid = cells.set_index(["label", "background"])
    head = "".join(f"<th scope='col'>{escape(place)}</th>" for place in backgrounds)
    rows = []
    for number, label in enumerate(worst_classes(cells)):
        buttons = "".join(
            f"<td>{_button(grid, (label, place), f'{names[label]} {place}', (number, column), thumbnails)}</td>"
            for column, place in enumerate(backgrounds)
        )
        rows.append(f"<tr><th scope='row'>{escape(names[label])}</th>{buttons}</tr>")
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _button(grid: pd.DataFrame, key: tuple, name: str, place: tuple[int, int], thumbnails: dict[str, str]) -> str:
    if key not in grid.index:
        return ""
    row = grid.loc[key]
    said = escape(f"{name}: {row['share']:.0f} % of {row['n']} answers are wrong", quote=True)
    image = thumbnails.get(row["image_id"])
    picture = f"<img alt='' src='{image}'>" if image else "<div class='d3s-none'></div>"
    return (
        f"<button data-row='{place[0]}' data-column='{place[1]}' title='{said}' aria-label='{said}' "
        f"style='--share: rgb(213 94 0 / {0.6 * row['share'] / 100:.2f})'>{picture}{row['share']:.0f} %</button>"
    )


def compare_models(
    run: Run, photos: Photos, images: ImageSet, predictions: pd.DataFrame, names: Sequence[str]
) -> Widget:
    """Two models of the zoo on the same picture, with the five best classes of each; see `draw_side_by_side`.

    Args:
        photos: the run's own photographs.
        images: the D3S images.
        predictions: of the zoo; leave out images whose label nobody accepted.
        names: class names by label.
    """
    from d3s_utils.notebook.widgets.viewer import Stepper, Viewer, choice

    d3s = of_set(predictions, D3S)
    models = list(d3s["model"].unique())
    right = d3s.assign(right=d3s["guess"] == d3s["label"]).pivot(index="image_id", columns="model", values="right")
    opened = open_classifiers(run, photos, models)
    about, load = images.table.set_index("image_id"), remembered(images.load, right.index)

    def draw(one: str, other: str, which: str, number: int) -> Figure:
        shown = told_apart(right, one, other, which)
        if shown.empty:
            return nothing(None, f"{one} and {other}: {which} of no picture").get_figure(root=True)
        row, pixels = about.loc[shown[number]], load([shown[number]])
        guesses = {name: best_guesses(opened[name].logits(pixels)[0], names) for name in dict.fromkeys((one, other))}
        return draw_side_by_side(pixels[0], guesses, int(row["label"]), names, row["background"])

    controls = {
        "one": choice("one", models),
        "other": choice("other", models, models[-1]),
        "which": choice("pictures", WHICH),
        "number": Stepper(last=len(told_apart(right, models[0], models[-1], WHICH[0])) - 1),
    }

    def begin(change: object) -> None:
        found = told_apart(right, *(controls[name].value for name in ("one", "other", "which")))
        controls["number"].value, controls["number"].last = 0, len(found) - 1

    for name in ("one", "other", "which"):
        controls[name].observe(begin, "value")
    return Viewer(draw, controls)


WHICH = ("the two differ", "both wrong", "both right")


def told_apart(right: pd.DataFrame, one: str, other: str, which: str) -> pd.Index:
    """The image_ids of which one, both or none of two models is right.

    Args:
        right: whether a model (column) is right about an image (index).
        which: one of `WHICH`.
    """
    first, second = right[one].astype(bool), right[other].astype(bool)
    kept = {WHICH[0]: first != second, WHICH[1]: ~first & ~second, WHICH[2]: first & second}[which]
    return right.index[kept]
