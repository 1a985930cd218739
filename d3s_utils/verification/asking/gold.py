"""Pictures whose answers are known: held-out ones of the run, or those that a file of answers names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.data.sources import Photos
from d3s_utils.ground import paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.words import slug
from d3s_utils.verification.asking.store import ITEM_COLUMNS
from d3s_utils.verification.votes import ANSWERS, QUESTIONS, check_words, read_text

NO_SHIFT = "as it is"  # the label of a recipe that shifts nothing
TRAPS = ("", "foreground", "", "background")  # which answer is no, in turn
GOLD_COLUMNS = ["item_id", "question", "answer"]


def no_items() -> pd.DataFrame:
    return pd.DataFrame(columns=[name for name in ITEM_COLUMNS if name != "position"])


def no_gold() -> pd.DataFrame:
    return pd.DataFrame(columns=GOLD_COLUMNS)


def held_out_gold(
    photos: Photos, classes: pd.DataFrame, manifest: pd.DataFrame, count: int, seed: int, split: str = "val"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items whose answers are known, because their pictures come from `photos`: `count` items, and their gold.

    Half of them are traps, shown with another class or another background than they have. Another class is one that is
    not near in the list of classes, where ImageNet has its look-alikes. Where nobody knows a picture's background, only
    the object is known.

    Args:
        photos: the run's photographs, or the renders that stand in for them in the pocket world.
        classes: see `class_table`.
        manifest: the validation images' rows; their guides are shown beside the pictures.
        split: of `photos`. The held-out ones are gold, the others serve as worked examples.
    """
    table, backgrounds = photos.table(split), list(manifest["background"].unique())
    guides = manifest.groupby(["class_name", "background"])["image_id"].first()
    by_name = classes.set_index("class_name")
    shown, known = [], []
    drawn = rng_for(seed, "gold", split).permutation(len(table))[:count]
    for number, photo in enumerate(table.iloc[drawn].itertuples()):
        rng = rng_for(seed, "gold", photo.photo_id)
        name, background, trap = _asked_about(photo, TRAPS[number % len(TRAPS)], list(by_name.index), backgrounds, rng)
        item_id = f"val-{slug(by_name.loc[name, 'wnid'])}-{slug(background)}-g{number:03d}"  # looks like any other
        guide = guides.get((name, background), manifest["image_id"].iloc[number % len(manifest)])
        label, image_hash = list(by_name.index).index(name), digest("gold", photos.key, photo.photo_id)
        shown.append((item_id, f"photo/{photo.photo_id}", guide, label, name, background, image_hash))
        is_known = photo.background in backgrounds and background != NO_SHIFT
        questions = ("foreground", "background") if is_known else ("foreground",)
        known += [(item_id, question, "no" if question == trap else "yes") for question in questions]
    columns = ["item_id", "picture", "guide", "label", "class_name", "background", "recipe_hash"]
    items = pd.DataFrame(shown, columns=columns)
    items = items.assign(definition=items["class_name"].map(by_name["definition"]).fillna(""), why="gold")
    items["background"] = items["background"].replace(NO_SHIFT, "")
    return items, pd.DataFrame(known, columns=GOLD_COLUMNS)


def _asked_about(
    photo: tuple, trap: str, names: list[str], backgrounds: list[str], rng: np.random.Generator
) -> tuple[str, str, str]:
    """The class and the background that one picture is shown with, and which of them is not what it shows ("": none).

    Args:
        photo: a row of `Photos.table`.
        trap: the one that is wanted; without a known background it is the class.
    """
    if photo.background not in backgrounds:
        name, background, trap = photo.class_name, str(rng.choice(backgrounds)), trap and "foreground"
    else:
        name, background = photo.class_name, photo.background
    if trap == "foreground":
        name = _another(names, name, rng, far=max(1, len(names) // 10))
    elif trap == "background":
        background = _another(backgrounds, background, rng)
    return name, background, trap


def worked_examples(photos: Photos, classes: pd.DataFrame, manifest: pd.DataFrame, seed: int) -> list[dict[str, str]]:
    """Up to three pictures for the instructions: as asked, another object, another background.

    Returns:
        for each: picture ("photo/ID"), class_name, background ("" if not asked), and the right `answers` in words.
    """
    items, gold = held_out_gold(photos, classes, manifest, 4, seed, "train")
    examples = []
    for item in items.iloc[[0, 1, 3]].itertuples() if len(items) == 4 else items.itertuples():
        known = gold[gold["item_id"] == item.item_id]
        pairs = zip(known["question"].replace("foreground", "object"), known["answer"], strict=True)
        answers = ", ".join(f"{question}: {answer}" for question, answer in pairs)
        one = {"picture": item.picture, "class_name": item.class_name, "background": item.background}
        examples.append(one | {"answers": answers})
    return examples


def _another(names: list[str], but: str, rng: np.random.Generator, far: int = 1) -> str:
    """One of `names` at least `far` positions from `but`."""
    others = [name for position, name in enumerate(names) if abs(position - names.index(but)) >= far] or names
    return others[rng.integers(len(others))]


def read_gold(path: str, image_ids: pd.Series) -> pd.DataFrame:
    """Known answers to questions about images of the run, from a CSV with the columns image_id, question, answer.

    Raises:
        D3SError: naming the line, what is wrong with it and what to do.
    """
    file = paths.resolve(path)
    if not file.is_file():
        raise D3SError(f"verification.gold: there is no file {file}; name one, or write photographs or null.")
    table = read_text(file)
    missing = [name for name in ("image_id", "question", "answer") if name not in table]
    if missing:
        raise D3SError(f"{file} lacks the column(s) {', '.join(missing)}; it has image_id, question and answer.")
    check_words(table, file, {"question": QUESTIONS, "answer": ANSWERS})
    strange = table.index[~table["image_id"].isin(image_ids)]
    if len(strange):
        name, line = table.loc[strange[0], "image_id"], strange[0] + 2
        raise D3SError(f"{file}, line {line}: nobody is asked about {name!r}; name an image of the plan.")
    return table.rename(columns={"image_id": "item_id"})[GOLD_COLUMNS].drop_duplicates(["item_id", "question"])
