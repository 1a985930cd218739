"""Who answered what: one SQLite file per run, <run>/annotation/votes.sqlite, that many people write to at once.

Every vote is committed, to the disk, before it is acknowledged; the key (item, worker, question) takes one vote, so
that a vote sent twice is stored once. `export` writes votes.csv and gold_votes.csv from it.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from d3s_utils.ground.columns import COLUMNS, require_columns
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_table
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.asking.task import Item, Session, check_answer
from d3s_utils.verification.votes import people_voted, read_text

LEASE = 3600.0  # seconds without a sign of life after which pictures that nobody touched go to somebody else
LONGEST = 600.0  # seconds that one answer can take; what is longer was a pause
NAME_LENGTH = 60
RETIRED = "retired"  # why an image is not asked about any more

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    item_id TEXT PRIMARY KEY, position INTEGER NOT NULL, picture TEXT NOT NULL, guide TEXT NOT NULL,
    label INTEGER NOT NULL, class_name TEXT NOT NULL, definition TEXT NOT NULL, background TEXT NOT NULL,
    why TEXT NOT NULL, recipe_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gold (
    item_id TEXT, question TEXT, answer TEXT, PRIMARY KEY (item_id, question)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (
    worker_id TEXT PRIMARY KEY, active_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS assignments (
    worker_id TEXT, item_id TEXT, session INTEGER NOT NULL, place INTEGER NOT NULL,
    PRIMARY KEY (worker_id, item_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS assignments_by_item ON assignments (item_id);
CREATE TABLE IF NOT EXISTS votes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL, worker_id TEXT NOT NULL, question TEXT NOT NULL,
    answer TEXT NOT NULL, source TEXT NOT NULL, seconds REAL, answered_at TEXT, UNIQUE (item_id, worker_id, question));
"""  # number: in the order the votes were given; a vote given anew is the latest again

ITEM_COLUMNS = (
    *("item_id", "position", "picture", "guide", "label", "class_name", "definition", "background"),
    *("why", "recipe_hash"),
)


class Store:
    """The annotation file of one run. One connection, for one thread; other processes may have theirs.

    Args:
        path: made if need be.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise D3SError(f"{self.path} is no file of votes ({error}); move it away and start again.") from error

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _at_once(self):
        """All or nothing, with nobody else writing in between."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # What is asked ----------------------------------------------------------------------------------------------------

    def lay_out(self, items: pd.DataFrame, gold: pd.DataFrame) -> None:
        """Put in the items of a plan (see `plan.make_plan`).

        Images of an earlier plan that are not in this one keep their votes, and nobody is asked about them any more.

        Raises:
            D3SError: there are votes on an item whose picture has been made anew since.
        """
        voted = "SELECT item_id, recipe_hash FROM items WHERE item_id IN (SELECT item_id FROM votes)"
        there = dict(self._db.execute(voted))
        planned = dict(zip(items["item_id"], items["recipe_hash"], strict=True))
        changed = next((name for name, image in planned.items() if there.get(name, image) != image), None)
        if changed is not None:
            raise D3SError(
                f"{self.path} holds votes on another picture of {changed!r}: the images have been made anew since. "
                "Move the file away to begin again, or go back to the settings the votes were given for."
            )
        rows = items[list(ITEM_COLUMNS)].astype(object).itertuples(index=False, name=None)
        marks = ", ".join("?" * len(ITEM_COLUMNS))
        anew = ", ".join(f"{name} = excluded.{name}" for name in ITEM_COLUMNS[1:])
        with self._at_once():
            self._db.execute(f"UPDATE items SET why = '{RETIRED}' WHERE why != 'gold'")
            self._db.executemany(
                f"INSERT INTO items ({', '.join(ITEM_COLUMNS)}) VALUES ({marks}) "
                f"ON CONFLICT (item_id) DO UPDATE SET {anew}",
                rows,
            )
            self._db.execute("DELETE FROM gold")
            known = gold[["item_id", "question", "answer"]].itertuples(index=False, name=None)
            self._db.executemany("INSERT INTO gold VALUES (?, ?, ?)", known)

    def items(self) -> pd.DataFrame:
        """`ITEM_COLUMNS`, in the order of `position`."""
        return pd.read_sql_query("SELECT * FROM items ORDER BY position, item_id", self._db)

    def gold(self) -> pd.DataFrame:
        """item_id, question, answer: what is known."""
        return pd.read_sql_query("SELECT * FROM gold ORDER BY item_id, question", self._db)

    def secret(self) -> str:
        """A random word that stays with this file: signs cookies, and salts the names of workers from elsewhere."""
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_hex(32),))
        return self._db.execute("SELECT value FROM meta WHERE key = 'secret'").fetchone()[0]

    def pseudonym(self, worker: str, prefix: str) -> str:
        """A name for `worker` that is the same each time and says nothing about who it is."""
        return f"{prefix}-{hashlib.sha256((self.secret() + worker).encode()).hexdigest()[:12]}"

    # Who answers it ---------------------------------------------------------------------------------------------------

    def join(self, worker: str) -> str:
        """Let `worker` in, or back in; hands back the name in the spelling that is stored.

        Raises:
            D3SError: an empty name, one that is too long, or one with characters that cannot be seen.
        """
        worker = " ".join(worker.split())
        if not worker or len(worker) > NAME_LENGTH or not worker.isprintable():
            raise D3SError(f"A name has 1 to {NAME_LENGTH} visible characters; choose another.")
        self._db.execute(
            "INSERT INTO workers VALUES (?, ?) ON CONFLICT (worker_id) DO UPDATE SET active_at = excluded.active_at",
            (worker, time.time()),
        )
        return worker

    def session(self, worker: str) -> Session:
        """The worker's latest session, with what is answered of it; empty before the first."""
        rows = self._db.execute(
            "SELECT item_id, i.class_name, i.definition, i.background FROM assignments a JOIN items i USING (item_id) "
            "WHERE a.worker_id = :w AND a.session = (SELECT MAX(session) FROM assignments WHERE worker_id = :w) "
            "ORDER BY a.place",
            {"w": worker},
        )
        items = [Item(*row) for row in rows]
        mine = {item.item_id for item in items}
        votes = self._db.execute(
            "SELECT item_id, question, answer FROM votes WHERE worker_id = ? ORDER BY number", (worker,)
        )
        return Session(items, {(item_id, question): answer for item_id, question, answer in votes if item_id in mine})

    def assign(self, worker: str, size: int, votes_per_image: int, gold: int = 0) -> int:
        """Give `worker` a new session and say how many pictures it has; 0 if there is nothing left for them.

        Images that others have begun come first, so that every image soon has all its votes. Nobody sees a picture
        twice, and no image gets more than `votes_per_image` annotators, those who were away for `LEASE` not counted.

        Args:
            size: pictures in a session, gold ones included.
            gold: how many of them are gold, where there are as many that the worker has not seen.
        """
        with self._at_once():
            self._reclaim(worker)
            known = self._unseen(worker, "item_id IN (SELECT item_id FROM gold)", "i.position", gold)
            asked = self._unseen(
                worker,
                f"i.why NOT IN ('gold', '{RETIRED}') AND item_id NOT IN (SELECT item_id FROM gold) "
                f"AND COALESCE(n, 0) < {votes_per_image:d}",
                "COALESCE(n, 0) DESC, i.position",
                size - len(known),
            )
            if not asked:
                return 0
            last = self._db.execute("SELECT MAX(session) FROM assignments WHERE worker_id = ?", (worker,)).fetchone()[0]
            number = (last or 0) + 1
            order = rng_for("session", worker, number).permutation(len(asked) + len(known))
            chosen = [*asked, *known]
            rows = [(worker, chosen[index], number, position) for position, index in enumerate(order)]
            self._db.executemany("INSERT INTO assignments VALUES (?, ?, ?, ?)", rows)
        return len(chosen)

    def _unseen(self, worker: str, which: str, order: str, limit: int) -> list[str]:
        rows = self._db.execute(
            "SELECT item_id FROM items i LEFT JOIN (SELECT item_id, COUNT(*) n FROM assignments GROUP BY item_id) "
            f"USING (item_id) WHERE {which} AND item_id NOT IN (SELECT item_id FROM assignments WHERE worker_id = ?) "
            f"ORDER BY {order} LIMIT ?",
            (worker, max(0, limit)),
        )
        return [item_id for (item_id,) in rows]

    def _reclaim(self, worker: str) -> None:
        """Take back the untouched pictures of those who went away."""
        self._db.execute(
            "DELETE FROM assignments WHERE worker_id IN "
            "(SELECT worker_id FROM workers WHERE active_at < ? AND worker_id != ?) AND NOT EXISTS "
            "(SELECT 1 FROM votes v WHERE v.item_id = assignments.item_id AND v.worker_id = assignments.worker_id)",
            (time.time() - LEASE, worker),
        )

    # What they answer -------------------------------------------------------------------------------------------------

    def record(self, worker: str, item: Item, question: str, answer: str, seconds: float | None = None) -> None:
        """Store one vote, on the disk when this returns.

        Raises:
            D3SError: an answer that cannot be, or a picture that is not (or no longer) the worker's.
        """
        check_answer(item, question, answer)
        now = time.time()
        with self._at_once():
            mine = "SELECT 1 FROM assignments WHERE worker_id = ? AND item_id = ?"
            if self._db.execute(mine, (worker, item.item_id)).fetchone() is None:
                raise D3SError(f"{item.item_id!r} has gone to somebody else in the meantime; reload the page.")
            spent = None if seconds is None else min(max(float(seconds), 0.0), LONGEST)
            self._put([(item.item_id, worker, question, answer, "local", spent, stamp(now))])
            self._db.execute("UPDATE workers SET active_at = ? WHERE worker_id = ?", (now, worker))

    def take_back(self, worker: str, item_id: str, question: str) -> None:
        """Forget one vote of a worker who thought better of it."""
        key = (worker, item_id, question)
        self._db.execute("DELETE FROM votes WHERE worker_id = ? AND item_id = ? AND question = ?", key)

    def add(self, votes: pd.DataFrame) -> int:
        """Put in votes from elsewhere (columns of votes.csv; `seconds`, `answered_at` if known): how many were new.

        A vote that is there already stays as it is.
        """
        votes = votes.reindex(
            columns=["image_id", "worker_id", "question", "answer", "source", "seconds", "answered_at"]
        )
        rows = votes.astype(object).where(votes.notna(), None).itertuples(index=False, name=None)
        before = self._db.total_changes
        with self._at_once():
            self._put(rows, "INSERT OR IGNORE")
        return self._db.total_changes - before

    def _put(self, rows, how: str = "INSERT OR REPLACE") -> None:
        columns = "(item_id, worker_id, question, answer, source, seconds, answered_at)"
        self._db.executemany(f"{how} INTO votes {columns} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def votes(self) -> pd.DataFrame:
        """All votes: image_id (for gold the item's), worker_id, question, answer, source, seconds, answered_at."""
        return pd.read_sql_query(
            "SELECT item_id AS image_id, worker_id, question, answer, source, seconds, answered_at FROM votes "
            "ORDER BY item_id, worker_id, number",
            self._db,
        )

    def progress(self, votes_per_image: int) -> dict[str, int]:
        """How many `images` are asked about, how many have all their votes (`full`), how many `votes` and `workers`."""
        asked = f"SELECT item_id FROM items WHERE why NOT IN ('gold', '{RETIRED}')"
        full = (
            f"SELECT COUNT(*) FROM (SELECT item_id FROM votes WHERE question = 'foreground' AND item_id IN ({asked}) "
            "GROUP BY item_id HAVING COUNT(*) >= ?)"
        )
        one = {
            "images": (f"SELECT COUNT(*) FROM ({asked})", ()),
            "full": (full, (votes_per_image,)),
            "votes": ("SELECT COUNT(*) FROM votes", ()),
            "workers": ("SELECT COUNT(DISTINCT worker_id) FROM votes", ()),
        }
        return {name: self._db.execute(*query).fetchone()[0] for name, query in one.items()}

    # What is written from it ------------------------------------------------------------------------------------------

    def export(self, folder: Path) -> pd.DataFrame:
        """Write <folder>/votes.csv, and gold_votes.csv if there is gold; hand the former back.

        An older votes.csv may hold votes of people whom this file has never met. They are taken in first.
        """
        path, gold, items = Path(folder) / "votes.csv", self.gold(), self.items()
        self._adopt(path)
        votes = self.votes().merge(
            items[["item_id", "why", "recipe_hash"]], "left", left_on="image_id", right_on="item_id"
        )
        votes = votes.drop(columns="item_id")
        on_gold = votes.merge(
            gold.rename(columns={"item_id": "image_id", "answer": "truth"}), on=["image_id", "question"]
        )
        columns = [*COLUMNS["votes"], "truth", "seconds", "answered_at"]
        _write_or_remove(Path(folder) / "gold_votes.csv", on_gold[columns])
        votes = votes[votes["why"].ne("gold")].drop(columns="why").reset_index(drop=True)
        _write_or_remove(path, votes)
        return votes

    def _adopt(self, path: Path) -> None:
        if not path.is_file():
            return
        older = require_columns(read_text(path), "votes", path)
        met = {
            name
            for (name,) in self._db.execute("SELECT DISTINCT worker_id FROM votes UNION SELECT worker_id FROM workers")
        }
        unmet = older[older["source"].ne("simulated") & ~older["worker_id"].isin(met)]
        if len(unmet):
            self.add(unmet.replace("", None))


def _write_or_remove(path: Path, votes: pd.DataFrame) -> None:
    """Write the votes. Where there are none, no file of people's votes is left; one of simulated votes stays."""
    if len(votes):
        write_table(path, votes)
    elif people_voted(path):
        path.unlink()  # they were taken back


def stamp(moment: float) -> str:
    """Seconds since 1970 as UTC text."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
