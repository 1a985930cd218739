"""What a run shows: photographs of its classes and pictures of its backgrounds, opened once and handed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.data.folders import FolderBackgrounds, FolderPhotos, HubPhotos
from d3s_utils.data.guides import NEED_BACKGROUND
from d3s_utils.data.prompts import open_recipe
from d3s_utils.data.renders import PocketBackgrounds, PocketPhotos
from d3s_utils.data.sources import Backgrounds, NoBackgrounds, Photos
from d3s_utils.generation.backgrounds import GeneratedBackgrounds
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_tensors, write_tensors
from d3s_utils.ground.settings import HubDataset, Profile
from d3s_utils.ground.words import BACKGROUNDS


def open_photos(profile: Profile, *, habit: float | None = None, key: str = "natural") -> Photos:
    """The photographs of `profile`.

    Args:
        habit: how often a class is on its habitual background, instead of `profile.natural.habit`; 0.1 is the uniform
            control. Pocket world only.
        key: names another draw of scenes, e.g. "natural-uniform".

    Raises:
        D3SError: for a missing folder, an empty class folder, or a habit asked of folders.
    """
    if profile.foregrounds == "pocket":
        return PocketPhotos(profile, profile.natural.habit if habit is None else habit, key)
    if habit is not None:
        raise D3SError("A habit can only be set in the pocket world; photographs in folders have the habits they have.")
    return HubPhotos(profile) if isinstance(profile.foregrounds, HubDataset) else FolderPhotos(profile)


def open_backgrounds(profile: Profile) -> Backgrounds:
    """The background pictures of `profile`, or the names of its shifts alone where no guide shows a background.

    Raises:
        D3SError: for a missing or empty folder, or a shift of the recipe that has no pictures.
    """
    recipe = open_recipe(profile)
    shifts = None if recipe.shifts is None else tuple(label for label, _ in recipe.shifts)
    if recipe.guide not in NEED_BACKGROUND and (shifts or profile.backgrounds in ("pocket", "generate")):
        return NoBackgrounds(shifts or BACKGROUNDS)
    if profile.backgrounds == "generate":
        return GeneratedBackgrounds(profile, recipe, shifts or BACKGROUNDS)
    backgrounds = PocketBackgrounds(profile) if profile.backgrounds == "pocket" else FolderBackgrounds(profile)
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
    name = digest("natural", photos.key, photos.size, list(table["photo_id"]))
    path = Path(getattr(folder, "folder", folder)) / "cache" / f"{name}.safetensors"
    if not path.is_file():
        write_tensors(path, {"images": photos.load(list(table["photo_id"]))})
    return read_tensors(path)["images"].numpy(), table
