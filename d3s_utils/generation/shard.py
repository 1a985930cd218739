"""One shard, drawn and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.data.sources import Photos
from d3s_utils.diffusion.draw import generate
from d3s_utils.diffusion.load import Generator
from d3s_utils.generation.guides import guides_for, object_masks
from d3s_utils.generation.shards import Shard, kept_rows, write_shard
from d3s_utils.generation.world import World
from d3s_utils.ground import settings


def draw(
    generator: Generator, rows: pd.DataFrame, guides: np.ndarray, photos: Photos, settings: settings.Generator
) -> np.ndarray:
    """`generate` for rows of the manifest and their guides."""
    masks = object_masks(rows, photos) if settings.mode == "inpainting" else None
    return generate(generator, guides, list(rows["prompt"]), list(rows["seed"]), settings, masks)


def generate_shard(
    generator: Generator, folder: Path, shard: Shard, world: World, settings: settings.Generator
) -> Path:
    """Make the images of one shard and write it to the dataset `folder`, whole or not at all.

    Where its file is there already, only images whose hash has changed are drawn; the others stay byte for byte.
    """
    kept = kept_rows(folder, shard)
    rows = shard.rows[~shard.rows["image_id"].isin(kept.index)]
    guides = guides_for(rows, world.photos, world.backgrounds)
    images = draw(generator, rows, guides, world.photos, settings)
    flags = generator.flag(images) if generator.flag else [None] * len(images)
    return write_shard(folder, shard, images, guides, flags, kept)
