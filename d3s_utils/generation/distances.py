"""How far images are from photographs, and how varied they are, in a named feature space.

A distance between sets of images means something only together with the features it was taken in and the number of
images; both stand in every table. What was computed is kept in the run's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from d3s_utils.data.sources import Photos
from d3s_utils.generation.samples import Samples
from d3s_utils.generation.spaces import FeatureSpace
from d3s_utils.ground.cached import Tensors, cached, digest
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.stats import cluster_mean_ci, percentiles

GROUPS = 10  # of images, left out in turn by the jackknife
DRAWS = 1000  # of the bootstrap
HELD_OUT, WITH_HABIT = "photographs, held out", "photographs, with habit"
CHUNK = 200  # photographs in memory at a time
BESIDE = [kind.__module__ for kind in (FeatureSpace, Photos, Samples)]  # each has a key of its own


def photo_features(
    folder: Path, space: FeatureSpace, photos: Photos, split: str, count: int, seed: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Features (N, D) of at most `count` photographs of a split, drawn by `seed`, and their rows."""
    table = photos.table(split)
    chosen = sorted(rng_for(seed, "realism photos", split).permutation(len(table))[:count])
    table = table.iloc[chosen].reset_index(drop=True)
    ids = list(table["photo_id"])

    def extract() -> Tensors:
        parts = [space.extract(photos.load(ids[start : start + CHUNK])) for start in range(0, len(ids), CHUNK)]
        return Tensors({"features": np.concatenate(parts)})

    path = Path(folder) / "cache" / f"realism-{split}-{digest(photos.key)}.safetensors"
    return cached(path, [space.key, photos.key_of(ids)], extract).tensors["features"].numpy(), table


def sample_features(folder: Path, space: FeatureSpace, samples: Samples) -> dict[str, tuple[np.ndarray, pd.DataFrame]]:
    """Features (N, D) of images ("D3S") and of their guides ("guides"), and their rows."""

    def extract() -> Tensors:
        return Tensors({"D3S": space.extract(samples.images), "guides": space.extract(samples.guides)})

    kept = cached(Path(folder) / "cache" / "realism-samples.safetensors", [space.key, samples.hashes], extract)
    return {name: (kept.tensors[name].numpy(), samples.rows) for name in ("D3S", "guides")}


class _Passthrough(nn.Module):
    """Lets torchmetrics work on features that are already there."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(features: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two sets of features, (N, D) and (M, D): the FID of that feature space."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_Passthrough(features.shape[1]))
    metric.update(torch.from_numpy(reference).double(), real=True)
    metric.update(torch.from_numpy(features).double(), real=False)
    return float(metric.compute())


def kernel(features: np.ndarray, reference: np.ndarray) -> float:
    """Kernel distance (KID, cubic polynomial kernel), unbiased, of two sets of features, (N, D) and (M, D)."""
    ones = np.ones((1, len(features))), np.ones((1, len(reference)))
    return float(_kernel_of_draws(features, reference, *ones)[0])


def _kernel_of_draws(
    features: np.ndarray, reference: np.ndarray, drawn: np.ndarray, reference_drawn: np.ndarray
) -> np.ndarray:
    """The kernel distance of each of R draws of both sets, (R,).

    Args:
        drawn, reference_drawn: how often each image is in each draw, (R, N) and (R, M). An image that is drawn twice is
            no pair of images, which would make a set look nearer to itself than it is.
    """
    a, b = (values.astype(np.float64) for values in (features, reference))

    def within(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        similar = _similar(x, x)
        np.fill_diagonal(similar, 0)
        return ((weights @ similar) * weights).sum(1) / (weights.sum(1) ** 2 - (weights**2).sum(1))

    between = ((drawn @ _similar(a, b)) * reference_drawn).sum(1) / (drawn.sum(1) * reference_drawn.sum(1))
    return within(a, drawn) + within(b, reference_drawn) - 2 * between


def _similar(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _frechet_left_out(features: np.ndarray, reference: np.ndarray, seed: int) -> np.ndarray:
    """The distance, then with each of G groups of images left out, then with each of G groups of the reference."""
    groups = min(GROUPS, len(features), len(reference))
    of_image, of_reference = (
        rng_for(seed, *key).permutation(size) % groups
        for key, size in ((("jackknife",), len(features)), (("jackknife", "reference"), len(reference)))
    )
    fewer = [frechet(features[of_image != number], reference) for number in range(groups)]
    nearer = [frechet(features, reference[of_reference != number]) for number in range(groups)]
    return np.array([frechet(features, reference), *fewer, *nearer])


def _kernel_redrawn(features: np.ndarray, reference: np.ndarray, seed: int) -> np.ndarray:
    """The distance, then that of `DRAWS` bootstrap draws of both sets; images in the same place are drawn together."""
    drawn, reference_drawn = (
        rng_for(seed, *key).multinomial(size, np.full(size, 1 / size), size=DRAWS).astype(float)
        for key, size in ((("bootstrap",), len(features)), (("bootstrap", "reference"), len(reference)))
    )
    return np.array([kernel(features, reference), *_kernel_of_draws(features, reference, drawn, reference_drawn)])


def _jackknife(values: np.ndarray) -> tuple[float, float, float]:
    """The whole sample's value (the first) and its 95 % interval by the delete-a-group jackknife of both sets."""
    whole, parts = values[0], values[1:].reshape(2, -1)
    groups = parts.shape[1]
    spread = np.sum((parts - parts.mean(axis=1, keepdims=True)) ** 2) * (groups - 1) / groups
    return float(whole), float(whole - 1.96 * np.sqrt(spread)), float(whole + 1.96 * np.sqrt(spread))


def _bootstrap(values: np.ndarray) -> tuple[float, float, float]:
    """The value (the first) and its 95 % interval from the bootstrap draws behind it."""
    low, high = percentiles(values[1:])
    return float(values[0]), float(low), float(high)


@dataclass(frozen=True)
class Distance:
    """A distance between sets: itself and with both sets redrawn, and the interval that follows from these."""

    values: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    interval: Callable[[np.ndarray], tuple[float, float, float]]


DISTANCES = {"FID": Distance(_frechet_left_out, _jackknife), "KID": Distance(_kernel_redrawn, _bootstrap)}


def with_floor(sets: Mapping[str, tuple[np.ndarray, pd.DataFrame]], floor: np.ndarray) -> dict[str, np.ndarray]:
    """Features by name, those first that show how near held-out pictures like the reference come.

    Args:
        sets: `HELD_OUT` natural images, D3S and guides.
        floor: of pictures like the reference. Where the natural images are others, they come last, as `WITH_HABIT`.
    """
    features = {name: values for name, (values, _) in sets.items()}
    natural = features.pop(HELD_OUT)
    if np.array_equal(natural, floor):
        return {HELD_OUT: floor} | features
    return {HELD_OUT: floor} | features | {WITH_HABIT: natural}


def realism_table(
    folder: Path,
    sets: Mapping[str, np.ndarray],
    reference: np.ndarray,
    space: str,
    seed: int,
    baseline: str | None = None,
) -> pd.DataFrame:
    """`compare_sets`, kept in the cache of the run in `folder`."""
    key = [dict(sets), list(sets), reference, space, seed, baseline, code_of(compare_sets, beside=BESIDE)]
    path = Path(folder) / "cache" / "realism.parquet"
    return cached(path, key, lambda: compare_sets(sets, reference, space, seed, baseline))


def compare_sets(
    sets: Mapping[str, np.ndarray], reference: np.ndarray, space: str, seed: int, baseline: str | None = None
) -> pd.DataFrame:
    """Distance of several sets of images from a reference set.

    All sets are cut to the size of the smallest, because these distances shrink as sets grow. Intervals take the chance
    in both sets into account: of FID by a jackknife over 10 groups of each, of KID by a bootstrap of both.

    Args:
        sets: features (N, D) by name.
        baseline: one of the sets. Where another set shows the same images in the same order (guides and what was made
            of them), the difference to it is a paired one.

    Returns:
        `set`, `metric` (FID, KID), `distance`, `low`, `high`; `gap`, `gap_low`, `gap_high` (baseline minus set: how
        much nearer the set is to the reference), `n`, `n_reference`, `features`.
    """
    n = min(map(len, sets.values()))
    cut = {name: values[_some(len(values), n, seed)] for name, values in sets.items()}
    rows = []
    for metric, row in DISTANCES.items():
        measured = {name: row.values(values, reference, seed) for name, values in cut.items()}
        for name, values in measured.items():
            gap = (np.nan,) * 3 if baseline is None else row.interval(measured[baseline] - values)
            rows.append((name, metric, *row.interval(values), *gap, n, len(reference), space))
    names = ["set", "metric", "distance", "low", "high", "gap", "gap_low", "gap_high", "n", "n_reference", "features"]
    return pd.DataFrame(rows, columns=names)


def _some(size: int, n: int, seed: int) -> np.ndarray:
    """`n` of `size` positions, in order; the same for every set of this size, so that pairs stay pairs."""
    return np.sort(rng_for(seed, "equal sets", size).permutation(size)[:n])


def diversity_table(sets: Mapping[str, tuple[np.ndarray, pd.DataFrame]], space: str, seed: int) -> pd.DataFrame:
    """Mean distance between two images of one class, and of one cell (class and background).

    Args:
        sets: features (N, D) and their rows (class_name, background or None) by name. The first set is the measure.

    Returns:
        `set`, `within` (class, cell), `distance` and its 95 % bootstrap interval over groups `low`, `high`, all in
        percent of the first set's distance within classes; `groups`, `n`, `features`. A set without backgrounds has no
        cells.
    """
    rows = []
    for name, (features, table) in sets.items():
        for within, columns in (("class", ["class_name"]), ("cell", ["class_name", "background"])):
            apart = _mean_distances(features, table, columns)
            if len(apart):
                interval = cluster_mean_ci(apart, np.arange(len(apart)), (seed, "diversity", name, within))
                rows.append((name, within, apart.mean(), *interval, len(apart), len(features), space))
    result = pd.DataFrame(rows, columns=["set", "within", "distance", "low", "high", "groups", "n", "features"])
    if len(result):
        result[["distance", "low", "high"]] *= 100 / result["distance"].iloc[0]
    return result


def _mean_distances(features: np.ndarray, table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Mean pairwise Euclidean distance inside each group of at least two."""
    if table[columns].isna().any(axis=None):
        return np.zeros(0)
    from scipy.spatial.distance import pdist

    groups = table.reset_index(drop=True).groupby(columns, sort=False).indices.values()
    return np.array([pdist(features[group]).mean() for group in groups if len(group) > 1])
