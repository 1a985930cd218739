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
        key: what all of these pictures depend on; `key_of` adds what single ones depend on.
        noun: what one of them is called, such as "photograph" or "render".
        origin: where they come from, without paths of this machine; "" where this project makes them.
    """

    key: object
    noun: str
    origin: str = ""

    @abstractmethod
    def pictures(self, ids: Sequence[str]) -> Iterator[Image.Image]:
        """RGB pictures in their own size, upright, one after another: files are read as they are asked for."""

    def picture(self, name: str) -> Image.Image:
        return next(self.pictures([name]))

    def stamps(self, ids: Sequence[str]) -> list[str]:
        """What changes, picture by picture, when one is replaced under its id; "" where `key` and the id say it all."""
        return [""] * len(ids)

    def key_of(self, ids: Sequence[str]) -> object:
        """Everything that the pictures `ids` depend on."""
        return [self.key, list(ids), self.stamps(ids)]

    def skipped(self) -> pd.DataFrame:
        """source, file, reason: what `table` left out because it cannot be used."""
        return no_skips()


class Photos(Pictures):
    """Photographs of the classes of a run, or renders in their place.

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

    def mask_stamps(self, photo_ids: Sequence[str]) -> list[str]:
        """As `stamps`, for the masks."""
        return [""] * len(photo_ids)

    def load(self, photo_ids: Sequence[str]) -> np.ndarray:
        """Centre squares, (N, size, size, 3) uint8."""
        images = np.empty((len(photo_ids), self.size, self.size, 3), np.uint8)
        for i, picture in enumerate(self.pictures(photo_ids)):
            images[i] = square(picture, self.size)
        return images


class Backgrounds(Pictures):
    """Pictures of empty scenes.

    Attributes:
        names: the backgrounds of this run, the paper's ten first and in its order; or the shifts of another recipe.
    """

    names: tuple[str, ...]
    noun = "background"

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
