"""Guides: the pictures diffusion starts from. A photograph pasted somewhere on a background, as in the paper."""

from __future__ import annotations

import numpy as np
from PIL import Image

# What a guide shows: the photograph pasted on the background picture (the paper), or its object alone, cut out by a
# mask; only the one or the other of the two, filling the frame; nothing, mid-grey.
KINDS = ("paste", "mask", "background", "foreground", "none")
NEED_FOREGROUND = ("paste", "mask", "foreground")
NEED_BACKGROUND = ("paste", "mask", "background")


def square(picture: Image.Image, size: int) -> Image.Image:
    """The centre square of `picture`, resized to `size` x `size` pixels; never stretched."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    centre = picture.crop((left, top, left + side, top + side))  # `resize(box=...)` would let the outside bleed in
    return centre.resize((size, size), Image.Resampling.BICUBIC)


def patch_side(size: int, scale: float) -> int:
    """Side in pixels of a foreground that takes `scale` (0-1] of a guide's side; at least one pixel."""
    return max(1, round(scale * size))


def draw_placement(rng: np.random.Generator, size: int, scale: float) -> tuple[int, int]:
    """Left and top pixel of the foreground; every position fully inside the frame is equally likely."""
    left, top = rng.integers(0, size - patch_side(size, scale), size=2, endpoint=True)
    return int(left), int(top)


def paste_on_background(
    foreground: Image.Image,
    background: Image.Image,
    *,
    left: int,
    top: int,
    size: int = 512,
    scale: float = 0.4,
) -> Image.Image:
    """Paste the centre square of `foreground`, without a mask, on the centre square of `background`.

    Args:
        foreground, background: RGB pictures of any size.
        left, top: corner of the foreground in the result, pixels; see `draw_placement`.
        size: side of the result, pixels.
        scale: side of the foreground as a fraction of `size`, in (0, 1].

    Returns:
        An RGB picture of exactly `size` x `size` pixels.
    """
    canvas = square(background, size)
    canvas.paste(square(foreground, patch_side(size, scale)), (left, top))
    return canvas


def blend_mask(
    foreground: Image.Image,
    mask: Image.Image,
    background: Image.Image,
    *,
    left: int,
    top: int,
    size: int = 512,
    scale: float = 0.4,
) -> Image.Image:
    """As `paste_on_background`, but only where `mask` (mode L, 255 = object, as large as `foreground`) says so.

    A grey of the mask blends: 128 gives half foreground, half background.
    """
    canvas, side = square(background, size), patch_side(size, scale)
    canvas.paste(square(foreground, side), (left, top), square(mask, side))
    return canvas


def compose(
    kind: str,
    foreground: Image.Image | None,
    background: Image.Image | None,
    mask: Image.Image | None = None,
    *,
    left: int,
    top: int,
    size: int = 512,
    scale: float = 0.4,
) -> Image.Image:
    """The guide of one of the `KINDS`; what a kind does not need may be None.

    Raises:
        ValueError: for another kind.
    """
    place = {"left": left, "top": top, "size": size, "scale": scale}
    if kind == "paste":
        return paste_on_background(foreground, background, **place)
    if kind == "mask":
        return blend_mask(foreground, mask, background, **place)
    if kind in ("foreground", "background"):
        return square(foreground if kind == "foreground" else background, size)
    if kind == "none":
        return no_guide(size)
    raise ValueError(f"there is no guide {kind!r}; the kinds are {', '.join(KINDS)}")


def object_place(
    kind: str, mask: Image.Image | None = None, *, left: int, top: int, size: int = 512, scale: float = 0.4
) -> Image.Image:
    """Where a guide shows its object, mode L, `size` x `size`, 255 = object; without a mask, the whole photograph."""
    place = Image.new("L", (size, size), 0)
    side = patch_side(size, scale)
    if kind == "mask":
        place.paste(square(mask, side), (left, top))
    elif kind == "paste":
        place.paste(255, (left, top, left + side, top + side))
    elif kind == "foreground":
        place.paste(255, (0, 0, size, size))
    return place


def no_guide(size: int = 512) -> Image.Image:
    """Mid-grey, for images made from the prompt alone (strength 1)."""
    return Image.new("RGB", (size, size), (128, 128, 128))
