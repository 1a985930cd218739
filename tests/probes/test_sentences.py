"""The words of notebook 05 follow its numbers, and leave out what was not measured."""

import pandas as pd

from d3s_utils.probes import sentences
from d3s_utils.probes.directions import ERASED, LEAKS


def read(probe="linear", **methods):
    rows = [
        (method, probe, direction, value)
        for method, own in methods.items()
        for direction, value in zip(LEAKS, own, strict=True)
    ]
    return pd.DataFrame(rows, columns=["method", "probe", "direction", "accuracy"]).assign(chance=10.0)


SUMMARY = read(backbone=(97.7, 60.0), hsic=(11.1, 12.0), wasserstein=(89.3, 20.0), **{"backbone" + ERASED: (9.0, 9.0)})


def test_leaks_are_ranked_by_the_larger_one_and_leace_is_no_method():
    said = sentences.leaks(SUMMARY)
    assert "in **backbone** (larger leak 97.7 %)" in said and "in **hsic** (12.0 %); guessing gives 10 %" in said
    assert said.endswith("wasserstein, leaks 89.3 % here.")
    assert "wasserstein" not in sentences.leaks(SUMMARY[SUMMARY["method"] != "wasserstein"])
    assert sentences.leaks(SUMMARY.head(0)) == "No features were read."


def test_a_change_keeps_its_sign():
    more = pd.concat([SUMMARY, read("linear, unseen images", backbone=(97.7, 60.0), hsic=(31.1, 12.0))])
    assert "most for **hsic**, by +20.0 points" in sentences.hidden(more)
    less = pd.concat([SUMMARY, read("linear, unseen images", backbone=(67.7, 30.0), hsic=(11.1, 12.0))])
    assert "most for **backbone**, by -30.0 points" in sentences.hidden(less)
    assert sentences.hidden(SUMMARY) == "No probe learned from unseen images."


def test_the_least_and_the_most_moved_are_named_beside_the_backbone():
    ratios = pd.DataFrame({"method": ["backbone", "hsic"] * 2, "features": ["fg", "fg", "bg", "bg"]})
    said = sentences.moved(ratios.assign(ratio=[0.9, 0.3, 1.5, 4.0]))
    assert "under **hsic**: 0.30" in said and "0.90 in the undisentangled backbone" in said
    assert "move 1.5 times as far" in said and "those of hsic, 4.0 times" in said
    assert "under **backbone**: 0.20" in sentences.moved(ratios.assign(ratio=[0.2, 0.3, 1.5, 4.0]))
    assert sentences.moved(ratios.assign(ratio=1.0).head(0)) == "No counterfactual was drawn."
