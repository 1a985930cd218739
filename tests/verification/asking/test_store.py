"""The file of votes: nobody sees a picture twice, no image gets too many, no vote is lost or stored twice."""

import sqlite3

import numpy as np
import pandas as pd
import pytest

from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.asking.gold import no_gold
from d3s_utils.verification.asking.store import ITEM_COLUMNS, Store
from d3s_utils.verification.asking.task import Item
from d3s_utils.verification.votes import QUESTIONS, read_votes


def items_of(count, gold=0, recipe="r"):
    names = [f"val-{number:03d}" for number in range(count)] + [f"known-{number}" for number in range(gold)]
    table = pd.DataFrame({"item_id": names, "position": np.arange(len(names)), "label": 0, "recipe_hash": recipe})
    words = {"picture": "image/x", "guide": "x", "class_name": "mug", "definition": "", "background": "in snow"}
    why = ["all"] * count + ["gold"] * gold
    return table.assign(**words, why=why)[list(ITEM_COLUMNS)]


def gold_of(items):
    known = items.loc[items["why"] == "gold", "item_id"]
    return pd.DataFrame({"item_id": known, "question": "foreground", "answer": "no"})


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "annotation" / "votes.sqlite")
    yield store
    store.close()


def answer_all(store, worker, answer="yes"):
    session = store.session(worker)
    for item in session.items:
        for question in item.questions:
            store.record(worker, item, question, answer)
    return [item.item_id for item in session.items]


def test_nobody_sees_a_picture_twice_and_no_image_gets_more_than_its_votes(store):
    store.lay_out(items_of(20), no_gold())
    seen = {}
    for worker in "abcdef":
        store.join(worker)
        while store.assign(worker, size=7, votes_per_image=3):
            seen.setdefault(worker, []).extend(answer_all(store, worker))
    assert all(len(names) == len(set(names)) for names in seen.values())
    votes = store.votes()
    per_image = votes.groupby(["image_id", "question"])["worker_id"].nunique()
    assert (per_image == 3).all() and len(per_image) == 60 and len(votes) == 180


def test_images_that_others_have_begun_come_first(store):
    store.lay_out(items_of(10), no_gold())
    for worker in ("a", "b"):
        store.join(worker)
        store.assign(worker, size=4, votes_per_image=2)
    assert {item.item_id for item in store.session("a").items} == {item.item_id for item in store.session("b").items}


def test_gold_is_mixed_in_without_repeating_and_counts_for_no_image(store):
    items = items_of(30, gold=3)
    store.lay_out(items, gold_of(items))
    store.join("a")
    shown = []
    for _ in range(3):
        store.assign("a", size=10, votes_per_image=1, gold=2)
        shown.append([item.item_id for item in store.session("a").items])
        answer_all(store, "a", "no")
    assert [sum(name.startswith("known") for name in names) for names in shown] == [2, 1, 0]
    assert len(set(sum(shown, []))) == 30 and [len(names) for names in shown] == [10] * 3


def test_a_session_is_there_again_with_its_answers(tmp_path):
    first = Store(tmp_path / "votes.sqlite")
    first.lay_out(items_of(5), no_gold())
    first.join("ann")
    first.assign("ann", 5, 1)
    item = first.session("ann").items[0]
    first.record("ann", item, "foreground", "no")
    again = Store(tmp_path / "votes.sqlite")  # without closing the first, as after a crash
    session = again.session("ann")
    assert session.items == first.session("ann").items and session.answers == {(item.item_id, "foreground"): "no"}
    assert first.secret() == again.secret() and first.pseudonym("A1B2", "mturk") == again.pseudonym("A1B2", "mturk")
    assert "A1B2" not in first.pseudonym("A1B2", "mturk")


def test_a_vote_sent_twice_is_stored_once_and_the_last_word_counts(store):
    store.lay_out(items_of(1), no_gold())
    store.join("ann")
    store.assign("ann", 1, 1)
    item = store.session("ann").items[0]
    for answer in ("yes", "yes", "no"):
        store.record("ann", item, "adult", answer)
    votes = store.votes()
    assert list(votes["answer"]) == ["no"] and list(votes["source"]) == ["local"]
    store.take_back("ann", item.item_id, "adult")
    assert store.votes().empty


def test_a_vote_on_somebody_elses_picture_is_refused(store):
    store.lay_out(items_of(2), no_gold())
    store.join("ann")
    store.assign("ann", 1, 1)
    other = ({"val-000", "val-001"} - {store.session("ann").items[0].item_id}).pop()
    with pytest.raises(D3SError, match="gone to somebody else"):
        store.record("ann", Item(other, "mug"), "adult", "no")
    assert store.votes().empty


def test_untouched_pictures_of_who_went_away_go_to_others(store, monkeypatch):
    store.lay_out(items_of(4), no_gold())
    store.join("gone")
    store.assign("gone", 4, 1)
    store.record("gone", store.session("gone").items[0], "adult", "no")
    store.join("next")
    assert store.assign("next", 4, 1) == 0, "everything is taken"
    monkeypatch.setattr("d3s_utils.verification.asking.store.LEASE", -1.0)
    assert store.assign("next", 4, 1) == 3, "but for the picture that was begun"
    assert len(store.session("gone").items) == 1


def test_names_are_checked(store):
    assert store.join("  Ann   Lee ") == "Ann Lee"
    for name in ("", "   ", "x" * 61, "a\x00b"):
        with pytest.raises(D3SError, match="visible characters"):
            store.join(name)


def test_the_plan_may_grow_but_its_pictures_may_not_change(store):
    store.lay_out(items_of(2), no_gold())
    store.lay_out(items_of(3), no_gold())
    assert len(store.items()) == 3
    store.lay_out(items_of(3, recipe="r"), no_gold())
    store.join("ann")
    store.assign("ann", 3, 1)
    answer_all(store, "ann")
    with pytest.raises(D3SError, match="another picture of 'val-000'"):
        store.lay_out(items_of(3, recipe="new"), no_gold())


def test_when_the_last_vote_is_taken_back_no_file_keeps_it(store, tmp_path):
    store.lay_out(items_of(1), no_gold())
    store.join("ann")
    store.assign("ann", 1, 1)
    item = store.session("ann").items[0]
    store.record("ann", item, "adult", "no")
    store.export(tmp_path)
    store.take_back("ann", item.item_id, "adult")
    store.export(tmp_path)
    assert not (tmp_path / "votes.csv").exists()
    simulated = "image_id,worker_id,question,answer,source\nval-000,simulated-00,adult,no,simulated\n"
    (tmp_path / "votes.csv").write_text(simulated)
    store.export(tmp_path)
    assert (tmp_path / "votes.csv").read_text() == simulated


def test_images_of_an_earlier_plan_keep_their_votes_and_are_not_asked_about_any_more(store):
    store.lay_out(items_of(4), no_gold())
    store.join("ann")
    store.assign("ann", 2, 5)
    voted = answer_all(store, "ann")
    later = items_of(4)[lambda table: ~table["item_id"].isin(voted)].assign(why="candidate")
    store.lay_out(later, no_gold())
    store.join("bea")
    assert store.assign("bea", 4, 5) == 2 and {item.item_id for item in store.session("bea").items} == set(
        later["item_id"]
    )
    assert store.progress(1) == {"images": 2, "full": 0, "votes": 6, "workers": 1}
    store.lay_out(items_of(4), no_gold())
    assert store.progress(1)["full"] == 2


def test_pictures_nobody_voted_on_may_be_made_anew(store):
    store.lay_out(items_of(2), no_gold())
    store.lay_out(items_of(2, recipe="new").assign(class_name="teapot"), no_gold())
    assert set(store.items()["recipe_hash"]) == {"new"} and set(store.items()["class_name"]) == {"teapot"}


def test_a_broken_votes_file_is_named_and_nothing_is_lost(store, tmp_path):
    store.lay_out(items_of(1), no_gold())
    store.join("ann")
    store.assign("ann", 1, 1)
    answer_all(store, "ann")
    (tmp_path / "votes.csv").write_text("image_id,who\na,b\n")
    with pytest.raises(D3SError, match=r"votes\.csv lacks the column"):
        store.export(tmp_path)
    assert len(store.votes()) == 3


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "votes.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(D3SError, match=r"votes\.sqlite is no file of votes"):
        Store(tmp_path / "votes.sqlite")


def test_export_writes_the_contract_and_keeps_gold_apart(store, tmp_path):
    items = items_of(3, gold=2)
    store.lay_out(items, gold_of(items))
    assert store.export(tmp_path).empty and not (tmp_path / "votes.csv").exists(), "no file without votes"
    store.join("ann")
    store.assign("ann", 5, 1, gold=2)
    answer_all(store, "ann")
    store.export(tmp_path)
    votes = read_votes(tmp_path / "votes.csv", [f"val-{n:03d}" for n in range(3)], pd.Series("r", items["item_id"]))
    assert len(votes) == 3 * len(QUESTIONS) and set(votes["source"]) == {"local"}
    gold = pd.read_csv(tmp_path / "gold_votes.csv")
    assert list(gold["truth"]) == ["no", "no"] and set(gold["image_id"]) == {"known-0", "known-1"}
    before = (tmp_path / "votes.csv").read_bytes()
    store.export(tmp_path)
    assert (tmp_path / "votes.csv").read_bytes() == before


def test_export_takes_in_votes_of_strangers_and_forgets_what_was_taken_back(store, tmp_path):
    store.lay_out(items_of(2), no_gold())
    store.join("ann")
    store.assign("ann", 2, 2)
    answer_all(store, "ann")
    store.export(tmp_path)
    stranger = pd.DataFrame(
        [("val-000", "bea", "adult", "yes", "local")], columns=["image_id", "worker_id", "question", "answer", "source"]
    )
    both = pd.concat(
        [pd.read_csv(tmp_path / "votes.csv"), stranger, stranger.assign(source="simulated", worker_id="simulated-00")]
    )
    both.to_csv(tmp_path / "votes.csv", index=False)
    store.take_back("ann", "val-001", "adult")
    votes = store.export(tmp_path)
    assert set(votes["worker_id"]) == {"ann", "bea"} and len(votes) == 5 + 1
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT answer FROM votes WHERE worker_id = 'bea'").fetchall() == [("yes",)]
