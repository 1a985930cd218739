"""The widget of notebook 06: the dial, with what heads learn from and what they say."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from d3s_utils.figures.shapes import label_name, new_axis
from d3s_utils.figures.spurious import draw_dial_examples, plot_dial
from d3s_utils.generation.dataset import load_images
from d3s_utils.notebook.widgets.pictures import remembered
from d3s_utils.spurious.shown import dial_examples
from d3s_utils.spurious.task import reader_name

if TYPE_CHECKING:
    from ipywidgets import Widget


def turn_dial(
    images: pd.DataFrame,
    guesses: pd.DataFrame,
    summary: pd.DataFrame,
    readers: Sequence[tuple[str, str]],
    folder: Path,
    seed: int,
) -> Widget:
    """Turn the correlation, for one of the readers; see `plot_dial` and `draw_dial_examples`.

    Args:
        images, guesses: see `spurious_task`.
        summary: see `summarise`.
        readers: methods and kinds of features.
        folder: the run's dataset.
        seed: the profile's.
    """
    from d3s_utils.notebook.widgets.viewer import Viewer, choice, steps

    own = {reader: rows for reader, rows in guesses.groupby(["method", "features"]) if reader in readers}
    readers = [reader for reader in readers if reader in own]
    correlations = sorted(guesses["correlation"].unique())
    examples = functools.cache(lambda reader, at: dial_examples(images, own[reader], at, seed))
    every = [name for reader in readers for at in correlations for name in examples(reader, at)["image_id"]]
    load = remembered(lambda ids: load_images(folder, ids)[0], list(dict.fromkeys(every)))
    names = images.groupby("label")["class_name"].first()
    chance = 100 / images["label"].nunique()

    def draw(reader: tuple[str, str], correlation: float) -> list[Figure]:
        shown = examples(reader, correlation)
        ax = plot_dial(summary, [reader], new_axis(width=6.4, height=3.8), chance=chance, at=correlation)
        return [draw_dial_examples(load(list(shown["image_id"])), shown, names), ax.get_figure(root=True)]

    words = label_name("background")
    controls = {
        "reader": choice("head on", [(reader_name(*reader, words), reader) for reader in readers]),
        "correlation": steps("correlation", correlations, correlations[-1]),
    }
    return Viewer(draw, controls)
