"""The words of notebook 05 follow its numbers, and leave out what was not measured."""

import pandas as pd

from d3s_utils.probes import sentences
from d3s_utils.probes.directions import ERASED, LEAKS


def leak_of(**methods):
    rows = [
        (method, direction, "svm", value)
        for method, own in methods.items()
        for direction, value in zip(LEAKS, own, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["method", "direction", "probe", "accuracy"]).assign(chance=10.0, bits=0.5)
    return table.assign(share=(table["accuracy"] - 10) / 0.9)


LEAK = leak_of(backbone=(97.7, 60.0), hsic=(11.1, 12.0), wasserstein=(89.3, 20.0), **{"backbone" + ERASED: (9.0, 9.0)})


def test_leaks_are_ranked_by_the_larger_one_and_leace_is_no_method():
    said = sentences.leaks(LEAK, "wasserstein")
    assert "in **backbone** (97.7 % by the SVM, 97 % of the way from chance, 0.50 bits)" in said
    assert "in **hsic** (12.0 % by the SVM" in said and "guessing gives 10 %" in said
    assert "wasserstein, leaks 89.3 % by the SVM" in said
    assert "wasserstein" not in sentences.leaks(LEAK[LEAK["method"] != "wasserstein"], "wasserstein")
    assert sentences.leaks(LEAK.head(0), "wasserstein") == "No features were read."


def test_a_hidden_label_is_told_from_a_reading_that_moved_by_chance():
    points = pd.DataFrame({"method": ["a", "b@c"], "direction": LEAKS, "points": [-4.0, 9.0]})
    clear = points.assign(low=points["points"] - 2, high=points["points"] + 2)
    told = "most for **b@c**, by 9.0 points (a change of +7.0 to +11.0): a label was hidden"
    assert told in sentences.hidden(clear)
    fallen = clear[clear["method"] == "a"]
    assert "raises no reading, and lowers least that of **a**, by 4.0 points" in sentences.hidden(fallen)
    vague = points.assign(low=points["points"] - 10, high=points["points"] + 10)
    assert "no sign that a label was hidden" in sentences.hidden(vague)
    assert sentences.hidden(points.head(0)) == "No probe learned from unseen images."


def test_a_curve_that_still_rises_is_called_so():
    columns = ["method", "direction", "probe", "added", "added_low", "added_high"]
    curve = pd.DataFrame([("m", "bg_from_fg", "mlp", 0.6, -0.2, 1.4)], columns=columns)
    assert "trained for long enough: the last doubling of the steps adds +0.6" in sentences.strong_enough(curve)
    by_chance = curve.assign(added=1.4, added_low=-0.5)
    assert sentences.strong_enough(by_chance).startswith("No gain of longer training is shown: ")
    rising = pd.concat([curve.assign(added=3.0, added_low=1.1), by_chance.assign(added=3.5)])
    assert sentences.strong_enough(rising).startswith("Longer training would find more: the last doubling")
    assert "+3.0 points at most" in sentences.strong_enough(rising)
    assert sentences.strong_enough(curve.head(0)) == "No curve was measured."


def test_what_is_memorised_is_told_from_what_is_known():
    table = pd.DataFrame({"method": ["a", "b"], "probe": ["svm", "mlp"], "memorised": [30.0, 99.0], "chance": 10.0})
    said = sentences.memorised(table.assign(low=[8.0, 11.0], high=[12.0, 14.0]))
    assert "Of 2 probes of random labels 1 read chance" in said and "up to 99 % (MLP, b)" in said
    assert sentences.memorised(table.head(0)) == "No probe was given random labels."


def test_the_least_and_the_most_moved_are_named_beside_the_backbone():
    ratios = pd.DataFrame({"method": ["backbone", "hsic"] * 2, "features": ["fg", "fg", "bg", "bg"]})
    said = sentences.moved(ratios.assign(ratio=[0.9, 0.3, 1.5, 4.0]))
    assert "under **hsic**: 0.30" in said and "0.90 in the undisentangled backbone" in said
    assert "move 1.5 times as far" in said and "those of hsic, 4.0 times" in said
    assert "under **backbone**: 0.20" in sentences.moved(ratios.assign(ratio=[0.2, 0.3, 1.5, 4.0]))
    assert sentences.moved(ratios.assign(ratio=1.0).head(0)) == "No counterfactual was drawn."
