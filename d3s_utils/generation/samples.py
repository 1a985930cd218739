"""Some of the images, to look at; and the same again with one setting changed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from d3s_utils.diffusion.load import load_generator
from d3s_utils.diffusion.revision import generator_revision
from d3s_utils.generation.dataset import load_guides, load_images
from d3s_utils.generation.shard import draw
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.cached import digest
from d3s_utils.ground.files import read_table, read_tensors, write_tensors
from d3s_utils.ground.run import Run
from d3s_utils.ground.seeds import rng_for


@dataclass(frozen=True)
class Samples:
    """Some images to look at: rows of the manifest, images and guides (N, S, S, 3) uint8, all in one order."""

    rows: pd.DataFrame
    images: np.ndarray
    guides: np.ndarray


def load_samples(run: Run, count: int, split: str = "val") -> Samples:
    """At most `count` images of a split, spread evenly over classes and backgrounds."""
    manifest = read_table(run.path("manifest.parquet"))
    rows = balanced_rows(manifest[manifest["split"] == split], count, run.profile.seed)
    ids, folder = list(rows["image_id"]), run.path("dataset")
    return Samples(rows.reset_index(drop=True), load_images(folder, ids)[0], load_guides(folder, ids)[0])


def balanced_rows(rows: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """`count` of `rows`, spread evenly over classes and then backgrounds, drawn by `seed`, in the order they had.

    The `count` + 1 rows are those of `count` and one more.
    """
    shuffled = rows.iloc[rng_for(seed, "balanced rows").permutation(len(rows))]
    turn = shuffled.groupby(["class_name", "background"]).cumcount()
    order = turn.groupby(shuffled["class_name"]).rank(method="first")
    return rows.loc[sorted(order.sort_values(kind="stable").index[:count])]


def strength_sweep(run: Run, rows: pd.DataFrame, strengths: Sequence[float] | None = None) -> dict[float, np.ndarray]:
    """The images of `rows` (of the manifest) made again at other strengths; same guide, prompt and seed.

    Kept in the run's cache, each strength by its own recipe; the run's own strength comes from the dataset.

    Args:
        strengths: in (0, 1]; by default those of `profile.realism.strengths`.

    Returns:
        Images (N, S, S, 3) uint8 by strength.
    """
    profile, sweep, photos = run.profile, {}, open_photos(run.profile)
    guides = load_guides(run.path("dataset"), list(rows["image_id"]))[0]
    load = functools.cache(lambda: load_generator(profile))  # not at all when every strength is in the cache
    for strength in strengths or profile.realism.strengths:
        knobs = replace(profile.generator, strength=strength)
        recipe = digest("sweep", generator_revision(profile), knobs, profile.threads, list(rows["recipe_hash"]))
        path = run.path("cache", f"sweep-{recipe}.safetensors")
        if strength == profile.generator.strength:
            sweep[strength] = load_images(run.path("dataset"), list(rows["image_id"]))[0]
            continue
        if not path.is_file():
            images = draw(load(), rows, guides, photos, knobs)
            write_tensors(path, {"images": images})
        sweep[strength] = read_tensors(path)["images"].numpy()
    return sweep
