"""Which pictures are asked about: candidates and an audit that is honest about the rest, and gold with traps."""

import numpy as np
import pandas as pd
import pytest
from conftest import copy_run

from d3s_utils.generation.dataset import load_images, read_dataset
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import open_run
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.acceptance import audit
from d3s_utils.verification.asking.album import Album, show_task
from d3s_utils.verification.asking.gold import _another, photograph_gold, read_gold, worked_examples
from d3s_utils.verification.asking.plan import candidates, choose, make_plan
from d3s_utils.verification.collect import collect_votes, describe, describe_gold, save_votes
from d3s_utils.verification.quality import gold_quality
from d3s_utils.verification.rules import verify
from d3s_utils.verification.simulated import simulate_gold, simulate_votes, simulated_workers


@pytest.fixture
def run(asked_outputs, tmp_path, monkeypatch):
    return copy_run(asked_outputs, tmp_path, monkeypatch)


@pytest.fixture
def manifest(run):
    return read_dataset(run.folder / "dataset", "val")


def reopened(run, overrides):
    return open_run(str(run.folder.parent.parent / "asked.yaml"), run.notebook, overrides)


# --- candidates and audit ---


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
    monkeypatch.setattr("d3s_utils.verification.asking.plan.panel", lambda run: guesses)
    plan = make_plan(run)
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
    why = make_plan(run).why
    assert len(why) == 200 and set(why) == {"candidate", "audit", "presumed"}
    assert len(list((run.folder / "checkpoints").glob("*.safetensors"))) == 1


# --- gold ---


def test_half_of_the_gold_are_traps_and_their_answers_are_true(run, manifest):
    items, gold = photograph_gold(run.profile, manifest, 40)
    known = gold.pivot(index="item_id", columns="question", values="answer").loc[items["item_id"]]
    assert (known == "no").sum(axis=1).isin([0, 1]).all() and (known == "no").any(axis=1).sum() == 20
    from d3s_utils.generation.world import open_photos

    photos = open_photos(run.profile).table("val").set_index("photo_id")
    shown = photos.loc[items["picture"].str.removeprefix("photo/")]
    assert (
        (shown["class_name"].to_numpy() == items["class_name"]).to_numpy() == (known["foreground"] == "yes").to_numpy()
    ).all()
    assert (
        (shown["background"].to_numpy() == items["background"]).to_numpy() == (known["background"] == "yes").to_numpy()
    ).all()


def test_gold_looks_like_any_other_item(run, manifest):
    plan = make_plan(run)
    gold = plan.items[plan.items["why"] == "gold"]
    assert len(gold) == 20 and gold["item_id"].str.match(r"val-n\d{8}-[a-z-]+-g\d{3}").all()
    assert not set(gold["item_id"]) & set(manifest["image_id"]) and gold["guide"].isin(manifest["image_id"]).all()
    album = Album(run, plan.items)
    assert album.names(gold["item_id"].iloc[0])["picture"].startswith("item/val-")
    assert album.png(f"item/{gold['item_id'].iloc[0]}")[:4] == b"\x89PNG"
    with pytest.raises(D3SError, match="no annotator is shown|No annotator"):
        album.png("photo/somewhere/else")


def test_a_trap_asks_for_a_class_that_is_far_in_the_list():
    names, rng = [f"class {number}" for number in range(100)], rng_for("far")
    drawn = {_another(names, "class 50", rng, far=10) for _ in range(2000)}
    assert len(drawn) == 81 and not drawn & {f"class {number}" for number in range(41, 60)}
    assert _another(["one"], "one", rng) == "one"


def test_a_plan_is_the_same_each_time_and_images_keep_their_places(run):
    first, again = make_plan(run), make_plan(run)
    pd.testing.assert_frame_equal(first.items, again.items)
    assert first.items["position"].is_monotonic_increasing and len(first.asked) == 200


def test_gold_of_ones_own(run, manifest, tmp_path):
    path, names = tmp_path / "gold.csv", manifest["image_id"]
    path.write_text(
        f"\ufeffimage_id,question,answer\r\n{names[0]},foreground,no\r\n{names[0]},foreground,no\r\n", encoding="utf-8"
    )
    assert list(read_gold(str(path), names)["answer"]) == ["no"]
    plan = make_plan(reopened(run, f"verification.gold={path}"))
    assert len(plan.items) == 200 and list(plan.gold["item_id"]) == [names[0]]
    for line, named in [
        ("x,foreground,no", "line 2: nobody is asked about 'x'"),
        (f"{names[0]},taste,no", "question is 'taste'"),
        (f"{names[0]},adult,maybe", "yes or no"),
    ]:
        path.write_text(f"image_id,question,answer\n{line}\n")
        with pytest.raises(D3SError, match=named):
            read_gold(str(path), names)
    with pytest.raises(D3SError, match="no file"):
        read_gold(str(tmp_path / "absent.csv"), names)


def test_the_planted_spammers_are_found_and_nobody_else(run):
    plan = make_plan(run)
    for seed in range(10):
        settings = Verification(workers=20, spammers=4, error_low=0.005, error_high=0.08, gold_rate=0.3)
        quality = gold_quality(simulate_gold(plan, settings, seed), settings.gold_least)
        workers = simulated_workers(settings, seed)
        spammers = set(workers.loc[workers["kind"] != "careful", "worker_id"])
        assert set(quality.loc[quality["reported"], "worker_id"]) == spammers
        assert set(quality["worker_id"][:4]) == spammers, "the worst first"


def test_instructions_come_with_examples_that_are_no_gold(run, manifest):
    examples = worked_examples(run.profile, manifest)
    assert [one["answers"] for one in examples] == [
        "object: yes, background: yes",
        "object: no, background: yes",
        "object: yes, background: no",
    ]
    assert all("/train/" in one["picture"] for one in examples)


def test_photographs_without_known_backgrounds_are_gold_for_the_object_alone(evil_outputs, tmp_path, monkeypatch):
    run = copy_run(evil_outputs, tmp_path, monkeypatch)
    items, gold = photograph_gold(run.profile, read_dataset(run.folder / "dataset", "val"), 6)
    assert set(gold["question"]) == {"foreground"} and set(gold["answer"]) == {"yes", "no"} and len(items) == 6


def test_a_still_shows_image_guide_and_photographs(run):
    image, guide, photographs, item = show_task(run, make_plan(run).asked.iloc[0])
    assert (
        image.shape == guide.shape == photographs[0].shape == (64, 64, 3) and len(photographs) == 4 and item.background
    )


# --- whose votes a run goes by ---


def test_people_are_gone_by_where_there_are_any_and_never_overwritten(run):
    images, table = load_images(run.folder / "dataset", "val")
    collected = collect_votes(run, images, table)
    save_votes(run, collected)
    assert collected.simulated and (run.folder / "gold_votes.csv").is_file()
    own = collected.votes[collected.votes["image_id"].isin(table["image_id"][:5])].assign(
        source="local", worker_id="ann"
    )
    own = own.drop_duplicates(["image_id", "question"]).assign(recipe_hash=table["recipe_hash"].iloc[0])
    own["recipe_hash"] = own["image_id"].map(table.set_index("image_id")["recipe_hash"])
    own.to_csv(run.folder / "votes.csv", index=False)
    before = (run.folder / "votes.csv").read_bytes()
    people = collect_votes(run, images, table)
    save_votes(run, people)
    assert not people.simulated and set(people.votes["source"]) == {"local"} and people.gold.empty
    assert (run.folder / "votes.csv").read_bytes() == before
    with pytest.raises(D3SError, match="votes of people"):
        collect_votes(reopened(run, "verification.source=simulated"), images, table)
    own.assign(recipe_hash="other").to_csv(run.folder / "votes.csv", index=False)
    with pytest.raises(D3SError, match="line 2: this vote was given on another picture"):
        collect_votes(run, images, table)


def test_those_who_are_poor_on_gold_are_left_out_only_if_asked(run):
    images, table = load_images(run.folder / "dataset", "val")
    options = "verification.workers=20 verification.spammers=3 verification.gold_rate=0.3"
    stay = collect_votes(reopened(run, options), images, table)
    go = collect_votes(reopened(run, f"{options} verification.leave_out=true"), images, table)
    spammers = set(stay.workers.loc[stay.workers["kind"] != "careful", "worker_id"])
    assert spammers <= set(stay.votes["worker_id"]) and not spammers & set(go.votes["worker_id"])
    assert set(go.left_out) == spammers and "Left out" in describe(go)
    assert "gold finds **3**" in describe_gold(gold_quality(stay.gold, 0.7), stay)
