"""Rules err as often as is known of them."""

import numpy as np
from ballots import CROWD, SLIPPERY, right_and_wrong, seen_images

from d3s_utils.verification.rules import verify
from d3s_utils.verification.simulated import simulate_votes
from d3s_utils.verification.verdict_errors import label_errors, rule_errors


def test_unanimity_refuses_for_slips_and_dawid_skene_does_not():
    seen = seen_images([0.95] * 9 + [0.05], 0.95, n=300)
    table = rule_errors(verify(simulate_votes(seen, SLIPPERY, seed=0)), seen)
    assert set(table["truth"]) == {"the judge behind the votes"}, "no table calls it an independent truth"
    errors = table.set_index(["rule", "kind"])["share"]
    assert errors["unanimity", "refused though there"] > 50
    assert errors["dawid_skene", "refused though there"] < 10
    assert errors["unanimity", "accepted though not there"] == 0


def test_dawid_skene_beats_majority_and_majority_beats_unanimity():
    """On the same votes, with planted quality; each gain with its whole interval above nothing."""
    for seed in range(3):
        seen = right_and_wrong(1500)
        errors = label_errors(verify(simulate_votes(seen, CROWD, seed)), seen, (seed,)).set_index("rule")
        assert list(errors.index) == ["unanimity", "majority", "dawid_skene"]
        assert errors.loc["majority", "gain_low"] > 0 and errors.loc["dawid_skene", "gain_low"] > 0
        assert errors["error"].is_monotonic_decreasing and (errors["low"] <= errors["error"]).all()


def test_gold_keeps_dawid_skene_from_taking_slips_for_a_class_of_their_own():
    """Where nearly every image is right, the votes alone do not say what a justified no looks like."""
    wins = 0
    for seed in range(5):
        seen = right_and_wrong(1000, wrong=0.0)
        known = right_and_wrong(200, wrong=0.5).assign(image_id=lambda table: "gold-" + table["image_id"])
        truth = known.melt("image_id", ["foreground", "background"], "question", "p")
        truth = truth.assign(truth=np.where(truth["p"] > 0.5, "yes", "no"))[["image_id", "question", "truth"]]
        votes = simulate_votes(seen, SLIPPERY, seed)
        gold = simulate_votes(known, SLIPPERY, seed).merge(truth, on=["image_id", "question"])
        with_gold, without = (
            label_errors(verify(votes, gold=g), seen).set_index("rule")["error"] for g in (gold, None)
        )
        assert with_gold["majority"] == without["majority"], "only who learns about workers learns from gold"
        wins += with_gold["dawid_skene"] < without["dawid_skene"]
    assert wins == 5
