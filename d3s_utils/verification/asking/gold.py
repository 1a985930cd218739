"""Pictures whose answers are known: held-out photographs, or a file of answers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.data.classes import class_table
from d3s_utils.generation.world import open_photos
from d3s_utils.ground import paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.words import slug
from d3s_utils.verification.asking.store import ITEM_COLUMNS
from d3s_utils.verification.votes import ANSWERS, QUESTIONS, check_words, read_text

NO_SHIFT = "as it is"  # the label of a recipe that shifts nothing
OBJECT_OR_PLACE = {"foreground": "object", "background": "background"}
GOLD_COLUMNS = ["item_id", "question", "answer"]


def no_items() -> pd.DataFrame:
    return pd.DataFrame(columns=[name for name in ITEM_COLUMNS if name != "position"])


def no_gold() -> pd.DataFrame:
    return pd.DataFrame(columns=GOLD_COLUMNS)


def photograph_gold(
    profile: Profile, manifest: pd.DataFrame, count: int, split: str = "val"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items whose answers are known, because their pictures are photographs: `count` items, and their gold.

    Half of them are traps, shown with another class or another background than they have; another class is one that is
    not near in the list of classes, where ImageNet has its look-alikes. Where nobody knows a photograph's background,
    only the object is known.

    Args:
        split: of the photographs; the held-out ones are gold, the others serve as worked examples.
    """
    photos = open_photos(profile)
    table, classes = photos.table(split), class_table(profile)
    names, backgrounds = list(classes["class_name"]), list(manifest["background"].unique())
    guides = manifest.groupby(["class_name", "background"])["image_id"].first()
    wnids = classes.set_index("class_name")["wnid"]
    shown, known = [], []
    drawn = rng_for(profile.seed, "gold", split).permutation(len(table))[:count]
    for number, photo in enumerate(table.iloc[drawn].itertuples()):
        rng = rng_for(profile.seed, "gold", photo.photo_id)
        trap = ("", "foreground", "", "background")[number % 4]
        background_known = photo.background in backgrounds
        name, background = photo.class_name, photo.background if background_known else str(rng.choice(backgrounds))
        if trap == "foreground" or (trap and not background_known):
            trap, name = "foreground", _another(names, name, rng, far=max(1, len(names) // 10))
        elif trap:
            background = _another(backgrounds, background, rng)
        item_id = f"val-{slug(wnids[name])}-{slug(background)}-g{number:03d}"  # looks like any other
        guide = guides.get((name, background), manifest["image_id"].iloc[number % len(manifest)])
        recipe = digest("gold", photos.key, photo.photo_id)
        shown.append((item_id, f"photo/{photo.photo_id}", guide, names.index(name), name, background, recipe))
        questions = ("foreground", "background") if background_known and background != NO_SHIFT else ("foreground",)
        known += [(item_id, question, "no" if question == trap else "yes") for question in questions]
    columns = ["item_id", "picture", "guide", "label", "class_name", "background", "recipe_hash"]
    items = pd.DataFrame(shown, columns=columns)
    definitions = classes.set_index("class_name")["definition"]
    items = items.assign(definition=items["class_name"].map(definitions).fillna(""), why="gold")
    items["background"] = items["background"].replace(NO_SHIFT, "")
    return items, pd.DataFrame(known, columns=GOLD_COLUMNS)


def worked_examples(profile: Profile, manifest: pd.DataFrame) -> list[dict[str, str]]:
    """Up to three photographs for the instructions: as asked, another object, another background.

    Returns:
        for each: picture ("photo/ID"), class_name, background ("" if not asked), and the right `answers` in words.
    """
    items, gold = photograph_gold(profile, manifest, 4, "train")
    examples = []
    for item in items.iloc[[0, 1, 3]].itertuples() if len(items) == 4 else items.itertuples():
        known = gold[gold["item_id"] == item.item_id]
        answers = ", ".join(
            f"{OBJECT_OR_PLACE[question]}: {answer}"
            for question, answer in zip(known["question"], known["answer"], strict=True)
        )
        one = {"picture": item.picture, "class_name": item.class_name, "background": item.background}
        examples.append(one | {"answers": answers})
    return examples


def _another(names: list[str], but: str, rng: np.random.Generator, far: int = 1) -> str:
    """One of `names` at least `far` places from `but`."""
    others = [name for position, name in enumerate(names) if abs(position - names.index(but)) >= far] or names
    return others[rng.integers(len(others))]


def read_gold(path: str, image_ids: pd.Series) -> pd.DataFrame:
    """Known answers to questions about images of the run, from a CSV with the columns image_id, question, answer.

    Raises:
        D3SError: naming the line, what is wrong with it and the mend.
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
