"""Make any single image again, from its image_id, and say whether it is the stored one.

    python -m d3s_utils regenerate val-n07742313-in-snow-0003 --profile pocket

An image depends on its own row of the manifest alone, and the manifest on the profile: neither the rest of the dataset
nor the machine that made it is needed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.diffusion.load import load_generator
from d3s_utils.generation.dataset import find_stored
from d3s_utils.generation.guides import guides_for
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.shard import draw
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile

ENOUGH = 0.999  # share of the pixels that must agree ...
LEVEL = 1  # ... within so many grey levels in each channel (design, section 5)


@dataclass(frozen=True)
class Regenerated:
    """One image, made again.

    Attributes:
        row: of the manifest.
        image: (S, S, 3) uint8.
        stored: what the dataset holds under this image_id, if it holds anything.
        stored_hash: the stored image's recipe_hash; "" without one.
        dataset: the folder that was searched for it; None where there is no dataset yet.
    """

    row: pd.Series
    image: np.ndarray
    stored: np.ndarray | None
    stored_hash: str
    dataset: Path | None

    @property
    def agreement(self) -> float:
        """Share of pixels, 0-1, that the stored image has too."""
        return alike(self.image, self.stored)

    @property
    def matches(self) -> bool:
        """Whether nothing speaks against it: the stored image agrees, or there is no dataset to hold one."""
        return self.dataset is None if self.stored is None else self.agreement >= ENOUGH


def regenerate(profile: Profile, image_id: str) -> Regenerated:
    """Draw `image_id` alone, and find the image the dataset of `profile` has of it.

    Raises:
        D3SError: the profile plans no such image, or its generator cannot be loaded.
    """
    world = open_world(profile)
    manifest = build_manifest(profile, world)
    rows = manifest[manifest["image_id"] == image_id]
    if rows.empty:
        near = difflib.get_close_matches(image_id, manifest["image_id"], n=1)
        hint = f"did you mean {near[0]}?" if near else f"its manifest begins with {manifest['image_id'].iloc[0]}."
        raise D3SError(f"The profile {profile.name} plans no image {image_id}; {hint}")
    guides = guides_for(rows, world.photos, world.backgrounds)
    image = draw(load_generator(profile), rows, guides, world.photos, profile.generator)[0]
    folder = paths.outputs() / profile.name / "dataset"
    stored, stored_hash = find_stored(folder, image_id, rows["recipe_hash"].iloc[0])
    return Regenerated(rows.iloc[0], image, stored, stored_hash, folder if (folder / "data").is_dir() else None)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Share of pixels, 0-1, in which no channel of two images (S, S, 3) differs by more than `LEVEL`."""
    if one.shape != other.shape:
        return 0.0
    return float((np.abs(one.astype(int) - other.astype(int)).max(axis=-1) <= LEVEL).mean())


def verdict(made: Regenerated) -> str:
    """Whether the image is the stored one, in a sentence."""
    name = made.row["image_id"]
    if made.stored is None and made.dataset is None:
        return f"{name}: made; there is no dataset yet to compare it with"
    if made.stored is None:
        return f"{name}: made, but {made.dataset} lacks it: run notebook 01 to complete the dataset"
    share = f"{100 * made.agreement:.2f} % of its pixels agree within {LEVEL} grey level"
    if made.matches:
        return f"{name}: the stored image ({share})"
    if made.stored_hash != made.row["recipe_hash"]:
        cause = "the stored one was made from other settings, pictures or code"
        return f"{name}: another image ({share}); {cause}: run notebook 01 again"
    return f"{name}: another image ({share}), though its settings, pictures and code are the same"
