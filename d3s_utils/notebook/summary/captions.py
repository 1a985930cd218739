"""A sentence for every figure, and what a reader who cannot see it is told instead."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

CAPTIONS = Path(__file__).with_name("captions.yaml")


@cache
def known() -> dict[str, dict]:
    """caption and alt of every figure that the notebooks save, and of each notebook its two best figures."""
    return yaml.safe_load(CAPTIONS.read_text(encoding="utf-8"))


def caption(stem: str, notebook: str) -> str:
    """What the figure `stem`, such as 03_classifier_evaluation_gap, shows, as a sentence.

    A figure that nobody has described is named after its file.
    """
    found = known()["figures"].get(stem)
    return found["caption"] if found else f"{words(stem, notebook)}, as notebook {notebook[:2]} draws it."


def alt(stem: str, notebook: str) -> str:
    """The kind of the figure, its axes and its content, for whoever cannot see it."""
    found = known()["figures"].get(stem)
    return found["alt"] if found else f"Figure of notebook {notebook[:2]}: {words(stem, notebook)}."


def best(notebook: str) -> list[str]:
    """The stems of the two figures that tell most of a notebook's story."""
    return known()["best"].get(notebook, [])


def words(stem: str, notebook: str) -> str:
    """A file's name as words: 03_classifier_evaluation_drop_by_background -> "Drop by background"."""
    name = stem.removeprefix(f"{notebook}_").replace("_", " ")
    return name[:1].upper() + name[1:]
