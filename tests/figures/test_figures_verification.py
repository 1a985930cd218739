"""Every figure of notebook 02 says who voted, draws from its table alone, and survives tables with little in them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from d3s_utils.figures import verification as figures
from d3s_utils.ground.settings import Verification
from d3s_utils.verification import acceptance, agreement, annotators, effort, verdict_errors
from d3s_utils.verification.rules import verify
from d3s_utils.verification.simulated import simulate_votes, simulated_workers

SETTINGS = Verification(workers=6, error_low=0.02, error_high=0.2)


@pytest.fixture(autouse=True)
def house_style():
    with plt.rc_context():
        yield
    plt.close("all")


def toy(n, source="simulated"):
    """`n` images of two classes on two backgrounds, one in five wrong; what is seen, the votes, and the verdicts."""
    images = pd.DataFrame({"image_id": [f"val-{i:03d}" for i in range(n)]})
    images["class_name"] = np.resize(["daisy", "teapot"], n)
    images["background"] = np.resize(["in snow", "in snow", "at night", "at night"], n)
    seen = pd.DataFrame({"image_id": images["image_id"], "foreground": 0.9, "background": 0.9, "adult": 0.0})
    seen.loc[::5, "foreground"] = 0.1
    votes = simulate_votes(seen, SETTINGS, seed=0).assign(source=source)
    return images, seen, votes, verify(votes, images["image_id"])


def draw_all(n, source="simulated"):
    """Every axis-level figure by name."""
    images, seen, votes, verified = toy(n, source)
    labelled = verified.merge(images, on="image_id")
    majority = labelled[labelled["rule"] == "majority"]
    planted = simulated_workers(SETTINGS, seed=0) if source == "simulated" else None
    return {
        "rules": figures.plot_acceptance_by_rule(acceptance.acceptance_table(verified), paper=85.0),
        "cells": figures.plot_acceptance_heatmap(acceptance.acceptance_table(majority, "class_name", "background")),
        "votes": figures.plot_acceptance_by_votes(acceptance.acceptance_by_votes(votes)),
        "errors": figures.plot_rule_errors(verdict_errors.rule_errors(verified, seen)),
        "agreement": figures.plot_agreement(agreement.agreement_table(votes)),
        "workers": figures.plot_worker_quality(annotators.worker_quality(votes, verified, planted)),
        "numbers": figures.plot_by_workers(effort.by_workers(votes)),
        "stops": figures.plot_early_stopping(effort.early_stopping(votes)),
        "gold": figures.plot_gold(
            annotators.gold_quality(votes.assign(truth=np.resize(["yes", "no"], len(votes))), 0.7), 0.7
        ),
    }


@pytest.mark.parametrize("n", [1, 3, 40])
def test_every_title_says_that_the_annotators_are_simulated(n):
    for name, ax in draw_all(n).items():
        assert "simulated annotators" in ax.get_title(loc="left"), name


def test_people_are_not_called_simulated():
    for name, ax in draw_all(8, source="mturk").items():
        title = ax.get_title(loc="left")
        assert "MTurk workers" in title and "simulated" not in title, name


def test_a_figure_draws_on_the_axis_it_is_given():
    _, _, votes, _ = toy(8)
    ax = plt.subplots()[1]
    assert figures.plot_acceptance_by_votes(acceptance.acceptance_by_votes(votes), ax) is ax


def test_dots_stand_where_the_table_says():
    verified = toy(40)[3]
    table = acceptance.acceptance_table(verified)
    drawn = {line.get_label(): line.get_xdata() for line in figures.plot_acceptance_by_rule(table).get_lines()}
    np.testing.assert_allclose(drawn["foreground"], table.query("question == 'foreground'")["accepted"])


def test_examples_show_each_verdict_in_a_row_of_its_own_and_pad_short_rows():
    images, _, _, verified = toy(40)
    examples = acceptance.pick_examples(verified.merge(images, on="image_id"), key=(0,), columns=5)
    assert examples.groupby("verdict", observed=True).size().max() == 5
    pictures = np.zeros((len(examples), 8, 8, 3), np.uint8)
    figure = figures.draw_examples(pictures, examples, columns=5)
    assert len(figure.axes[0].images) == 5 * examples["verdict"].nunique()
    assert "simulated annotators" in figure.get_suptitle()
