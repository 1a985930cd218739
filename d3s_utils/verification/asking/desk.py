"""Where annotators are served, whatever they look at: who they are, what they see next, what they answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from d3s_utils.data.classes import class_table
from d3s_utils.generation.dataset import read_dataset
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.asking.album import Album
from d3s_utils.verification.asking.gold import worked_examples
from d3s_utils.verification.asking.plan import plan_of
from d3s_utils.verification.asking.store import Store
from d3s_utils.verification.asking.task import Item, Session


class Desk:
    """The annotators of one store, each with the session at hand."""

    def __init__(self, store: Store, album: Album, settings: Verification, examples: Sequence[dict] = ()):
        """`examples` for the instructions, see `gold.worked_examples`."""
        self.store, self.album, self.settings = store, album, settings
        self.examples = [one | {"picture": album.thumbnail(one["picture"])} for one in examples]
        self._sessions: dict[str, Session] = {}

    def session(self, worker: str) -> Session:
        if worker not in self._sessions:
            self._sessions[worker] = self.store.session(worker)
        return self._sessions[worker]

    def more(self, worker: str) -> dict:
        """A new session, if the last one is done and there is anything left."""
        session = self.session(worker)
        if session.first_open() is None:
            self.store.assign(worker, self.settings.session, self.settings.votes_per_image, gold_in(self.settings))
            self._sessions.pop(worker, None)
        return self.view(worker)

    def view(self, worker: str, item: Item | None = None, question: str | None = None) -> dict:
        """What `worker` sees: `item`, or the first picture without answer."""
        session = self.session(worker)
        item = item or session.first_open()
        view = session.view(item, question) | {"worker": worker}
        if item is not None:
            view |= self.album.names(item.item_id)
            following = session.first_open(view["number"])
            view["ahead"] = self.album.names(following.item_id)["picture"] if following else None
        return view

    def answer(self, worker: str, item_id: str, question: str, answer: str, seconds: float | None) -> dict:
        session = self.session(worker)
        try:
            self.store.record(worker, session.find(item_id), question, answer, seconds)
        except D3SError:
            self._sessions.pop(worker, None)  # somebody else may have changed it: read it anew
            raise
        return self.view(worker, *session.answer(item_id, question, answer))

    def undo(self, worker: str) -> dict:
        taken = self.session(worker).undo()
        if taken is None:
            return self.view(worker)
        item, question = taken
        self.store.take_back(worker, item.item_id, question)
        return self.view(worker, item, question)


def gold_in(settings: Verification) -> int:
    """How many pictures of a session are gold."""
    return round(settings.gold_rate * settings.session) if settings.gold else 0


def open_desk(run: Run) -> Desk:
    """The desk of a run, with its plan laid out.

    Raises:
        D3SError: there are no images yet, or votes were given on other pictures than these.
    """
    dataset, seed = run.folder / "dataset", run.profile.seed
    manifest, photos = read_dataset(dataset, "val"), open_photos(run.profile)
    plan, store = plan_of(run, manifest, photos), Store(store_path(run))
    store.lay_out(plan.items, plan.gold)
    examples = worked_examples(photos, class_table(run.profile), manifest, seed)
    return Desk(store, Album(dataset, photos, store.items(), seed), run.profile.verification, examples)


def store_path(run: Run) -> Path:
    return run.path("annotation", "votes.sqlite")
