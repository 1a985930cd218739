"""The guide that each row of the manifest asks for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from d3s_utils.data.guides import NEED_BACKGROUND, NEED_FOREGROUND, Placement, compose, object_mask
from d3s_utils.data.sources import Backgrounds, Photos


def guide_for(row: pd.Series, photos: Photos, backgrounds: Backgrounds) -> Image.Image:
    """The guide of one row of the manifest."""
    return Image.fromarray(guides_for(row.to_frame().T, photos, backgrounds)[0])


def guides_for(rows: pd.DataFrame, photos: Photos, backgrounds: Backgrounds) -> np.ndarray:
    """The guides of many rows, all of one kind, (N, size, size, 3) uint8."""
    guides = np.empty((len(rows), photos.size, photos.size, 3), np.uint8)
    kind = kind_of(rows)
    nothing = [None] * len(rows)
    sources = (
        photos.pictures(list(rows["foreground_source"])) if kind in NEED_FOREGROUND else nothing,
        backgrounds.pictures(list(rows["background_source"])) if kind in NEED_BACKGROUND else nothing,
        photos.masks(list(rows["foreground_source"])) if kind == "mask" else nothing,
    )
    placed = zip(guides, _placements(rows, photos.size), zip(*sources, strict=True), strict=True)
    for guide, placement, pictures in placed:
        guide[:] = compose(kind, placement, *pictures)
    return guides


def object_masks(rows: pd.DataFrame, photos: Photos) -> np.ndarray:
    """Where the guides of many rows show their object, (N, size, size) uint8, 255 = object."""
    found = np.empty((len(rows), photos.size, photos.size), np.uint8)
    kind = kind_of(rows)
    masks = photos.masks(list(rows["foreground_source"])) if kind == "mask" else [None] * len(rows)
    for one, placement, mask in zip(found, _placements(rows, photos.size), masks, strict=True):
        one[:] = object_mask(kind, placement, mask)
    return found


def kind_of(rows: pd.DataFrame) -> str:
    """What the guides of `rows` show; a table that does not say pastes."""
    return rows["guide_kind"].iloc[0] if "guide_kind" in rows and len(rows) else "paste"


def _placements(rows: pd.DataFrame, size: int) -> list[Placement]:
    columns = zip(rows["left"], rows["top"], rows["scale"], strict=True)
    return [Placement(int(left), int(top), size, float(scale)) for left, top, scale in columns]
