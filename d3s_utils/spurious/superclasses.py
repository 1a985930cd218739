"""What the pairing ties to backgrounds: the superclasses of ImageNet-9 as in the paper, or else the run's classes."""

from __future__ import annotations

import pandas as pd

from d3s_utils.data.classes import imagenet9
from d3s_utils.data.imagenet import IMAGENET9


def superclasses(classes: pd.DataFrame) -> pd.Series | None:
    """The superclass of each label (None for a class of no superclass); None where the pairing ties classes.

    Superclasses are tied where all nine are there, as among ImageNet's thousand classes, and classes of none are left
    out; or where every class has one and they are at least two.

    Args:
        classes: label and imagenet_index, see `data.classes.class_table`.
    """
    known = imagenet9()
    names = [known.get(index) for index in classes["imagenet_index"]]
    found = pd.Series(names, pd.Index(classes["label"], name="label"), dtype=object)
    kinds = set(found.dropna())
    tied = len(kinds) == len(IMAGENET9) or (found.notna().all() and len(kinds) > 1)
    return found if tied else None


def tied_images(images: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """`images` as the task sees them: `label` and `class_name` are those of what is tied, rows counted from 0.

    Under superclasses they are numbered in the order of ImageNet-9, and images of no superclass are left out.
    """
    of_label = superclasses(classes)
    if of_label is None:
        return images.reset_index(drop=True)
    names = images["label"].map(of_label)
    order = [name for name in IMAGENET9 if name in set(of_label.dropna())]
    there = images.assign(class_name=names, label=names.map({name: code for code, name in enumerate(order)}))
    return there[names.notna()].astype({"label": int}).reset_index(drop=True)
