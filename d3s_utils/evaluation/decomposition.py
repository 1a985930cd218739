"""The drop from natural images to D3S, decomposed: style and background cross in a 2 x 2, wrong labels stand apart.

Accuracies are in percent, parts in points. Intervals are 95 %, from a bootstrap that redraws photographs
(`foreground_source`) with every image and model that rests on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils.evaluation.gaps import Key, with_zoo_mean
from d3s_utils.evaluation.mistakes import usual_backgrounds
from d3s_utils.evaluation.sets import D3S, NATURAL, UNIFORM, of_set
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import percentiles

PARTS = ("style", "background", "labels")  # of the drop from natural images to D3S, in the order they are told
STYLE_FIRST, BACKGROUND_FIRST, SHAPLEY = "style first", "background first", "shapley"
CELLS = [(style, background) for style in ("natural", "generated") for background in ("habitual", "uniform")]
ROWS = [
    (NATURAL, ""),
    *((part, order) for order in (STYLE_FIRST, BACKGROUND_FIRST, SHAPLEY) for part in PARTS[:2]),
    ("interaction", ""),
    ("labels", ""),
    (D3S, ""),
]


def decompose(predictions: pd.DataFrame, accepted: Sequence[str], key: Key, n: int = 1000) -> pd.DataFrame:
    """The parts of the drop. Between natural images and verified D3S lie two changes, made in one order or the other.

        style first        style = natural - generated, habitual; background = generated, habitual - verified
        background first   background = natural - natural, uniform; style = natural, uniform - verified
        shapley            the mean of the two orders; style, background and labels add up to the drop exactly
        interaction        background first less style first: what the two orders disagree about
        labels             verified - d3s: images that do not show what was asked for

    Args:
        accepted: image_ids that annotators accepted.
        n: bootstrap draws.

    Returns:
        model, part ("natural", "style", "background", "interaction", "labels", "d3s"), order, points, low, high. Style,
        background and interaction are missing where the backgrounds of natural images are unknown.
    """
    return _estimate(predictions, accepted, key, n, _parts_of, pd.DataFrame(ROWS, columns=["part", "order"]), "points")


def two_by_two(predictions: pd.DataFrame, accepted: Sequence[str], key: Key, n: int = 1000) -> pd.DataFrame:
    """Accuracy for each style and distribution of backgrounds: model, style, background, accuracy, low, high.

    Natural and habitual are natural images as they are, natural and uniform those staged without habit; where none
    were staged, natural images with every class as often on its usual background as in D3S. Generated and uniform are
    verified D3S images, generated and habitual the same with every class as often on its usual background as in the
    natural images.
    """
    return _estimate(
        predictions, accepted, key, n, _cells_of, pd.DataFrame(CELLS, columns=["style", "background"]), "accuracy"
    )


def of_order(parts: pd.DataFrame, order: str = SHAPLEY) -> pd.DataFrame:
    """Rows of `decompose` that add up in one order: natural, style, background, labels, d3s."""
    return parts[parts["order"].isin([order, ""]) & (parts["part"] != "interaction")]


def _estimate(predictions, accepted, key: Key, n: int, numbers_of, names: pd.DataFrame, column: str) -> pd.DataFrame:
    """`names` for each model, with what `numbers_of` makes of the totals and its bootstrap interval."""
    usual = usual_backgrounds(of_set(predictions, NATURAL))
    parts = []
    for model, rows in with_zoo_mean(predictions).groupby("model", sort=False):
        totals = _totals_by_source(rows, set(accepted), usual)
        chosen = rng_for(*key, "decompose").multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=n)
        low, high = percentiles(numbers_of(chosen @ totals))
        parts.append(names.assign(**{column: numbers_of(totals.sum(0)), "low": low, "high": high}))
        parts[-1].insert(0, "model", model)
    return pd.concat(parts, ignore_index=True)


def _totals_by_source(rows: pd.DataFrame, accepted: set[str], usual: pd.Series) -> np.ndarray:
    """Per photograph (C, 12) hits and images: natural at home and away, without habit, verified home and away, D3S."""
    natural, uniform, generated = (rows["dataset"] == name for name in (NATURAL, UNIFORM, D3S))
    verified = generated & rows["image_id"].isin(accepted)
    at_home = rows["background"] == rows["label"].map(usual)
    right = rows["guess"] == rows["label"]
    groups = [natural & at_home, natural & ~at_home, uniform, verified & at_home, verified & ~at_home, generated]
    marks = np.stack([column for group in groups for column in (group & right, group)], axis=1).astype(float)
    return pd.DataFrame(marks).groupby(rows["foreground_source"].to_numpy(), sort=True).sum().to_numpy()


def _cells_of(totals: np.ndarray) -> np.ndarray:
    """(..., 12) totals to (..., 4) accuracies in the order of `CELLS`."""
    hit, count = totals[..., 0::2], totals[..., 1::2]
    with np.errstate(invalid="ignore", divide="ignore"):
        natural_home, natural_away, staged, home, away, _ = np.moveaxis(100 * hit / count, -1, 0)
        natural, verified = (
            100 * hit[..., part].sum(-1) / count[..., part].sum(-1) for part in (slice(2), slice(3, 5))
        )
        own, theirs = (count[..., first] / count[..., first : first + 2].sum(-1) for first in (0, 3))
    habitual = np.where(own > 0, _mixed(own, home, away), np.nan)
    reweighed = np.where(own > 0, _mixed(theirs, natural_home, natural_away), np.nan)
    uniform = np.where(count[..., 2] > 0, staged, reweighed)
    return np.stack([natural, uniform, habitual, verified], axis=-1)


def _mixed(share: np.ndarray, home: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Accuracy with a `share` of the images at home; what does not occur need not be known."""
    parts = (np.where(weight > 0, weight * value, 0.0) for weight, value in ((share, home), (1 - share, away)))
    return sum(parts)


def _parts_of(totals: np.ndarray) -> np.ndarray:
    """(..., 12) totals to (..., 10) points in the order of `ROWS`."""
    natural, uniform, habitual, verified = np.moveaxis(_cells_of(totals), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        d3s = 100 * totals[..., -2] / totals[..., -1]
    first, second = (natural - habitual, habitual - verified), (uniform - verified, natural - uniform)
    both = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    interaction = second[1] - first[1]
    return np.stack([natural, *first, *second, *both, interaction, verified - d3s, d3s], axis=-1)
