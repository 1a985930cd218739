"""Which pictures people are asked about: all of them, or those a panel of classifiers got wrong; and gold among them.

The paper asked only about images that every model of a panel got wrong and took the others on trust. Here a random
sample of those others is asked about as well, so that it is known, with an interval, how far trust is justified.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from d3s_utils.data.classes import class_table
from d3s_utils.data.sources import Photos
from d3s_utils.generation.dataset import read_dataset
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.run import Run
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.asking.gold import NO_SHIFT, held_out_gold, no_gold, no_items, read_gold
from d3s_utils.verification.asking.store import ITEM_COLUMNS

GOLD = (10, 200)  # gold items at least and at most


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
        """Why each image is asked about, or "presumed", by image_id."""
        return pd.concat([self.asked.set_index("item_id")["why"], pd.Series("presumed", self.presumed)])


def plan_of(run: Run, manifest: pd.DataFrame | None = None, photos: Photos | None = None) -> Plan:
    """The plan of `run`: the same each time, from its profile and images alone.

    Args:
        manifest: the validation images' rows; by default those of the dataset.
        photos: the run's photographs, if they are open already.

    Raises:
        D3SError: the dataset is not complete, or the file of gold is not as it should be.
    """
    manifest = read_dataset(run.folder / "dataset", "val") if manifest is None else manifest
    settings, panel = run.profile.verification, None
    if settings.ask == "candidates":
        # The one step that needs classifiers; whoever asks about all images is spared torch.
        from d3s_utils.evaluation.models import panel_predictions

        panel = panel_predictions(run, settings.panel)
    if settings.gold == "photographs" and settings.gold_rate > 0 and photos is None:
        photos = open_photos(run.profile)
    return make_plan(settings, run.profile.seed, manifest, class_table(run.profile), photos, panel)


def make_plan(
    settings: Verification,
    seed: int,
    manifest: pd.DataFrame,
    classes: pd.DataFrame,
    photos: Photos | None = None,
    panel: pd.DataFrame | None = None,
) -> Plan:
    """Which images and which gold are asked about, in which order.

    Args:
        manifest: the validation images' rows.
        classes: see `class_table`.
        photos: where gold is drawn from, if the settings ask for photographs.
        panel: what classifiers say about the images, if the settings ask about candidates (see `candidates`).
    """
    why = pd.Series("all", manifest["image_id"])
    if settings.ask == "candidates":
        why = choose(manifest["image_id"], candidates(panel), settings.audit_rate, seed)
    images = _items(manifest, classes).assign(why=why.to_numpy())
    presumed = tuple(images.loc[images["why"] == "presumed", "item_id"])
    images = images[images["why"] != "presumed"]
    items, gold = no_items(), no_gold()
    if settings.gold == "photographs" and settings.gold_rate > 0:
        count = int(np.clip(round(settings.gold_rate * len(images)), *GOLD))
        items, gold = held_out_gold(photos, classes, manifest, count, seed)
    elif settings.gold not in (None, "photographs"):
        gold = read_gold(settings.gold, images["item_id"])
    order = rng_for(seed, "asking order").permutation(len(images) + len(items))
    items = pd.concat([images, items], ignore_index=True).assign(position=order).sort_values("position")
    return Plan(items[list(ITEM_COLUMNS)].reset_index(drop=True), gold, presumed)


def _items(manifest: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    definitions = classes.set_index("class_name")["definition"]
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
