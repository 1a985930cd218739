"""ImageNet's 1000 classes: their names, wnids and definitions, as timm carries them from WordNet."""

from __future__ import annotations

import functools

import pandas as pd

COLUMNS = ["class_name", "short_name", "wnid", "imagenet_index", "definition"]  # of a table of classes

# Two pairs of classes share their first name; here each has its own.
DISTINCT = {
    "n02012849": "crane bird",
    "n03126707": "construction crane",
    "n03710637": "maillot",
    "n03710721": "tank suit",
}


@functools.cache
def imagenet_classes() -> pd.DataFrame:
    """The 1000 ImageNet classes in their order, columns as `COLUMNS`."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    rows = []
    for index, wnid in enumerate(info.label_names()):
        lemmas = info.index_to_description(index)
        name = DISTINCT.get(wnid, lemmas.split(",")[0])
        definition = info.index_to_description(index, detailed=True).removeprefix(f"{lemmas}: ")
        rows.append((name, name, wnid, index, definition))
    return pd.DataFrame(rows, columns=COLUMNS)


@functools.cache
def wnid_by_word() -> dict[str, str]:
    """The wnid for every way to name a class, in small letters: wnid, class name, all its lemmas in one string.

    A word that means two classes ("crane") is left out.
    """
    from timm.data import ImageNetInfo

    info, meanings = ImageNetInfo(), {}
    for row in imagenet_classes().itertuples():
        for word in (row.wnid, row.class_name, info.index_to_description(row.imagenet_index)):
            meanings.setdefault(word.lower(), set()).add(row.wnid)
    return {word: wnids.pop() for word, wnids in meanings.items() if len(wnids) == 1}
