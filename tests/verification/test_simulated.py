"""Simulated annotators see what a judge sees, slip at planted rates, and say so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from ballots import CROWD, SLIPPERY, SURE, right_and_wrong, seen_images

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.rules import accepted, verify
from d3s_utils.verification.simulated import believe, look, open_judge, simulate_votes, simulated_workers
from d3s_utils.verification.votes import QUESTIONS


def test_annotators_without_slips_say_what_there_is_to_see():
    seen = seen_images([0.95, 0.95, 0.05, 0.05], [0.95, 0.05, 0.95, 0.05])
    votes = simulate_votes(seen, SURE, seed=0)
    right = seen.melt("image_id", list(QUESTIONS), "question", "p").merge(votes, on=["image_id", "question"])
    assert ((right["p"] > 0.5) == (right["answer"] == "yes")).all()
    assert list(accepted(verify(votes), "unanimity")) == ["val-000"]


def test_every_image_gets_its_panel_of_different_workers():
    votes = simulate_votes(seen_images(0.9, 0.9, n=40), SLIPPERY, seed=0)
    workers = votes.groupby(["image_id", "question"])["worker_id"]
    assert (workers.nunique() == SLIPPERY.votes_per_image).all() and (workers.size() == SLIPPERY.votes_per_image).all()
    assert votes["worker_id"].nunique() == SLIPPERY.workers, "with 40 images everybody gets a turn"
    assert set(votes["source"]) == {"simulated"} and votes["worker_id"].str.startswith("simulated").all()


def test_the_votes_on_an_image_depend_on_no_other_image():
    seen = seen_images([0.9, 0.4, 0.6], [0.8, 0.5, 0.3], n=30)
    all_of_them = simulate_votes(seen, SLIPPERY, seed=3)
    some = simulate_votes(seen.iloc[[17, 4]], SLIPPERY, seed=3)
    expected = pd.concat([all_of_them[all_of_them["image_id"] == image_id] for image_id in ("val-017", "val-004")])
    pd.testing.assert_frame_equal(some, expected.reset_index(drop=True))
    assert not simulate_votes(seen, SLIPPERY, seed=4).equals(all_of_them)


def test_planted_rates_stay_in_their_limits_and_come_true():
    planted = simulated_workers(SLIPPERY, seed=0)
    labels = planted[planted["question"] != "adult"]
    assert labels["error"].between(2, 20).all() and labels["error"].std() > 2, "individual rates"
    votes = simulate_votes(seen_images(0.99, 0.01, n=800), SLIPPERY, seed=0)
    slips = votes["answer"].eq("no").where(votes["question"] == "foreground", votes["answer"].eq("yes"))
    told = slips.groupby([votes["worker_id"], votes["question"]]).mean() * 100
    gap = told - planted.set_index(["worker_id", "question"])["error"]
    assert gap.abs().max() < 10 and gap.abs().mean() < 2.5


def test_more_votes_than_workers_is_an_error_that_names_both():
    with pytest.raises(D3SError, match="votes_per_image is 9, but there are 3"):
        simulate_votes(seen_images(0.9, 0.9, n=2), replace(SURE, workers=3, votes_per_image=9), seed=0)


def test_limits_of_the_slips_the_wrong_way_round_are_an_error():
    with pytest.raises(D3SError, match="error_low is 0.2, above error_high, 0.1; swap"):
        simulated_workers(Verification(error_low=0.2, error_high=0.1), seed=0)


JUDGE = SimpleNamespace(
    classes=["daisy", "teapot"],
    backgrounds=["in snow", "in rain"],
    judge=lambda images: SimpleNamespace(
        foreground=np.tile([0.8, 0.2], (len(images), 1)), background=np.tile([0.1, 0.9], (len(images), 1))
    ),
)


ASKED = pd.DataFrame({"image_id": ["a", "b"], "class_name": ["daisy", "teapot"], "background": ["in rain", "in snow"]})


def test_the_judge_is_asked_for_the_labels_the_image_should_have():
    seen = look(JUDGE, np.zeros((2, 8, 8, 3), np.uint8), ASKED)
    assert seen["foreground"].tolist() == [0.8, 0.2] and seen["background"].tolist() == [0.9, 0.1]


def test_a_class_the_judge_never_learnt_is_named():
    with pytest.raises(D3SError, match="class 'tench'"):
        look(JUDGE, np.zeros((2, 8, 8, 3), np.uint8), ASKED.assign(class_name=["daisy", "tench"]))


def test_a_judge_that_is_not_there_is_named():
    with pytest.raises(D3SError, match="no-such-judge"):
        open_judge("no-such-judge")


def test_without_a_judge_simulated_annotators_believe_the_prompt():
    """Only their slips keep them from saying yes, and nobody claims to have seen the images."""
    table = pd.DataFrame({"image_id": [f"val-{i}" for i in range(300)], "class_name": "bird", "background": "in space"})
    votes = simulate_votes(believe(table), replace(SLIPPERY, error_high=0.06), seed=0)
    assert set(votes["source"]) == {"simulated"}
    yes = (votes["answer"] == "yes").groupby(votes["question"]).mean()
    assert yes["foreground"] > 0.93 and yes["background"] > 0.93 and yes["adult"] < 0.02


def test_spammers_do_not_look():
    workers = simulated_workers(CROWD, seed=0)
    kinds = workers.groupby("kind")["worker_id"].nunique()
    assert kinds.to_dict() == {"careful": 25, "hasty": 3, "random": 2}
    votes = simulate_votes(right_and_wrong(600), CROWD, seed=0).merge(workers, on=["worker_id", "question"])
    yes = votes.assign(yes=votes["answer"] == "yes").groupby(["kind", "question"])["yes"].mean()
    assert yes["hasty"].to_dict() == {"foreground": 1.0, "background": 1.0, "adult": 0.0}
    assert yes["random"].between(0.4, 0.6).all()
