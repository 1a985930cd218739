"""The notebook's face of the task: `annotate(run)` shows pictures, takes answers and writes votes.csv as they come.

Its static twin is `figures.verification.draw_task`.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import Run
from d3s_utils.verification.asking.desk import Desk, open_desk
from d3s_utils.verification.asking.task import INSTRUCTIONS
from d3s_utils.verification.votes import ANSWERS, QUESTIONS

if TYPE_CHECKING:
    from ipywidgets import Widget

LARGE, SMALL = 360, 72  # pixels
COLOURS = {"yes": "success", "no": "warning"}


def annotate(run: Run, name: str = "me") -> Widget:
    """Ask `name` about the images of `run`, here in the notebook. What was answered before is still there.

    Every picture whose questions are all answered is written to the run's votes.csv, with `source` local; the votes
    themselves are on the disk with each answer.
    """
    return Annotator(open_desk(run), run, name).widget


class Annotator:
    """The widgets, and what they do. All decisions are the desk's.

    Typing is the fast way: y, n, < and > in the text field, and Backspace takes back the last answer.
    """

    def __init__(self, desk: Desk, run: Run, name: str):
        from ipywidgets import HTML, Button, GridBox, HBox, Layout, Text, VBox

        self.desk, self.run = desk, run
        self.worker = desk.store.join(name)
        self.progress, self.picture, self.side, self.notice = HTML(), HTML(), HTML(), HTML()
        self.texts = {question: HTML() for question in QUESTIONS}
        self.buttons = {
            (question, answer): Button(description=answer.capitalize(), tooltip=f"{question}: {answer}")
            for question in QUESTIONS
            for answer in ANSWERS
        }
        for (question, answer), button in self.buttons.items():
            button.on_click(lambda _, question=question, answer=answer: self.say(question, answer))
        self.rows = {
            name: VBox([self.texts[name], HBox([self.buttons[name, a] for a in ANSWERS])]) for name in QUESTIONS
        }
        steps = {"previous": "◀ Previous", "undo": "Undo", "next": "Next ▶", "more": "More pictures"}
        self.steps = {name: Button(description=text, tooltip=text) for name, text in steps.items()}
        for name, button in self.steps.items():
            button.on_click(lambda _, name=name: self.step(name))
        self.keys = Text(placeholder="click here and type: y n", description="Keys", continuous_update=True)
        self._typed = ""
        self.keys.observe(self._on_typing, "value")
        asking = VBox(
            [*self.rows.values(), HBox(list(self.steps.values()), layout=Layout(flex_flow="row wrap")), self.keys]
        )
        stage = GridBox(
            [self.picture, VBox([asking, self.side])],
            layout=Layout(grid_template_columns=f"minmax(180px, {LARGE}px) minmax(260px, 1fr)", grid_gap="16px"),
        )
        self.widget = VBox([HTML(_instructions()), self.progress, self.notice, stage])
        self.show(desk.more(self.worker))

    # What is done -----------------------------------------------------------------------------------------------------

    def say(self, question: str | None, answer: str) -> None:
        """Answer a question about the picture shown."""
        item = self.view["item"]
        if item is not None and question is not None:
            self._try(lambda: self.desk.answer(self.worker, item, question, answer, None))
            if self.view["item"] != item:
                self.desk.store.export(self.run.folder)

    def step(self, name: str) -> None:
        if name in ("undo", "more"):
            self._try(lambda: getattr(self.desk, name)(self.worker))
            self.desk.store.export(self.run.folder)
        elif self.view.get(name) is not None:
            session = self.desk.session(self.worker)
            self._try(lambda: self.desk.view(self.worker, session.find(self.view[name])))

    def _on_typing(self, change: dict) -> None:
        """Letters that came are keys; where one went, the last answer goes."""
        before, now = self._typed, change["new"]
        self._typed = now
        if not now.startswith(before):
            self.step("undo")
            return
        for key in now[len(before) :].lower():
            if key in "yn":
                self.say(self.view.get("open"), {"y": "yes", "n": "no"}[key])
            elif key in "<>":
                self.step({"<": "previous", ">": "next"}[key])

    def _try(self, action) -> None:
        try:
            self.notice.value = ""
            self.show(action())
        except D3SError as error:
            self.notice.value = f"<b>{escape(str(error))}</b>"
            self.show(self.desk.view(self.worker))

    # What is shown ----------------------------------------------------------------------------------------------------

    def show(self, view: dict) -> None:
        """Show a view of the desk's (see `Session.view`)."""
        self.view = view
        done = view["item"] is None
        self.steps["more"].layout.display = None if done else "none"
        for name in ("previous", "next"):
            self.steps[name].disabled = view.get(name) is None
        self.steps["undo"].disabled = not view["can_undo"]
        self.progress.value = f"<progress max='{max(view['of'], 1)}' value='{view['complete']}'></progress> " + (
            f"picture {view['number']} of {view['of']}" if not done else "done, and thank you"
        )
        asked = {} if done else {question["name"]: question for question in view["questions"]}
        for name, row in self.rows.items():
            row.layout.display = None if name in asked else "none"
            if name in asked:
                text = escape(asked[name]["text"])
                self.texts[name].value = f"<b>▸ {text}</b>" if name == view["open"] else text
            for answer in ANSWERS:
                chosen = name in asked and asked[name]["answer"] == answer
                self.buttons[name, answer].button_style = COLOURS[answer] if chosen else ""
        self.picture.value = (
            "" if done else self._image(view["picture"], LARGE, f"picture {view['number']}, to be judged")
        )
        self.side.value = "" if done else self._side(view)

    def _side(self, view: dict) -> str:
        name = escape(view["class_name"])
        photographs = "".join(
            self._image(picture, SMALL, f"photograph {number} of the class {view['class_name']}")
            for number, picture in enumerate(view["examples"], start=1)
        )
        guide = self._image(view["guide"], SMALL, "the guide")
        return f"<b>{name}</b><br>{escape(view['definition'])}<br>{photographs}<br>It began as<br>{guide}"

    def _image(self, name: str, side: int, alt: str) -> str:
        data = base64.b64encode(self.desk.album.png(name)).decode()
        style = f"width: {side}px; max-width: 100%; display: inline-block; margin: 2px; border-radius: 6px"
        return f"<img alt='{escape(alt)}' style='{style}' src='data:image/png;base64,{data}'>"


def _instructions() -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in INSTRUCTIONS)
    keys = "y yes, n no, Backspace takes back, &lt; and &gt; go to the picture before and after"
    return f"<details><summary>Instructions</summary><ul>{lines}<li>Keys: {keys}</li></ul></details>"
