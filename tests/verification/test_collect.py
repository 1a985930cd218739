"""Whose votes a run goes by."""

import pytest
from conftest import copy_run

from d3s_utils.generation.dataset import load_images
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import open_run
from d3s_utils.verification.annotators import gold_quality
from d3s_utils.verification.collect import collect_votes, describe, describe_gold, save_votes


@pytest.fixture
def run(asked_outputs, tmp_path, monkeypatch):
    return copy_run(asked_outputs, tmp_path, monkeypatch)


def reopened(run, overrides):
    return open_run(str(run.folder.parent.parent / "asked.yaml"), run.notebook, overrides)


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
