"""The sets of images that classifiers are asked about: `SETS` lists them, by their names in the column `dataset`.

A second set of real photographs beside the first is a class that keeps the contract of `data.sources.Photos`, and one
row of `SETS` that opens it with `held_out`. Every classifier then answers for it, and every table has its rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from d3s_utils.data.sources import Photos
from d3s_utils.evaluation.predict import ImageSet
from d3s_utils.generation.dataset import load_images
from d3s_utils.generation.world import NO_HABIT, natural_arrays, open_photos
from d3s_utils.ground.columns import require_columns
from d3s_utils.ground.files import read_table
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Profile

NATURAL, UNIFORM, D3S = "natural", "natural-uniform", "d3s"
_RENDERING = threading.Lock()


@dataclass(frozen=True)
class SetRow:
    """One row of `SETS`.

    Attributes:
        shows: what the images show, as a legend says it.
        open: the set, of a run and its own photographs; None where the run has no such images.
    """

    shows: str
    open: Callable[[Run, Photos], ImageSet | None]


def open_sets(run: Run, photos: Photos) -> dict[str, ImageSet]:
    """The sets of `SETS` that `run` has, by name; `photos` are its own photographs."""
    opened = {name: row.open(run, photos) for name, row in SETS.items()}
    return {name: images for name, images in opened.items() if images is not None}


def of_set(predictions: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The rows of `predictions` about the images of these sets."""
    return predictions[predictions["dataset"].isin(names)]


def d3s_set(run: Run) -> ImageSet:
    """The generated val images."""
    path = run.folder / "manifest.parquet"
    manifest = require_columns(read_table(path), "manifest", path)
    table = manifest[manifest["split"] == "val"].reset_index(drop=True)
    key = table[["image_id", "label", "recipe_hash"]].to_numpy().tolist()
    return ImageSet(D3S, table, lambda image_ids: load_images(run.folder / "dataset", image_ids)[0], key)


def natural_set(run: Run, photos: Photos, habit: float | None) -> ImageSet:
    """Held-out photographs with `habit`, which is that of `photos` (None: nobody staged them) or another one."""
    name = set_name(habit, photos.habit)
    if habit is None:
        return held_out(name, photos, photos.load)
    staged = restaged(run.profile, photos, habit)
    kept: dict[str, np.ndarray] = {}

    def load(photo_ids: list[str]) -> np.ndarray:
        if not kept:
            images, table = photographs(run, photos, habit, "val")
            kept.update(zip(table["photo_id"], images, strict=True))
        return np.stack([kept[photo_id] for photo_id in photo_ids])

    return held_out(name, staged, load)


def uniform_set(run: Run, photos: Photos) -> ImageSet | None:
    """Held-out photographs of classes without habit, where photographs can be staged and have a habit of their own."""
    return None if photos.habit in (None, NO_HABIT) else natural_set(run, photos, NO_HABIT)


def held_out(name: str, photos: Photos, load: Callable[[list[str]], np.ndarray]) -> ImageSet:
    """The val split of `photos`, each picture resting on itself alone.

    Args:
        load: photo_ids to (N, S, S, 3) uint8, such as `photos.load`.
    """
    table = photos.table("val").rename(columns={"photo_id": "image_id"})
    return ImageSet(
        name, table.assign(foreground_source=table["image_id"]), load, photos.key_of(list(table["image_id"]))
    )


SETS = {
    NATURAL: SetRow("own natural images, held out", lambda run, photos: natural_set(run, photos, photos.habit)),
    UNIFORM: SetRow("natural images without habit", uniform_set),
    D3S: SetRow("D3S", lambda run, photos: d3s_set(run)),
}


# Habits ---------------------------------------------------------------------------------------------------------------


def other_habits(profile: Profile, own: float | None) -> list[float]:
    """The habits of the curve but the run's `own`, with none at all (`NO_HABIT`) among them.

    Empty where photographs have the habits they have, or the weights come from elsewhere.
    """
    if own is None or profile.evaluation.weights == "pretrained":
        return []
    return sorted({NO_HABIT, *profile.evaluation.habits} - {own})


def set_name(habit: float | None, own: float | None) -> str:
    """The name of the held-out photographs with `habit` in a run whose own photographs have the habit `own`."""
    if habit == own:
        return NATURAL
    return UNIFORM if habit == NO_HABIT else f"{NATURAL}-{habit:g}"


def model_name(name: str, habit: float | None, own: float | None) -> str:
    """`name`; or "resnet@0.6", "resnet@uniform" for one that was trained on photographs with another habit."""
    return name + set_name(habit, own).removeprefix(NATURAL).replace("-", "@")


def restaged(profile: Profile, photos: Photos, habit: float | None) -> Photos:
    """`photos`, or the same objects in the same poses staged with another `habit`."""
    return photos if habit == photos.habit else open_photos(profile, habit=habit)


def photographs(run: Run, photos: Photos, habit: float | None, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """All photographs of a split with `habit`, (N, S, S, 3) uint8, and their table (see `Photos.table`).

    A scene whose background is the same under both habits is the same picture, so only the others are rendered again.
    """
    with _RENDERING:  # once, where two trainings ask for it
        images, table = natural_arrays(run.folder, photos, split)
    if habit == photos.habit:
        return images, table
    other = restaged(run.profile, photos, habit)
    staged = other.table(split)
    moved = (staged[["photo_id", "background"]] != table[["photo_id", "background"]]).any(axis=1).to_numpy()
    images = images.copy()
    images[moved] = other.load(list(staged.loc[moved, "photo_id"]))
    return images, staged
