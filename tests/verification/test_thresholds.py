"""Thresholds on beliefs: the named rules are points of the scale, and what is wrong is counted."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.rules import verify
from d3s_utils.verification.thresholds import accept_at, beliefs, label_error, nearest, split_sizes


@pytest.fixture
def votes():
    """Image i of six has i yes of five to the foreground; the background is always seen, nothing is adult."""
    rows = [
        (f"val-{image}", f"w{worker}", question, answer)
        for image in range(6)
        for worker in range(5)
        for question, answer in (
            ("foreground", "yes" if worker < image else "no"), ("background", "yes"), ("adult", "no")
        )
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["image_id", "worker_id", "question", "answer"]).assign(source="simulated")


@pytest.fixture
def verified(votes):
    return verify(votes, rules=("unanimity", "majority"))


def ids(split):
    return list(split.loc[split["accepted"], "image_id"])


@pytest.mark.parametrize("rule, threshold", [("unanimity", 1.0), ("majority", 0.51)])
def test_the_named_rules_are_thresholds(verified, rule, threshold):
    own = verified[verified["rule"] == rule]
    assert ids(accept_at(verified, "majority", threshold)) == list(own.loc[own["accepted"].astype(bool), "image_id"])


def test_what_lies_on_the_threshold_is_accepted(verified):
    assert ids(accept_at(verified, "majority", 0.6)) == ["val-3", "val-4", "val-5"]
    assert ids(accept_at(verified, "majority", 0.65)) == ["val-4", "val-5"]


def test_adult_content_and_unasked_images_stay_out(verified):
    changed = verified.assign(flagged_adult=verified["image_id"] == "val-5", asked=verified["image_id"] != "val-4")
    assert ids(accept_at(changed, "majority", 0.5)) == ["val-3"]


def test_a_label_nobody_asked_about_decides_nothing(votes):
    verified = verify(votes[votes["question"] != "background"], rules=("majority",))
    split = accept_at(verified, "majority", 0.9)
    assert ids(split) == ["val-5"] and split["belief"].tolist() == [0, 0.2, 0.4, 0.6, 0.8, 1]


def test_rules_of_one_belief_are_one_choice(verified):
    assert beliefs(verified) == {"share of yes": "unanimity"}


def test_sizes_and_errors(verified):
    seen = pd.DataFrame({"image_id": [f"val-{i}" for i in range(6)], "foreground": [0, 0, 0, 0, 1, 1], "background": 1})
    sizes = split_sizes(verified, "majority", seen, (0.2, 0.6, 1.0)).round(1)
    assert sizes["hits"].tolist() == [5, 3, 1] and sizes["accepted"].tolist() == [83.3, 50.0, 16.7]
    assert sizes["error"].tolist() == [60.0, 33.3, 0.0]
    assert split_sizes(verified, "majority")["error"].isna().all()


def test_no_image_has_no_error(verified):
    nothing = accept_at(verified, "majority", 1.0).assign(accepted=False)
    assert np.isnan(label_error(nothing, pd.DataFrame(columns=["image_id", "foreground", "background"])))


def test_the_nearest_come_first(verified):
    shown = nearest(accept_at(verified, "majority", 0.6), 0.6, 2)
    assert shown["image_id"].tolist() == ["val-3", "val-4", "val-2", "val-1"]


def test_an_unknown_rule_is_named(verified):
    with pytest.raises(D3SError, match="no rule 'gut feeling'; it has unanimity, majority"):
        accept_at(verified, "gut feeling", 0.5)
