"""The images as a dataset that stands on its own: Parquet shards and a card, as the Hugging Face Hub has them.

A shard is the unit of work: it is written at once or not at all, and says for each image the recipe it was made by.
Images and guides are PNG; `label` and `background` are class labels, so the files hold numbers and their schema the
names; `read_dataset` gives the background's words back.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from d3s_utils import tables
from d3s_utils.errors import D3SError
from d3s_utils.release import card_licence, licences
from d3s_utils.settings import Profile
from d3s_utils.tables import FLOATS, INTEGERS, MANIFEST

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ROWS_PER_GROUP = 100  # what a reader has to decode at least
READERS = 4  # shards read side by side


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
    columns |= {name: pa.array(rows[name].tolist(), _arrow_type(name)) for name in MANIFEST}
    columns["nsfw"] = pa.array(list(flags or [None] * len(rows)), pa.bool_())
    schema = {"huggingface": json.dumps({"info": {"features": features(shard)}})}
    table = pa.table(columns).replace_schema_metadata(schema)
    return tables.write_atomically(
        shard_path(folder, shard), lambda part: pq.write_table(table, part, row_group_size=ROWS_PER_GROUP)
    )


def features(shard: Shard) -> dict:
    """The columns in the words of Hugging Face datasets, embedded in each shard."""
    labels = {"label": shard.classes, "background": shard.backgrounds}
    pictures = {name: {"_type": "Image"} for name in ("image", "guide")}
    words = {"double": "float64"}
    types = {name: str(_arrow_type(name)) for name in MANIFEST} | {"nsfw": "bool"}
    plain = {name: {"dtype": words.get(kind, kind), "_type": "Value"} for name, kind in types.items()}
    return pictures | plain | {name: {"names": list(names), "_type": "ClassLabel"} for name, names in labels.items()}


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


def find_stored(folder: Path, image_id: str, recipe: str) -> tuple[np.ndarray | None, str]:
    """One image, (S, S, 3) uint8, and its recipe_hash, from whatever shards there are, be the dataset whole or not.

    Args:
        recipe: where shards of several runs hold the image, the one of this recipe is taken.

    Returns:
        None and "" if no readable shard holds it.
    """
    found: tuple[np.ndarray | None, str] = None, ""
    for path in sorted((Path(folder) / "data").glob(f"{image_id.partition('-')[0]}-[0-9]*-of-[0-9]*.parquet")):
        try:
            rows = _read(path, ["image", "recipe_hash"], filters=[("image_id", "==", image_id)]).to_pylist()
        except D3SError:
            continue
        if rows and (found[0] is None or rows[0]["recipe_hash"] == recipe):
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


def write_card(folder: Path, manifest: pd.DataFrame, profile: Profile) -> Path:
    """Write the dataset card, README.md, with the header that makes `load_dataset(folder)` find the splits."""
    counts = manifest.groupby("split", sort=False).size()
    files = "\n".join(f"      - split: {split}\n        path: data/{split}-*" for split in counts.index)
    sizes = ", ".join(f"{count} {split}" for split, count in counts.items())
    licence, lines = licences(profile)
    return tables.write_text(
        Path(folder) / "README.md",
        CARD.format(
            name=profile.name,
            files=files,
            size=_size_category(len(manifest)),
            sizes=sizes,
            classes=", ".join(manifest["class_name"].unique()),
            backgrounds=", ".join(manifest["background"].unique()),
            license=licence,
            licences=card_licence(lines),
            **_generator_words(profile),
        ),
    )


CARD = """---
pretty_name: "D3S ({name})"
license: {license}
task_categories:
- image-classification
size_categories:
- {size}
tags:
- synthetic
- diffusion
- background-shift
configs:
  - config_name: default
    data_files:
{files}
---

# D3S ({name})

Images made by a diffusion model, each with two labels: what is in it (`label`) and where that is (`background`).
Every class appears equally often on every background, so a classifier that leans on backgrounds fails here.

* **Images:** {sizes}, {side} x {side} pixels, PNG.
* **Classes:** {classes}.
* **Backgrounds:** {backgrounds}.
* **Made by:** `{model}`, {way},
  DDIM (eta {eta:g}), {steps} steps, strength {strength}, guidance {guidance}.

The labels are what was asked for. Whether an image shows it is for people to say: see `verified.csv` of the run.
`seed`, `foreground_source`, `background_source`, `left` and `top` are enough to make any image again.
`nsfw` is what the model's safety checker said, where it has one; no image was changed for it.

## Licence

{licences}

## Use

```python
from datasets import load_dataset
dataset = load_dataset("path/to/this/folder", split="val")
```
"""


WAYS = {
    "img2img": "image-to-image from `guide` (`guide_kind` says what it shows) and `prompt`",
    "text2img": "from `prompt` alone",
    "inpainting": "from `prompt`, around the object of `guide`, whose pixels are kept",
}


def _generator_words(profile: Profile) -> dict:
    generator = profile.generator
    return {
        "side": generator.size, "model": generator.model, "steps": generator.steps,
        "strength": generator.strength, "guidance": generator.guidance, "eta": generator.eta,
        "way": WAYS[generator.mode],
    }  # fmt: skip


def _size_category(n: int) -> str:
    """The Hub's word for a number of images."""
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((word for bound, word in bounds if n < bound), "n>1M")


def _arrow_type(column: str) -> pa.DataType:
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


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _read(path: Path, columns: Sequence[str], **options: object) -> pa.Table:
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
