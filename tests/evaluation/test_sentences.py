"""The words of notebook 03 follow its numbers, with staged images and without."""

import numpy as np
import pandas as pd

from d3s_utils.evaluation import sentences
from d3s_utils.evaluation.decomposition import BACKGROUND_FIRST, SHAPLEY, STYLE_FIRST
from d3s_utils.evaluation.gaps import ZOO_MEAN


def gaps(gap, model=ZOO_MEAN):
    table = pd.DataFrame({"model": [model], "natural": 90.0, "d3s": 90.0 - gap, "gap": gap})
    return table.assign(low=gap - 3, high=gap + 3)


def parts(style=(-2.0, -6.0), background=(38.0, 42.0)):
    """Style and background in both orders, the style changed first in the first of them."""
    orders = (STYLE_FIRST, BACKGROUND_FIRST, SHAPLEY)
    rows = [
        ("natural", "", 90.0),
        ("labels", "", 4.0),
        ("d3s", "", 50.0),
        ("interaction", "", background[1] - background[0]),
    ]
    for part, own in (("style", style), ("background", background)):
        rows += [(part, order, points) for order, points in zip(orders, (*own, np.mean(own)), strict=True)]
    table = pd.DataFrame(rows, columns=["part", "order", "points"])
    return table.assign(model=ZOO_MEAN, low=table["points"] - 1, high=table["points"] + 1)


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


def test_the_parts_of_the_drop_are_told_in_both_orders_with_what_is_known():
    said = sentences.decomposed(parts(), "simulated annotators")
    assert said.startswith("Of 40.0 points the unusual background takes **40.0 points (39.0 to 41.0)**")
    assert "the style -4.0 points (-5.0 to -3.0) and wrong labels 4.0 (acceptance by simulated annotators)" in said
    assert "style changed first the background costs 38.0 and the style -2.0" in said
    assert "background changed first 42.0 and -6.0" in said
    assert said.endswith("their interaction, 4.0 points (3.0 to 5.0).")
    unknown = sentences.decomposed(parts((np.nan,) * 2, (np.nan,) * 2), "MTurk workers")
    assert "is not known" in unknown and "wrong labels take 4.0" in unknown and "nan" not in unknown
