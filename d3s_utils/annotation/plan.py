"""Which pictures people are asked about: all of them, or those a panel of classifiers got wrong; and gold among them.

The paper asked only about images that every model of a panel got wrong and took the others on trust. Here a random
sample of those others is asked about as well, so that it is known, with an interval, how far trust is in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from d3s_utils import paths
from d3s_utils.annotation.store import ITEM_COLUMNS
from d3s_utils.dataset import read_dataset
from d3s_utils.errors import D3SError
from d3s_utils.photos import open_photos
from d3s_utils.profile import recipe_hash
from d3s_utils.runs import Run
from d3s_utils.seeds import rng_for
from d3s_utils.settings import Profile
from d3s_utils.taxonomy import class_table, slug
from d3s_utils.votes import ANSWERS, QUESTIONS, check_words, read_text

GOLD = (10, 200)  # gold items at least and at most
NO_SHIFT = "as it is"  # the label of a recipe that shifts nothing
OBJECT_OR_PLACE = {"foreground": "object", "background": "background"}
GOLD_COLUMNS = ["item_id", "question", "answer"]


@dataclass(frozen=True)
class Plan:
    """What is asked.

    Attributes:
        items: the columns of `store.ITEM_COLUMNS`, in the order in which they are handed out. `why` is "all",
            "candidate" (every model of the panel was wrong), "audit" (drawn from the rest) or "gold". `picture` is
            "image/ID" or "photo/ID", `guide` the image whose guide is shown beside it.
        gold: item_id, question, answer: what is known.
        presumed: image_ids that nobody is asked about, taken on trust.
    """

    items: pd.DataFrame
    gold: pd.DataFrame
    presumed: tuple[str, ...] = ()

    @property
    def asked(self) -> pd.DataFrame:
        """The items that are validation images."""
        return self.items[self.items["why"] != "gold"]

    @property
    def why(self) -> pd.Series:
        """By image_id, why it is asked about, or "presumed"."""
        return pd.concat([self.asked.set_index("item_id")["why"], pd.Series("presumed", self.presumed)])


def make_plan(run: Run, manifest: pd.DataFrame | None = None) -> Plan:
    """The plan of `run`: the same each time, from its profile and images alone.

    Args:
        manifest: the validation images' rows; by default those of the dataset.

    Raises:
        D3SError: the dataset is not complete, or the file of gold is not as it should be.
    """
    manifest = read_dataset(run.folder / "dataset", "val") if manifest is None else manifest
    settings, seed = run.profile.verification, run.profile.seed
    why = pd.Series("all", manifest["image_id"])
    if settings.ask == "candidates":
        why = choose(manifest["image_id"], candidates(panel(run)), settings.audit_rate, seed)
    images = _items(run.profile, manifest).assign(why=why.to_numpy())
    presumed = tuple(images.loc[images["why"] == "presumed", "item_id"])
    images = images[images["why"] != "presumed"]
    items, gold = (no_items(), no_gold())
    if settings.gold == "photographs" and settings.gold_rate > 0:
        count = int(np.clip(round(settings.gold_rate * len(images)), *GOLD))
        items, gold = photograph_gold(run.profile, manifest, count)
    elif settings.gold not in (None, "photographs"):
        gold = read_gold(settings.gold, images["item_id"])
    order = rng_for(seed, "asking order").permutation(len(images) + len(items))
    items = pd.concat([images, items], ignore_index=True).assign(position=order).sort_values("position")
    return Plan(items[list(ITEM_COLUMNS)].reset_index(drop=True), gold, presumed)


def _items(profile: Profile, manifest: pd.DataFrame) -> pd.DataFrame:
    definitions = class_table(profile).set_index("class_name")["definition"]
    return pd.DataFrame(
        {
            "item_id": manifest["image_id"],
            "picture": "image/" + manifest["image_id"],
            "guide": manifest["image_id"],
            "label": manifest["label"],
            "class_name": manifest["class_name"],
            "definition": manifest["class_name"].map(definitions).fillna(""),
            "background": manifest["background"].replace(NO_SHIFT, ""),
            "recipe_hash": manifest["recipe_hash"],
        }
    ).reset_index(drop=True)


# The panel and the audit ----------------------------------------------------------------------------------------------


def panel(run: Run) -> pd.DataFrame:
    """What the models of `verification.panel` (by default those of the evaluation) say of the validation images."""
    from d3s_utils.predictions import panel_predictions
    from d3s_utils.zoo import models_of

    return panel_predictions(run, run.profile.verification.panel or models_of(run.profile))


def candidates(predictions: pd.DataFrame) -> list[str]:
    """The images that every model got wrong: the paper's choice of what to ask people about.

    Args:
        predictions: `image_id`, `label`, `guess`, one row per image and model.
    """
    wrong = predictions["guess"].ne(predictions["label"]).groupby(predictions["image_id"]).all()
    return sorted(wrong.index[wrong])


def choose(image_ids: pd.Series, asked: list[str], audit_rate: float, seed: int) -> pd.Series:
    """Why each image is asked about: "candidate", "audit" or not at all, "presumed".

    Args:
        asked: the candidates.
        audit_rate: share of the rest that is drawn for the audit, at least one image of it unless 0.
    """
    why = pd.Series("presumed", pd.Index(image_ids, name="image_id"))
    why[why.index.isin(asked)] = "candidate"
    rest = why.index[why == "presumed"]
    drawn = rng_for(seed, "audit").permutation(len(rest))[: int(np.ceil(audit_rate * len(rest)))]
    why[rest[drawn]] = "audit"
    return why


# Gold -----------------------------------------------------------------------------------------------------------------


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
        place_known = photo.background in backgrounds
        name, background = photo.class_name, photo.background if place_known else str(rng.choice(backgrounds))
        if trap == "foreground" or (trap and not place_known):
            trap, name = "foreground", _another(names, name, rng, far=max(1, len(names) // 10))
        elif trap:
            background = _another(backgrounds, background, rng)
        item_id = f"val-{slug(wnids[name])}-{slug(background)}-g{number:03d}"  # looks like any other
        guide = guides.get((name, background), manifest["image_id"].iloc[number % len(manifest)])
        recipe = recipe_hash("gold", photos.recipe, photo.photo_id)
        shown.append((item_id, f"photo/{photo.photo_id}", guide, names.index(name), name, background, recipe))
        questions = ("foreground", "background") if place_known and background != NO_SHIFT else ("foreground",)
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
    others = [name for place, name in enumerate(names) if abs(place - names.index(but)) >= far] or names
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
