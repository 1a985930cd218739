"""The task itself: what is asked next, and the way back."""

import pytest

from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.asking.task import Item, Session, wording
from d3s_utils.verification.votes import QUESTIONS

TEAPOT, MUG = Item("a", "teapot", "pot for tea", "in snow"), Item("b", "mug", "", "in water")


def test_the_questions_name_what_was_asked_for():
    texts = [wording(TEAPOT, question) for question in QUESTIONS]
    assert "teapot" in texts[0] and "in snow" in texts[1] and "adult" in texts[2]
    assert wording(Item("c", "mug", "", "1900"), "background") == "Is the scene as asked: 1900?"
    assert Item("c", "mug").questions == ("foreground", "adult"), "nobody is asked about a background nobody asked for"


def test_a_session_goes_question_by_question_and_ends():
    session = Session([TEAPOT, MUG])
    item, question, order = session.first_open(), None, []
    while item is not None:
        question = question or session.open_question(item)
        order.append((item.item_id, question))
        item, question = session.answer(item.item_id, question, "yes")
    assert order == [(name, question) for name in "ab" for question in QUESTIONS]
    assert session.view(None)["complete"] == 2 and session.first_open() is None


def test_the_end_of_one_item_leads_to_the_next_that_lacks_an_answer_even_if_it_came_before():
    session = Session([TEAPOT, MUG])
    for question in QUESTIONS:
        following = session.answer("b", question, "no")
    assert following == (TEAPOT, "foreground")
    session.answer("a", "foreground", "yes")
    assert session.answer("a", "adult", "no") == (TEAPOT, "background"), "a question left out is asked again"


def test_undo_takes_back_the_latest_answer_whichever_it_was():
    session = Session([TEAPOT, MUG], {("b", "foreground"): "yes", ("a", "foreground"): "no"})
    assert session.undo() == (TEAPOT, "foreground") and session.undo() == (MUG, "foreground")
    assert session.undo() is None and not session.view(TEAPOT)["can_undo"]


def test_an_answer_given_anew_is_the_latest():
    session = Session([TEAPOT])
    for question in QUESTIONS:
        session.answer("a", question, "no")
    session.answer("a", "foreground", "yes")
    assert session.undo() == (TEAPOT, "foreground")


def test_what_cannot_be_answered_is_refused():
    session = Session([TEAPOT, Item("c", "mug")])
    for item_id, question, answer, named in [
        ("x", "adult", "yes", "'x'"),
        ("a", "taste", "yes", "'taste'"),
        ("a", "adult", "maybe", "'maybe'"),
        ("c", "background", "yes", "'background'"),
    ]:
        with pytest.raises(D3SError, match=named):
            session.answer(item_id, question, answer)
    assert session.answers == {}


def test_a_view_holds_what_a_face_shows():
    view = Session([TEAPOT, MUG], {("a", "foreground"): "yes"}).view(TEAPOT)
    assert (view["number"], view["of"], view["open"], view["previous"], view["next"]) == (1, 2, "background", None, "b")
    assert [question["answer"] for question in view["questions"]] == ["yes", None, None]
