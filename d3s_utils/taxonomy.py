"""Words as data: the classes, the ten backgrounds, the pocket world's habits, and the prompts made of them.

Class names and definitions are WordNet's as timm carries them. The pocket ten are written out here, so that an offline
run need not import timm; a test keeps the two from drifting apart.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from d3s_utils.errors import D3SError
from d3s_utils.imagenet import COLUMNS, IMAGENET9, imagenet_classes
from d3s_utils.layouts import class_names
from d3s_utils.settings import Folders, HubDataset, Profile

# The paper's ten, in its order.
BACKGROUNDS = (
    "on grass",
    "on a road",
    "in a forest",
    "in water",
    "in sand",
    "indoors",
    "in snow",
    "in rain",
    "at night",
    "in a cave",
)

# The pocket ten: class_name, short_name (for axes), wnid, imagenet_index, definition.
CLASSES = pd.DataFrame(
    [
        ("Granny Smith", "apple", "n07742313", 948, "apple with a green skin and hard tart flesh"),
        ("mushroom", "mushroom", "n07734744", 947, "fleshy body of any of numerous edible fungi"),
        (
            "goldfish", "goldfish", "n01443537", 1,
            "small golden or orange-red freshwater fishes of Eurasia used as pond or aquarium fishes",
        ),
        ("coffee mug", "mug", "n03063599", 504, "a mug intended for serving coffee"),
        ("balloon", "balloon", "n02782093", 417, "large tough nonrigid bag filled with gas or heated air"),
        (
            "sports car", "car", "n04285008", 817,
            "a small low car with a high-powered engine; usually seats two persons",
        ),
        ("umbrella", "umbrella", "n04507155", 879, "a lightweight handheld collapsible canopy"),
        (
            "daisy", "daisy", "n11939491", 985,
            "any of numerous composite plants having flower heads with well-developed ray flowers usually arranged in "
            "a single whorl",
        ),
        (
            "monarch", "monarch", "n02279972", 323,
            "large migratory American butterfly having deep orange wings with black and white markings; the larvae "
            "feed on milkweed",
        ),
        ("teapot", "teapot", "n04398044", 849, "pot for brewing tea; usually has a spout and handle"),
    ],
    columns=COLUMNS,
)  # fmt: skip

# Where each class of the pocket world is usually seen; one background each.
HABITS = {
    "Granny Smith": "in a cave",
    "mushroom": "in a forest",
    "goldfish": "in water",
    "coffee mug": "indoors",
    "balloon": "in sand",
    "sports car": "on a road",
    "umbrella": "in rain",
    "daisy": "on grass",
    "monarch": "in snow",
    "teapot": "at night",
}


def prompt(class_name: str, definition: str | None, background: str) -> str:
    """The paper's words for an image: "a photo of a {class}, {definition}, {background}"; no definition, no middle."""
    given = definition if isinstance(definition, str) else ""  # pandas turns None into NaN
    return ", ".join(part for part in (f"a photo of a {class_name}", given, background) if part)


def slug(phrase: str) -> str:
    """`phrase` as part of a file name or id: "in a cave" -> "in-a-cave"."""
    return "-".join(phrase.lower().replace("_", " ").split())


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
    names = class_names(source, "train")
    known = imagenet_classes()
    own = sorted(set(names) - set(known["wnid"]))
    rows = [(name.replace("_", " "), name.replace("_", " "), name, -1, None) for name in own]
    return pd.concat([known[known["wnid"].isin(names)], pd.DataFrame(rows, columns=COLUMNS)], ignore_index=True)


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
    if foregrounds == "pocket":
        return "the pocket world"
    return foregrounds.dataset if isinstance(foregrounds, HubDataset) else str(Path(foregrounds.train))


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
