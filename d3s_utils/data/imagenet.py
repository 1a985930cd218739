"""ImageNet's 1000 classes: their names, wnids and definitions, as timm carries them from WordNet."""

from __future__ import annotations

import functools

import pandas as pd

from d3s_utils.ground.words import CLASS_COLUMNS

# Two pairs of classes share their first name; here each has its own.
DISTINCT = {
    "n02012849": "crane bird",
    "n03126707": "construction crane",
    "n03710637": "maillot",
    "n03710721": "tank suit",
}

# ImageNet-9 (Xiao et al., 2021): the WordNet subtree of each superclass, as indices among the 1000. A class belongs to
# one subtree only. Where WordNet gives it several parents, ImageNet's own hierarchy keeps the one listed last, so that
# greyhound and whippet are racers and no dogs, house cats domestic animals and no carnivores, grouse and their kin game
# and no birds. The published counts follow, but for two of 44 wheeled vehicles; golfcart (golf equipment) and mobile
# home (housing) are the two whose other parent lies outside vehicles.
IMAGENET9 = {
    "dog": ("n02084071", "151-170 173-268"),
    "bird": ("n01503061", "7-24 87-100 127-146"),
    "wheeled vehicle": (
        "n04576211",
        "407-408 428 436 444 468 511 547 555 561 565 569 573 586 603 609 612 627 656 661 665 670-671 675 690 705 717 "
        "734 751 757 791 802-803 817 820 829 847 864 866-867 870 880",
    ),
    "reptile": ("n01661091", "33-68"),
    "carnivore": ("n02075296", "269-280 286-299 356-362 387-388"),
    "insect": ("n02159955", "300-326"),
    "musical instrument": (
        "n03800933",
        "401-402 420 432 486 494 513 541 546 558 566 577 579 593-594 641-642 683-684 687 699 776 822 875 881 889",
    ),
    "primate": ("n02469914", "365-384"),
    "fish": ("n02512053", "0-6 389-397"),
}


@functools.cache
def imagenet_classes() -> pd.DataFrame:
    """The 1000 ImageNet classes in their order, columns as `CLASS_COLUMNS`."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    rows = []
    for index, wnid in enumerate(info.label_names()):
        lemmas = info.index_to_description(index)
        name = DISTINCT.get(wnid, lemmas.split(",")[0])
        definition = info.index_to_description(index, detailed=True).removeprefix(f"{lemmas}: ")
        rows.append((name, name, wnid, index, definition))
    return pd.DataFrame(rows, columns=CLASS_COLUMNS)


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
