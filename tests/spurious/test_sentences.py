"""The words of notebook 06 follow its numbers, and leave out heads that were not trained."""

import pandas as pd

from d3s_utils.spurious import sentences


def table(*rows):
    return pd.DataFrame(rows, columns=["method", "features", "correlation", "side", "accuracy"])


FULL = table(
    ("backbone", "fg", 1.0, "agreeing", 99.0),
    ("backbone", "fg", 1.0, "disagreeing", 60.0),
    ("backbone", "all", 1.0, "disagreeing", 3.0),
    ("hsic", "fg", 1.0, "agreeing", 98.0),
    ("hsic", "fg", 1.0, "disagreeing", 97.0),
)
HALF = FULL.assign(correlation=0.5, accuracy=[99.0, 95.0, 90.0, 98.0, 97.5])
GAINED = pd.DataFrame([("hsic", 94.0, 91.0, 96.5)], columns=["method", "gain", "low", "high"])
PLAIN_ROW = table(("plain", "all", 1.0, "disagreeing", 31.0))


def test_the_method_that_holds_best_is_told_with_the_network_that_never_saw_the_images():
    said = sentences.held(pd.concat([FULL, PLAIN_ROW]), GAINED, chance=10.0)
    assert "**hsic**: 97.0 % where class and background disagree, 98.0 % where they agree" in said
    assert "All features of the plain network, which never saw a D3S image, get 31.0 % there" in said
    assert "a difference of 94.0 points (91.0 to 96.5). Guessing would give 10 %." in said
    assert "under **backbone**" in sentences.held(FULL[FULL["method"] == "backbone"], GAINED, chance=10.0)
    one_side = FULL[FULL["side"] == "agreeing"]
    assert sentences.held(one_side, GAINED, chance=10.0) == "No test image disagrees with the pairing."


def test_a_backbone_in_the_place_of_a_plain_network_is_said_to_be_one():
    said = sentences.held(FULL, GAINED, chance=10.0)
    assert "All features of the backbone, which has seen D3S and both labels" in said
    assert "this run has no plain network, get 3.0 %" in said
    assert "All features" not in sentences.held(FULL, GAINED.head(0), chance=10.0)


def test_what_is_tied_is_counted():
    images = pd.DataFrame({"label": [0, 1, 0], "background_index": [0, 1, 2]})
    classes = pd.DataFrame({"label": range(4)})
    assert sentences.tied(classes, images, None) == "Here 2 classes are tied to 2 of 3 backgrounds."
    said = sentences.tied(classes, images, pd.Series(["fish", "bird", "fish", None]))
    assert "2 superclasses of ImageNet-9 are tied to 2 of 3 backgrounds" in said
    assert "They hold 3 of the run's 4 classes; 1 classes of no superclass are left out." in said


def test_loudness_names_the_largest_and_the_smallest_swing():
    rows = [("none", 0.1, 90.0), ("none", 10.0, 0.5), ("hsic", 0.1, 97.0), ("hsic", 10.0, 40.0)]
    louder = pd.DataFrame(rows, columns=["method", "loudness", "accuracy"]).assign(side="disagreeing")
    said = sentences.loud(louder)
    assert "times 0.1 a head on all features of **none** names 90.0 % of the disagreeing images" in said
    assert "times 10 it names 0.5 %; the smallest such difference, 57.0 points, is that of hsic" in said
    assert "one loudness" in sentences.loud(louder[louder["loudness"] == 10.0])


def test_the_dial_names_who_falls_deepest_and_who_least():
    readers = [("hsic", "fg"), ("backbone", "all"), ("none", "fg")]
    said = sentences.fallen(pd.concat([HALF, FULL]), readers)
    assert "From a correlation of 0.5 to 1" in said
    assert "largest for **backbone, all features** (87.0 points)" in said
    assert "smallest for **hsic, foreground features** (0.5 points)" in said
    assert "one correlation" in sentences.fallen(FULL, readers)
