"""Things to click in a notebook: each a thin skin over a plain function that draws one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.evaluation.mistakes import confident_failures
from d3s_utils.figures.evaluation import draw_failures
from d3s_utils.figures.shapes import image_grid
from d3s_utils.generation.samples import Samples
from d3s_utils.ground.errors import D3SError

if TYPE_CHECKING:
    from ipywidgets import Widget


def show_sample(samples: Samples, class_name: str, background: str, index: int = 0) -> Figure:
    """Guide and image of one cell's image number `index`, side by side under their prompt; closed, for one display.

    Raises:
        D3SError: there is no such image among the samples.
    """
    rows = samples.rows
    cell = rows.index[(rows["class_name"] == class_name) & (rows["background"] == background)]
    if not 0 <= index < len(cell):
        raise D3SError(f"The samples hold {len(cell)} images of {class_name} {background}; there is no number {index}.")
    position = rows.index.get_loc(cell[index])
    row = rows.iloc[position]
    title = "\n".join(textwrap.wrap(row["prompt"], 62))
    figure = image_grid([samples.guides[position], samples.images[position]], titles=["guide", "image"], side=2.6)
    figure.suptitle(title, fontsize=10, fontweight="normal")
    figure.supxlabel(f"{row['image_id']} · strength {row['strength']:g}", fontsize=9)
    figure.set_size_inches(5.4, 3.6)
    plt.close(figure)
    return figure


def inspect_samples(samples: Samples) -> Widget:
    """Leaf through the samples by class, background and number."""
    from ipywidgets import BoundedIntText, Dropdown, fixed, interactive

    most = samples.rows.groupby(["class_name", "background"]).size().max() - 1
    return interactive(
        show_sample,
        samples=fixed(samples),
        class_name=Dropdown(options=list(samples.rows["class_name"].unique()), description="class"),
        background=Dropdown(options=list(samples.rows["background"].unique()), description="background"),
        index=BoundedIntText(value=0, min=0, max=int(most), description="number"),
    )


ZOO = "the whole zoo"


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
    failures = confident_failures(predictions if model == ZOO else predictions[predictions["model"] == model])
    page = min(page, max(0, len(failures) - 1) // per_page)
    shown = failures.iloc[page * per_page : (page + 1) * per_page]
    figure = draw_failures(load(list(shown["image_id"])), shown, names)
    plt.close(figure)
    return figure


def browse_failures(
    predictions: pd.DataFrame, load: Callable[[list[str]], np.ndarray], names: Sequence[str], per_page: int = 12
) -> Widget:
    """Leaf through the mistakes, model by model, the surest first."""
    from ipywidgets import BoundedIntText, Dropdown, fixed, interactive

    pages = -(-len(confident_failures(predictions)) // per_page)
    return interactive(
        show_failures,
        predictions=fixed(predictions),
        load=fixed(load),
        names=fixed(names),
        model=Dropdown(options=[ZOO, *predictions["model"].unique()], description="model"),
        page=BoundedIntText(value=0, min=0, max=max(0, pages - 1), description="page"),
        per_page=fixed(per_page),
    )
