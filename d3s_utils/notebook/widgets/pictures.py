"""Pictures that widgets show again and again: in memory, and as small images in a table."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

MEMORY = 100_000_000  # bytes of pictures that are loaded all at once
SIDE = 48  # pixels of a picture in a table


def remembered(load: Callable[[list[str]], np.ndarray], ids: Sequence[str]) -> Callable[[list[str]], np.ndarray]:
    """`load` that loads each picture once: all of `ids` at the first call where memory allows it, else as asked for.

    Args:
        load: ids to (N, S, S, 3) uint8.
    """
    kept: dict[str, np.ndarray] = {}

    def remember(wanted: list[str]) -> None:
        new = [name for name in dict.fromkeys(wanted) if name not in kept]
        if new:
            kept.update(zip(new, load(new), strict=True))

    def read(wanted: list[str]) -> np.ndarray:
        first = not kept
        remember(list(wanted))
        if first and kept and len(ids) * next(iter(kept.values())).nbytes <= MEMORY:
            remember(list(ids))
        return np.stack([kept[name] for name in wanted]) if len(wanted) else load([])

    return read


def thumbnail(picture: np.ndarray) -> str:
    """A small JPEG of (S, S, 3) uint8 as the address of an image."""
    data = io.BytesIO()
    Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(data, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
