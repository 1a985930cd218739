"""What a notebook reads and leaves, noted while it runs, so that it runs again when, and only when, something changed.

Notes are lines of JSON in the file that the environment variable `D3S_JOURNAL` names; without it nothing is noted. Each
thing is noted once, as soon as it is read: a kernel that dies leaves what it noted so far.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_SEEN: set[tuple[str, str]] = set()
_LOCK = threading.Lock()
_SILENT = contextvars.ContextVar("silent", default=False)


def note_input(path: str | Path) -> None:
    """A file or folder was read."""
    _note("input", str(Path(path).absolute()))


def note_output(path: str | Path) -> None:
    """A file was left, or found as it would have been left."""
    _note("output", str(Path(path).absolute()))


def note_setting(key: str) -> None:
    """A setting was looked at, such as "generator.strength"."""
    _note("setting", key)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What is read inside is not noted: settings looked at to check them, or to write all of them down."""
    before = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(before)


def _note(kind: str, name: str) -> None:
    journal = os.environ.get("D3S_JOURNAL")
    if not journal or _SILENT.get() or (kind, name) in _SEEN:
        return
    with _LOCK:
        _SEEN.add((kind, name))
        with open(journal, "a", encoding="utf-8") as lines:
            lines.write(json.dumps([kind, name]) + "\n")


def read(journal: Path) -> dict[str, list[str]]:
    """`input`, `output` and `setting`, each sorted; a half-written last line is left out."""
    found: dict[str, set[str]] = {"input": set(), "output": set(), "setting": set()}
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else []:
        try:
            kind, name = json.loads(line)
        except ValueError:
            continue
        found[kind].add(name)
    return {kind: sorted(names) for kind, names in found.items()}
