"""The words of notebook 03 follow its numbers, with staged images and without."""

import numpy as np
import pandas as pd

from d3s_utils.evaluation import sentences
from d3s_utils.evaluation.gaps import ZOO_MEAN


def gaps(gap, model=ZOO_MEAN):
    table = pd.DataFrame({"model": [model], "natural": 90.0, "d3s": 90.0 - gap, "gap": gap})
    return table.assign(low=gap - 3, high=gap + 3)


def parts(**points):
    given = {"natural": 90.0, "style": -2.0, "background": 40.0, "labels": 2.0, "d3s": 50.0} | points
    return pd.DataFrame({"model": ZOO_MEAN, "part": list(given), "points": list(given.values())})


def test_a_loss_is_called_a_loss_and_a_gain_a_gain():
    said = sentences.lost(gaps(47.1))
    assert "**90.0 %** of its own held-out natural images and **42.9 %** of D3S: it loses **47.1 points**" in said
    assert "44.1 to 50.1" in said
    assert "it gains **5.0 points** (95 % interval of the loss: -8.0 to -2.0)" in sentences.lost(gaps(-5.0))
    assert sentences.lost(gaps(1.0).head(0)) == "No model was asked."


def test_the_hardest_background_is_that_of_d3s_and_not_of_natural_images():
    table = pd.DataFrame(
        {"dataset": ["d3s", "d3s", "natural-uniform"], "background": ["in snow", "at night", "in rain"]}
    )
    table = table.assign(accuracy=[60.0, 35.0, 5.0])
    said = sentences.hardest(table)
    assert "**at night** (35.0 %)" in said and "**in snow** (60.0 %): 25.0 points" in said
    assert "one background" in sentences.hardest(table.iloc[:1])


def test_the_control_is_held_against_the_zoo_and_may_be_missing():
    said = sentences.control(gaps(-1.4, "resnet@uniform"), gaps(47.1))
    assert (
        said.startswith("Without habit, resnet names 90.0 %") and "gains **1.4 points**" in said and "lost 47.1" in said
    )
    assert sentences.control(gaps(1.0).head(0), gaps(47.1)).startswith("No model was trained without habit")


def test_the_parts_of_the_drop_are_told_with_what_is_known():
    accuracies = pd.DataFrame({"model": ZOO_MEAN, "dataset": ["natural", "natural-uniform"], "accuracy": [90.0, 52.0]})
    said = sentences.decomposed(parts(), accuracies, "simulated annotators")
    assert "Of 40.0 points the style takes -2.0, the unusual background **40.0** and wrong labels 2.0" in said
    assert "by simulated annotators" in said and said.endswith("the price of the background at 38.0 points.")
    assert "Staged" not in sentences.decomposed(parts(), accuracies.iloc[:1], "MTurk workers")
    unknown = sentences.decomposed(parts(style=np.nan, background=np.nan), accuracies.iloc[:1], "MTurk workers")
    assert "is not known" in unknown and "wrong labels take 2.0" in unknown and "nan" not in unknown
