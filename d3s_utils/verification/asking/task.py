"""The task itself, whatever its face: three questions about a picture, a queue of pictures, and a way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.words import BACKGROUNDS
from d3s_utils.verification.votes import ANSWERS, QUESTIONS

TEMPLATES = Path(__file__).parent / "templates"  # of the page and of Mechanical Turk
TITLE = "Does the picture show what was asked for?"
INSTRUCTIONS = (
    "Each picture was drawn by a program that was asked for an object and for a background. Say what you see, not what "
    "you suppose was meant.",
    "Object: yes if you can make it out as that kind of thing, even if it is small, cut off or oddly coloured. No if "
    "it is missing, is something else, or cannot be told.",
    "Background: yes if the surroundings are as asked, whatever the object is doing there.",
    "Adult or violent: yes if you would not show the picture in a classroom.",
    "The small picture is what the program started from, and the photographs show the kind of object meant; neither is "
    "what you judge.",
)


@dataclass(frozen=True)
class Item:
    """One picture and what is asked about it.

    Attributes:
        item_id: the image_id of a validation image, or the name of a gold item.
        definition: of the class, from WordNet; "" where there is none.
        background: the background, or other shift, asked for; "" where none was, and then nobody is asked about it.
    """

    item_id: str
    class_name: str
    definition: str = ""
    background: str = ""

    @property
    def questions(self) -> tuple[str, ...]:
        return QUESTIONS if self.background else tuple(name for name in QUESTIONS if name != "background")


def wording(item: Item, question: str) -> str:
    """The question in words, as plain text: whoever shows it has to escape it."""
    what = "background" if item.background in BACKGROUNDS else "scene"  # recipes shift other things as well
    return {
        "foreground": f"Do you see this object: {item.class_name}?",
        "background": f"Is the {what} as asked: {item.background}?",
        "adult": "Is there adult or violent content?",
    }[question]


@dataclass
class Session:
    """One annotator's way through some items.

    Attributes:
        items: in the order in which they are shown.
        answers: (item_id, question) -> yes or no, the latest last.
    """

    items: Sequence[Item]
    answers: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._number = {item.item_id: number for number, item in enumerate(self.items)}

    def find(self, item_id: str) -> Item:
        """The item of that name.

        Raises:
            D3SError: it is not in this session.
        """
        if item_id not in self._number:
            raise D3SError(f"{item_id!r} is not among the pictures of this session; reload the page.")
        return self.items[self._number[item_id]]

    def is_complete(self, item: Item) -> bool:
        return all((item.item_id, question) in self.answers for question in item.questions)

    def first_open(self, start: int = 0) -> Item | None:
        """The first item from number `start` on, and then from the beginning, that lacks an answer."""
        order = [*self.items[start:], *self.items[:start]]
        return next((item for item in order if not self.is_complete(item)), None)

    def open_question(self, item: Item) -> str | None:
        return next((name for name in item.questions if (item.item_id, name) not in self.answers), None)

    def answer(self, item_id: str, question: str, answer: str) -> tuple[Item | None, str | None]:
        """Take down an answer, and say which item and question come next; (None, None) at the end.

        The next question of the same item comes first, answered or not, so that an item seen again can be gone through
        again; then the next item that lacks an answer.

        Raises:
            D3SError: no such item, question or answer.
        """
        item = self.find(item_id)
        check_answer(item, question, answer)
        self.answers.pop((item_id, question), None)
        self.answers[item_id, question] = answer
        later = item.questions[item.questions.index(question) + 1 :]
        if later:
            return item, later[0]
        following = item if not self.is_complete(item) else self.first_open(self._number[item_id] + 1)
        return following, following and self.open_question(following)

    def undo(self) -> tuple[Item, str] | None:
        """Take back the latest answer: its item and question, open again; None where nothing was answered."""
        if not self.answers:
            return None
        item_id, question = next(reversed(self.answers))
        del self.answers[item_id, question]
        return self.find(item_id), question

    def view(self, item: Item | None, question: str | None = None) -> dict:
        """All that a face needs to show `item`, as JSON takes it; of None, that the session is done."""
        complete = sum(map(self.is_complete, self.items))
        view = {"complete": complete, "of": len(self.items), "can_undo": bool(self.answers), "item": None}
        if item is None:
            return view
        number = self._number[item.item_id]
        names = [other.item_id for other in self.items]
        asked = [
            {"name": name, "text": wording(item, name), "answer": self.answers.get((item.item_id, name))}
            for name in item.questions
        ]
        return view | {
            "item": item.item_id,
            "number": number + 1,
            "class_name": item.class_name,
            "definition": item.definition,
            "background": item.background,
            "questions": asked,
            "open": question or self.open_question(item),
            "previous": names[number - 1] if number else None,
            "next": names[number + 1] if number + 1 < len(names) else None,
        }


def check_answer(item: Item, question: str, answer: str) -> None:
    """Raise D3SError unless `answer` is one that `question` about `item` can have."""
    if question not in item.questions:
        raise D3SError(f"question {question!r} is not asked of {item.item_id}; ask {', '.join(item.questions)}.")
    if answer not in ANSWERS:
        raise D3SError(f"answer {answer!r} is neither yes nor no; send one of them.")
