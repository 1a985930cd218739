"""The pocket world's ten foreground objects: shaded sprites drawn from signed distances, a batch of scenes at a time.

An object is a stack of parts, like clay figures pressed onto one another. A part is a signed distance (what it covers)
and a surface normal (how it bulges). `Clay` collects the parts front-most last and shades the result once, at the end.
All variety comes in as uniforms `u` (B, N_FACTORS): column 0 is always the turn, column 1 the mirror.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from d3s_utils.pocket.raster import column, coverage, hsv, lerp, pick, smoothstep

N_FACTORS = 24  # uniforms one sprite uses at most
CHUNK = 20  # scenes drawn together: few enough that their masks stay in a core's cache
WHITE, CREAM, INK = (0.96, 0.96, 0.97), (0.96, 0.91, 0.78), (0.09, 0.07, 0.08)
STEEL, TYRE, LEAF = (0.74, 0.76, 0.80), (0.11, 0.11, 0.13), (0.24, 0.55, 0.16)


@dataclass(frozen=True)
class Sprite:
    """One object per scene, shaded, not premultiplied."""

    rgb: Tensor  # (B, 3, H, W) in [0, 1]
    alpha: Tensor  # (B, H, W) in [0, 1], anti-aliased


class Part(NamedTuple):
    """Signed distance (negative inside) and the sideways and downward components of the normal, each (B, H, W)."""

    distance: Tensor
    nx: Tensor | float = 0.0
    ny: Tensor | float = 0.0


# ---------------------------------------------------------------------------------------------------- shapes


def squared(value: Tensor) -> Tensor:
    """A product is several times faster than a power."""
    return value * value


def ellipse(x: Tensor, y: Tensor, rx: float | Tensor, ry: float | Tensor) -> Part:
    """Ellipsoid of radii `rx`, `ry` about the origin."""
    qx, qy = x / rx, y / ry
    slope = (squared(qx / rx) + squared(qy / ry)).sqrt_().mul_(2).add_(1e-4)
    return Part((squared(qx) + squared(qy)).sub_(1).div_(slope), qx, qy)


def column_of(x: Tensor, y: Tensor, width: float | Tensor, top: float | Tensor, bottom: float | Tensor) -> Part:
    """Upright solid of revolution of half-width `width` between the heights `top` and `bottom`."""
    distance = torch.maximum(x.abs() - width, torch.maximum(top - y, y - bottom))
    return Part(distance, x / width)


def rod(x: Tensor, y: Tensor, start: tuple, end: tuple, thick: float, thin: float | None = None) -> Part:
    """Round rod from `start` to `end`, its radius going from `thick` to `thin`."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp_(0, 1)
    px, py = px - along * dx, py - along * dy
    radius = thick if thin is None else thick + (thin - thick) * along
    return Part((squared(px) + squared(py)).sqrt_() - radius, px / radius, py / radius)


def hoop(x: Tensor, y: Tensor, rx: float, ry: float, thick: float) -> Part:
    """Elliptic ring of tube radius `thick` about the origin, such as a handle."""
    qx, qy = x / rx, y / ry
    k = (squared(qx) + squared(qy)).sqrt_().add_(1e-4)
    across = (k - 1) * min(rx, ry)
    bulge = across / (thick * k)
    return Part(across.abs() - thick, bulge * qx, bulge * qy)


def blade(x: Tensor, y: Tensor, start: tuple, end: tuple, width: float | Tensor, blunt: float = 0.0) -> Part:
    """Leaf or fin from `start` to `end`, `width` to either side; `blunt` > 0 moves its belly to the end."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    dx, dy = dx / length, dy / length
    px, py = x - start[0], y - start[1]
    along = (px * dx + py * dy) * (2 / length) - 1
    side = (py * dx - px * dy) / width
    profile = (1 - squared(along)) * (1 + blunt * along)
    distance = torch.maximum((side.abs() - profile) * width, (along.abs() - 1) * (length / 2))
    return Part(distance, side * (-0.7 * dy), side * (0.7 * dx))


def clip(part: Part, distance: Tensor) -> Part:
    """The share of `part` inside `distance`."""
    return part._replace(distance=torch.maximum(part.distance, distance))


def bands(phase: Tensor, share: float | Tensor = 0.5, soft: float = 0.08) -> Tensor:
    """Mask of a stripe centred on every whole number of `phase`, covering `share` of the period."""
    return (((phase - phase.round()).abs() - share / 2) * (-1 / soft) + 0.5).clamp(0, 1)


def dots(across: Tensor, down: Tensor, radius: float | Tensor) -> Tensor:
    """Mask of a staggered grid of dots, one per unit square and one per crossing; `radius` in those units."""
    # The sum of two waves peaks on one half of the grid's points and dips on the other half.
    wave = (torch.cos(across * (2 * math.pi)) + torch.cos(down * (2 * math.pi))).abs()
    return smoothstep(2 - radius * 3, 2.25 - radius * 3, wave)


# ---------------------------------------------------------------------------------------------------- clay


class Clay:
    """A stack of parts in the object's own turned and mirrored frame (`x`, `y`), shaded once by `sprite`."""

    def __init__(self, u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor, swing: float):
        """`swing` is the largest turn to either side, in radians."""
        turn, side = lerp(-swing, swing, u[:, 0]), torch.where(u[:, 1] < 0.5, -1.0, 1.0)
        cos, sin = torch.cos(turn), torch.sin(turn)
        self.x = (x * column(cos) + y * column(sin)) * column(side)
        self.y = y * column(cos) - x * column(sin)
        # The light turns with the frame, so that it stays put on the screen.
        down = torch.tensor(-0.65)
        self.toward = (0.7 * light * cos + down * sin) * side, down * cos - 0.7 * light * sin
        self.pixel = column(pixel)
        self.albedo = torch.full((len(x), 3, *x.shape[1:]), 0.06)
        self.alpha, self.nx, self.ny, self.gloss = (torch.zeros_like(x) for _ in range(4))
        self.tone = torch.full_like(x, 0.5)

    def add(
        self, part: Part, colour: Tensor | tuple, gloss: float = 0.3, rim: float = 0.07, present: Tensor | float = 1.0
    ) -> None:
        """Press `part` on top where `present` is 1, with a dark rim of width `rim` just inside its outline."""
        mask = coverage(part.distance, self.pixel) * present
        self.stain(colour, mask)
        self.alpha = torch.maximum(self.alpha, mask)
        self.tone.lerp_(lerp(0.32, 1.0, (part.distance * (-1 / rim)).clamp_(0, 1)), mask)
        for field, value in ((self.nx, part.nx), (self.ny, part.ny), (self.gloss, gloss)):
            field.lerp_(torch.as_tensor(value).expand_as(field), mask)

    def stain(self, colour: Tensor | tuple, mask: Tensor) -> None:
        """Colour what is already there, keeping its relief."""
        colour = torch.tensor([colour]).expand(len(mask), 3) if isinstance(colour, tuple) else colour
        self.albedo.lerp_(colour[:, :, None, None], mask[:, None])

    def shadow(self, depth: float, mask: Tensor) -> None:
        """Darken what is already there by at most `depth`."""
        self.tone = self.tone * (1 - depth * mask)

    def sprite(self) -> Sprite:
        """Light the clay from above and from the scene's side: diffuse, soft highlight, darker where it turns away."""
        lx, ly = (column(part) for part in self.toward)
        lz = 0.62
        norm = (lx * lx + ly * ly + lz * lz).sqrt()
        lx, ly, lz = lx / norm, ly / norm, lz / norm
        nz = (1 - squared(self.nx) - squared(self.ny)).clamp_(0.02).sqrt_()
        slant = self.nx * lx + self.ny * ly
        diffuse = (slant + nz * lz).clamp_(0)
        # The half-way vector between light and eye, which looks along z.
        half = (2 + 2 * lz).sqrt()
        shine = (slant + nz * (lz + 1)).div_(half).clamp_(0)
        for _ in range(5):
            shine = squared(shine)
        shade = (0.34 + 0.14 * nz + 0.74 * diffuse).mul_(self.tone)
        shine = shine.mul_(self.gloss).mul_(self.tone)
        rgb = (self.albedo * shade[:, None]).add_(shine[:, None]).clamp_(0, 1)
        return Sprite(rgb, self.alpha)


def ranged(u: Tensor, low: float, high: float) -> Tensor:
    """A factor (B,) stretched to [low, high), shaped (B, 1, 1)."""
    return column(lerp(low, high, u))


def chance(u: Tensor, low: float, high: float) -> Tensor:
    """1 where the factor falls in [low, high), else 0, shaped (B, 1, 1)."""
    return column(((u >= low) & (u < high)).float())


def glaze(hue: Tensor, depth: Tensor) -> Tensor:
    """A lively paint (B, 3) of any hue; `depth` in [0, 1) goes from pastel to deep."""
    return hsv(hue, lerp(0.45, 0.95, depth), lerp(0.98, 0.72, depth))


def partner(hue: Tensor, u: Tensor) -> Tensor:
    """A second paint (B, 3) that stands out from `hue`: white, cream or a far hue."""
    far = hsv(hue + lerp(0.3, 0.7, u * 7 % 1), 0.75, 0.95)
    plain = torch.where(u[:, None] < 0.35, torch.tensor(WHITE), torch.tensor(CREAM))
    return torch.where(u[:, None] < 0.5, plain, far)


def varied(table: list[tuple[float, float, float]], which: Tensor, shade: Tensor) -> Tensor:
    """A colour (B, 3) of `table`, made a little darker or lighter."""
    return (pick(table, which) * lerp(0.85, 1.1, shade)[:, None]).clamp(0, 1)


def meridian(x: Tensor, width: Tensor) -> Tensor:
    """Angle around an upright solid of half-width `width`, in [-0.5, 0.5] from its left to its right outline."""
    return torch.asin((x / width).clamp(-1, 1)) / math.pi


# ---------------------------------------------------------------------------------------------------- objects


def granny_smith(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-4 green, 5-6 blush, 7 freckles, 8 leaf, 9 width, 10 stem lean."""
    clay = Clay(u, x, y, pixel, light, swing=0.25)
    x, y = clay.x, clay.y
    skin = hsv(lerp(0.185, 0.285, u[:, 2]), lerp(0.62, 0.88, u[:, 3]), lerp(0.76, 0.92, u[:, 4]))
    hollow = squared((1 - squared(x / 0.5)).clamp(0))
    low = smoothstep(-0.3, 0.6, y)
    body = ellipse(x * (1 + 0.17 * y), y - 0.17 + hollow * (0.19 * low - 0.15), ranged(u[:, 9], 0.8, 0.88), 0.75)
    clay.add(body, skin, gloss=0.75)
    clay.stain(skin * 0.4 + torch.tensor([0.58, 0.58, 0.32]), 0.7 * hollow * (1 - low))
    blush = smoothstep(0.1, 1.0, x * ranged(u[:, 6], 0.5, 1.0) - 0.4 * y)
    clay.stain((0.86, 0.36, 0.16), 0.75 * blush * chance(u[:, 5], 0.7, 1))
    clay.stain((0.86, 0.93, 0.62), 0.6 * dots(x * 2.6 + 0.4 * y, y * 2.9 - 0.5 * x, 0.13) * chance(u[:, 7], 0.3, 1))
    clay.shadow(0.6, coverage(ellipse(x, y + 0.4, 0.2, 0.1).distance, 0.12))
    lean = ranged(u[:, 10], -0.12, 0.16)
    clay.add(rod(x, y, (0.0, -0.4), (lean, -0.93), 0.05, 0.065), (0.38, 0.24, 0.12), rim=0.05)
    leaf = blade(x, y, (0.05, -0.52), (0.66, -0.88), 0.15)
    clay.add(leaf, LEAF, present=chance(u[:, 8], 0.3, 1))
    return clay.sprite()


CAPS = [
    (0.86, 0.10, 0.08),
    (0.84, 0.16, 0.08),
    (0.55, 0.31, 0.16),
    (0.76, 0.52, 0.28),
    (0.9, 0.45, 0.1),
    (0.42, 0.24, 0.18),
    (0.88, 0.78, 0.58),
]


def mushroom(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 cap colour, 4 spots, 5-10 where they lie, 11 cap height, 12 stem width, 13 skirt, 14 cap width."""
    clay = Clay(u, x, y, pixel, light, swing=0.2)
    x, y = clay.x, clay.y
    cap, flesh = varied(CAPS, u[:, 2], u[:, 3]), torch.tensor([0.93, 0.88, 0.76])
    girth = ranged(u[:, 12], 0.17, 0.26)
    stem = column_of(x, y, girth + 0.12 * squared((y - 0.2).clamp(0)), 0.0, 0.92 - 0.5 * squared(x))
    clay.add(stem, flesh.expand(len(x), 3), gloss=0.1)
    skirt = clip(ellipse(x, y - 0.32, girth + 0.13, 0.2), 0.28 - y)
    clay.add(skirt, CREAM, gloss=0.1, present=chance(u[:, 13], 0.5, 1))
    clay.shadow(0.5, smoothstep(0.55, 0.05, y))
    wide, top = ranged(u[:, 14], 0.8, 0.96), ranged(u[:, 11], 0.75, 1.08)
    gills = ellipse(x, y - 0.03, wide * 0.95, 0.24)
    clay.add(gills._replace(ny=0.5), flesh.expand(len(x), 3) * 0.86, gloss=0.0)
    clay.shadow(0.35, bands(x / (0.13 + 0.5 * (y + 0.05).abs()), 0.4, 0.3) * coverage(gills.distance, 0.03))
    edge = y + 0.05 - 0.18 * squared(x / wide)
    dome = clip(ellipse(x, y - 0.12, wide * 1.02, top), edge - 0.08)
    clay.add(dome._replace(ny=dome.ny * 0.9), cap, gloss=0.55)
    spots = torch.full_like(x, 9.0)
    for i, (at_x, at_y, size) in enumerate(
        [
            (-0.55, -0.2, 0.13),
            (-0.2, -0.5, 0.15),
            (0.02, -0.12, 0.13),
            (0.33, -0.42, 0.14),
            (0.62, -0.12, 0.12),
            (-0.84, 0.0, 0.08),
        ]
    ):
        shift = ranged(u[:, 5 + i], -0.07, 0.07)
        spots = torch.minimum(spots, squared((x - at_x - shift) / size) + squared((y - at_y + shift) / (0.8 * size)))
    speckled = coverage(dome.distance + 0.05, 0.03) * chance(u[:, 4], 0.0, 0.65)
    clay.stain(WHITE, smoothstep(1.15, 0.75, spots) * speckled)
    return clay.sprite()


SCALES = [
    (1.0, 0.48, 0.06),
    (0.98, 0.36, 0.06),
    (1.0, 0.66, 0.12),
    (0.94, 0.25, 0.1),
    (1.0, 0.55, 0.1),
    (0.95, 0.38, 0.04),
    (1.0, 0.44, 0.12),
    (1.0, 0.6, 0.2),
    (0.97, 0.93, 0.88),
    (0.28, 0.25, 0.28),
]


def goldfish(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 colour, 4-7 patches, 8 plumpness, 9 tail spread, 10 tail swing, 11 fin, 12 pale belly."""
    clay = Clay(u, x, y, pixel, light, swing=0.3)
    x, y = clay.x + 0.03, clay.y
    skin = varied(SCALES, u[:, 2], u[:, 3])
    other = torch.where(u[:, 2:3] < 0.8, torch.tensor([0.98, 0.95, 0.9]), torch.tensor([0.98, 0.42, 0.06]))
    fin = skin * 0.75 + torch.tensor([0.25, 0.17, 0.1])
    fan, swing = ranged(u[:, 9], 0.4, 0.54), ranged(u[:, 10], -0.12, 0.12)
    for tip in (swing - fan, swing + fan):
        tail = blade(x, y, (0.22, 0.02), (0.92, tip), 0.24, blunt=0.5)
        clay.add(tail, fin, gloss=0.15)
    clay.add(blade(x, y, (-0.48, -0.28), (0.34, -0.5), 0.3, blunt=0.2), fin, gloss=0.15)
    clay.add(blade(x, y, (-0.05, 0.3), (0.28, 0.66), 0.14), fin, gloss=0.15)
    rays = bands((y - 0.02 - swing * (x + 0.2)) / (0.07 + 0.17 * (x - 0.15).abs()), 0.3, 0.4)
    clay.shadow(0.3, rays * smoothstep(0.25, 0.4, x))
    plump = ranged(u[:, 8], 0.38, 0.47)
    taper = 1 + 0.9 * squared((x + 0.1).clamp(0))
    body = ellipse(x + 0.24, (y - 0.02) * taper, 0.68, plump)
    clay.add(body, skin, gloss=0.7)
    inside = coverage(body.distance + 0.05, 0.04)
    patch = torch.cos(x * ranged(u[:, 5], 3, 6) + 6 * column(u[:, 6])) + torch.cos(y * 5 + x * 2 + 6 * column(u[:, 7]))
    clay.stain(other, inside * smoothstep(0.1, 0.35, patch) * chance(u[:, 4], 0.55, 1))
    clay.stain((1.0, 0.93, 0.74), 0.75 * inside * smoothstep(0.05, 0.4, y) * chance(u[:, 12], 0.3, 1))
    clay.shadow(0.2, inside * dots(x * 3.6, y * 4.0, 0.42) * smoothstep(-0.45, -0.3, x))
    gill = hoop(x + 0.72, y, 0.3, 0.38, 0.02)
    clay.shadow(0.4, coverage(gill.distance, 0.04) * inside * smoothstep(-0.6, -0.5, x))
    clay.add(blade(x, y, (-0.36, 0.14), (0.04, 0.36), 0.12, blunt=0.3), fin, gloss=0.2)
    clay.add(ellipse(x + 0.64, y + 0.09, 0.12, 0.12), WHITE, rim=0.04)
    clay.stain(INK, coverage(ellipse(x + 0.66, y + 0.09, 0.065, 0.065).distance, clay.pixel))
    clay.shadow(0.7, coverage(rod(x, y, (-0.92, 0.11), (-0.78, 0.13), 0.022).distance, 0.03) * inside)
    return clay.sprite()


def coffee_mug(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 glaze, 4 second colour, 5 pattern, 6 its pitch, 7 coffee or milk, 8 taper, 9 handle size, 10 height."""
    clay = Clay(u, x, y, pixel, light, swing=0.25)
    x, y = clay.x + 0.22, clay.y
    pale = u[:, 3:4] < 0.2
    outer = torch.where(pale, torch.tensor(WHITE), glaze(u[:, 2], u[:, 3]))
    trim = torch.where(pale, glaze(u[:, 2], u[:, 4]), partner(u[:, 2], u[:, 4]))
    top = ranged(u[:, 10], -0.74, -0.6)
    loop = ranged(u[:, 9], 0.3, 0.36)
    k = hoop(x - 0.66, (y - 0.08) * (0.4 / loop) * 0.8, 0.4, 0.38, 0.105)
    clay.add(k, outer, gloss=0.7)
    wide = 0.66 - ranged(u[:, 8], 0.0, 0.12) * (y + 0.6)
    round_ = 0.16 * (1 - squared(x / 0.66))
    wall = column_of(x, y, wide, top, 0.76 + round_)
    clay.add(wall._replace(nx=wall.nx * 0.95, ny=0.1), outer, gloss=0.6)
    around, down, pitch = meridian(x, wide), y - round_, ranged(u[:, 6], 0.8, 1.4)
    inside = coverage(wall.distance + 0.06, 0.03)
    kind = u[:, 5]
    pattern = (
        bands(around * 5 * pitch, 0.45) * chance(kind, 0.3, 0.5)
        + bands(down * 2.2 * pitch, 0.42) * chance(kind, 0.5, 0.65)
        + dots(around * 2.2 * pitch, down * 1.15 * pitch, 0.3) * chance(kind, 0.65, 0.85)
        + smoothstep(0.32, 0.36, down) * chance(kind, 0.85, 1)
    )
    clay.stain(trim, pattern * inside)
    clay.add(ellipse(x, y - top, wide, 0.17)._replace(nx=0.0, ny=-0.2), outer * 0.7 + 0.3, rim=0.03)
    mouth = ellipse(x, y - top - 0.01, wide - 0.09, 0.12)
    clay.add(mouth._replace(nx=-0.7 * mouth.nx, ny=0.2), outer * 0.55, rim=0.04)
    brew = varied([(0.24, 0.12, 0.05), (0.33, 0.18, 0.08), (0.62, 0.42, 0.24)], u[:, 7], u[:, 6])
    level = clip(ellipse(x, y - top - 0.05, wide - 0.13, 0.1), mouth.distance)
    clay.add(level._replace(nx=0.0, ny=-0.2), brew, rim=0.02)
    return clay.sprite()


def balloon(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 first colour, 4-5 second, 6 pattern, 7 gores, 8 spin, 9 width, 10 band."""
    clay = Clay(u, x, y, pixel, light, swing=0.2)
    x, y = clay.x, clay.y
    first, second = glaze(u[:, 2], lerp(0.5, 1.0, u[:, 3])), partner(u[:, 2], u[:, 4])
    wide = ranged(u[:, 9], 0.64, 0.74)
    for foot, head in ((-0.12, -0.2), (0.12, 0.2), (0.0, 0.02)):
        clay.add(rod(x, y, (head, 0.38), (foot, 0.8), 0.022), (0.2, 0.16, 0.14), gloss=0.0)
    basket = column_of(x, y, 0.165 - 0.08 * (y - 0.7), 0.73, 0.97)
    clay.add(basket, (0.62, 0.4, 0.2), gloss=0.1, rim=0.04)
    clay.shadow(0.35, bands(y * 14, 0.4, 0.4) * coverage(basket.distance, 0.02))
    clay.add(rod(x, y, (-0.15, 0.74), (0.15, 0.74), 0.045), (0.42, 0.25, 0.12), rim=0.04)
    rise = y + 0.3
    crown = ellipse(x, rise, wide, 0.68)
    fall = (1 - squared(rise / 1.02)).clamp(0.05)
    skirt = torch.maximum((x.abs() - wide * fall) * 0.85, y - 0.5 + 0.3 * squared(x))
    upper = rise < 0
    breadth = torch.where(upper, wide * (1 - squared(rise / 0.68)).clamp(0.001).sqrt(), wide * fall)
    slope = torch.where(upper, crown.ny, 0.75 * rise)
    sideways = x / breadth * (1 - squared(slope)).clamp(0.05).sqrt()
    bag = Part(torch.where(upper, crown.distance, skirt), sideways, slope)
    clay.add(bag, first, gloss=0.5)
    gores = meridian(x, breadth) * torch.floor(ranged(u[:, 7], 3, 6)) + column(u[:, 8])
    kind = u[:, 6]
    # Chequers are gores whose colours trade places from row to row.
    chequered = bands(rise * 1.5, 0.5, 0.03) * chance(kind, 0.75, 1)
    upright = (bands(gores, 0.5, 0.1) - chequered).abs() * (1 - chance(kind, 0.55, 0.75))
    inside = coverage(bag.distance, column(pixel))
    clay.stain(second, inside * (upright + bands(rise * 2 + 0.2) * chance(kind, 0.55, 0.75)))
    belt = coverage((rise - 0.05).abs() - 0.09, 0.025) * chance(u[:, 10], 0.5, 1)
    clay.stain(hsv(u[:, 2] + 0.5, 0.8, 0.55), inside * belt)
    seam = bands(gores * 2 + 0.5, 0.12, 0.12)
    clay.shadow(0.3, seam * inside)
    clay.shadow(0.45, smoothstep(0.4, 0.5, y) * inside)
    return clay.sprite()


def sports_car(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-4 paint, 5-6 stripe and its colour, 7 spoiler, 8 roof place, 9 roof height, 10 wheels, 11 lower flank."""
    clay = Clay(u, x, y, pixel, light, swing=0.14)
    x, y = clay.x, clay.y + 0.12
    hue = u[:, 2] * u[:, 2]  # more reds and yellows than blues, as on the road
    body = torch.where(
        u[:, 4:5] < 0.8,
        hsv(hue, lerp(0.7, 0.95, u[:, 3]), lerp(1.0, 0.86, u[:, 3])),
        pick([(0.93, 0.94, 0.95), (0.62, 0.65, 0.7), (0.2, 0.21, 0.24)], u[:, 3]),
    )
    for wing in (rod(x, y, (0.84, -0.22), (0.8, 0.05), 0.04), rod(x, y, (0.66, -0.25), (0.96, -0.29), 0.055)):
        clay.add(wing, body * 0.8, rim=0.04, present=chance(u[:, 7], 0.5, 1))
    seat, height = ranged(u[:, 8], 0.1, 0.2), ranged(u[:, 9], 0.29, 0.36)
    span = (x - seat) / 0.64
    arch = (1 - squared(span)) * (1 - 0.25 * span)
    cabin = Part((-height * arch - y) * 0.72, span * 0.6, 1.2 * y - 0.1)
    clay.add(clip(cabin, y - 0.1), body, gloss=0.5, rim=0.05)
    glass = torch.maximum(cabin.distance + 0.055, y + 0.06)
    pane = torch.maximum(glass, 0.035 - (x - seat - 0.08).abs())
    clay.add(cabin._replace(distance=pane, ny=-0.2), (0.3, 0.44, 0.56), gloss=0.3, rim=0.03)
    clay.stain((0.78, 0.9, 0.97), 0.75 * bands((x + 0.7 * y) * 1.6 + 0.4, 0.3, 0.1) * coverage(pane + 0.03, 0.02))
    end = squared(squared(x / 0.97))
    end = torch.where(x > 0, squared(end), end)  # a pointed nose and a blunt tail
    crest = 0.27 * end - 0.04 - 0.08 * x
    shell = Part(torch.maximum((crest - y) * 0.8, torch.maximum(y - 0.4, x.abs() - 0.96)), 0.55 * x, (y - 0.14) * 3.0)
    clay.add(shell, body, gloss=0.9, rim=0.05)
    inside = coverage(shell.distance + 0.04, 0.03)
    trim = partner(hue, u[:, 6])
    clay.stain(trim, inside * coverage((y - 0.16 + 0.05 * x).abs() - 0.05, 0.02) * chance(u[:, 5], 0.5, 1))
    clay.stain((0.14, 0.14, 0.16), inside * smoothstep(0.31, 0.33, y) * chance(u[:, 11], 0.3, 1))
    door = torch.maximum((x - seat).abs() - 0.27, (y - 0.12).abs() - 0.18).abs()
    clay.shadow(0.55, inside * coverage(door - 0.012, 0.02))
    clay.add(ellipse(x + 0.8, y - 0.22, 0.12, 0.06), (1.0, 0.95, 0.66), gloss=0.6, rim=0.03)
    clay.add(ellipse(x - 0.91, y - 0.06, 0.06, 0.07), (0.85, 0.06, 0.05), rim=0.02)
    wheel = (x.abs() - 0.56, y - 0.38)
    clay.stain((0.05, 0.05, 0.06), coverage(ellipse(*wheel, 0.265, 0.265).distance, clay.pixel) * clay.alpha)
    clay.add(ellipse(*wheel, 0.225, 0.225), TYRE, gloss=0.1)
    alloy = ellipse(*wheel, 0.14, 0.14)
    clay.add(alloy._replace(nx=alloy.nx * 0.4, ny=alloy.ny * 0.4), STEEL, gloss=0.4, rim=0.03)
    clay.stain((0.2, 0.2, 0.22), coverage(ellipse(*wheel, 0.05, 0.05).distance, 0.02))
    return clay.sprite()


def umbrella(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 first colour, 4 second, 5 pattern, 6 segments, 7 spin, 8 depth of the dome, 9 handle, 10 scallops."""
    clay = Clay(u, x, y, pixel, light, swing=0.35)
    x, y = clay.x, clay.y
    first, second = glaze(u[:, 2], lerp(0.4, 1.0, u[:, 3])), partner(u[:, 2], u[:, 4])
    grip = varied([(0.42, 0.22, 0.1), (0.12, 0.11, 0.12), (0.7, 0.45, 0.2), (0.75, 0.1, 0.1)], u[:, 9], u[:, 3])
    brim, tall = 0.06, ranged(u[:, 8], 0.72, 0.88)
    under = ellipse(x, y - brim + 0.06, 0.9, 0.12)
    clay.add(under._replace(nx=0.0, ny=0.3), first * 0.38, gloss=0.0)
    clay.add(rod(x, y, (0.0, -0.2), (0.0, 0.72), 0.04), STEEL, gloss=0.5, rim=0.04)
    hook = hoop(x - 0.15, y - 0.74, 0.15, 0.15, 0.062)
    clay.add(clip(hook, 0.74 - y), grip, gloss=0.5, rim=0.05)
    clay.add(rod(x, y, (0.0, 0.52), (0.0, 0.75), 0.062), grip, gloss=0.5, rim=0.05)
    clay.add(rod(x, y, (0.0, brim - tall), (0.0, -0.93), 0.04, 0.025), STEEL, rim=0.03)
    rise = ((y - brim) / tall).clamp(-0.999, 0)
    around = meridian(x, 0.97 * (1 - squared(rise)).sqrt())
    panel = around * torch.floor(ranged(u[:, 6], 5, 8)) + 0.5
    fold = panel - panel.round()
    sag = (1 - 4 * squared(fold)) * ranged(u[:, 10], 0.09, 0.17)
    dome = ellipse(x, y - brim, 0.97, tall)
    dome = Part(torch.maximum(dome.distance, y - brim - 0.03 + sag), dome.nx * 0.85 + 0.5 * fold, dome.ny * 0.85)
    clay.add(dome, first, gloss=0.4)
    # Every second panel: the parity of the panel's number, taken by the stripe of a phase at half its pace.
    other = bands(panel / 2 + 0.5 * torch.round(column(u[:, 7])), 0.5, 0.04)
    kind = u[:, 5]
    clay.stain(second, other * chance(kind, 0.35, 0.8) + smoothstep(-0.42, -0.4, rise) * chance(kind, 0.8, 1))
    clay.shadow(0.55, coverage(0.47 - fold.abs(), 0.06) * coverage(dome.distance, 0.02))
    return clay.sprite()


PETALS = [
    (0.97, 0.97, 0.95),
    (0.97, 0.97, 0.95),
    (0.98, 0.96, 0.9),
    (0.98, 0.82, 0.15),
    (0.95, 0.55, 0.7),
    (0.68, 0.5, 0.88),
    (0.93, 0.35, 0.22),
]


def daisy(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 petal colour, 4 count, 5 spin, 6 petal width, 7 bend, 8 disc size, 9 disc colour, 10 tilt, 11-12 leaves."""
    clay = Clay(u, x, y, pixel, light, swing=0.2)
    x, y = clay.x, clay.y
    bend = ranged(u[:, 7], -0.28, 0.28)
    height = (0.95 - y) / 1.28
    sway = x - bend * height * (2 - height) + 0.5 * bend
    clay.add(column_of(sway, y, 0.05, -0.3, 0.95), LEAF, gloss=0.2, rim=0.05)
    for side, factor, low in ((-1.0, 11, 0.85), (1.0, 12, 0.78)):
        tip = ranged(u[:, factor], 0.1, 0.4)
        clay.add(blade(sway * side, y, (0.0, low), (0.6, tip), 0.14), LEAF, rim=0.06)
    px, py = x - 0.5 * bend, (y + 0.33) / ranged(u[:, 10], 0.86, 1.0)
    radius = (squared(px) + squared(py)).sqrt()
    count = torch.floor(ranged(u[:, 4], 9, 15))
    turn = torch.atan2(py, px) * (count / (2 * math.pi)) + column(u[:, 5])
    petal = varied(PETALS, u[:, 2], lerp(0.5, 0.9, u[:, 3]))
    broad = ranged(u[:, 6], 1.7, 2.2) / count
    outward = (px / radius.clamp(0.05), py / radius.clamp(0.05))
    for layer, reach in ((0.5, 0.6), (0.0, 0.645)):
        fold = turn + layer - (turn + layer).round()
        along = (radius / reach).clamp(0, 1)
        width = broad * (0.25 + along) * (1 - squared(squared(squared(along))))
        side = fold * (2 * math.pi / count) * radius
        shape = Part(
            torch.maximum(side.abs() - width, radius - reach),
            0.35 * outward[0] - outward[1] * fold,
            0.35 * outward[1] + outward[0] * fold,
        )
        clay.add(shape, petal * (0.8 + 0.2 * (layer == 0.0)), gloss=0.1, rim=0.05)
    core = ranged(u[:, 8], 0.17, 0.23)
    clay.shadow(0.5, smoothstep(core + 0.14, core, radius))
    clay.add(
        ellipse(px, py, core, core),
        varied(
            [(1.0, 0.76, 0.1), (0.96, 0.62, 0.06), (0.45, 0.25, 0.1)], 0.75 * u[:, 9] + 0.25 * (u[:, 2] > 0.45), u[:, 3]
        ),
        gloss=0.3,
    )
    clay.shadow(0.3, dots(px * 7, py * 7, 0.3) * coverage(radius - core, 0.04))
    return clay.sprite()


WINGS = [
    (0.98, 0.5, 0.06),
    (0.95, 0.42, 0.05),
    (1.0, 0.58, 0.1),
    (0.98, 0.5, 0.06),
    (0.99, 0.78, 0.18),
    (0.25, 0.5, 0.95),
    (0.9, 0.32, 0.1),
]


def monarch(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 wing colour, 4 opening, 5 veins, 6 border, 7 dot size, 8 lower wing, 9 dot colour, 10 upper wing lift."""
    clay = Clay(u, x, y, pixel, light, swing=0.3)
    side, y = torch.sign(clay.x), clay.y
    x = clay.x.abs() / ranged(u[:, 4], 0.82, 1.0)
    base, spot = varied(WINGS, u[:, 2], u[:, 3]), pick([WHITE, WHITE, (1.0, 0.9, 0.6)], u[:, 9])
    # Veins fan out from the shoulder; pearls sit between them, along the border.
    count = ranged(u[:, 5], 7, 10)
    fan = torch.atan2(y + 0.02, x + 0.08) * (count / math.pi)
    reach = (squared(x) + squared(y)).sqrt()
    across = (fan - fan.round()).abs()
    arc = reach * (math.pi / count)
    vein = coverage(across * arc - 0.014, 0.02) * smoothstep(0.1, 0.3, reach)
    tip = smoothstep(0.7, 1.1, reach)
    border = ranged(u[:, 6], 0.09, 0.13) * (1 + tip)
    lower = blade(x, y, (0.0, -0.02), (0.66, ranged(u[:, 8], 0.66, 0.8)), 0.38, blunt=0.35)
    upper = blade(x, y, (0.0, 0.08), (0.92, ranged(u[:, 10], -0.76, -0.62)), 0.4, blunt=0.6)
    for wing in (lower, upper):
        clay.add(wing._replace(nx=(wing.nx - 0.4) * side * 0.5, ny=wing.ny * 0.5), base, gloss=0.25, rim=0.03)
        inside = coverage(wing.distance, clay.pixel)
        clay.stain(INK, torch.maximum(coverage(-wing.distance - border, 0.03), vein) * inside)
        pearl = (squared((across - 0.5) * arc) + squared(wing.distance + 0.55 * border)).sqrt()
        clay.stain(spot, coverage(pearl - ranged(u[:, 7], 0.04, 0.055), 0.02) * inside * smoothstep(0.4, 0.5, reach))
    x = clay.x.abs()
    feeler = rod(x, y, (0.03, -0.3), (0.2, -0.72), 0.022)
    clay.add(feeler, INK, gloss=0.0)
    clay.add(ellipse(x - 0.2, y + 0.73, 0.04, 0.04), INK, gloss=0.0)
    clay.add(ellipse(clay.x, y - 0.1, 0.085, 0.42), (0.16, 0.12, 0.1), gloss=0.4, rim=0.03)
    clay.add(ellipse(clay.x, y + 0.32, 0.095, 0.09), (0.16, 0.12, 0.1), gloss=0.4, rim=0.03)
    return clay.sprite()


def teapot(u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """2-3 glaze, 4 second colour, 5 pattern, 6 its pitch, 7 roundness, 8 lid height, 9 trim on lid and knob."""
    clay = Clay(u, x, y, pixel, light, swing=0.2)
    x, y = clay.x, clay.y
    pale = u[:, 3:4] < 0.2
    outer = torch.where(pale, torch.tensor(WHITE), glaze(u[:, 2], u[:, 3]))
    trim = torch.where(pale, glaze(u[:, 2], u[:, 4]), partner(u[:, 2], u[:, 4]))
    accent = torch.where(u[:, 9:10] < 0.5, outer, trim)
    clay.add(hoop(x - 0.56, y - 0.12, 0.34, 0.33, 0.075), accent, gloss=0.7)
    clay.add(rod(x, y, (-0.42, 0.36), (-0.78, -0.06), 0.2, 0.1), outer, gloss=0.6)
    clay.add(rod(x, y, (-0.77, -0.02), (-0.9, -0.24), 0.11, 0.075), outer, gloss=0.6)
    clay.add(column_of(x, y, 0.36, 0.6, 0.84), outer * 0.85, rim=0.06)
    tall = ranged(u[:, 7], 0.5, 0.6)
    body = ellipse(x, y - 0.22, 0.62, tall)
    clay.add(body, outer, gloss=0.85)
    rise = (y - 0.22) / tall
    around, pitch = meridian(x, 0.62 * (1 - squared(rise)).clamp(0.01).sqrt()), ranged(u[:, 6], 0.8, 1.3)
    kind = u[:, 5]
    pattern = (
        bands(rise / 4, 0.13, 0.02) * chance(kind, 0.3, 0.5)
        + dots(around * 2.2 * pitch, rise * 0.7 * pitch, 0.3) * chance(kind, 0.5, 0.8)
        + bands(around * 5 * pitch, 0.45) * chance(kind, 0.8, 1)
    )
    clay.stain(trim, pattern * coverage(body.distance + 0.06, 0.03))
    peak = ranged(u[:, 8], 0.2, 0.32)
    lid = clip(ellipse(x, y + 0.2, 0.37, peak + 0.06), y + 0.2 - 0.1 * (1 - squared(x / 0.37)))
    clay.add(lid, accent, gloss=0.7)
    knob = ellipse(x, y + 0.3 + peak, 0.115, 0.11)
    clay.add(knob, accent, gloss=0.7, rim=0.06)
    return clay.sprite()


FOREGROUNDS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Sprite]] = {
    "Granny Smith": granny_smith,
    "mushroom": mushroom,
    "goldfish": goldfish,
    "coffee mug": coffee_mug,
    "balloon": balloon,
    "sports car": sports_car,
    "umbrella": umbrella,
    "daisy": daisy,
    "monarch": monarch,
    "teapot": teapot,
}

STANDS = {name: name not in ("goldfish", "balloon", "monarch") for name in FOREGROUNDS}

BOTTOM = {
    "Granny Smith": 0.86,
    "mushroom": 0.92,
    "goldfish": 0.65,
    "coffee mug": 0.92,
    "balloon": 0.97,
    "sports car": 0.47,
    "umbrella": 0.94,
    "daisy": 0.95,
    "monarch": 0.78,
    "teapot": 0.84,
}


def bottom(name: str) -> float:
    """Height y of the point where the upright object touches the ground."""
    return BOTTOM[name]


def draw(name: str, u: Tensor, x: Tensor, y: Tensor, pixel: Tensor, light: Tensor) -> Sprite:
    """Sprites of one class for a batch of scenes.

    u: (B, N_FACTORS) uniforms in [0, 1); x, y: (B, H, W) sprite coordinates, the object inside [-1, 1], y down;
    pixel: (B,) side of one sample in these coordinates; light: (B,) in [-1, 1], the side the light comes from.
    """
    pieces = zip(*(field.split(CHUNK) for field in (u, x, y, pixel, light)), strict=True)
    sprites = [FOREGROUNDS[name](*piece) for piece in pieces]
    return Sprite(torch.cat([sprite.rgb for sprite in sprites]), torch.cat([sprite.alpha for sprite in sprites]))
