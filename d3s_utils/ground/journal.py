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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SEEN: set[tuple[str, str, str]] = set()
_LOCK = threading.Lock()
_SILENT = contextvars.ContextVar("silent", default=False)


@dataclass(frozen=True)
class Notes:
    """What one journal holds.

    Attributes:
        inputs: files and folders that were read or looked for, each with the size and time (nanoseconds) that the file
            had then; None for a folder and for what was not there.
        outputs: files that were left.
        settings: keys that were looked at.
    """

    inputs: dict[str, list[int] | None] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)


def note_input(path: str | Path) -> None:
    """A file or folder was read, or looked for and not found."""
    path = Path(path).absolute()
    _note("input", str(path), lambda: size_and_time(path))


def note_output(path: str | Path) -> None:
    """A file was left, or found as it would have been left."""
    _note("output", str(Path(path).absolute()))


def note_setting(key: str) -> None:
    """A setting was looked at, such as "generator.strength"."""
    _note("setting", key)


def size_and_time(path: Path) -> list[int] | None:
    """Bytes and nanoseconds of a file; None for a folder and for what is not there."""
    if not path.is_file():
        return None
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What is read inside is not noted: settings looked at to check them, or to write all of them down."""
    before = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(before)


def _note(kind: str, name: str, about: Callable[[], object] = lambda: None) -> None:
    journal = os.environ.get("D3S_JOURNAL")
    if not journal or _SILENT.get() or (journal, kind, name) in _SEEN:
        return
    with _LOCK:
        _SEEN.add((journal, kind, name))
        with open(journal, "a", encoding="utf-8") as lines:
            lines.write(json.dumps([kind, name, about()]) + "\n")


def read(journal: Path) -> Notes:
    """What is noted in `journal`; a half-written last line is left out."""
    notes = Notes()
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else []:
        try:
            kind, name, about = json.loads(line)
        except ValueError:
            continue
        if kind == "input":
            notes.inputs.setdefault(name, about)
        else:
            {"output": notes.outputs, "setting": notes.settings}[kind].add(name)
    return notes
