"""What a run shows: photographs of its classes and pictures of its backgrounds, opened once and handed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.data.classes import class_table
from d3s_utils.data.folders import FolderBackgrounds, StoredPhotos
from d3s_utils.data.guides import NEED_BACKGROUND
from d3s_utils.data.prompts import Recipe, open_recipe
from d3s_utils.data.renders import PocketBackgrounds, PocketPhotos
from d3s_utils.data.sources import Backgrounds, NoBackgrounds, Photos
from d3s_utils.generation.backgrounds import GeneratedBackgrounds
from d3s_utils.ground.cached import Tensors, cached, digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.words import BACKGROUNDS

NO_HABIT = 1 / len(BACKGROUNDS)  # how often a class without habit is on its usual background


@dataclass(frozen=True, eq=False)
class World:
    """What the images of a run are made from.

    Attributes:
        photos: pictures of the classes.
        backgrounds: pictures of empty scenes, or the names of the shifts alone where no guide shows a background.
        classes: see `class_table`.
        recipe: what the prompts say and what the guides show.
    """

    photos: Photos
    backgrounds: Backgrounds
    classes: pd.DataFrame
    recipe: Recipe


def open_world(profile: Profile) -> World:
    """Everything that the images of `profile` are made from.

    Raises:
        D3SError: see `open_photos`, `open_backgrounds`, `class_table` and `open_recipe`.
    """
    classes, recipe = class_table(profile), open_recipe(profile)
    photos = open_photos(profile, classes=classes)
    return World(photos, open_backgrounds(profile, recipe), classes, recipe)


def open_photos(profile: Profile, *, habit: float | None = None, classes: pd.DataFrame | None = None) -> Photos:
    """The photographs of `profile`, or its renders.

    Args:
        habit: how often a class is on its habitual background, instead of `profile.natural.habit`; 0.1 is the uniform
            control. Pocket world only.
        classes: those of `profile`, where they are known already.

    Raises:
        D3SError: for a missing folder, an empty class folder, or a habit asked of photographs.
    """
    classes = class_table(profile) if classes is None else classes
    if profile.foregrounds == "pocket":
        return PocketPhotos(profile, classes, profile.natural.habit if habit is None else habit)
    if habit is not None:
        raise D3SError("A habit can only be set in the pocket world; photographs in folders have the habits they have.")
    return StoredPhotos(profile, classes)


def without_habit(profile: Profile, photos: Photos) -> Photos:
    """Natural images like `photos` that show, as D3S does, every class on all backgrounds alike.

    Where natural images cannot be staged it is `photos`, with the habits they have.
    """
    return photos if photos.habit in (None, NO_HABIT) else open_photos(profile, habit=NO_HABIT)


def reference_name(photos: Photos) -> str:
    """What images are compared with, in words."""
    return "natural images without habit" if photos.habit == NO_HABIT else "natural images"


def open_backgrounds(profile: Profile, recipe: Recipe | None = None) -> Backgrounds:
    """The background pictures of `profile`, or the names of its shifts alone where no guide shows a background.

    Args:
        recipe: that of `profile`, where it is open already.

    Raises:
        D3SError: for a missing or empty folder, or a shift of the recipe that has no pictures.
    """
    recipe = recipe or open_recipe(profile)
    shifts = None if recipe.shifts is None else tuple(label for label, _ in recipe.shifts)
    if recipe.guide not in NEED_BACKGROUND and (shifts or profile.backgrounds in ("pocket", "generate")):
        return NoBackgrounds(shifts or BACKGROUNDS)
    if profile.backgrounds == "generate":
        return GeneratedBackgrounds(profile, recipe, shifts or BACKGROUNDS)
    if profile.backgrounds == "pocket":
        backgrounds = PocketBackgrounds(profile.generator.size, profile.seed)
    else:
        backgrounds = FolderBackgrounds(profile.backgrounds)
    missing = [name for name in shifts or () if name not in backgrounds.names]
    if missing:
        raise D3SError(
            f"recipe: {profile.recipe} shifts to {missing[0]!r}, of which {profile.backgrounds} has no pictures; add a "
            "folder of that name, set backgrounds to generate, or generator.guide to foreground."
        )
    if recipe.guide not in NEED_BACKGROUND:
        return NoBackgrounds(backgrounds.names)
    backgrounds.names = shifts or backgrounds.names
    return backgrounds


def natural_arrays(folder: Path | object, photos: Photos, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """All photographs of a split, (N, size, size, 3) uint8, and their table; kept under <folder>/cache.

    Args:
        folder: the run, or its folder.
    """
    table = photos.table(split)
    ids = list(table["photo_id"])
    path = Path(getattr(folder, "folder", folder)) / "cache" / f"natural-{split}-{digest(photos.key)}.safetensors"
    kept = cached(path, photos.key_of(ids), lambda: Tensors({"images": photos.load(ids)}))
    return kept.tensors["images"].numpy(), table
