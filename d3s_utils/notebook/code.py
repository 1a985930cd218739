"""What a notebook executes, in a form that tells later whether that has changed: its cells and the modules they reach.

Comments, docstrings, layout and prose are no part of it.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from d3s_utils.ground import paths, sources
from d3s_utils.ground.cached import digest

PAGE = (
    *(f"d3s_utils/notebook/{name}" for name in ("pages.py", "templates/notebook.html", "templates/notebook.css")),
    *(f"d3s_utils/notebook/summary/{name}" for name in ("captions.py", "captions.yaml")),
    "d3s_utils/ground/pages.css",
)
_PARSED: dict[str, str | None] = {}  # the files of the package as `sources` has read them


def code_of_notebook(notebook: Path, known: Mapping | None = None) -> dict:
    """What a notebook executes, by digests.

    Args:
        known: the same of an earlier time. Where the files are as they were then, they are not parsed, which takes
            seconds.

    Returns:
        `cells` has a digest of each code cell, `modules` of each module reached, `files` of the bytes of these and of
        the packages they lie in, and `page` is one of all that the page shows of the notebook without running it.
    """
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook.read_text("utf-8"))["cells"]]
    codes = [_parsed(text) for kind, text in cells if kind == "code"]
    found = {
        "cells": [digest(code if isinstance(code, str) else ast.dump(code)) for code in codes],
        "page": digest(cells, hashes(PAGE)),
    }
    if known and found["cells"] == known["cells"] and hashes(known["files"]) == known["files"]:
        return found | {"modules": known["modules"], "files": known["files"]}
    _forget_what_changed()
    return found | reached(set().union(*(sources.imports_of(code) for code in codes if isinstance(code, ast.AST))))


def reached(modules: Iterable[str]) -> dict:
    """`modules` and `files` as above, of all that is reached from some modules."""
    _forget_what_changed()
    names = {sources.NAME}.union(*map(sources.reached, modules))
    known = sources.modules()
    packages = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)}
    return {
        "modules": {_relative(known[name]): sources.digest_of([name]) for name in sorted(names & set(known))},
        "files": hashes(_relative(known[name]) for name in sorted((names | packages) & set(known))),
    }


def changed_code(now: Mapping, before: Mapping) -> list[str]:
    """Which cells and modules differ, a sentence each."""
    texts = _changed_cells(now["cells"], before["cells"])
    texts += [
        f"{name} has changed" for name, code in now["modules"].items() if before["modules"].get(name, code) != code
    ]
    if texts:  # which says why others are imported, too
        return texts
    texts += [f"{name} is imported now" for name in now["modules"] if name not in before["modules"]]
    return texts + [f"{name} is no longer imported" for name in before["modules"] if name not in now["modules"]]


def hashes(names: Iterable[str]) -> dict[str, str | None]:
    """Digests of files of the repository, None for one that is gone."""
    found = {}
    for name in names:
        path = paths.ROOT / name
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else None
    return found


def _changed_cells(now: list[str], before: list[str]) -> list[str]:
    texts = []
    steps = difflib.SequenceMatcher(None, before, now, autojunk=False).get_opcodes()
    for kind, start, end, new_start, new_end in steps:
        if kind == "delete":
            texts += [f"cell {number} of the last run is gone" for number in range(start + 1, end + 1)]
        elif kind != "equal":
            word = "is new" if kind == "insert" else "has changed"
            texts += [f"cell {number} {word}" for number in range(new_start + 1, new_end + 1)]
    return texts


def _parsed(cell: str) -> ast.Module | str:
    try:
        return ast.parse(cell)
    except SyntaxError:  # IPython's own commands
        return cell


def _forget_what_changed() -> None:
    files = hashes(_relative(path) for path in paths.PACKAGE.rglob("*.py"))
    if files != _PARSED:
        sources.forget()
        _PARSED.clear()
        _PARSED.update(files)


def _relative(path: Path) -> str:
    return path.relative_to(paths.ROOT).as_posix()
