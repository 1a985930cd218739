"""The widget without a browser: what is typed and clicked becomes votes, and nothing becomes markup."""

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


def type_keys(annotator, keys):
    """As a browser does: the whole text of the field, each time it changes."""
    for key in keys:
        before = annotator.keys.value
        annotator.keys.value = before[:-1] if key == "\b" else before + key


def test_typing_answers_and_backspace_takes_back(annotator):
    type_keys(annotator, "ynn")
    assert shown(annotator) == (2, "foreground")
    type_keys(annotator, "\b")
    assert shown(annotator) == (1, "adult")
    type_keys(annotator, "yx")
    assert shown(annotator) == (2, "foreground"), "other letters are nothing"
    type_keys(annotator, "<")
    assert annotator.view["number"] == 1 and annotator.view["open"] is None
    assert annotator.buttons["adult", "yes"].button_style and not annotator.buttons["adult", "no"].button_style


def test_several_letters_at_once_are_heard_one_by_one(annotator):
    annotator.keys.value = "ynnyy"
    assert shown(annotator) == (2, "adult")


def test_votes_land_in_the_file_picture_by_picture(annotator):
    path = annotator.run.folder / "votes.csv"
    type_keys(annotator, "yn")
    assert not path.exists(), "a picture half answered is not written yet"
    type_keys(annotator, "n")
    for question in ("foreground", "background", "adult"):
        annotator.buttons[question, "no"].click()
    files = [file for name in ("votes.csv", "gold_votes.csv") if (file := annotator.run.folder / name).exists()]
    votes = pd.concat([pd.read_csv(file) for file in files])
    assert votes["image_id"].nunique() == 2 and set(votes["source"]) == {"local"} and set(votes["worker_id"]) == {"ann"}


def test_what_was_answered_is_there_again(annotator):
    type_keys(annotator, "ynnynny")
    again = Annotator(open_desk(annotator.run), annotator.run, "ann")
    assert shown(again) == shown(annotator) == (3, "background")


def test_at_the_end_there_is_more(annotator):
    type_keys(annotator, "ynn" * 25)
    assert annotator.view["item"] is None and annotator.steps["more"].layout.display is None
    assert "thank you" in annotator.progress.value
    annotator.steps["more"].click()
    assert shown(annotator) == (1, "foreground") and annotator.steps["more"].layout.display == "none"


def test_a_picture_that_went_to_somebody_else_is_said_so(annotator):
    annotator.desk.store._db.execute("DELETE FROM assignments")
    annotator.say("foreground", "yes")
    assert "somebody else" in annotator.notice.value


def test_markup_in_a_class_name_is_escaped(evil_outputs, tmp_path, monkeypatch):
    run = copy_run(evil_outputs, tmp_path, monkeypatch)
    widget = annotate(run, "ann")
    annotator = Annotator(open_desk(run), run, "ann")
    assert widget.children
    for _ in range(25):
        if annotator.view["class_name"] == EVIL:
            break
        annotator.step("next")
    texts = [annotator.side.value, annotator.texts["foreground"].value]
    assert all(EVIL not in text and EVIL in unescape(text) for text in texts)
