"""Shares of accepted images, and what is claimed about them."""

import numpy as np
import pytest
from ballots import SLIPPERY, ballot, seen_images

from d3s_utils.ground.claims import claims_table
from d3s_utils.verification.acceptance import (
    PAPER,
    UNANIMITY,
    acceptance_by_votes,
    acceptance_table,
    headline,
    paper_claims,
    paper_rule,
    pick_examples,
)
from d3s_utils.verification.agreement import agreement_table
from d3s_utils.verification.annotators import worker_quality
from d3s_utils.verification.rules import RULES, verify
from d3s_utils.verification.simulated import simulate_votes

DEGENERATE = {
    "all yes": ballot(*[(image, worker, "y", "y", "y") for image in "ab" for worker in "AB"]),
    "all no": ballot(*[(image, worker, "n", "n", "n") for image in "ab" for worker in "AB"]),
    "one worker": ballot(("a", "A", "y", "n", "n"), ("b", "A", "n", "y", "n")),
    "one vote": ballot(("a", "A", "y", "y", "n")),
    "one question": ballot(("a", "A", "y", "-", "-"), ("a", "B", "n", "-", "-"), ("b", "A", "y", "-", "-")),
    "everyone another image": ballot(("a", "A", "y", "y", "n"), ("b", "B", "n", "y", "n"), ("c", "C", "y", "n", "y")),
}


@pytest.mark.parametrize("votes", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_votes_give_tables_and_no_crash(votes):
    verified = verify(votes)
    images = verified["image_id"].nunique()
    assert len(verified) == images * len(RULES) and (acceptance_table(verified)["n"] == images).all()
    assert acceptance_by_votes(votes)["accepted"].between(0, 100).all()
    assert len(agreement_table(votes)) == votes["question"].nunique()
    assert worker_quality(votes, verified)["n"].sum() == len(votes)
    assert len(pick_examples(verified, key=(0,))) == images


def test_acceptance_falls_with_every_vote_asked_for_down_to_unanimity():
    votes = simulate_votes(seen_images([0.95] * 4 + [0.05], 0.95, n=200), SLIPPERY, seed=0)
    curve = acceptance_by_votes(votes).query("question == 'foreground'")["accepted"].to_numpy()
    rules = acceptance_table(verify(votes)).query("question == 'foreground'").set_index("rule")["accepted"]
    assert (np.diff(curve) <= 0).all() and curve[-1] == rules["unanimity"] and curve[2] == rules["majority"]


def test_acceptance_splits_by_any_column_with_intervals_around_it():
    verified = verify(ballot(*[(image, "A", answer, "y", "n") for image, answer in zip("abcd", "yynn", strict=True)]))
    table = acceptance_table(verified.assign(half=verified["image_id"].isin(["a", "b"])), "half")
    foreground = table.query("rule == 'majority' and question == 'foreground'").set_index("half")
    assert foreground.loc[True, "accepted"] == 100 and foreground.loc[False, "accepted"] == 0
    assert (foreground["low"] <= foreground["accepted"]).all() and (foreground["high"] >= foreground["accepted"]).all()


def test_the_headline_is_that_annotators_agree_on_the_foreground():
    votes = ballot(
        *[(f"good {i}", worker, "y", "y", "n") for worker in "AB" for i in range(20)],
        *[(f"no object {i}", worker, "n", "y", "n") for worker in "AB" for i in range(20)],
    )
    rows = claims_table(headline(verify(votes), agreement_table(votes))).set_index("id")
    assert list(rows.index) == ["alpha_foreground"]
    assert rows.loc["alpha_foreground", "measured"] == 1 and rows.loc["alpha_foreground", "status"] == "met"
    assert set(rows["why"]) == {"votes of local annotators"} and rows.loc["alpha_foreground", "chance"] == 0
    simulated = [table.assign(source="simulated") for table in (verify(votes), agreement_table(votes))]
    assert {claim.status for claim in headline(*simulated)} == {"simulated"}


def three_ways():
    """Ten images, all asked about: a model names six; of the other four all annotators see the object in two."""
    said = ["y", "y", "y", "y", "n", "n", "y", "y", "n", "n"]
    pairs = [(f"image-{i}", worker, said[i], "n" if i == 0 else "y", "n") for i in range(10) for worker in "AB"]
    pairs[13] = ("image-6", "B", "y", "y", "y")  # flagged as adult by one
    return ballot(*pairs), [f"image-{i}" for i in (6, 7, 8, 9)]


def test_the_papers_rule_asks_about_what_every_model_missed_and_trusts_the_rest():
    votes, missed = three_ways()
    ways = paper_rule(verify(votes), missed, "majority").set_index("way")
    assert list(ways.index) == [PAPER, UNANIMITY, "majority"]
    assert (ways.loc[PAPER, "asked"], ways.loc[PAPER, "of_asked"], ways.loc[PAPER, "accepted"]) == (40, 25, 70)
    assert (ways.loc[UNANIMITY, "asked"], ways.loc[UNANIMITY, "accepted"]) == (100, 50)
    assert ways.loc["majority", "accepted"] == 50, "one image lacks its background, one flag is no majority"
    assert ((ways["low"] < ways["accepted"]) & (ways["accepted"] < ways["high"]) & (ways["n"] == 10)).all()
    none = paper_rule(verify(votes), [], "majority").set_index("way")
    assert none.loc[PAPER, "accepted"] == 100 and np.isnan(none.loc[PAPER, "of_asked"])


def test_images_nobody_was_asked_about_are_no_evidence_of_unanimity_on_every_image():
    votes, missed = three_ways()
    asked = votes[votes["image_id"].isin(missed)]
    others = [f"image-{i}" for i in range(6)]
    ways = paper_rule(verify(asked, [*missed, *others], presumed=others), missed, "majority").set_index("way")
    assert list(ways.index) == [PAPER, "majority"] and ways.loc[PAPER, "accepted"] == 70


def test_the_papers_number_is_held_against_the_papers_rule():
    votes, missed = three_ways()
    (row,) = paper_claims(paper_rule(verify(votes), missed, "majority"), paper=85.0)
    assert (row.id, row.reference, row.measured, row.status) == ("accepted_share", 85.0, 70.0, "too few")
    (row,) = paper_claims(paper_rule(verify(votes), missed, "majority").assign(source="simulated"), paper=85.0)
    assert row.status == "simulated"
