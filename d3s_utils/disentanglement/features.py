"""Frozen features of a dataset's images, split into foreground and background, as one file per method.

The probes and the spurious task read these files, the manifest and the verified split, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.ground.cached import Tensors
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_metadata, read_tensors

KINDS = ("fg", "bg", "all")  # the sets of features a file offers
ARRAYS = ("fg", "bg", "fg_guess", "bg_guess")


@dataclass(frozen=True)
class Features:
    """What one split model makes of N images. Row i of every array is image `image_id[i]`.

    `fg_guess` and `bg_guess` are what the heads trained along with the features say (class and background codes).
    """

    image_id: np.ndarray  # (N,) str
    fg: np.ndarray  # (N, Df) float32
    bg: np.ndarray  # (N, Db) float32
    fg_guess: np.ndarray  # (N,) int64
    bg_guess: np.ndarray  # (N,) int64

    @property
    def all(self) -> np.ndarray:
        """Both parts side by side, (N, Df + Db)."""
        return np.concatenate([self.fg, self.bg], axis=1)

    def pick(self, image_ids: Iterable[str]) -> Features:
        """The rows of `image_ids`, in that order.

        Raises:
            D3SError: an image has no features.
        """
        rows = pd.Index(self.image_id).get_indexer(list(image_ids))
        if (rows < 0).any():
            missing = list(image_ids)[int(np.argmin(rows))]
            raise D3SError(f"There are no features of image {missing}; run notebook 04 again, the dataset has changed.")
        return Features(self.image_id[rows], *(getattr(self, name)[rows] for name in ARRAYS))


def features_path(folder: Path, method: str) -> Path:
    """Where a run keeps the features of `method`."""
    return Path(folder) / "features" / f"{method}.safetensors"


def as_tensors(features: Features, method: str) -> Tensors:
    """What a file of features holds: fg, bg, all (float32) and the heads' guesses, with the image ids in its header."""
    arrays = {name: getattr(features, name) for name in (*ARRAYS, "all")}
    return Tensors(arrays, {"image_ids": features.image_id.tolist(), "method": method, "fields": sorted(arrays)})


def from_tensors(kept: Tensors) -> Features:
    """The features that `as_tensors` made ready to be kept."""
    image_id = np.array(kept.about["image_ids"], dtype=object)
    return Features(image_id, *(kept.tensors[name].numpy() for name in ARRAYS))


def read_features(path: Path) -> Features:
    """The features in a file.

    Raises:
        D3SError: the file is missing or damaged.
    """
    tensors = read_tensors(path)
    return from_tensors(Tensors(tensors, read_metadata(path)["about"]))


def read_all(folder: Path, methods: Iterable[str]) -> dict[str, Features]:
    """Features of every method by name, from a run's folder."""
    return {method: read_features(features_path(folder, method)) for method in methods}
