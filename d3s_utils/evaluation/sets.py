"""The sets of images that classifiers are asked about: D3S, and natural photographs with one habit or another.

Names (column `dataset`): "d3s", all generated val images; "natural", held-out photographs with the run's habit;
"natural-uniform", every class equally often on every background; "natural-0.6" and the like, another habit."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from d3s_utils.generation.dataset import load_images
from d3s_utils.generation.world import natural_arrays, open_photos
from d3s_utils.ground.columns import require_columns
from d3s_utils.ground.files import read_table
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.words import BACKGROUNDS

UNIFORM = 1 / len(BACKGROUNDS)  # the habit of a class that has none


@dataclass(frozen=True)
class ImageSet:
    """Images to be classified.

    Attributes:
        table: image_id, label, background (None where unknown), foreground_source (the photograph an image rests on).
        load: image_ids to (N, S, S, 3) uint8.
        key: what the pictures depend on.
    """

    name: str
    table: pd.DataFrame
    load: Callable[[list[str]], np.ndarray]
    key: object


def other_habits(profile: Profile) -> list[float]:
    """The habits of the curve but the run's own, with none at all (`UNIFORM`) among them.

    Empty where photographs have the habits they have, or the weights come from elsewhere.
    """
    if own_habit(profile) is None or profile.evaluation.weights == "pretrained":
        return []
    return sorted({UNIFORM, *profile.evaluation.habits} - {profile.natural.habit})


def own_habit(profile: Profile) -> float | None:
    """The habit of the run's natural photographs; None where nobody staged them."""
    return profile.natural.habit if profile.foregrounds == "pocket" else None


def natural_name(profile: Profile, habit: float | None) -> str:
    """The name of the held-out photographs with `habit`."""
    if habit is None or habit == profile.natural.habit:
        return "natural"
    return "natural-uniform" if habit == UNIFORM else f"natural-{habit:g}"


def model_name(profile: Profile, name: str, habit: float | None) -> str:
    """`name`; or "resnet@0.6", "resnet@uniform" for one that grew up with another habit than the run's."""
    return name + natural_name(profile, habit).removeprefix("natural").replace("-", "@")


def natural_set(run: Run, habit: float | None) -> ImageSet:
    """Held-out photographs with `habit`."""
    photos = open_photos(run.profile, habit=habit)
    table = photos.table("val").rename(columns={"photo_id": "image_id"})
    table = table.assign(foreground_source=table["image_id"])

    @functools.cache
    def shelf() -> pd.Series:
        images, _ = photographs(run, habit, "val")
        return pd.Series(list(images), index=table["image_id"])

    def load(image_ids: list[str]) -> np.ndarray:
        return photos.load(image_ids) if habit is None else np.stack(shelf()[image_ids].to_list())

    return ImageSet(natural_name(run.profile, habit), table, load, photos.key_of(list(table["image_id"])))


def photographs(run: Run, habit: float | None, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """All photographs of a split with `habit`, (N, S, S, 3) uint8, and their table (see `Photos.table`).

    A scene whose background is the same under both habits is the same picture, so only the others are rendered again.
    """
    images, table = natural_arrays(run, open_photos(run.profile), split)
    if habit == own_habit(run.profile):
        return images, table
    photos = open_photos(run.profile, habit=habit)
    staged = photos.table(split)
    moved = (staged[["photo_id", "background"]] != table[["photo_id", "background"]]).any(axis=1).to_numpy()
    images = images.copy()
    images[moved] = photos.load(list(staged.loc[moved, "photo_id"]))
    return images, staged


def d3s_set(run: Run) -> ImageSet:
    """The generated val images."""
    path = run.folder / "manifest.parquet"
    manifest = require_columns(read_table(path), "manifest", path)
    table = manifest[manifest["split"] == "val"].reset_index(drop=True)

    def load(image_ids: list[str]) -> np.ndarray:
        return load_images(run.folder / "dataset", image_ids)[0]

    return ImageSet("d3s", table, load, list(table["recipe_hash"]))
