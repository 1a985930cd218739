"""Squares of pictures: the one crop and the one size that guides, photographs and training share."""

from __future__ import annotations

from PIL import Image


def square(picture: Image.Image, size: int) -> Image.Image:
    """The centre square of `picture`, resized to `size` x `size` pixels; never stretched."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    centre = picture.crop((left, top, left + side, top + side))  # `resize(box=...)` would let the outside bleed in
    return centre.resize((size, size), Image.Resampling.BICUBIC)


def patch_side(size: int, scale: float) -> int:
    """Side in pixels of a foreground that takes `scale` (0-1] of a guide's side; at least one pixel."""
    return max(1, round(scale * size))
