"""Sheets of small images: many images in one file, so that a gallery of thousands needs a few dozen files."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from d3s_utils.generation.dataset import shard_files
from d3s_utils.ground.files import write_bytes, write_json

SIDE, ACROSS, DOWN = 128, 16, 16  # most pixels of a small image's side; images of a sheet
PER_SHEET = ACROSS * DOWN
QUALITY = 82  # of WebP
KINDS = {"image": "images", "guide": "guides"}  # a column of the dataset, and what its sheets are called
KEY = "sheets.json"


def write_sheets(dataset: Path, rows: pd.DataFrame, folder: Path) -> dict:
    """Write the sheets of the images and guides in `rows` unless they are there already.

    Args:
        dataset: the run's dataset.
        rows: of the manifest, in its order; image i is tile i % PER_SHEET of sheet i // PER_SHEET.
        folder: where images-000.webp, guides-000.webp and so on go.

    Returns:
        `tile` (pixels of a side), `across`, `down`, and the number of `sheets` of each kind.

    Raises:
        D3SError: if shards are missing or damaged.
    """
    key, kept = _key(rows), _read(folder / KEY)
    count = -(-len(rows) // PER_SHEET)
    names = [f"{kind}-{number:03d}.webp" for kind in KINDS.values() for number in range(count)]
    if kept.get("key") == key and all((folder / name).is_file() for name in names):
        return kept["sheets"]
    tile = _draw(dataset, rows, folder)
    for path in folder.glob("*.webp"):
        if path.name not in names:
            path.unlink()
    sheets = {"tile": tile, "across": ACROSS, "down": DOWN, "count": count}
    write_json(folder / KEY, {"key": key, "sheets": sheets})
    return sheets


def _key(rows: pd.DataFrame) -> str:
    """What the sheets show: images are known by their recipes."""
    said = "\n".join([f"{SIDE} {ACROSS} {DOWN} {QUALITY}", *rows["image_id"], *rows["recipe_hash"]])
    return hashlib.sha256(said.encode()).hexdigest()


def _read(path: Path) -> dict:
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _draw(dataset: Path, rows: pd.DataFrame, folder: Path) -> int:
    """Write all sheets; returns the side of a small image in pixels."""
    tile, open_sheets = 0, {}
    for position, pictures in enumerate(_pictures(dataset, rows)):
        place = position % PER_SHEET
        for column, data in pictures.items():
            small = _small(data)
            tile = tile or small.width
            if place == 0:
                left = min(PER_SHEET, len(rows) - position)
                open_sheets[column] = Image.new("RGB", (ACROSS * tile, -(-left // ACROSS) * tile))
            small = small if small.width == tile else small.resize((tile, tile))
            open_sheets[column].paste(small, (place % ACROSS * tile, place // ACROSS * tile))
        if place == PER_SHEET - 1 or position == len(rows) - 1:
            for column, sheet in open_sheets.items():
                _write(sheet, folder / f"{KINDS[column]}-{position // PER_SHEET:03d}.webp")
    return tile


def _pictures(dataset: Path, rows: pd.DataFrame) -> Iterator[dict[str, bytes]]:
    """The encoded image and guide of each row, shard by shard, in the order of `rows`."""
    for split, part in rows.groupby("split", sort=False):
        wanted, found = list(part["image_id"]), {}
        for path in shard_files(dataset, split):
            found |= _of_shard(path, set(wanted))
            while wanted and wanted[0] in found:
                yield found.pop(wanted.pop(0))
        if wanted:
            raise LookupError(f"{dataset} has no image {wanted[0]}, or not in the manifest's order")


def _of_shard(path: Path, wanted: set[str]) -> dict[str, dict[str, bytes]]:
    here = set(pq.read_table(path, columns=["image_id"])["image_id"].to_pylist()) & wanted
    if not here:
        return {}
    table = pq.read_table(path, columns=["image_id", *KINDS], filters=[("image_id", "in", sorted(here))])
    return {row["image_id"]: {column: row[column]["bytes"] for column in KINDS} for row in table.to_pylist()}


def _small(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    side = min(SIDE, min(picture.size))
    return picture if picture.size == (side, side) else picture.resize((side, side), Image.Resampling.LANCZOS)


def _write(sheet: Image.Image, path: Path) -> None:
    data = io.BytesIO()
    sheet.save(data, format="WEBP", quality=QUALITY, method=4)
    write_bytes(path, data.getvalue())


def size_mb(folder: Path, names: Sequence[str] = ("*.webp", "*.js")) -> float:
    """How much the explorer's files weigh."""
    return sum(path.stat().st_size for name in names for path in folder.glob(name)) / 1e6
