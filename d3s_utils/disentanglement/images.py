"""The images of a run that disentanglement learns from, in memory or in a file that is mapped."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from d3s_utils.disentanglement.features import image_table
from d3s_utils.evaluation.classifiers import resized
from d3s_utils.generation import dataset
from d3s_utils.generation.world import natural_arrays, open_photos
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_atomically
from d3s_utils.ground.parallel import ahead
from d3s_utils.ground.settings import Profile

STORED = 200  # pictures resized at a time


@dataclass(frozen=True)
class Data:
    """The pictures of a run and what is known of them."""

    images: pd.DataFrame  # D3S train and val: image_id, split, label, background_index, ...
    d3s: Tensor  # (N, S, S, 3) uint8, row i of `images`
    natural: Tensor  # (M, S, S, 3) uint8, natural training images
    natural_label: Tensor  # (M,)
    hash: str  # of everything the pixels depend on

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


def load_data(folder: Path, profile: Profile) -> Data:
    """D3S images of both splits and the natural training images of a run.

    With `disentanglement.image_size` they are resized once and stay in a file of the run's cache, which is read where a
    batch asks for it; else they lie in memory.

    Raises:
        D3SError: the dataset is not there yet, or has no training images.
    """
    manifest = read_table(Path(folder) / "manifest.parquet")
    if not (manifest["split"] == "train").any():
        raise D3SError("Disentanglement needs D3S training images; set dataset.train_per_cell to 1 or more.")
    if profile.disentanglement.image_size:
        return _data_on_disk(Path(folder), profile)
    parts = [dataset.load_images(Path(folder) / "dataset", split) for split in ("train", "val")]
    images = image_table(pd.concat([table for _, table in parts], ignore_index=True))
    photos = open_photos(profile)
    natural, table = natural_arrays(folder, photos, "train")
    data_hash = digest(list(images["recipe_hash"]), photos.key_of(list(table["photo_id"])))
    d3s = torch.from_numpy(np.concatenate([pixels for pixels, _ in parts]))
    return Data(images, d3s, torch.tensor(natural), torch.tensor(table["label"].to_numpy(np.int64)), data_hash)


def _data_on_disk(folder: Path, profile: Profile) -> Data:
    """`load_data` for more pictures than memory holds."""
    side, store = profile.disentanglement.image_size, folder / "dataset"
    parts = [dataset.read_dataset(store, split) for split in ("train", "val")]
    images = image_table(pd.concat(parts, ignore_index=True))
    ids = list(images["image_id"])
    d3s = stored_images(
        folder, ids, lambda part: dataset.load_images(store, part)[0], side, list(images["recipe_hash"])
    )
    photos = open_photos(profile)
    table = photos.table("train")
    natural_key = photos.key_of(list(table["photo_id"]))
    natural = stored_images(folder, list(table["photo_id"]), photos.load, side, natural_key)
    data_hash = digest(list(images["recipe_hash"]), natural_key, side)
    return Data(images, d3s, natural, torch.tensor(table["label"].to_numpy(np.int64)), data_hash)


def stored_images(
    folder: Path, ids: Sequence[str], load: Callable[[list[str]], np.ndarray], side: int, recipe: object
) -> Tensor:
    """Pictures resized to `side`, (N, side, side, 3) uint8, in a file under <folder>/cache that is mapped, not read.

    Args:
        load: ids to (n, S, S, 3) uint8; asked for `STORED` at a time.
    """
    path = folder / "cache" / f"pictures-{digest('stored', recipe, list(ids), side)}.npy"
    if not path.is_file():
        chunks = [list(ids[start : start + STORED]) for start in range(0, len(ids), STORED)]

        def write(part: Path) -> None:
            target = np.lib.format.open_memmap(part, "w+", np.uint8, (len(ids), side, side, 3))
            for number, pictures in enumerate(ahead(load, chunks)):
                target[number * STORED : number * STORED + len(pictures)] = resized(pictures, side)
            target.flush()

        write_atomically(path, write)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nobody may write to it, and nobody does
        return torch.from_numpy(np.load(path, mmap_mode="r"))
