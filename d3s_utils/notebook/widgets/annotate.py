"""The notebook's face of the task: `annotate(run)` shows pictures, takes answers and writes votes.csv as they come.

Its static twin is `figures.verification.draw_task`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import Run
from d3s_utils.verification.asking.desk import Desk, open_desk
from d3s_utils.verification.asking.task import INSTRUCTIONS
from d3s_utils.verification.votes import ANSWERS

if TYPE_CHECKING:
    from ipywidgets import Widget

STEPS = {"previous": "◀ Previous", "undo": "Undo", "next": "Next ▶", "more": "More pictures"}
KEYS = {
    **{"y": "yes", "n": "no", "Backspace": "undo"},
    **{"<": "previous", "ArrowLeft": "previous", ">": "next", "ArrowRight": "next"},
}  # as browsers call them, in small letters


def annotate(run: Run, name: str = "me") -> Widget:
    """Ask `name` about the images of `run`, here in the notebook. What was answered before is still there.

    Every picture whose questions are all answered is written to the run's votes.csv, with `source` local; the votes
    themselves are on the disk with each answer.
    """
    return Annotator(open_desk(run), run, name).widget


class Annotator:
    """What the widget does and shows. All decisions are the desk's."""

    def __init__(self, desk: Desk, run: Run, name: str):
        from d3s_utils.notebook.widgets.panel import Panel

        self.desk, self.run = desk, run
        self.worker = desk.store.join(name)
        self.widget = Panel(KEYS, self.act)
        lines = "".join(f"<li>{escape(line)}</li>" for line in INSTRUCTIONS)
        self.widget.instructions = f"<details><summary>Instructions</summary><ul>{lines}</ul></details>"
        self.show(desk.more(self.worker))

    # What is done -----------------------------------------------------------------------------------------------------

    def act(self, what: dict) -> None:
        """Do what a key or a button says (see `Panel`).

        A key answers the question that is open by now; a button the one, of the picture, that it stood at.
        """
        if "question" in what:
            self.say(what["item"], what["question"], what["answer"])
            return
        action = what["step"] if "step" in what else KEYS.get(what["key"])
        if action in ANSWERS:
            self.say(self.view["item"], self.view.get("open"), action)
        elif action in STEPS:
            self.step(action)

    def say(self, item: str | None, question: str | None, answer: str) -> None:
        """Answer a question about a picture."""
        if item is not None and question is not None:
            self._try(lambda: self.desk.answer(self.worker, item, question, answer, None))

    def step(self, name: str) -> None:
        """Take one of `STEPS`."""
        if name in ("undo", "more"):
            self._try(lambda: getattr(self.desk, name)(self.worker), export=True)
        elif self.view.get(name) is not None:
            session = self.desk.session(self.worker)
            self._try(lambda: self.desk.view(self.worker, session.find(self.view[name])))

    def _try(self, action: Callable[[], dict], export: bool = False) -> None:
        """Show what comes of `action`, and before that write votes.csv if another picture is next, or on `export`."""
        notice = ""
        try:
            view = action()
        except D3SError as error:
            notice, view = escape(str(error)), self.desk.view(self.worker)
        if export or view["item"] != self.view["item"]:
            self.desk.store.export(self.run.folder)
        self.widget.notice = notice
        self.show(view)

    # What is shown ----------------------------------------------------------------------------------------------------

    def show(self, view: dict) -> None:
        """Show a view of the desk's (see `Session.view`)."""
        self.view = view
        done = view["item"] is None
        bar = f"<progress max='{max(view['of'], 1)}' value='{view['complete']}'></progress>"
        said = "done, and thank you" if done else f"picture {view['number']} of {view['of']}"
        panel = self.widget
        panel.progress = f"<span>{said}</span>{bar}"
        panel.questions = "".join(_question(view, question) for question in view.get("questions", ())) + _steps(view)
        panel.picture = "" if done else self._image(view["picture"], f"picture {view['number']}, to be judged")
        panel.side = "" if done else self._side(view)

    def _side(self, view: dict) -> str:
        photographs = "".join(
            self._image(picture, f"photograph {number} of the class {view['class_name']}")
            for number, picture in enumerate(view["examples"], start=1)
        )
        return (
            f"<div><b>{escape(view['class_name'])}</b><br>{escape(view['definition'])}</div>"
            f"<div class='d3s-small'><div>Photographs<div>{photographs}</div></div>"
            f"<div>It began as<div>{self._image(view['guide'], 'the guide')}</div></div></div>"
        )

    def _image(self, name: str, alt: str) -> str:
        data = base64.b64encode(self.desk.album.png(name)).decode()
        return f"<img alt='{escape(alt)}' src='data:image/png;base64,{data}'>"


def _question(view: dict, question: dict) -> str:
    """One question with its buttons."""
    place = f"data-item='{escape(view['item'])}' data-question='{question['name']}'"
    buttons = "".join(
        f"<button {place} data-answer='{answer}' aria-pressed='{str(question['answer'] == answer).lower()}' "
        f"title='{question['name']}: {answer}'>{answer.capitalize()}</button>"
        for answer in ANSWERS
    )
    state = "d3s-question d3s-open" if question["name"] == view["open"] else "d3s-question"
    return f"<div class='{state}'>{escape(question['text'])}<div class='d3s-row'>{buttons}</div></div>"


def _steps(view: dict) -> str:
    possible = {**{name: view.get(name) is not None for name in ("previous", "next")}, "undo": view["can_undo"]}
    shown = ("undo", "more") if view["item"] is None else ("previous", "undo", "next")
    buttons = "".join(
        f"<button data-step='{name}' {'' if possible.get(name, True) else 'disabled'}>{STEPS[name]}</button>"
        for name in shown
    )
    return f"<div class='d3s-row'>{buttons}</div>"
