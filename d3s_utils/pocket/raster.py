"""Small vectorised drawing tools shared by the pocket world's foregrounds and backgrounds.

Everything works on batches of scenes: a picture is a float tensor (B, 3, H, W) in [0, 1], a mask (B, H, W),
a per-scene number (B,). Nothing here draws random numbers: they are handed in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def column(value: Tensor) -> Tensor:
    """A per-scene number (B,) shaped (B, 1, 1), to meet masks (B, H, W)."""
    return value[:, None, None]


def lerp(low: float | Tensor, high: float | Tensor, t: Tensor) -> Tensor:
    """Straight line from `low` (t = 0) to `high` (t = 1)."""
    return low + (high - low) * t


def smoothstep(low: float | Tensor, high: float | Tensor, value: Tensor) -> Tensor:
    """0 below `low`, 1 above `high`, a smooth cubic between them."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def coverage(distance: Tensor, pixel: float | Tensor) -> Tensor:
    """Anti-aliased mask (0-1) of the inside (negative side) of a signed distance; `pixel` is one pixel's side."""
    return (0.5 - distance / pixel).clamp(0, 1)


def hsv(hue: Tensor, saturation: float | Tensor, value: float | Tensor) -> Tensor:
    """Colours (B, 3) from hue in turns (wraps), saturation and value in [0, 1], each (B,)."""
    saturation, value = torch.as_tensor(saturation), torch.as_tensor(value)
    steps = torch.tensor([0.0, 2 / 3, 1 / 3])
    ramp = ((hue[:, None] + steps).remainder(1) * 6 - 3).abs().sub(1).clamp(0, 1)
    return value.reshape(-1, 1) * (1 - saturation.reshape(-1, 1) * (1 - ramp))


def pick(table: list[tuple[float, float, float]], u: Tensor) -> Tensor:
    """One colour (B, 3) of `table` per scene, chosen by `u` in [0, 1)."""
    return torch.tensor(table)[(u * len(table)).long().clamp(0, len(table) - 1)]


def paint(canvas: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    """`colour` ((B, 3) or (B, 3, H, W)) laid over `canvas` (B, 3, H, W) with `alpha` (B, H, W)."""
    colour = colour[:, :, None, None] if colour.ndim == 2 else colour
    return torch.lerp(canvas, colour.expand_as(canvas), alpha[:, None])


def value_noise(lattice: Tensor, height: int, width: int) -> Tensor:
    """Smooth noise (B, height, width) in [0, 1]: a lattice (B, h, w) of uniform numbers, bicubically interpolated."""
    return F.interpolate(lattice[:, None], size=(height, width), mode="bicubic", align_corners=True)[:, 0].clamp(0, 1)
