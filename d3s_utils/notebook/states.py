"""What a file or a folder holds, in a form that tells later whether that has changed.

Content decides, never the time of a file: where size and time are as they were, the content is taken to be the same,
which spares reading it again; where they are not, it is read. Only what is too large to be read each time goes by size
and time alone.
"""

from __future__ import annotations

import os
from pathlib import Path

from d3s_utils.ground.cached import digest
from d3s_utils.ground.files import sha256
from d3s_utils.ground.journal import size_and_time

LARGE = 64 * 2**20  # bytes above which a file, or all files of a folder together, are not read
MANY = 500  # files above which a folder is known by one digest of names, sizes and times

# A file: [size, time in nanoseconds, SHA-256 or None]. A folder: {name: file}, or {"": digest}. Nothing there: None.
State = list | dict | None


def state_of(path: Path, known: State = None) -> State:
    """What `path` holds now; equal to `known` where size and time are those of `known`."""
    if path.is_dir():
        return _folder(path, known if isinstance(known, dict) else {})
    seen = size_and_time(path)
    return None if seen is None else _file(path, seen, known, seen[0] <= LARGE)


def is_same(now: State, before: State) -> bool:
    """Whether two states have the same content."""
    return _content(now) == _content(before)


def changed_files(now: State, before: State) -> list[str]:
    """The files of a folder that differ, are new or are gone; empty where `now` and `before` are no such folders."""
    if not isinstance(now, dict) or not isinstance(before, dict) or "" in now or "" in before:
        return []
    return [name for name in sorted({*now, *before}) if not is_same(now.get(name), before.get(name))]


def _content(state: State) -> object:
    if isinstance(state, dict):
        return {name: _content(file) for name, file in state.items()}
    if isinstance(state, list):
        size, time, sha = state
        return size, sha or time
    return state


def _file(path: Path, seen: list[int], known: State, readable: bool) -> State:
    if isinstance(known, list) and known[:2] == seen:
        return known
    return [*seen, sha256(path) if readable else None]


def _folder(path: Path, known: dict) -> dict:
    files = {name: size_and_time(path / name) for name in sorted(_names(path))}
    files = {name: seen for name, seen in files.items() if seen is not None}
    if len(files) > MANY:
        return {"": digest(files)}
    readable = sum(size for size, _ in files.values()) <= LARGE
    return {name: _file(path / name, seen, known.get(name), readable) for name, seen in files.items()}


def _names(path: Path) -> list[str]:
    """Every file below `path`, hidden ones apart, relative to it."""
    found = []
    for folder, inner, names in os.walk(path, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        start = os.path.relpath(folder, path)
        found += [os.path.normpath(os.path.join(start, name)) for name in names if not name.startswith(".")]
    return found
