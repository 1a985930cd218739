"""Readers that scikit-learn brings: a support vector machine with a Gaussian kernel, and a random forest."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for, seed_for

PENALTIES = (1.0, 10.0, 100.0)  # of the SVM (C), the best chosen on a quarter of what it learns from
QUARTER = 4


def fit_svm(x: np.ndarray, labels: np.ndarray, sources: np.ndarray, key: Sequence[object]):
    """An SVM with a Gaussian kernel of features (n, D); how hard it tries is chosen on a quarter of the sources."""
    from sklearn.model_selection import GroupShuffleSplit
    from sklearn.svm import SVC

    split = GroupShuffleSplit(1, test_size=1 / QUARTER, random_state=_state(*key))
    learned, held = next(split.split(x, labels, sources))
    scores = [SVC(C=each).fit(x[learned], labels[learned]).score(x[held], labels[held]) for each in PENALTIES]
    return SVC(C=PENALTIES[int(np.argmax(scores))]).fit(x, labels)


class Forest:
    """A random forest of `trees`. One is at work at a time: how scikit-learn hands on warnings is not for threads."""

    _turn = threading.Lock()

    def __init__(self, trees: int, key: Sequence[object]):
        from sklearn.ensemble import RandomForestClassifier

        self.trees = RandomForestClassifier(trees, random_state=_state(*key))

    def fit(self, x: np.ndarray, labels: np.ndarray) -> Forest:
        with self._turn:
            self.trees.fit(x, labels)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        with self._turn:
            return self.trees.predict(x)


def fit_forest(x: np.ndarray, labels: np.ndarray, trees: int, key: Sequence[object]) -> Forest:
    """A random forest of `trees` on features (n, D)."""
    return Forest(trees, key).fit(x, labels)


def sampled(rows: np.ndarray, most: int, key: Sequence[object]) -> np.ndarray:
    """`rows` (n,), or `most` of them drawn at random where there are more."""
    return rows if len(rows) <= most else np.sort(rng_for(*key, "sample").permutation(rows)[:most])


def folds_by_source(images: pd.DataFrame, folds: int, key: Sequence[object]) -> np.ndarray:
    """The fold of each image, (n,): images of one source photograph share theirs, and folds are alike.

    Alike in their cells, class x background: a fold that lacked a cell would leave too much of it to learn from, and
    probes of features that know nothing would then guess worse than at random. Where cells hold fewer images than there
    are folds, folds are alike in their classes.

    Args:
        images: label, background_index and foreground_source.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    cells = images["label"] * (int(images["background_index"].max()) + 1) + images["background_index"]
    choices = (cells, images["label"], 0 * images["label"])
    strata = next(each for each in choices if each.value_counts().max() >= folds)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=_state(*key))
    fold = np.zeros(len(images), int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, held) in enumerate(splitter.split(cells, strata, images["foreground_source"])):
            fold[held] = number
    return fold


def _state(*key: object) -> int:
    """A seed of the 32 bits that scikit-learn takes."""
    return seed_for(*key) % 2**32
