"""How far images are from photographs, and how varied they are, in a named feature space.

A distance between sets of images means something only together with the features it was taken in and the number of
images; both stand in every table. What was computed is kept in the run's cache.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from d3s_utils.data.sources import Photos
from d3s_utils.generation.samples import Samples
from d3s_utils.generation.spaces import FeatureSpace
from d3s_utils.ground.cached import Tensors, cached
from d3s_utils.ground.seeds import rng_for, seed_for
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.stats import cluster_mean_ci

GROUPS = 10  # of images, left out in turn by the jackknife
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

    path = Path(folder) / "cache" / f"realism-{split}.safetensors"
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


def kernel(features: np.ndarray, reference: np.ndarray, key: Sequence[object] = ("kid",)) -> float:
    """Kernel distance (KID, cubic polynomial kernel), unbiased, of two sets of features, (N, D) and (M, D).

    One subset of min(N, M); `key` says which of the larger set.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(features), len(reference))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features in memory, as it should
        metric = KernelInceptionDistance(_Passthrough(features.shape[1]), subsets=1, subset_size=size)
    metric.update(torch.from_numpy(reference).double(), real=True)
    metric.update(torch.from_numpy(features).double(), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(*key))
        return float(metric.compute()[0])


DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"FID": frechet, "KID": kernel}


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
    """Distance of several sets of images from a reference set of photographs.

    All sets are cut to the size of the smallest, because these distances shrink as sets grow. Intervals come from a
    jackknife over 10 groups of images, the reference held fixed.

    Args:
        sets: features (N, D) by name.
        baseline: one of the sets. Where another set shows the same images in the same order (guides and what was made
            of them), the difference to it is a paired one.

    Returns:
        `set`, `metric` (FID, KID), `distance`, `low`, `high`; `gap`, `gap_low`, `gap_high` (baseline minus set: how
        much nearer the set is to photographs), `n`, `n_reference`, `features`.
    """
    n = min(map(len, sets.values()))
    cut = {name: values[_some(len(values), n, seed)] for name, values in sets.items()}
    group = rng_for(seed, "jackknife").permutation(n) % min(GROUPS, n)
    rows = []
    for metric, distance in DISTANCES.items():
        left_out = {name: _leave_out(distance, values, reference, group) for name, values in cut.items()}
        for name, values in left_out.items():
            gap = (np.nan,) * 3 if baseline is None else _jackknife(left_out[baseline] - values)
            rows.append((name, metric, *_jackknife(values), *gap, n, len(reference), space))
    names = ["set", "metric", "distance", "low", "high", "gap", "gap_low", "gap_high", "n", "n_reference", "features"]
    return pd.DataFrame(rows, columns=names)


def _some(size: int, n: int, seed: int) -> np.ndarray:
    """`n` of `size` positions, in order; the same for every set of this size, so that pairs stay pairs."""
    return np.sort(rng_for(seed, "equal sets", size).permutation(size)[:n])


def _leave_out(distance: Callable, features: np.ndarray, reference: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The distance with every image, then with each group of images left out."""
    kept = [features, *(features[group != number] for number in np.unique(group))]
    return np.array([distance(part, reference) for part in kept])


def _jackknife(values: np.ndarray) -> tuple[float, float, float]:
    """The whole sample's value (the first) and its 95 % interval by the delete-a-group jackknife."""
    whole, parts = values[0], values[1:]
    error = np.sqrt((len(parts) - 1) / len(parts) * np.sum((parts - parts.mean()) ** 2))
    return float(whole), float(whole - 1.96 * error), float(whole + 1.96 * error)


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
