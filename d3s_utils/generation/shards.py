"""The shards of a dataset: Parquet files of images as the Hugging Face Hub has them.

A shard is the unit of work: it is written at once or not at all, and holds the hash of each image, `recipe_hash`.
Images and guides are PNG; `label` and `background` are class labels, so the files hold numbers and their schema the
names."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from d3s_utils.ground.columns import FLOATS, INTEGERS, MANIFEST
from d3s_utils.ground.files import write_atomically

if TYPE_CHECKING:
    from datasets import Features

DRAWN = ["image", "guide", "nsfw"]  # what a shard holds beside the rows of the manifest
HASHED = ["image_id", "recipe_hash"]
ROWS_PER_GROUP = 100  # what a reader has to decode at least


@dataclass(frozen=True)
class Shard:
    """Some rows of the manifest that are generated and written together.

    Attributes:
        number, of: this is number 0 .. of-1 of the split's shards.
        classes, backgrounds: the names of the whole dataset, in the order of their numbers.
    """

    split: str
    number: int
    of: int
    rows: pd.DataFrame
    classes: tuple[str, ...]
    backgrounds: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.split}-{self.number:05d}-of-{self.of:05d}"


def shards(manifest: pd.DataFrame, size: int) -> list[Shard]:
    """The manifest cut into shards of at most `size` images, split by split, in its order."""
    classes = tuple(manifest.sort_values("label", kind="stable")["class_name"].unique())
    backgrounds = tuple(manifest["background"].unique())
    cut = []
    for split, rows in manifest.groupby("split", sort=False):
        parts = [rows.iloc[start : start + size].reset_index(drop=True) for start in range(0, len(rows), size)]
        cut += [Shard(split, i, len(parts), part, classes, backgrounds) for i, part in enumerate(parts)]
    return cut


def shard_path(folder: Path, shard: Shard) -> Path:
    """Where `shard` lies in the dataset `folder`."""
    return Path(folder) / "data" / f"{shard.name}.parquet"


def is_written(folder: Path, shard: Shard) -> bool:
    """Whether the shard is there, readable, and holds its rows in their order, each under its own hash."""
    written = _read(shard_path(folder, shard), HASHED)
    return all(list(written[column]) == list(shard.rows[column]) for column in HASHED)


def kept_rows(folder: Path, shard: Shard) -> pd.DataFrame:
    """What the file of a shard holds already, drawn under the very hash its rows have now: `DRAWN`, by image_id."""
    written = _read(shard_path(folder, shard), [*HASHED, *DRAWN])
    return written.merge(shard.rows[HASHED], on=HASHED).set_index("image_id")[DRAWN]


def count_missing(folder: Path, shard: Shard) -> int:
    """Images of a shard that have to be drawn."""
    return len(shard.rows) - len(_read(shard_path(folder, shard), HASHED).merge(shard.rows[HASHED], on=HASHED))


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of a shard; no rows where the file is missing, damaged or another one."""
    try:
        return pq.read_table(path, columns=list(columns)).to_pandas()[list(columns)]
    except (OSError, pa.ArrowException, KeyError):
        return pd.DataFrame(columns=list(columns), dtype=object)


def write_shard(
    folder: Path,
    shard: Shard,
    images: np.ndarray,
    guides: np.ndarray,
    flags: Sequence[bool | None] | None = None,
    kept: pd.DataFrame | None = None,
) -> Path:
    """Write one shard atomically.

    Args:
        folder: the dataset's folder; the shard goes to its data/.
        images, guides: (N, S, S, 3) uint8, in the order of `shard.rows`.
        flags: what the generator's safety checker says of each image; None where it has none.
        kept: see `kept_rows`; these rows come from there byte for byte, and images, guides and flags are of the others.
    """
    kept = pd.DataFrame(columns=DRAWN) if kept is None else kept
    ids = [name for name in shard.rows["image_id"] if name not in kept.index]
    if not len(images) == len(guides) == len(ids):
        raise ValueError(f"{shard.name}: {len(ids)} rows, {len(images)} images, {len(guides)} guides")
    drawn = {
        "image": [_encode(image, name) for image, name in zip(images, ids, strict=True)],
        "guide": [_encode(guide, f"{name}-guide") for guide, name in zip(guides, ids, strict=True)],
        "nsfw": list(flags or [None] * len(ids)),
    }
    drawn = pd.concat([kept, pd.DataFrame(drawn, index=ids, dtype=object)]).loc[list(shard.rows["image_id"])]
    rows = shard.rows[MANIFEST].assign(background=shard.rows["background"].map(shard.backgrounds.index))
    columns = {name: list(values) for table in (drawn, rows) for name, values in table.items()}
    columns["nsfw"] = [None if pd.isna(flag) else bool(flag) for flag in columns["nsfw"]]
    schema = features(shard).arrow_schema
    table = pa.table([pa.array(columns[field.name], field.type) for field in schema], schema)
    return write_atomically(
        shard_path(folder, shard), lambda part: pq.write_table(table, part, row_group_size=ROWS_PER_GROUP)
    )


def features(shard: Shard) -> Features:
    """The columns in the words of Hugging Face datasets; each shard's schema holds them."""
    from datasets import ClassLabel, Features, Image, Value

    kinds = {name: "int64" if name in INTEGERS else "float64" if name in FLOATS else "string" for name in MANIFEST}
    columns = {"image": Image(), "guide": Image(), **{name: Value(kind) for name, kind in kinds.items()}}
    columns |= {"nsfw": Value("bool"), "label": ClassLabel(names=list(shard.classes))}
    return Features(columns | {"background": ClassLabel(names=list(shard.backgrounds))})


def _encode(image: np.ndarray, name: str) -> dict[str, bytes | str]:
    """A picture as a PNG file, as the Hub has pictures in Parquet."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG")
    return {"bytes": data.getvalue(), "path": f"{name}.png"}
