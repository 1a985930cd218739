"""What a source of pictures has to give, wherever it has them from: the contracts of photographs and backgrounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.ground.squares import square

SPLITS = ("train", "val")
SKIPPED = ["source", "file", "reason"]  # columns of skipped.csv


def no_skips() -> pd.DataFrame:
    return pd.DataFrame(columns=SKIPPED, dtype=str)


class Pictures(ABC):
    """Pictures by id.

    Attributes:
        key: everything the pictures depend on, for `recipe_hash`.
    """

    key: object

    @abstractmethod
    def pictures(self, ids: Sequence[str]) -> Iterator[Image.Image]:
        """RGB pictures in their own size, upright, one after another: files are read as they are asked for."""

    def picture(self, name: str) -> Image.Image:
        return next(self.pictures([name]))

    def skipped(self) -> pd.DataFrame:
        """source, file, reason: what `table` left out because it cannot be used."""
        return no_skips()


class Photos(Pictures):
    """Photographs of the classes of a run.

    Attributes:
        size: side of what `load` returns, pixels.
        habit: probability of the habitual background; None where nobody staged the photographs.
    """

    size: int
    habit: float | None

    @abstractmethod
    def table(self, split: str) -> pd.DataFrame:
        """photo_id, label, class_name, background (None where unknown), class by class."""

    @abstractmethod
    def masks(self, photo_ids: Sequence[str]) -> Iterator[Image.Image]:
        """Where the object is: mode L, 255 inside, as large as the picture."""

    def load(self, photo_ids: Sequence[str]) -> np.ndarray:
        """Centre squares, (N, size, size, 3) uint8."""
        images = np.empty((len(photo_ids), self.size, self.size, 3), np.uint8)
        for i, picture in enumerate(self.pictures(photo_ids)):
            images[i] = square(picture, self.size)
        return images


class Backgrounds(Pictures):
    """Pictures of empty places.

    Attributes:
        names: the backgrounds of this run, the paper's ten first and in its order; or the shifts of another recipe.
    """

    names: tuple[str, ...]

    @abstractmethod
    def table(self, split: str) -> pd.DataFrame:
        """background_id, background."""


class NoBackgrounds(Backgrounds):
    """Names without pictures, for guides that show none."""

    def __init__(self, names: Sequence[str]):
        self.names, self.key = tuple(names), list(names)

    def table(self, split: str) -> pd.DataFrame:
        return pd.DataFrame({"background_id": "", "background": list(self.names)})

    def pictures(self, ids: Sequence[str]) -> Iterator[Image.Image]:
        raise ValueError("these guides show no background")
