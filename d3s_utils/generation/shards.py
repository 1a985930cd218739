"""The shards of a dataset: Parquet files of images as the Hugging Face Hub has them.

A shard is the unit of work: it is written at once or not at all, and says for each image the hash it was made by.
Images and guides are PNG; `label` and `background` are class labels, so the files hold numbers and their schema the
names."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from d3s_utils.ground.columns import FLOATS, INTEGERS, MANIFEST
from d3s_utils.ground.files import write_atomically
from d3s_utils.ground.settings import Profile

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
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


def shards(manifest: pd.DataFrame, profile: Profile) -> list[Shard]:
    """The manifest cut into shards of at most `profile.dataset.shard_size` images, split by split, in its order."""
    classes = tuple(manifest.sort_values("label", kind="stable")["class_name"].unique())
    backgrounds = tuple(manifest["background"].unique())
    size, cut = profile.dataset.shard_size, []
    for split, rows in manifest.groupby("split", sort=False):
        parts = [rows.iloc[start : start + size].reset_index(drop=True) for start in range(0, len(rows), size)]
        cut += [Shard(split, i, len(parts), part, classes, backgrounds) for i, part in enumerate(parts)]
    return cut


def shard_path(folder: Path, shard: Shard) -> Path:
    """Where `shard` lies in the dataset `folder`."""
    return Path(folder) / "data" / f"{shard.name}.parquet"


def is_written(folder: Path, shard: Shard) -> bool:
    """Whether the shard is there, readable, and made by the recipes its rows ask for."""
    path = shard_path(folder, shard)
    try:
        written = pq.read_table(path, columns=["image_id", "recipe_hash"]).to_pandas()
    except (OSError, pa.ArrowException, KeyError):
        return False
    return all(list(written[column]) == list(shard.rows[column]) for column in ("image_id", "recipe_hash"))


def write_shard(
    folder: Path,
    shard: Shard,
    images: np.ndarray,
    guides: np.ndarray,
    flags: Sequence[bool | None] | None = None,
) -> Path:
    """Write one shard atomically.

    Args:
        folder: the dataset's folder; the shard goes to its data/.
        images, guides: (N, S, S, 3) uint8, in the order of `shard.rows`.
        flags: what the generator's safety checker says of each image; None where it has none.
    """
    if not len(images) == len(guides) == len(shard.rows):
        raise ValueError(f"{shard.name}: {len(shard.rows)} rows, {len(images)} images, {len(guides)} guides")
    rows = shard.rows[MANIFEST].assign(background=shard.rows["background"].map(shard.backgrounds.index))
    ids = list(rows["image_id"])
    columns = {"image": _pictures(images, ids), "guide": _pictures(guides, [f"{name}-guide" for name in ids])}
    columns |= {name: pa.array(rows[name].tolist(), arrow_type(name)) for name in MANIFEST}
    columns["nsfw"] = pa.array(list(flags or [None] * len(rows)), pa.bool_())
    schema = {"huggingface": json.dumps({"info": {"features": features(shard)}})}
    table = pa.table(columns).replace_schema_metadata(schema)
    return write_atomically(
        shard_path(folder, shard), lambda part: pq.write_table(table, part, row_group_size=ROWS_PER_GROUP)
    )


def features(shard: Shard) -> dict:
    """The columns in the words of Hugging Face datasets, embedded in each shard."""
    labels = {"label": shard.classes, "background": shard.backgrounds}
    pictures = {name: {"_type": "Image"} for name in ("image", "guide")}
    words = {"double": "float64"}
    types = {name: str(arrow_type(name)) for name in MANIFEST} | {"nsfw": "bool"}
    plain = {name: {"dtype": words.get(kind, kind), "_type": "Value"} for name, kind in types.items()}
    return pictures | plain | {name: {"names": list(names), "_type": "ClassLabel"} for name, names in labels.items()}


def arrow_type(column: str) -> pa.DataType:
    if column in INTEGERS:
        return pa.int64()
    return pa.float64() if column in FLOATS else pa.string()


def _pictures(images: np.ndarray, names: Sequence[str]) -> pa.Array:
    rows = [{"bytes": _encode(image), "path": f"{name}.png"} for image, name in zip(images, names, strict=True)]
    return pa.array(rows, PICTURE)


def _encode(image: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG")
    return data.getvalue()
