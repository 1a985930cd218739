"""Which pictures are asked about: all, or candidates and an audit that is honest about the rest; gold among them."""

import numpy as np
import pandas as pd
import pytest
from conftest import copy_run

from d3s_utils.generation.dataset import load_images, read_dataset
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import open_run
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.annotators import gold_quality
from d3s_utils.verification.asking.album import Album, show_task
from d3s_utils.verification.asking.plan import candidates, choose, plan_of
from d3s_utils.verification.collect import collect_votes, describe
from d3s_utils.verification.rules import verify
from d3s_utils.verification.simulated import simulate_gold, simulate_votes, simulated_workers
from d3s_utils.verification.verdict_errors import audit


@pytest.fixture
def run(asked_outputs, tmp_path, monkeypatch):
    return copy_run(asked_outputs, tmp_path, monkeypatch)


@pytest.fixture
def manifest(run):
    return read_dataset(run.folder / "dataset", "val")


def reopened(run, overrides):
    return open_run(str(run.folder.parent.parent / "asked.yaml"), run.notebook, overrides)


def test_candidates_are_what_every_model_got_wrong():
    rows = [("a", 0, 1), ("a", 0, 2), ("b", 0, 0), ("b", 0, 2), ("c", 1, 1), ("c", 1, 1)]
    assert candidates(pd.DataFrame(rows, columns=["image_id", "label", "guess"])) == ["a"]


def test_an_audit_is_drawn_from_the_rest_alone_and_the_same_each_time():
    names = pd.Series([f"val-{number:03d}" for number in range(200)])
    why = choose(names, list(names[:50]), 0.1, seed=3)
    assert why.value_counts().to_dict() == {"presumed": 135, "candidate": 50, "audit": 15}
    assert set(why.index[why == "candidate"]) == set(names[:50]) and why.equals(
        choose(names, list(names[:50]), 0.1, seed=3)
    )
    assert (choose(names, [], 0.0, seed=3) == "presumed").all() and (choose(names, [], 1.0, seed=3) == "audit").all()
    assert not choose(names, [], 0.1, seed=4).equals(choose(names, [], 0.1, seed=5))


def test_the_estimated_label_error_of_the_rest_covers_the_truth():
    """Planted errors, simulated annotators, spammers among them: 100 seeds, the 95 % interval of the audit."""
    inside, settings = 0, Verification(error_low=0.01, error_high=0.1, spammers=2)
    for seed in range(100):
        rng = rng_for("audit coverage", seed)
        wrong = rng.random(3000) < 0.06
        names = np.array([f"val-{number:04d}" for number in range(3000)])
        hard = rng.random(3000) < np.where(wrong, 0.6, 0.1)  # a panel fails where labels are wrong, and elsewhere
        why = choose(pd.Series(names), list(names[hard]), 0.15, seed)
        asked = why.index[why != "presumed"]
        seen = pd.DataFrame({"image_id": asked, "foreground": 1.0, "background": 1.0, "adult": 0.0})
        seen["foreground"] = np.where(pd.Series(wrong, names)[asked], 0.0, 1.0)
        votes = simulate_votes(seen, settings, seed)
        presumed = why.index[why == "presumed"]
        verified = verify(votes[votes["question"] == "foreground"], names, ["majority"], presumed)
        estimate = audit(verified, why, "majority").set_index("part").loc["audit"]
        truth = 100 * pd.Series(wrong, names)[presumed].mean()
        inside += estimate["low"] <= truth <= estimate["high"]
    assert inside >= 90, inside


def test_a_plan_of_candidates_presumes_the_rest_and_says_so(run, monkeypatch):
    run = reopened(run, "verification.ask=candidates verification.audit_rate=0.2")
    manifest = read_dataset(run.folder / "dataset", "val")
    guesses = manifest.assign(guess=manifest["label"].where(np.arange(200) >= 40, -1))
    monkeypatch.setattr("d3s_utils.evaluation.models.panel_predictions", lambda run, names: guesses)
    plan = plan_of(run)
    assert plan.why.value_counts().to_dict() == {"presumed": 128, "candidate": 40, "audit": 32}
    images, table = load_images(run.folder / "dataset", "val")
    collected = collect_votes(run, images, table)
    verified = verify(collected.votes, table["image_id"], presumed=collected.plan.presumed)
    majority = verified[verified["rule"] == "majority"].set_index("image_id")
    assert (~majority["asked"]).sum() == 128 and majority.loc[list(plan.presumed), "accepted"].all()
    assert (majority.loc[~majority["asked"], "n_votes"] == 0).all()
    assert set(audit(verified, plan.why)["part"]) == {"candidate", "audit"}
    assert "128 further images" in describe(collected) and "sample of 32" in describe(collected)


def test_a_panel_is_the_models_of_the_evaluation(run):
    run = reopened(run, "verification.ask=candidates evaluation.models=[mixer]")
    why = plan_of(run).why
    assert len(why) == 200 and set(why) == {"candidate", "audit", "presumed"}
    assert len(list((run.folder / "checkpoints").glob("*.safetensors"))) == 1


def test_gold_looks_like_any_other_item(run, manifest):
    plan = plan_of(run)
    gold = plan.items[plan.items["why"] == "gold"]
    assert len(gold) == 20 and gold["item_id"].str.match(r"val-n\d{8}-[a-z-]+-g\d{3}").all()
    assert not set(gold["item_id"]) & set(manifest["image_id"]) and gold["guide"].isin(manifest["image_id"]).all()
    album = Album(run.folder / "dataset", open_photos(run.profile), plan.items, run.profile.seed)
    assert album.names(gold["item_id"].iloc[0])["picture"].startswith("item/val-")
    assert album.png(f"item/{gold['item_id'].iloc[0]}")[:4] == b"\x89PNG"
    with pytest.raises(D3SError, match="no annotator is shown|No annotator"):
        album.png("photo/somewhere/else")


def test_a_plan_is_the_same_each_time_and_images_keep_their_places(run):
    first, again = plan_of(run), plan_of(run)
    pd.testing.assert_frame_equal(first.items, again.items)
    assert first.items["position"].is_monotonic_increasing and len(first.asked) == 200


def test_the_planted_spammers_are_found_and_nobody_else(run):
    plan = plan_of(run)
    for seed in range(10):
        settings = Verification(workers=20, spammers=4, error_low=0.005, error_high=0.08, gold_rate=0.3)
        quality = gold_quality(simulate_gold(plan, settings, seed), settings.gold_least)
        workers = simulated_workers(settings, seed)
        spammers = set(workers.loc[workers["kind"] != "careful", "worker_id"])
        assert set(quality.loc[quality["reported"], "worker_id"]) == spammers
        assert set(quality["worker_id"][:4]) == spammers, "the worst first"


def test_a_still_shows_image_guide_and_photographs(run):
    image, guide, photographs, item = show_task(run, plan_of(run).asked.iloc[0])
    assert (
        image.shape == guide.shape == photographs[0].shape == (64, 64, 3) and len(photographs) == 4 and item.background
    )
