"""What the rules make of votes."""

import warnings

import numpy as np
import pytest
from ballots import SLIPPERY, ballot, seen_images

from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.acceptance import verdicts
from d3s_utils.verification.rules import RULES, accepted, verify
from d3s_utils.verification.simulated import simulate_votes


def test_one_no_costs_unanimity_and_two_of_three_cost_the_majority():
    votes = ballot(
        *[("both", worker, "y", "y", "n") for worker in "ABC"],
        *[("slip", worker, "y", answer, "n") for worker, answer in zip("ABC", "yyn", strict=True)],
        *[("wrong", worker, answer, "y", "n") for worker, answer in zip("ABC", "nny", strict=True)],
        *[("flag", worker, "y", "y", answer) for worker, answer in zip("ABC", "nny", strict=True)],
    )
    verified = verify(votes)
    assert set(accepted(verified, "unanimity")) == {"both"}
    assert set(accepted(verified, "majority")) == {"both", "slip", "flag"}
    assert verdicts(verified).astype(str).to_dict() == {
        "both": "accepted by all",
        "slip": "refused by unanimity alone",
        "flag": "refused by unanimity alone",
        "wrong": "refused by majority",
    }


def test_a_tie_is_no_majority():
    assert not len(accepted(verify(ballot(("tie", "A", "y", "y", "n"), ("tie", "B", "n", "y", "n"))), "majority"))


def test_dawid_skene_learns_whom_to_believe():
    """Three workers who answer at random outvote two careful ones now and then; their reliability gives them away."""
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.5
    says = {"careful 1": truth, "careful 2": truth}
    says |= {f"random {number}": rng.random(300) < 0.5 for number in range(3)}
    rows = [(f"{i:03d}", worker, "yn"[not said[i]], "y", "n") for i in range(300) for worker, said in says.items()]
    verified = verify(ballot(*rows))
    right = {
        rule: (verified[verified["rule"] == rule]["accepted_foreground"].to_numpy() == truth).mean() for rule in RULES
    }
    assert right["dawid_skene"] > 0.97 and right["majority"] < 0.92


def test_the_rules_keep_quiet_about_the_innards_of_their_library():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify(simulate_votes(seen_images([0.9, 0.1], 0.9, n=20), SLIPPERY, seed=0))


def test_verified_has_one_row_per_image_and_rule_even_for_images_nobody_saw():
    verified = verify(ballot(("a", "A", "y", "y", "n")), image_ids=["b", "a"])
    assert len(verified) == 2 * len(RULES) and not verified.duplicated(["image_id", "rule"]).any()
    unseen = verified[verified["image_id"] == "b"]
    assert not unseen["accepted"].any() and (unseen["n_votes"] == 0).all() and unseen["p_foreground"].isna().all()
    assert list(accepted(verified, "unanimity")) == ["a"]


def test_a_question_nobody_was_asked_decides_nothing():
    verified = verify(ballot(("a", "A", "y", "-", "n"), ("b", "A", "n", "-", "n")))
    assert list(accepted(verified, "unanimity")) == ["a"] and verified["p_background"].isna().all()


def test_an_unknown_rule_is_named():
    with pytest.raises(D3SError, match="plurality"):
        accepted(verify(ballot(("a", "A", "y", "y", "n"))), "plurality")


def test_gold_does_not_tell_the_verdict_on_what_is_asked():
    votes = ballot(
        *[("a", worker, "n", "y", "n") for worker in "abc"], *[("b", worker, "y", "y", "n") for worker in "abc"]
    )
    gold = votes[votes["image_id"] == "a"].assign(truth="yes")
    assert not verify(votes, gold=gold).set_index(["rule", "image_id"]).loc[("dawid_skene", "a"), "accepted"]


def test_the_presumed_are_accepted_without_votes_and_the_forgotten_are_not():
    votes = ballot(("a", "x", "y", "y", "n"))
    verified = verify(votes, ["a", "b", "c"], presumed=["b"]).set_index(["rule", "image_id"])
    for rule in RULES:
        assert verified.loc[rule, "accepted"].to_dict() == {"a": True, "b": True, "c": False}
        assert verified.loc[rule, "asked"].to_dict() == {"a": True, "b": False, "c": True}
