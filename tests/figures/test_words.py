"""Figures call what is shifted by the word they were told, and never call a render a photograph."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from d3s_utils.disentanglement.features import Features
from d3s_utils.evaluation.sets import ImageSet
from d3s_utils.figures import disentanglement, evaluation, generation, probes, shapes, spurious, verification
from d3s_utils.probes.directions import DIRECTIONS

COUNTRIES = ("Chile", "Japan")
CLASSES = ("daisy", "teapot")
MEASURED = {"accuracy": 50.0, "low": 40.0, "high": 60.0, "n": 20}


def rows(constants: dict, **columns) -> pd.DataFrame:
    """One row for each combination of the values in `columns`, every row with `constants`."""
    table = pd.DataFrame(list(product(*columns.values())), columns=list(columns))
    return table.assign(**constants)


QUESTIONS = ("foreground", "background", "both")
RATES = {"rate": 90.0, "low": 80.0, "high": 95.0, "n": 20}
VOTED = {"low": 80.0, "high": 95.0, "n": 20, "source": "simulated"}
CELLS = rows(
    VOTED | {"accepted": 90.0, "rule": "majority"}, question=QUESTIONS, class_name=CLASSES, background=COUNTRIES
)
GAPS = pd.DataFrame({"model": ["zoo mean", "resnet"], "natural": 90.0, "d3s": 50.0, "gap": 40.0, "low": 35, "high": 45})
PARTS = ["natural", "style", "background", "labels", "d3s"]
PROBES = rows(
    MEASURED | {"chance": 10.0},
    method=("none", "wasserstein"),
    probe=("linear", "mlp", "svm", "forest"),
    direction=[direction.id for direction in DIRECTIONS],
)
LEAK = PROBES[PROBES["probe"] == "svm"].assign(share=44.0, memorised=90.0)
CURVE = pd.concat([PROBES.assign(steps=steps, hidden=PROBES["probe"].eq("mlp") * 8) for steps in (1, 2)])
READ = rows(
    MEASURED | {"worst": 30.0},
    method=("none",),
    features=("fg", "bg", "all"),
    correlation=(0.5, 1.0),
    side=("agreeing", "disagreeing"),
)
HISTORY = pd.DataFrame({"step": range(4), "label_accuracy": 90.0, "background_accuracy": 80.0}).assign(
    fg_penalty=0.5, bg_penalty=0.4
)
IMAGES = rows({}, class_name=CLASSES, background=COUNTRIES).assign(
    label=[0, 0, 1, 1], background_index=[0, 1, 0, 1], image_id=list("abcd")
)
FEATURES = Features(*[np.arange(8.0).reshape(4, 2) ** power for power in (1, 2, 3)], None, None)

NATURAL = ImageSet("natural", IMAGES, lambda ids: np.zeros((len(ids), 4, 4, 3), np.uint8), "key")

DRAWN = {
    "two kinds": lambda: evaluation.draw_two_kinds(NATURAL, NATURAL, (0,)),
    "label cells": lambda: generation.plot_label_cells(
        rows(RATES, question=QUESTIONS, class_name=CLASSES, background=COUNTRIES)
    ),
    "label rates": lambda: generation.plot_label_rates(
        rows(RATES, question=QUESTIONS, background=COUNTRIES), "background"
    ),
    "rates by strength": lambda: generation.plot_rates_by_strength(
        rows(RATES, question=QUESTIONS, strength=(0.5, 0.9))
    ),
    "realism": lambda: generation.plot_realism(
        rows({"distance": 5.0, "low": 4.0, "high": 6.0, "n": 9, "features": "judge", "metric": "FID",
              "reference": "natural images"}, set=("photographs, held out", "D3S", "guides")), "FID"
    ),
    "diversity": lambda: generation.plot_diversity(
        rows({"distance": 90.0, "low": 80.0, "high": 99.0},
             set=("photographs, held out", "D3S"), within=("class", "cell"))
    ),
    "acceptance by rule": lambda: verification.plot_acceptance_by_rule(
        rows(VOTED | {"accepted": 90.0}, rule=("unanimity", "majority"), question=QUESTIONS)
    ),
    "paper rule": lambda: verification.plot_paper_rule(
        rows(VOTED | {"accepted": 90.0, "asked": 40.0}, way=("the paper's rule", "majority")), paper=85.0
    ),
    "acceptance by votes": lambda: verification.plot_acceptance_by_votes(
        rows(VOTED | {"accepted": 90.0}, at_least=(1, 2), question=QUESTIONS)
    ),
    "acceptance heatmap": lambda: verification.plot_acceptance_heatmap(CELLS),
    "agreement": lambda: verification.plot_agreement(
        rows(VOTED | {"alpha": 0.5, "pairs_agree": 90.0}, question=QUESTIONS[:2])
    ),
    "worker quality": lambda: verification.plot_worker_quality(
        rows(VOTED | {"error": 3.0, "planted": 2.0, "kind": "careful"}, question=QUESTIONS[:2], worker_id=("a", "b"))
    ),
    "examples": lambda: verification.draw_examples(
        np.zeros((4, 4, 4, 3), np.uint8),
        IMAGES.assign(verdict="accepted by all", p_foreground=1.0, p_background=0.5, source="local"), 4,
    ),
    "training": lambda: evaluation.plot_training(rows({"accuracy": 90.0}, model=("resnet",), epoch=(1, 2))),
    "scatter": lambda: evaluation.plot_natural_against_d3s(
        GAPS, rows(MEASURED, model=("zoo mean", "resnet"), dataset=("natural", "d3s"))
    ),
    "gaps": lambda: evaluation.plot_gaps(GAPS),
    "by background": lambda: evaluation.plot_by_background(
        rows(MEASURED, dataset=("natural-uniform", "d3s"), background=COUNTRIES)
    ),
    "class gaps": lambda: evaluation.plot_class_gaps(GAPS.rename(columns={"model": "class_name"})),
    "cells": lambda: evaluation.plot_cells(
        pd.DataFrame(50.0, index=CLASSES, columns=COUNTRIES), pd.Series(dtype=object)
    ),
    "pull": lambda: evaluation.plot_background_pull(
        pd.DataFrame({"model": ["resnet"], "share": 80.0, "low": 70.0, "high": 90.0, "chance": 10.0})
    ),
    "habit curve": lambda: evaluation.plot_habit_curve(
        rows(MEASURED, habit=(0.1, 0.9), images=("natural", "d3s", "d3s, unusual"))
    ),
    "decomposition": lambda: evaluation.plot_decomposition(
        pd.DataFrame({"part": PARTS, "points": [90.0, 5.0, 30.0, 5.0, 50.0], "low": 1.0, "high": 99.0})
    ),
    "two by two": lambda: evaluation.plot_two_by_two(
        rows(MEASURED, style=("natural", "generated"), background=("habitual", "uniform"))
    ),
    "head curves": lambda: disentanglement.plot_head_curves(HISTORY),
    "penalty curves": lambda: disentanglement.draw_training({"hsic": HISTORY}),
    "heads": lambda: disentanglement.plot_head_accuracy(rows(MEASURED, method=("hsic",), head=("label", "background"))),
    "maps": lambda: disentanglement.draw_maps(FEATURES, IMAGES, "hsic"),
    "directions": lambda: probes.draw_directions(PROBES, {}, "hsic"),
    "leaks": lambda: probes.plot_leakage(PROBES),
    "strongest": lambda: probes.plot_strongest(LEAK),
    "strength": lambda: probes.draw_strength(CURVE[CURVE["probe"].isin(["linear", "mlp"])]),
    "controls": lambda: probes.plot_controls(LEAK[LEAK["direction"].isin(["bg_from_fg", "fg_from_bg"])]),
    "unseen": lambda: probes.plot_unseen(
        pd.concat([LEAK.assign(learned=learned) for learned in ("training images", "unseen images")])
    ),
    "movement": lambda: probes.plot_movement(
        rows({"ratio": 1.0, "low": 0.5, "high": 2.0}, method=("hsic",), features=("fg", "bg"))
    ),
    "dial": lambda: spurious.plot_dial(READ, [("none", "fg"), ("none", "bg")], chance=10.0),
    "sides": lambda: spurious.plot_sides(READ[READ["correlation"] == 1.0], chance=10.0),
    "loudness": lambda: spurious.plot_loudness(READ.assign(loudness=READ["correlation"]), chance=10.0),
}  # fmt: skip
SAY_IT = {
    "label rates": "country",
    "rates by strength": "country",
    "diversity": "two images of one class on one country",
    "acceptance by rule": "country",
    "acceptance by votes": "country",
    "agreement": "country (90 % of pairs agree)",
    "worker quality": "country",
    "by background": "Some countries are harder than others",
    "class gaps": "Which classes rest on their country?",
    "habit curve": "D3S, unusual countries",
    "decomposition": "unusual\ncountry",
    "two by two": "any country alike",
    "head curves": "country, from country features",
    "heads": "country, from country features",
    "penalty curves": "class in country features",
    "maps": "country features,\ncoloured by country",
    "directions": "country from foreground features",
    "movement": "country features",
    "dial": "none, country features",
    "sides": "When class and country always went together",
    "loudness": "country part multiplied by (1: both parts of equal variance)",
}


@pytest.fixture(autouse=True)
def one_word():
    yield
    shapes.use_word("background")
    plt.close("all")


def texts(drawn) -> set[str]:
    figure = drawn if isinstance(drawn, plt.Figure) else drawn.get_figure(root=True)
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_says_country_where_countries_are_shifted(name):
    shapes.use_word("country")
    said = texts(DRAWN[name]())
    assert not [text for text in said if "background" in text.lower() or "photograph" in text.lower()]
    assert SAY_IT.get(name, "") in said | {""}


def test_where_nobody_says_otherwise_a_background_is_shifted():
    assert "Which classes rest on their background?" in texts(DRAWN["class gaps"]())


def test_a_word_has_its_plural():
    shapes.use_word("decade")
    assert shapes.worded("{background}, {backgrounds}") == "decade, decades"
