"""Guides: the pictures diffusion starts from. A photograph pasted somewhere on a background, as in the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from d3s_utils.ground.squares import patch_side, square

# What a guide shows: the photograph pasted on the background picture (the paper), or its object alone, cut out by a
# mask; only the one or the other of the two, filling the frame; nothing, mid-grey.
KINDS = ("paste", "mask", "background", "foreground", "none")
NEED_FOREGROUND = ("paste", "mask", "foreground")
NEED_BACKGROUND = ("paste", "mask", "background")


@dataclass(frozen=True)
class Placement:
    """Where a guide shows its foreground.

    Attributes:
        left, top: corner of the foreground, pixels; see `draw_corner`.
        size: side of the guide, pixels.
        scale: side of the foreground as a fraction of `size`, in (0, 1].
    """

    left: int
    top: int
    size: int = 512
    scale: float = 0.4

    @property
    def corner(self) -> tuple[int, int]:
        return self.left, self.top

    @property
    def side(self) -> int:
        """Of the foreground, pixels."""
        return patch_side(self.size, self.scale)


def draw_corner(rng: np.random.Generator, size: int, scale: float) -> tuple[int, int]:
    """Left and top pixel of the foreground; every corner that keeps it inside the frame is equally likely."""
    left, top = rng.integers(0, size - patch_side(size, scale), size=2, endpoint=True)
    return int(left), int(top)


def paste_on_background(foreground: Image.Image, background: Image.Image, placement: Placement) -> Image.Image:
    """Paste the centre square of `foreground`, without a mask, on the centre square of `background`.

    Args:
        foreground, background: RGB pictures of any size.

    Returns:
        An RGB picture of exactly `placement.size` x `placement.size` pixels.
    """
    canvas = square(background, placement.size)
    canvas.paste(square(foreground, placement.side), placement.corner)
    return canvas


def blend_mask(
    foreground: Image.Image, mask: Image.Image, background: Image.Image, placement: Placement
) -> Image.Image:
    """As `paste_on_background`, but only where `mask` (mode L, 255 = object, as large as `foreground`) says so.

    A grey of the mask blends: 128 gives half foreground, half background.
    """
    canvas, side = square(background, placement.size), placement.side
    canvas.paste(square(foreground, side), placement.corner, square(mask, side))
    return canvas


def compose(
    kind: str,
    placement: Placement,
    foreground: Image.Image | None,
    background: Image.Image | None,
    mask: Image.Image | None = None,
) -> Image.Image:
    """The guide of one of the `KINDS`; what a kind does not need may be None.

    Raises:
        ValueError: for another kind.
    """
    if kind == "paste":
        return paste_on_background(foreground, background, placement)
    if kind == "mask":
        return blend_mask(foreground, mask, background, placement)
    if kind in ("foreground", "background"):
        return square(foreground if kind == "foreground" else background, placement.size)
    if kind == "none":
        return no_guide(placement.size)
    raise ValueError(f"there is no guide {kind!r}; the kinds are {', '.join(KINDS)}")


def object_mask(kind: str, placement: Placement, mask: Image.Image | None = None) -> Image.Image:
    """Where a guide shows its object, mode L, 255 = object; without a mask, the whole photograph."""
    size, side, (left, top) = placement.size, placement.side, placement.corner
    mask_of_guide = Image.new("L", (size, size), 0)
    if kind == "mask":
        mask_of_guide.paste(square(mask, side), (left, top))
    elif kind == "paste":
        mask_of_guide.paste(255, (left, top, left + side, top + side))
    elif kind == "foreground":
        mask_of_guide.paste(255, (0, 0, size, size))
    return mask_of_guide


def no_guide(size: int = 512) -> Image.Image:
    """Mid-grey, for images made from the prompt alone (strength 1)."""
    return Image.new("RGB", (size, size), (128, 128, 128))
