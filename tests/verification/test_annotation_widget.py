"""The widget without a browser: what keys and buttons say becomes votes, and nothing becomes markup."""

import re
import threading
from html import unescape

import pandas as pd
import pytest
from conftest import EVIL, copy_run

from d3s_utils.notebook.widgets.annotate import Annotator, annotate
from d3s_utils.verification.asking.desk import open_desk


@pytest.fixture
def annotator(asked_outputs, tmp_path, monkeypatch):
    run = copy_run(asked_outputs, tmp_path, monkeypatch)
    return Annotator(open_desk(run), run, "ann")


def shown(annotator):
    return annotator.view["number"], annotator.view["open"]


class Page:
    """The widget in one browser page: a message per key or click, with those that were not confirmed by then."""

    def __init__(self, annotator, name="a"):
        self.panel, self.name, self.acts = annotator.widget, name, []

    def message(self, act, confirmed=None):
        confirmed = self.panel.heard.get(self.name, 0) if confirmed is None else confirmed
        self.acts.append(act)
        return {"page": self.name, "seq": len(self.acts), "acts": self.acts[confirmed:]}

    def send(self, message):
        data = {"method": "custom", "content": message}
        self.panel._handle_msg({"content": {"data": data}, "buffers": []})

    def type(self, *keys):
        for key in keys:
            self.send(self.message({"key": key}))

    def click(self, **what):
        """A button that is shown, by its data attributes."""
        button = " ".join(f"data-{name}='{value}'" for name, value in what.items())
        assert f"<button {button} " in self.panel.questions
        self.send(self.message(what))


def answers(annotator):
    """All that were given, in their order."""
    return [answer for (answer,) in annotator.desk.store._db.execute("SELECT answer FROM votes ORDER BY number")]


def pressed(annotator):
    """The question and answer of each button that is down."""
    return re.findall(r"aria-pressed='true' title='(\w+): (\w+)'", annotator.widget.questions)


def test_keys_answer_and_backspace_takes_back(annotator):
    page = Page(annotator)
    page.type(*"ynn")
    assert shown(annotator) == (2, "foreground")
    page.type("Backspace")
    assert shown(annotator) == (1, "adult")
    page.type("y", "x")
    assert shown(annotator) == (2, "foreground"), "other keys are nothing"
    for before, after in (("<", ">"), ("ArrowLeft", "ArrowRight")):
        page.type(before)
        assert annotator.view["number"] == 1 and annotator.view["open"] is None
        assert pressed(annotator) == [("foreground", "yes"), ("background", "no"), ("adult", "yes")]
        page.type(after)
        assert shown(annotator) == (2, "foreground")


def test_keys_count_once_and_in_their_order_whatever_the_messages_do(annotator):
    page, keys = Page(annotator), "ynnynyyny"
    first, _lost, third, *rest = [page.message({"key": key}, confirmed=0) for key in keys]
    for message in (third, first, rest[-1], *rest, first):
        page.send(message)
    assert answers(annotator) == [{"y": "yes", "n": "no"}[key] for key in keys]
    assert annotator.widget.heard == {"a": 9} and shown(annotator) == (4, "foreground")


def test_a_click_answers_what_was_shown_when_keys_are_still_on_the_way(annotator):
    page = Page(annotator)
    item = annotator.view["item"]
    messages = [page.message({"key": key}, confirmed=0) for key in "ynny"]
    page.message({"item": item, "question": "adult", "answer": "yes"}, confirmed=0)
    page.send({"page": "a", "seq": 5, "acts": page.acts})
    for message in messages:
        page.send(message)
    votes = annotator.desk.store.votes().set_index("image_id")
    assert list(votes.loc[item, "answer"]) == ["yes", "no", "yes"] and len(votes) == 4


def test_a_page_that_was_reloaded_begins_to_count_anew(annotator):
    Page(annotator, "a").type(*"yn")
    Page(annotator, "b").type(*"yyn")
    assert answers(annotator) == ["yes", "no", "yes", "yes", "no"] and annotator.widget.heard == {"a": 2, "b": 3}


def test_keys_that_arrive_in_several_threads_all_count(annotator):
    work = [threading.Thread(target=Page(annotator, str(number)).type, args="yn" * 9) for number in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert sorted(answers(annotator)) == 36 * ["no"] + 36 * ["yes"] and annotator.view["complete"] == 24


def test_votes_land_in_the_file_picture_by_picture(annotator):
    path, page = annotator.run.folder / "votes.csv", Page(annotator)
    page.type(*"yn")
    assert not path.exists(), "a picture half answered is not written yet"
    page.type("n")
    for question in ("foreground", "background", "adult"):
        page.click(item=annotator.view["item"], question=question, answer="no")
    files = [file for name in ("votes.csv", "gold_votes.csv") if (file := annotator.run.folder / name).exists()]
    votes = pd.concat([pd.read_csv(file) for file in files])
    assert votes["image_id"].nunique() == 2 and set(votes["source"]) == {"local"} and set(votes["worker_id"]) == {"ann"}


def test_what_was_answered_is_there_again(annotator):
    Page(annotator).type(*"ynnynny")
    again = Annotator(open_desk(annotator.run), annotator.run, "ann")
    assert shown(again) == shown(annotator) == (3, "background")


def test_at_the_end_there_is_more(annotator):
    page = Page(annotator)
    page.type(*"ynn" * 25)
    assert annotator.view["item"] is None and annotator.widget.picture == ""
    assert "thank you" in annotator.widget.progress
    page.type("y", "<")
    page.click(step="more")
    assert shown(annotator) == (1, "foreground") and "data-step='more'" not in annotator.widget.questions


def test_a_picture_that_went_to_somebody_else_is_said_so(annotator):
    annotator.desk.store._db.execute("DELETE FROM assignments")
    Page(annotator).type("y")
    assert "somebody else" in annotator.widget.notice


def test_only_what_changed_is_sent(annotator):
    sent = []
    annotator.widget.send_state = lambda key: sent.append(key)
    Page(annotator).type("y")
    assert sorted(sent) == ["heard", "questions"], "pictures are large"


def test_markup_in_a_class_name_is_escaped(evil_outputs, tmp_path, monkeypatch):
    run = copy_run(evil_outputs, tmp_path, monkeypatch)
    assert "picture 1 of" in annotate(run, "ann").progress
    annotator = Annotator(open_desk(run), run, "ann")
    for _ in range(25):
        if annotator.view["class_name"] == EVIL:
            break
        annotator.step("next")
    texts = [annotator.widget.side, annotator.widget.questions]
    assert all(EVIL not in text and EVIL in unescape(text) for text in texts)
