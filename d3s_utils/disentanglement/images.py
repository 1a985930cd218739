"""The images of a run that disentanglement learns from, in memory or in a file that is mapped."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from d3s_utils.disentanglement.models import CROPS
from d3s_utils.evaluation.classifiers import resized
from d3s_utils.generation import dataset
from d3s_utils.generation.world import natural_arrays, open_photos
from d3s_utils.ground.cached import Chunks, cached, digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table
from d3s_utils.ground.parallel import ahead
from d3s_utils.ground.settings import Disentanglement, Profile
from d3s_utils.ground.sources import code_of
from d3s_utils.verification.rules import accepted

SPLITS = ("train", "val")
STORED = 200  # pictures resized at a time


def image_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest with `background_index`: the background as a number, 0 to B-1, in the manifest's order."""
    return manifest.assign(background_index=pd.factorize(manifest["background"])[0])


def verified_images(folder: Path, rule: str) -> pd.DataFrame:
    """Training images of a run and the validation images that `rule` accepts, with `background_index`, rows from 0.

    Raises:
        D3SError: a file is missing, or no validation image was accepted.
    """
    images = image_table(read_table(Path(folder) / "manifest.parquet"))
    kept = accepted(read_table(Path(folder) / "verified.csv"), rule)
    images = images[(images["split"] == "train") | images["image_id"].isin(kept)].reset_index(drop=True)
    if (images["split"] == "train").all():
        raise D3SError(
            f"No validation image was accepted by {rule}; choose another evaluation.rule, or make better images."
        )
    return images


@dataclass(frozen=True)
class Data:
    """The pictures of a run and what is known of them."""

    images: pd.DataFrame  # D3S train and val: image_id, split, label, background_index, recipe_hash, ...
    d3s: Tensor  # (N, S, S, 3) uint8, row i of `images`
    natural: Tensor  # (M, S, S, 3) uint8, natural training images
    natural_label: Tensor  # (M,)
    natural_key: object  # what the natural images depend on
    stored: object = None  # how all of them were resized

    @property
    def train(self) -> np.ndarray:
        """(N,) the D3S images that may be learned from."""
        return (self.images["split"] == "train").to_numpy(copy=True)

    @property
    def n_classes(self) -> int:
        return int(self.images["label"].max()) + 1

    @property
    def n_backgrounds(self) -> int:
        return int(self.images["background_index"].max()) + 1

    @functools.cached_property
    def d3s_key(self) -> str:
        """Digits of what the D3S images of both splits depend on."""
        return digest(self.images["recipe_hash"].tolist(), self.stored)

    @functools.cached_property
    def natural_digits(self) -> str:
        """Digits of what the natural images depend on."""
        return digest(self.natural_key, self.stored)

    @functools.cached_property
    def train_key(self) -> str:
        """Digits of what is learned from: D3S training images and natural images."""
        learned = self.images.loc[self.train, ["recipe_hash", "label", "background_index"]].to_dict("list")
        return digest(learned, self.natural_key, self.stored)


def stored_side(settings: Disentanglement) -> int | None:
    """The side at which pictures are stored for an `image_size`; None: as they are, in memory."""
    return settings.image_size and round(settings.image_size / CROPS[settings.augment])


def load_data(folder: Path, profile: Profile) -> Data:
    """D3S images of both splits and the natural training images of a run.

    With `disentanglement.image_size` they are resized once and stay in a file of the run's cache, which is read where a
    batch asks for it; else they lie in memory.

    Raises:
        D3SError: the dataset is not there yet, or has no training images.
    """
    folder, side = Path(folder), stored_side(profile.disentanglement)
    store, photos = folder / "dataset", open_photos(profile)
    if not (read_table(folder / "manifest.parquet")["split"] == "train").any():
        raise D3SError("Disentanglement needs D3S training images; set dataset.train_per_cell to 1 or more.")
    table = photos.table("train")
    ids, label = table["photo_id"].tolist(), torch.tensor(table["label"].to_numpy(np.int64))
    if side:
        images = image_table(pd.concat([dataset.read_dataset(store, split) for split in SPLITS], ignore_index=True))
        load = lambda part: dataset.load_images(store, part)[0]  # noqa: E731
        d3s = stored_images(folder / "cache" / "d3s.npy", images["image_id"], load, side, images["recipe_hash"])
        natural = stored_images(
            folder / "cache" / "natural.npy", table["photo_id"], photos.load, side, photos.stamps(ids)
        )
    else:
        parts = [dataset.load_images(store, split) for split in SPLITS]
        images = image_table(pd.concat([rows for _, rows in parts], ignore_index=True))
        d3s = torch.from_numpy(np.concatenate([pixels for pixels, _ in parts]))
        natural = torch.tensor(natural_arrays(folder, photos, "train")[0])
    return Data(images, d3s, natural, label, photos.key_of(ids), [side, code_of(resized)] if side else None)


def stored_images(
    path: Path, ids: Iterable[str], load: Callable[[list[str]], np.ndarray], side: int, key: Iterable[object]
) -> Tensor:
    """Pictures resized to `side`, (N, side, side, 3) uint8, in a file that is mapped, not read.

    Args:
        load: ids to (n, S, S, 3) uint8; asked for `STORED` at a time.
        key: what the pictures depend on before they are resized.
    """
    ids = list(ids)
    chunks = [ids[start : start + STORED] for start in range(0, len(ids), STORED)]

    def make() -> Chunks:
        parts = (resized(pictures, side) for pictures in ahead(load, chunks))
        return Chunks((len(ids), side, side, 3), np.uint8, parts)

    pictures = cached(path, [ids, list(key), side, code_of(resized)], make)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nobody may write to it, and nobody does
        return torch.from_numpy(pictures)
