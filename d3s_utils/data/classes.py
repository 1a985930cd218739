"""The classes of a run: the pocket ten, those of ImageNet that have photographs, or classes of your own."""

from __future__ import annotations

import difflib

import pandas as pd

from d3s_utils.data.imagenet import IMAGENET9, imagenet_classes
from d3s_utils.data.layouts import open_layout
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Folders, HubDataset, Profile
from d3s_utils.ground.words import CLASS_COLUMNS, CLASSES


def class_table(profile: Profile) -> pd.DataFrame:
    """The classes of a run.

    Returns:
        label (0 .. K-1, the position in this run), class_name (unique), short_name, wnid, imagenet_index (-1 for a
        class of your own), definition (None for a class of your own).

    Raises:
        D3SError: for a class nobody knows, named twice, or more classes than there are.
    """
    known = CLASSES if profile.foregrounds == "pocket" else photographed_classes(profile.foregrounds)
    if isinstance(profile.classes, tuple):
        known = _named(known, profile.classes, profile.foregrounds)
    elif isinstance(profile.classes, int):
        known = _first(known, profile.classes, profile.foregrounds)
    return known.reset_index(drop=True).rename_axis("label").reset_index()


def photographed_classes(source: Folders | HubDataset) -> pd.DataFrame:
    """The classes that have training photographs, in ImageNet's order, then those of your own.

    A class named by a wnid is that ImageNet class; any other name is itself the class ("my_dog" -> "my dog").
    """
    names = open_layout(source, "train").class_names()
    known = imagenet_classes()
    own = sorted(set(names) - set(known["wnid"]))
    rows = [(name.replace("_", " "), name.replace("_", " "), name, -1, None) for name in own]
    return pd.concat([known[known["wnid"].isin(names)], pd.DataFrame(rows, columns=CLASS_COLUMNS)], ignore_index=True)


def _named(known: pd.DataFrame, wanted: tuple[str, ...], foregrounds: str | Folders | HubDataset) -> pd.DataFrame:
    """The rows of `known` that `wanted` lists by name or wnid, in that order."""
    by_word = {word.lower(): row for row in known.index for word in known.loc[row, ["class_name", "wnid"]]}
    rows = []
    for word in wanted:
        row = by_word.get(word.lower())
        if row is None:
            close = difflib.get_close_matches(word.lower(), by_word, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {_some(known)}."
            raise D3SError(f"classes: there is no class {word!r} in {_source(foregrounds)}{hint}")
        if row in rows:
            raise D3SError(f"classes: {word!r} is listed twice; remove one.")
        rows.append(row)
    return known.loc[rows]


def _first(known: pd.DataFrame, wanted: int, foregrounds: str | Folders | HubDataset) -> pd.DataFrame:
    if wanted > len(known):
        raise D3SError(f"classes: {_source(foregrounds)} has {len(known)} classes, not {wanted}; ask for fewer or all.")
    return known.iloc[:wanted]


def _source(foregrounds: str | Folders | HubDataset) -> str:
    return "the pocket world" if foregrounds == "pocket" else open_layout(foregrounds, "train").called


def _some(known: pd.DataFrame, n: int = 10) -> str:
    return ", ".join(known["class_name"][:n]) + (f" and {len(known) - n} more" if len(known) > n else "")


def imagenet9() -> dict[int, str | None]:
    """The ImageNet-9 superclass of each of ImageNet's 1000 classes by index; None for the 630 that have none."""
    superclasses: dict[int, str | None] = dict.fromkeys(range(1000))
    for name, (_, ranges) in IMAGENET9.items():
        for part in ranges.split():
            first, _, last = part.partition("-")
            superclasses |= dict.fromkeys(range(int(first), int(last or first) + 1), name)
    return superclasses
