"""Masks of photographs: a folder of them, as Salient ImageNet has, or COCO's instances."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from d3s_utils.data.pictures import read_picture
from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError

ALIKE = 0.02  # sides of mask and photograph may differ by this share in proportion


def mask_for(masks: str | None, photo_id: str, picture: Image.Image) -> Image.Image:
    """Where the object of a photograph is: mode L, 255 inside, as large as `picture`.

    Args:
        masks: `generator.masks` of the profile. A folder holds DIR/<split>/<name>.png, DIR/<class>/<name>.png or
            DIR/<name>.png; a JSON file COCO's instances, found by the photograph's file name, all of them together.
        photo_id: "<split>/<path>".

    Raises:
        D3SError: there is no mask, or it has another shape than the photograph.
    """
    file = mask_file(masks, photo_id)
    mask = _coco_mask(file, photo_id) if file.suffix == ".json" else read_picture(file).convert("L")
    if abs(np.log((mask.width / mask.height) / (picture.width / picture.height))) > ALIKE:
        raise D3SError(
            f"generator.masks: the mask of {photo_id} is {mask.width} x {mask.height}, its photograph "
            f"{picture.width} x {picture.height}; they must have one shape."
        )
    return mask if mask.size == picture.size else mask.resize(picture.size, Image.Resampling.BILINEAR)


def mask_file(masks: str | None, photo_id: str) -> Path:
    """The file in which the mask of a photograph is; COCO's instances are all in one.

    Raises:
        D3SError: there is none.
    """
    if masks is None:
        raise D3SError("generator.guide mask needs generator.masks: a folder of masks, or COCO's instances as JSON.")
    folder = paths.resolve(masks)
    journal.note_input(folder)
    if folder.suffix == ".json":
        return folder
    if not folder.is_dir():
        raise D3SError(f"generator.masks: there is no folder {folder}; give one with a mask for each photograph.")
    parts = Path(photo_id).with_suffix(".png").parts
    tried = [folder.joinpath(*parts[start:]) for start in range(len(parts))]
    for path in tried:
        if path.is_file():
            return path
    raise D3SError(f"generator.masks: {photo_id} has no mask; put it at {tried[0]}, or set generator.guide to paste.")


def _coco_mask(path: Path, photo_id: str) -> Image.Image:
    coco, images = _open_coco(path)
    name = Path(photo_id).name
    if name not in images:
        raise D3SError(f"generator.masks: {path} has no image called {name}; set generator.guide to paste.")
    found = coco.loadAnns(coco.getAnnIds(imgIds=[images[name]]))
    if not found:
        raise D3SError(f"generator.masks: {path} has no instance in {name}; set generator.guide to paste.")
    return Image.fromarray(255 * np.max([coco.annToMask(one) for one in found], axis=0).astype(np.uint8))


@functools.lru_cache(maxsize=4)
def _open_coco(path: Path) -> tuple[object, dict[str, int]]:
    import contextlib
    import io

    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise D3SError("generator.masks: COCO's instances need pycocotools; run pip install -e .[coco].") from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it takes
            coco = COCO(str(path))
        return coco, {image["file_name"].rpartition("/")[2]: image["id"] for image in coco.dataset["images"]}
    except (OSError, ValueError, KeyError, AssertionError) as error:
        raise D3SError(f"generator.masks: {path} is no COCO file of instances ({error}).") from error
