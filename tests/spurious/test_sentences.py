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
    ("hsic", "all", 1.0, "disagreeing", 35.0),
)
HALF = FULL.assign(correlation=0.5, accuracy=[99.0, 95.0, 90.0, 98.0, 97.5, 95.0])


def test_the_method_that_holds_best_is_told_with_the_heads_that_read_everything():
    said = sentences.held(FULL, chance=10.0)
    assert "**hsic**: 97.0 % where class and background disagree, 98.0 % where they agree" in said
    assert "same network gets 35.0 %, one on all features of the plain backbone 3.0 %. Guessing would give 10 %" in said
    assert "under **backbone**" in sentences.held(FULL[FULL["method"] == "backbone"], chance=10.0)
    assert "*all*" not in sentences.held(FULL[FULL["features"] == "fg"], chance=10.0)
    assert sentences.held(FULL[FULL["side"] == "agreeing"], chance=10.0) == "No test image disagrees with the pairing."


def test_the_dial_names_who_falls_deepest_and_who_least():
    readers = [("hsic", "fg"), ("backbone", "all"), ("none", "fg")]
    said = sentences.fallen(pd.concat([HALF, FULL]), readers)
    assert "From a correlation of 0.5 to 1" in said
    assert "largest for **backbone, all features** (87.0 points)" in said
    assert "smallest for **hsic, foreground features** (0.5 points)" in said
    assert "one correlation" in sentences.fallen(FULL, readers)
