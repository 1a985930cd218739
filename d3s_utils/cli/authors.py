"""Read the dataset as the paper's authors stored it, and write it as this package does.

Their layout is `DIR/{train,val}/metadata.json` and PNG files. The metadata is a list of {"image": path, "classIdx":
0-999, "background": last word of the background}; each PNG holds two 512-pixel pictures side by side with a narrow
border, the guide on the left and the image on the right. The shift is a folder in the path, "background-shift".

    python -m d3s_utils import DIR --out outputs/original/dataset
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.data.imagenet import imagenet_classes
from d3s_utils.data.sources import SPLITS
from d3s_utils.generation import sums
from d3s_utils.generation.plan import image_id
from d3s_utils.generation.shards import Shard, write_shard
from d3s_utils.ground.cached import digest
from d3s_utils.ground.columns import COLUMNS, MANIFEST
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_table
from d3s_utils.ground.words import BACKGROUNDS, prompt

SIDE = 512  # of each of the two pictures, pixels
BORDER = 2  # around them
IMAGE_LEFT = 518  # where the right one begins
PER_SHARD = 250
WORDS = {name.split()[-1]: name for name in BACKGROUNDS}  # how their metadata calls a background


def import_original(root: Path, out: Path, shift: str = "background-shift") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the authors' images as a dataset folder of this package, and manifest.parquet beside it.

    What they did not keep (seed, photograph, place in the guide) is -1 or empty.

    Args:
        root: holds {train,val}/metadata.json; a split may be missing.
        out: the dataset folder to write.
        shift: which of their shifts.

    Returns:
        The manifest, and split, image, reason of what was left out.

    Raises:
        D3SError: there is no metadata, it is not theirs, or not one of its images can be read.
    """
    parts, skipped = [], []
    for split in SPLITS:
        if (Path(root) / split / "metadata.json").is_file():
            rows, left_out = _rows(Path(root) / split, split, shift)
            parts.append(rows)
            skipped += left_out
    if not parts:
        raise D3SError(f"{root} has no train/metadata.json or val/metadata.json; give the folder that holds them.")
    manifest = pd.concat(parts, ignore_index=True)
    if manifest.empty:
        raise D3SError(
            f"{root}: not one image of {shift} can be read ({len(skipped)} listed); check --shift and files."
        )
    labels = {index: label for label, index in enumerate(sorted(manifest["imagenet_index"].unique()))}
    manifest["label"] = manifest["imagenet_index"].map(labels)
    classes = tuple(imagenet_classes().loc[sorted(labels), "class_name"])
    names = tuple(name for name in BACKGROUNDS if name in set(manifest["background"]))
    for split, rows in manifest.groupby("split", sort=False):
        starts = range(0, len(rows), PER_SHARD)
        for number, start in enumerate(starts):
            part = rows.iloc[start : start + PER_SHARD].reset_index(drop=True)
            guides, images = (np.stack(pictures) for pictures in zip(*map(_read, part["path"]), strict=True))
            write_shard(Path(out), Shard(split, number, len(starts), part, classes, names), images, guides)
    manifest = manifest[COLUMNS["manifest"]]
    write_table(Path(out).parent / "manifest.parquet", manifest)
    sums.write_sums(Path(out))
    return manifest, pd.DataFrame(skipped, columns=["split", "image", "reason"])


def _rows(folder: Path, split: str, shift: str) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """The manifest of one split, with `path` and `imagenet_index`; and what is left out."""
    classes, rows, skipped, counts = imagenet_classes(), [], [], {}
    for entry in _entries(folder / "metadata.json"):
        listed = str(entry["image"])
        if shift not in Path(listed).parts:
            continue
        path, background = _find(folder, listed), WORDS.get(str(entry.get("background", "")).split(" ")[-1])
        reason = _what_is_wrong(path, entry["classIdx"], background)
        if reason:
            skipped.append((split, listed, reason))
            continue
        one = classes.iloc[int(entry["classIdx"])]
        number = counts[one["wnid"], background] = counts.get((one["wnid"], background), -1) + 1
        rows.append(
            {
                "image_id": image_id(split, one["wnid"], background, number),
                "split": split,
                "class_name": one["class_name"],
                "imagenet_index": int(entry["classIdx"]),
                "background": background,
                "prompt": prompt(one["class_name"], one["definition"], background),
                "recipe_hash": digest("original", listed),
                "path": path,
            }
        )
    table = pd.DataFrame(rows, columns=[*MANIFEST, "imagenet_index", "path"])
    known = {"seed": -1, "left": -1, "top": -1, "scale": 0.4, "guide_kind": "paste", "strength": 0.9, "steps": 50}
    known |= {"guidance": 5.0, "generator": "CompVis/stable-diffusion-v1-4", "generator_revision": ""}
    return table.assign(**known, foreground_source="", background_source=""), skipped


def _entries(path: Path) -> Iterator[dict]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise D3SError(f"{path} is no JSON ({error}); get it again.") from error
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and {"image", "classIdx"} <= set(e) for e in entries
    ):
        raise D3SError(f"{path} should be a list of objects with image and classIdx; it is another file.")
    return iter(entries)


def _find(folder: Path, listed: str) -> Path | None:
    """The file of a path written on another machine: its last parts under the split's folder or the one above."""
    parts = Path(listed).parts
    tried = [
        root.joinpath(*parts[-count:]) for count in (3, 2, 1) if count <= len(parts) for root in (folder, folder.parent)
    ]
    return next((path for path in tried if path.is_file()), None)


def _what_is_wrong(path: Path | None, index: object, background: str | None) -> str:
    if path is None:
        return "there is no such file"
    if not str(index).isdigit() or int(str(index)) > 999:
        return f"classIdx {index} is not 0 to 999"
    if background is None:
        return "its background is none of the ten"
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            picture.verify()
    except (OSError, SyntaxError, ValueError) as error:
        return f"cannot be read ({error})"
    if width < IMAGE_LEFT + SIDE or height < BORDER + SIDE:
        return f"is {width} x {height}, too small for two pictures of {SIDE}"
    return ""


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Guide and image, (512, 512, 3) uint8 each."""
    with Image.open(path) as picture:
        both = np.asarray(picture.convert("RGB"))
    rows = slice(BORDER, BORDER + SIDE)
    return both[rows, BORDER : BORDER + SIDE], both[rows, IMAGE_LEFT : IMAGE_LEFT + SIDE]
