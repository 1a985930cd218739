"""What a head reads: one part of a network's features, or both parts side by side, equally loud unless told otherwise.

Where class and background always go together, a head on both parts has two answers to one question, and takes the one
it hears first. How loud a part is, its variance, is an accident of training; so both are given the same.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.disentanglement.models import PLAIN
from d3s_utils.probes import directions


def has_parts(method: str) -> bool:
    """Whether the features of `method` come in a foreground and a background part; those of a plain network do not."""
    return method != PLAIN


def with_erased(features: dict[str, Features], images: pd.DataFrame) -> dict[str, Features]:
    """Every method, and after it the same features under LEACE, where they come in two parts."""
    found = {}
    for method, own in features.items():
        found |= directions.with_erased({method: own}, images) if has_parts(method) else {method: own}
    return found


def heard(method: str, own: Features, kind: str, fit: np.ndarray, loudness: float = 1.0) -> np.ndarray:
    """The features (N, D) a head reads, centred, with a deviation of 1 over all of them on the rows `fit` marks.

    Args:
        kind: "fg", "bg" or "all". The two parts of "all" have the same total variance.
        loudness: times which the background part of "all" is multiplied after that.
    """
    if kind == "all" and has_parts(method):
        return scaled(np.concatenate([equalled(own.fg, fit), loudness * equalled(own.bg, fit)], axis=1), fit)
    return scaled(getattr(own, kind), fit)


def equalled(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """`x` (N, D) less its mean, divided by one number, so that its total variance on the rows `fit` marks is 1."""
    centred = x.astype(np.float64) - x[fit].mean(axis=0, dtype=np.float64)
    return centred / max(np.sqrt(centred[fit].var(axis=0).sum()), 1e-6)


def scaled(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """`x` (N, D) less its mean on the rows `fit` marks, divided by one number for all features.

    A head is meant to read a part as the network made it, as in the paper: were each feature divided by its own
    deviation, the user of the features would decide which of them speak.
    """
    centred = x - x[fit].mean(axis=0)
    return (centred / max(centred[fit].std(), 1e-6)).astype(np.float32)
