"""Does the guide matter? Where the object is and which colour it has, in the image and in its guide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.generation.labels import compare_labels
from d3s_utils.generation.samples import Samples
from d3s_utils.ground.cached import cached
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.squares import patch_side
from d3s_utils.pocket.judge import Judge

DRAWS = 1000  # of the bootstrap


def follow_guides(folder: Path, judge: Judge | None, samples: Samples, strength: float) -> pd.DataFrame:
    """`compare_guides` for samples of the run in `folder`, drawn at `strength`; kept in its cache."""
    path = Path(folder) / "cache" / f"follow-{strength:g}-{len(samples.rows)}.parquet"
    key = [judge and judge.key, samples.hashes, strength, code_of(compare_guides, beside=[Samples.__module__])]
    return cached(path, key, lambda: compare_guides(judge, samples).assign(strength=strength))


def compare_guides(judge: Judge | None, samples: Samples) -> pd.DataFrame:
    """Where the object is and which colour it has, in each image and in its guide.

    The judge's locator finds the object of the asked class, in image and guide alike; its colour is the mean over a
    square a third as wide as the pasted photograph around that location.

    Returns:
        `compare_labels` and, per image, `x`, `y` (found in the image) and `guide_x`, `guide_y` (found in the guide),
        fractions of the side; `red`, `green`, `blue` and the same with `guide_`, 0-255.
    """
    images, guides, rows = samples.images, samples.guides, samples.rows
    table = compare_labels(judge, images, rows)
    side = images.shape[1]
    patch = patch_side(side, float(rows["scale"].iloc[0]))
    if judge is None:
        found, started, images, guides = np.empty((0, 2)), np.empty((0, 2)), images[:0], guides[:0]
    else:
        labels = [list(judge.classes).index(name) for name in rows["class_name"]]
        found, started = (np.asarray(judge.locate(pictures, labels)) for pictures in (images, guides))
    table[["x", "y"]], table[["guide_x", "guide_y"]] = found, started
    table[["red", "green", "blue"]] = region_colors(images, found, max(1, patch // 3))
    table[["guide_red", "guide_green", "guide_blue"]] = region_colors(guides, started, max(1, patch // 3))
    return table


def follow_sweep(
    folder: Path, judge: Judge | None, samples: Samples, sweep: Mapping[float, np.ndarray]
) -> pd.DataFrame:
    """`follow_guides` for the guides themselves, as strength 0, and for the images of each strength of a sweep."""
    drawn = {0.0: samples.guides, **sweep}
    parts = [
        follow_guides(folder, judge, replace(samples, images=images), strength) for strength, images in drawn.items()
    ]
    return pd.concat(parts, ignore_index=True)


def region_colors(images: np.ndarray, centres: np.ndarray, width: int) -> np.ndarray:
    """Mean colour, (N, 3) in 0-255, of squares `width` pixels wide around `centres` (N, 2; x, y in fractions).

    A square that would leave the picture is moved inside.
    """
    side = images.shape[1]
    corners = np.clip(np.round(centres * side - width / 2), 0, side - width).astype(int)
    squares = [image[y : y + width, x : x + width] for image, (x, y) in zip(images, corners, strict=True)]
    return np.array([square.mean(axis=(0, 1)) for square in squares]).reshape(-1, 3)


def follow_rates(followed: pd.DataFrame, seed: int) -> pd.DataFrame:
    """How closely images follow their guides, by strength.

    Args:
        followed: rows of `follow_guides` at one or several strengths.

    Returns:
        `strength`, `quantity` (position: found in the image against found in the guide, mean over x and y; colour:
        mean over red, green and blue, each class's mean taken off first, so that knowing the class explains nothing),
        `correlation`, `low`, `high` (95 % bootstrap over foreground photographs), `n`.
    """
    rows = []
    for strength, table in followed.groupby("strength"):
        for quantity, names in (("position", ["x", "y"]), ("colour", ["red", "green", "blue"])):
            pair = table[[f"guide_{name}" for name in names]], table[names]
            if quantity == "colour":
                pair = [values - values.groupby(table["class_name"]).transform("mean") for values in pair]
            key = (seed, "follow", quantity, strength)
            found = correlation(*(np.asarray(values) for values in pair), table["foreground_source"], key)
            rows.append((strength, quantity, *found, len(table)))
    return pd.DataFrame(rows, columns=["strength", "quantity", "correlation", "low", "high", "n"])


def correlation(x: np.ndarray, y: np.ndarray, clusters: Sequence, key: Sequence[object]) -> tuple[float, float, float]:
    """Pearson correlation of the columns of `x` and `y` (N, K), mean over columns, with its 95 % bootstrap interval.

    Whole `clusters` (N,) are redrawn. Every moment is a sum over clusters, so a redraw is one matrix product.
    """
    moments = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y])  # (6, N, K)
    codes, names = pd.factorize(np.asarray(clusters, object))
    sums = np.zeros((6, len(names), x.shape[1]))
    for total, moment in zip(sums, moments, strict=True):
        np.add.at(total, codes, moment)
    draws = rng_for(*key).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS) if len(names) else []
    weights = np.vstack([np.ones(len(names)), *draws])  # the first row is the sample itself
    n, x1, y1, xy, xx, yy = np.einsum("bc,mck->mbk", weights, sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((xx - x1 * x1 / n) * (yy - y1 * y1 / n))
        values = ((xy - x1 * y1 / n) / spread).mean(axis=1)
    values[~np.isfinite(values)] = np.nan  # nothing varies
    if np.isnan(values).all():
        return np.nan, np.nan, np.nan
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return float(values[0]), float(low), float(high)
