"""Some of the images, to look at; and the same again with one setting changed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from d3s_utils.data.sources import Photos
from d3s_utils.diffusion.load import load_generator
from d3s_utils.generation.dataset import load_guides, load_images
from d3s_utils.generation.shard import draw
from d3s_utils.ground.cached import Tensors, cached
from d3s_utils.ground.files import read_table
from d3s_utils.ground.run import Run
from d3s_utils.ground.seeds import rng_for


@dataclass(frozen=True)
class Samples:
    """Some images to look at.

    Attributes:
        rows: of the manifest, numbered from 0.
        images, guides: (N, S, S, 3) uint8, in the order of `rows`.
    """

    rows: pd.DataFrame
    images: np.ndarray
    guides: np.ndarray

    @property
    def hashes(self) -> list[str]:
        """What images and guides depend on."""
        return list(self.rows["recipe_hash"])

    def pick(self, rows: pd.DataFrame) -> Samples:
        """Those of some of its `rows`."""
        return Samples(rows.reset_index(drop=True), self.images[rows.index], self.guides[rows.index])


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


def strength_sweep(
    run: Run, samples: Samples, photos: Photos, strengths: Sequence[float] | None = None
) -> dict[float, np.ndarray]:
    """The images of `samples` made again at other strengths; same guide, prompt and seed.

    Each strength is kept in the run's cache; the run's own is there already.

    Args:
        photos: the run's.
        strengths: in (0, 1]; by default those of `profile.realism.strengths`.

    Returns:
        Images (N, S, S, 3) uint8 by strength.
    """
    profile, sweep = run.profile, {}
    load = functools.cache(lambda: load_generator(profile))  # not at all when every strength is in the cache

    def images_at(strength: float) -> Tensors:
        settings = replace(profile.generator, strength=strength)
        return Tensors({"images": draw(load(), samples.rows, samples.guides, photos, settings)})

    for strength in strengths or profile.realism.strengths:
        if strength == profile.generator.strength:
            sweep[strength] = samples.images
            continue
        path = run.path("cache", f"sweep-{strength:g}.safetensors")
        kept = cached(path, [strength, samples.hashes], functools.partial(images_at, strength))
        sweep[strength] = kept.tensors["images"].numpy()
    return sweep
