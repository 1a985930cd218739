"""Figures draw what their table says, legibly, from 3 classes on 2 backgrounds to 1 000 on 10, whatever the names."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from d3s_utils.disentanglement.features import Features
from d3s_utils.evaluation.sets import SETS
from d3s_utils.figures import disentanglement, evaluation, shapes

SIZES = [(3, 2), (10, 10), (1000, 10)]
MODELS = 34
EVIL = ["$^$", "_under_score", "50 %", 'it\'s "it"', "{background}"]
WIDE = ["日本", "🎈"]  # drawn where a font has them
LABELS = 2 * shapes.ENDS + 1  # names of many classes, with that of the cloud


pytestmark = pytest.mark.filterwarnings("error")  # a notebook shows none


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def named(kind: str, count: int) -> list[str]:
    return [*EVIL, *(f"{kind} {number}" for number in range(count))][:count]


def measured(value: str, **columns) -> pd.DataFrame:
    """One row per combination, its value between `low` and `high`."""
    table = pd.MultiIndex.from_product(columns.values(), names=list(columns)).to_frame(index=False)
    values = np.random.default_rng(0).uniform(20, 80, len(table))
    return table.assign(**{value: values, "low": values - 5, "high": values + 6, "n": 10, "chance": 10.0})


def gaps(by: str, count: int) -> pd.DataFrame:
    table = measured("gap", **{by: named(by, count)}).assign(natural=90.0)
    return table.assign(d3s=table["natural"] - table["gap"])


def grid(classes: int, backgrounds: int) -> pd.DataFrame:
    values = np.random.default_rng(0).uniform(0, 100, (classes, backgrounds))
    return pd.DataFrame(values, index=named("class", classes), columns=named("place", backgrounds))


def accuracies(models: list[str]) -> pd.DataFrame:
    return measured("accuracy", model=models, dataset=["natural", "d3s"])


def history(seed: int = 0) -> pd.DataFrame:
    steps = np.arange(40.0)
    table = pd.DataFrame({"step": steps, "label_accuracy": 60 + steps, "background_accuracy": 55 + steps})
    return table.assign(fg_penalty=np.exp(-steps / 9) * 10**seed, bg_penalty=0.3 * 10**seed)


def maps(classes: int, backgrounds: int):
    images = grid(classes, backgrounds).stack().reset_index().set_axis(["class_name", "background", "x"], axis=1)
    for name, code in (("class_name", "label"), ("background", "background_index")):
        images[code] = pd.factorize(images[name])[0]
    parts = np.random.default_rng(0).normal(size=(2, len(images), 3))
    return disentanglement.draw_maps(Features(np.arange(len(images)), *parts, None, None), images, "hsic")


BY_CLASS = {
    "class gaps": lambda classes, _: evaluation.plot_class_gaps(gaps("class_name", classes)),
    "cells": lambda classes, places: evaluation.plot_cells(
        grid(classes, places), pd.Series("place 5", index=named("class", classes))
    ),
    "confusion": lambda classes, _: evaluation.plot_confusion(grid(classes, classes).iloc[:, :40], title="$x$"),
    "guesses": lambda classes, places: evaluation.plot_confusion(grid(places, classes), title="$x$"),
    "by background": lambda _, places: evaluation.plot_by_background(
        measured("accuracy", dataset=list(SETS), background=named("place", places))
    ),
    "maps": maps,
}
BY_MODEL = {
    "training": lambda models: evaluation.plot_training(measured("accuracy", model=models, epoch=range(1, 4))),
    "scatter": lambda models: evaluation.plot_natural_against_d3s(
        gaps("model", len(models)).assign(model=models), accuracies(models)
    ),
    "gaps": lambda models: evaluation.plot_gaps(gaps("model", len(models)).assign(model=models), target=20),
    "pull": lambda models: evaluation.plot_background_pull(measured("share", model=models)),
    "heads": lambda models: disentanglement.plot_head_accuracy(
        measured("accuracy", method=models, head=["label", "background"])
    ),
}
PARTS = ["natural", "style", "background", "labels", "d3s"]
OTHERS = {
    "habit": lambda: evaluation.plot_habit_curve(
        measured("accuracy", habit=[0.1, 0.9], images=list(evaluation.CURVES)), model="$^$"
    ),
    "decomposition": lambda: evaluation.plot_decomposition(
        pd.DataFrame({"part": PARTS, "points": [90.0, -4.0, 50.0, 2.0, 42.0]}).assign(low=1.0, high=99.0)
    ),
    "two by two": lambda: evaluation.plot_two_by_two(
        measured("accuracy", style=["natural", "generated"], background=["habitual", "uniform"])
    ),
    "rules": lambda: evaluation.plot_rules(measured("accuracy", rule=["all images", "majority"]), voters="$^$"),
    "audit": lambda: evaluation.plot_audit(measured("error", part=list(evaluation.AUDIT_PARTS)).assign(share=30.0)),
    "curves": lambda: disentanglement.draw_training(
        {"none": history()[["step", "label_accuracy", "background_accuracy"]], "$^$": history(1), "_c": history(3)}
    ),
}


def drawn(what) -> plt.Figure:
    """The figure, drawn; none of its axes has collapsed."""
    figure = what if isinstance(what, plt.Figure) else what.get_figure(root=True)
    figure.set_dpi(40)
    figure.canvas.draw()
    for ax in (ax for ax in figure.axes if ax.get_label() != "<colorbar>"):
        box = ax.get_window_extent()
        assert box.width > 20 and box.height > 20, "axes collapsed"
    return figure


def ticks(ax) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.parametrize("classes, backgrounds", SIZES)
@pytest.mark.parametrize("name", BY_CLASS)
def test_a_figure_by_class_is_legible_at_every_size(name, classes, backgrounds):
    figure = drawn(BY_CLASS[name](classes, backgrounds))
    for ax in figure.axes:
        assert len(ax.get_yticklabels()) <= shapes.MOST and len(ax.get_xticklabels()) <= shapes.MOST
        assert len(ax.texts) <= shapes.MOST**2


@pytest.mark.parametrize("name", BY_MODEL)
def test_a_figure_by_model_names_every_model_once(name):
    models = named("model", MODELS)
    figure = drawn(BY_MODEL[name](models))
    said = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    for model in models:
        assert sum(text == model or text.startswith(f"{model}  ") for text in said) == 1, model
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts if text.get_text() in models]
    assert not any(a.y0 < (b.y0 + b.y1) / 2 < a.y1 for a in boxes for b in boxes if a is not b), "names overlap"


@pytest.mark.parametrize("name", OTHERS)
def test_other_figures_are_drawn_without_a_warning(name):
    drawn(OTHERS[name]())


@pytest.mark.parametrize("classes", [3, 10, 1000])
def test_dots_and_bars_are_the_table_s(classes):
    table = measured("share", name=named("class", classes)).sort_values("share", ascending=False)
    ax = shapes.dots(table, "name", "share")
    kept = table if classes <= shapes.MOST else pd.concat([table.head(shapes.ENDS), table.tail(shapes.ENDS)])
    lines = [line for line in ax.lines if len(line.get_xdata())]
    np.testing.assert_allclose(lines[0].get_xdata()[np.isfinite(lines[0].get_xdata())], kept["share"])
    spans = [sorted(line.get_xdata()) for line in lines[1:] if np.isfinite(line.get_xdata()).all()]
    np.testing.assert_allclose(spans, kept[["low", "high"]])
    crowd = [x for dots in ax.collections for x in dots.get_offsets()[:, 0]]
    assert len(kept) + len(crowd) == classes and set(np.round(crowd, 6)) <= set(np.round(table["share"], 6))
    assert len(ticks(ax)) == min(classes, LABELS) and ticks(ax)[0] == table["name"].iloc[0]


def test_bands_and_lines_are_the_table_s():
    table = measured("share", x=[0.0, 0.5, 1.0], set=["_a", "$b$"])
    ax = shapes.bands(table, "x", "share", hue="set", palette={"$b$": "C0", "_a": "C1", "absent": "C2"})
    for line, band, name in zip(ax.lines, ax.collections, ["$b$", "_a"], strict=True):
        own = table[table["set"] == name]
        np.testing.assert_allclose(line.get_xydata(), own[["x", "share"]])
        found = band.get_paths()[0].vertices[:, 1]
        assert {*np.round(own["low"], 6), *np.round(own["high"], 6)} == set(np.round(found, 6))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["$b$", "_a"]


def test_a_heat_map_of_many_rows_writes_no_numbers():
    small, large = shapes.heatmap(grid(10, 10)), shapes.heatmap(grid(1000, 10))
    assert len(small.texts) == 100 and not large.texts and len(ticks(large)) <= 20
    np.testing.assert_allclose(large.collections[0].get_array().reshape(1000, 10), grid(1000, 10))


def test_a_short_axis_says_so():
    table = measured("accuracy", name=["a", "b"]).assign(low=50, high=58)
    assert "from 45 to 60" in shapes.zoom(shapes.dots(table, "name"), table).get_xlabel()
    assert "from" not in shapes.zoom(shapes.dots(table, "name"), table.assign(low=3, high=80)).get_xlabel()


@pytest.mark.parametrize("name", [*EVIL, *WIDE])
def test_names_are_shown_as_they_are(name):
    warnings.filterwarnings("ignore", "Glyph")  # where no font has it, a box stands for it
    ax = shapes.dots(measured("share", name=[name, "daisy"], set=[name, "b"]), "name", "share", hue="set",
                     palette={name: "C0", "b": "C1"})  # fmt: skip
    shapes.legend_below(ax).set_title(name)
    said = [text.get_text() for text in drawn(ax).findobj(Text)]
    assert said.count(name) >= 3
    assert not any(text.get_parse_math() for text in ax.findobj(Text))
    drawn(shapes.image_grid([np.zeros((4, 4, 3), np.uint8)] * 2, [name, name], 2, row_titles=[name], title=name))
    drawn(shapes.heatmap(pd.DataFrame(1.0, index=[name, "b"], columns=[name, "c"])))
