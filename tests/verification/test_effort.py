"""What fewer votes would have said, and what votes cost."""

import numpy as np
from ballots import SLIPPERY, ballot, right_and_wrong, seen_images

from d3s_utils.verification.acceptance import acceptance_table
from d3s_utils.verification.effort import by_workers, cost, early_stopping
from d3s_utils.verification.rules import RULES, verify
from d3s_utils.verification.simulated import simulate_votes


def test_more_annotators_shrink_the_unanimous_and_not_the_majority():
    table = by_workers(simulate_votes(seen_images(0.95, 0.95, n=400), SLIPPERY, seed=0))
    shares = table.pivot(index="workers", columns="rule", values="accepted")
    assert list(shares.index) == [1, 3, 5] and (shares.loc[1].nunique() <= 2)
    assert shares["unanimity"].is_monotonic_decreasing and shares["majority"].is_monotonic_increasing
    full = acceptance_table(verify(simulate_votes(seen_images(0.95, 0.95, n=400), SLIPPERY, seed=0)))
    both = full[full["question"] == "both"].set_index("rule")["accepted"]
    assert (shares.loc[5] == both[shares.columns]).all(), "with all annotators it is the verdict itself"


def test_stopping_when_certain_changes_nothing_and_saves_something():
    votes = simulate_votes(right_and_wrong(500), SLIPPERY, seed=0)
    table = early_stopping(votes).set_index("stop")
    assert table.loc["certain", "changed"] == 0 and table.loc["all votes", "saved"] == 0
    assert table.loc["all votes", "used"] == 5 and 3 <= table.loc["certain", "used"] < 5
    assert 2 <= table.loc["lead of two", "used"] < table.loc["certain", "used"]
    unanimous = ballot(*[("a", worker, "y", "y", "n") for worker in "abcde"])
    assert early_stopping(unanimous).set_index("stop")["used"].to_dict() == {
        "all votes": 5.0,
        "certain": 3.0,
        "lead of two": 2.0,
    }


def test_a_picture_left_in_the_middle_has_no_yes_to_what_was_not_asked():
    votes = ballot(("a", "ann", "y", "y", "n"), ("b", "ann", "y", "-", "-"))
    assert early_stopping(votes).set_index("stop")["changed"].eq(0).all()
    decided = verify(votes).set_index(["rule", "image_id"])["accepted"]
    assert all(decided[rule].to_dict() == {"a": True, "b": False} for rule in RULES)


def test_cost_counts_visits_and_hours_where_they_are_known():
    votes = ballot(*[(image, worker, "y", "y", "n") for image in "ab" for worker in "xyz"])
    row = cost(votes).iloc[0]
    assert (row["images"], row["workers"], row["visits"], row["votes"]) == (2, 3, 6, 18) and np.isnan(row["hours"])
    assert cost(votes.assign(seconds=2.0)).iloc[0][["hours", "seconds_per_image"]].tolist() == [0.01, 6.0]
