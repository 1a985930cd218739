"""Shares of accepted images, and what is claimed about them."""

import numpy as np
import pytest
from ballots import SLIPPERY, ballot, seen_images

from d3s_utils.ground.claims import claims_table
from d3s_utils.verification.acceptance import acceptance_by_votes, acceptance_table, headline, pick_examples
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


def test_the_headline_is_the_rule_of_the_paper_beside_the_rule_with_backgrounds():
    votes = ballot(
        *[("good", worker, "y", "y", "n") for worker in "AB"],
        *[("wrong ground", worker, "y", "n", "n") for worker in "AB"],
        *[("no object", worker, "n", "y", "n") for worker in "AB"],
        *[("flagged", worker, "y", "y", answer) for worker, answer in zip("AB", "ny", strict=True)],
    )
    rows = claims_table(headline(verify(votes), agreement_table(votes), paper=80.0)).set_index("id")
    assert rows.loc["accepted_share", "measured"] == 50 and rows.loc["accepted_share/both", "measured"] == 25
    assert rows.loc["accepted_share", "ci_high"] >= 80 and rows.loc["accepted_share", "status"] == "met"
    assert rows.loc["alpha_foreground", "measured"] == 1 and rows.loc["alpha_foreground", "status"] == "met"
    assert set(rows["why"]) == {"votes of local annotators"} and rows.loc["alpha_foreground", "chance"] == 0
    simulated = [table.assign(source="simulated") for table in (verify(votes), agreement_table(votes))]
    assert {claim.status for claim in headline(*simulated, paper=85.0)} == {"simulated"}
