"""Intervals. Percent where a function says percent, otherwise the unit of what it was given.

One proportion of independent images gets a Wilson interval; whatever reuses a source photograph is resampled by whole
clusters (all images of one photograph together), because those images rise and fall as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from d3s_utils.ground.seeds import rng_for


def wilson(hits: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of `hits` out of `n`, in percent; arrays broadcast. Of nothing (n = 0) it is 0 to 100."""
    hits, n = np.asarray(hits, float), np.asarray(n, float)
    z2 = ndtri(0.5 + level / 2) ** 2
    share = np.divide(hits, n, out=np.full(np.broadcast(hits, n).shape, 0.5), where=n > 0)
    centre = (n * share + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * n * share * (1 - share) + z2**2 / 4) / (n + z2)
    return 100 * np.clip(centre - half, 0, 1), 100 * np.clip(centre + half, 0, 1)


def with_wilson(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """`table` with `hits` and `n` made into percent: `name`, NaN where n is 0, with `low` and `high` (95 % Wilson).

    The one form in which a share of independent things is reported. These three and `n` come last, and `hits` goes.
    """
    hits, n = table["hits"], table["n"]
    low, high = wilson(hits, n)
    share = {name: 100 * hits / n.where(n > 0), "low": low, "high": high, "n": n}
    return table.drop(columns=["hits", "n"]).assign(**share)


def share_by(table: pd.DataFrame, name: str, *columns: str, sort: bool = False) -> pd.DataFrame:
    """How many of the rows are a `hit` (column, bool), for each combination of `columns` (none: one row for all).

    Args:
        sort: order the groups by their values; else they come as they first appear.

    Returns:
        `columns`, then `name`, `low`, `high` (percent, 95 % Wilson) and `n` (rows in the group).
    """
    keys = list(columns) or (lambda _: 0)
    groups = table.assign(hit=table["hit"].astype(int)).groupby(keys, observed=True, dropna=False, sort=sort)["hit"]
    return with_wilson(groups.agg(hits="sum", n="size").reset_index(drop=not columns), name)


def accuracy_by(predictions: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Top-1 accuracy for each combination of `columns` (none: one row for all).

    Args:
        predictions: one row per image and model, with `label` and `guess`.

    Returns:
        `columns`, then `accuracy`, `low`, `high` (percent, 95 % Wilson) and `n` (rows in the group).
    """
    hits = predictions.assign(hit=predictions["guess"] == predictions["label"])
    return share_by(hits, "accuracy", *columns, sort=True)


def cluster_bootstrap(
    table: pd.DataFrame,
    statistic: Callable[[pd.DataFrame], ArrayLike],
    cluster: str,
    key: Sequence[object],
    n: int = 1000,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of `statistic(table)` when whole clusters (equal values of column `cluster`) are redrawn.

    Works for any statistic, at the price of `n` calls; for a mean or a gap of means use the two functions below.

    Args:
        statistic: a number or an array of numbers from a table like `table`.
        key: names the draw, e.g. `(profile.seed, "gap", model)`.

    Returns:
        Low and high, shaped like the statistic.
    """
    rows = list(table.groupby(cluster, observed=True, dropna=False).indices.values())
    rng = rng_for(*key)
    draws = [
        statistic(table.iloc[np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])])
        for _ in range(n)
    ]
    return percentiles(np.asarray(draws, float), level)


def cluster_mean_ci(
    values: ArrayLike, clusters: ArrayLike, key: Sequence[object], n: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the mean of `values` (N,), whole `clusters` (N,) redrawn; in the unit of `values`."""
    sums, counts, _ = _totals(values, clusters)
    weights = _redraw(np.zeros(len(sums), int), rng_for(*key), n)
    low, high = percentiles(_ratio(weights @ sums, weights @ counts), level)
    return float(low), float(high)


def cluster_gap_ci(
    a_values: ArrayLike,
    a_clusters: ArrayLike,
    b_values: ArrayLike,
    b_clusters: ArrayLike,
    key: Sequence[object],
    n: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap interval of mean(a) - mean(b), in the unit of the values.

    A cluster with images on both sides is redrawn on both at once, so a paired comparison keeps its sharper interval.
    """
    values = np.concatenate([np.asarray(a_values, float), np.asarray(b_values, float)])
    clusters = np.concatenate([np.asarray(a_clusters, object), np.asarray(b_clusters, object)])
    on_a = np.arange(len(values)) < len(values) - np.size(b_values)
    sums, counts, codes = _totals(values, clusters)
    sums_a, counts_a = (np.bincount(codes, weights, len(sums)) for weights in (values * on_a, on_a))
    counts_b = counts - counts_a
    sides = (counts_a > 0) + 2 * (counts_b > 0)
    weights = _redraw(sides, rng_for(*key), n)
    gaps = _ratio(weights @ sums_a, weights @ counts_a) - _ratio(weights @ (sums - sums_a), weights @ counts_b)
    low, high = percentiles(gaps, level)
    return float(low), float(high)


def _totals(values: ArrayLike, clusters: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum and count of each cluster, (C,) each, and the cluster number of each value, (N,)."""
    values = np.asarray(values, float)
    codes, names = pd.factorize(np.asarray(clusters, object), use_na_sentinel=False)
    return np.bincount(codes, values, len(names)), np.bincount(codes, minlength=len(names)).astype(float), codes


def _redraw(strata: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """How often each cluster is drawn in each of `n` resamples, (n, C); each stratum keeps its number of clusters."""
    weights = np.zeros((n, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n)
    return weights


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def percentiles(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of draws (n, ...), shaped (...); a draw may be missing, and what is missing in all stays missing."""
    ends = np.full((2, *draws.shape[1:]), np.nan)
    known = ~np.isnan(draws).all(axis=0)
    if len(draws) and known.any():
        ends[:, known] = np.nanpercentile(draws[:, known], [50 - 50 * level, 50 + 50 * level], axis=0)
    return ends[0], ends[1]
