"""Reading a dataset: rows, images and guides, of a split or by image_id."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from d3s_utils.ground import journal
from d3s_utils.ground.columns import MANIFEST
from d3s_utils.ground.errors import D3SError

READERS = 4  # shards read side by side


def read_dataset(
    folder: Path, split: str, columns: Sequence[str] | None = None, image_ids: Sequence[str] | None = None
) -> pd.DataFrame:
    """The rows of a split, in the manifest's order, `background` in words.

    Args:
        columns: None for the manifest's; "image" and "guide" come as `{"bytes", "path"}`.
        image_ids: only these rows; row groups without any of them are not read.

    Raises:
        D3SError: if shards are missing or damaged.
    """
    wanted = list(MANIFEST if columns is None else columns)
    chosen = {} if image_ids is None else {"filters": [("image_id", "in", list(image_ids))]}
    with ThreadPoolExecutor(READERS) as readers:  # most of the time goes into opening files
        parts = list(readers.map(lambda path: _read(path, wanted, **chosen), shard_files(folder, split)))
    table = pd.concat([part.to_pandas() for part in parts], ignore_index=True)
    if "background" in wanted:
        names = json.loads(parts[0].schema.metadata[b"huggingface"])["info"]["features"]["background"]["names"]
        table["background"] = [names[number] for number in table["background"]]
    return table[wanted]


def load_images(folder: Path, which: str | Sequence[str], column: str = "image") -> tuple[np.ndarray, pd.DataFrame]:
    """Pixels, (N, S, S, 3) uint8, and the manifest's rows, of a split or of image_ids (in the order given).

    Raises:
        D3SError: for an image that is not in the dataset.
    """
    if isinstance(which, str):
        table = read_dataset(folder, which, [column, *MANIFEST])
    else:
        table = _find(folder, list(which), column)
    images = [_decode(picture["bytes"]) for picture in table[column]]
    return np.stack(images) if images else np.zeros((0, 0, 0, 3), np.uint8), table.drop(columns=column)


def load_guides(folder: Path, which: str | Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """As `load_images`, but the guides."""
    return load_images(folder, which, "guide")


def find_stored(folder: Path, image_id: str, image_hash: str) -> tuple[np.ndarray | None, str]:
    """One image, (S, S, 3) uint8, and its recipe_hash, from the shards there are, whether the dataset is whole or not.

    Args:
        image_hash: where shards of several runs hold the image, the one with this recipe_hash is taken.

    Returns:
        None and "" if no readable shard holds it.
    """
    found: tuple[np.ndarray | None, str] = None, ""
    for path in sorted((Path(folder) / "data").glob(f"{image_id.partition('-')[0]}-[0-9]*-of-[0-9]*.parquet")):
        try:
            rows = _read(path, ["image", "recipe_hash"], filters=[("image_id", "==", image_id)]).to_pylist()
        except D3SError:
            continue
        if rows and (found[0] is None or rows[0]["recipe_hash"] == image_hash):
            found = _decode(rows[0]["image"]["bytes"]), rows[0]["recipe_hash"]
    return found


def shard_files(folder: Path, split: str) -> list[Path]:
    """The shards of a split, complete and in order.

    Raises:
        D3SError: if there are none, or some are missing.
    """
    files = sorted((Path(folder) / "data").glob(f"{split}-[0-9]*-of-[0-9]*.parquet"))
    sets = {file.stem.rpartition("-of-")[2] for file in files}
    if not files:
        raise D3SError(f"{folder} has no {split} images; run notebook 01 first.")
    if len(sets) > 1:
        raise D3SError(f"{Path(folder) / 'data'} mixes {split} shards of several runs; delete the old ones.")
    if len(files) < int(sets.pop()):
        raise D3SError(f"{folder} has {len(files)} of the {split} shards only; run notebook 01 to make the others.")
    return files


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _read(path: Path, columns: Sequence[str], **options: object) -> pa.Table:
    journal.note_input(path)
    try:
        if options:
            return pq.read_table(path, columns=list(columns), **options)
        with pq.ParquetFile(path) as file:  # half the time of `read_table`, which looks for a folder of files
            return file.read(columns=list(columns), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise D3SError(f"The shard {path} cannot be read ({error}); delete it and run notebook 01 again.") from error


def _find(folder: Path, image_ids: list[str], column: str) -> pd.DataFrame:
    """The rows of some images, in the order given; the split is the first word of an image_id."""
    columns = [column, *MANIFEST]
    parts = [pd.DataFrame(columns=columns)]
    for split in dict.fromkeys(image_id.partition("-")[0] for image_id in image_ids):
        parts.append(read_dataset(folder, split, columns, image_ids))
    found = pd.concat(parts[1:] or parts).set_index("image_id")
    missing = [image_id for image_id in image_ids if image_id not in found.index]
    if missing:
        raise D3SError(f"{folder} has no image {missing[0]}; its manifest lists the images there are.")
    return found.loc[image_ids].reset_index()[columns]
