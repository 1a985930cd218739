"""The ten backgrounds of the pocket world, painted for a batch of scenes at once.

Every number that varies comes in: uniforms `u` (B, N_FACTORS) decide what a scene holds, random lattices
(B, N_LATTICES, LATTICE, LATTICE) give its textures and the places of its many small things. Coordinates run from 0 to 1
(x to the right, y down), so one scene looks alike at every size. Masks have shape (B, H, W); a line across the picture,
such as a ridge of hills, is its height y at each x, shape (B, 1, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from d3s_utils.pocket.raster import column, coverage, hsv, lerp, paint, pick, smoothstep

N_FACTORS = 32
N_LATTICES, LATTICE = 3, 16

# (zenith, horizon) colours of the sky through the day: noon, haze, overcast, morning, dusk, sunset.
SKIES = [
    ((0.25, 0.52, 0.90), (0.74, 0.88, 0.98)),
    ((0.45, 0.66, 0.92), (0.92, 0.95, 0.97)),
    ((0.62, 0.68, 0.76), (0.86, 0.88, 0.90)),
    ((0.48, 0.64, 0.90), (1.00, 0.86, 0.74)),
    ((0.42, 0.42, 0.72), (0.98, 0.72, 0.66)),
    ((0.36, 0.46, 0.76), (1.00, 0.70, 0.42)),
]

PETALS = [(0.98, 0.98, 0.95), (0.99, 0.86, 0.2), (0.96, 0.55, 0.75), (0.9, 0.22, 0.2), (0.66, 0.5, 0.95)]
LAMPS = [(1.0, 0.9, 0.7), (1.0, 0.42, 0.34), (0.6, 0.9, 1.0), (0.55, 1.0, 0.65)]


@dataclass(frozen=True)
class Scenery:
    """A painted background and what an object needs to know to stand in it."""

    rgb: Tensor  # (B, 3, H, W) in [0, 1]: the background, veil included
    veil_rgb: Tensor  # (B, 3, H, W) in [0, 1]: colour of what passes in front of the object
    veil: Tensor  # (B, H, W) in [0, 1]: where it does
    horizon: Tensor  # (B,) in [0, 1] from the top: where the ground begins
    tint: Tensor  # (B, 3): multiplies the object's colours
    shadow: Tensor  # (B,) in [0, 1]: strength of the contact shadow
    light: Tensor  # (B,) in [-1, 1]: the side the light comes from
    water: Tensor  # (B,): 1 where the object is to be sunk below a wavy line, else 0


@dataclass(frozen=True)
class Frame:
    """Pixel centres of a square picture: x (1, 1, S), y (1, S, 1), and the side of one pixel."""

    x: Tensor
    y: Tensor
    pixel: float

    @staticmethod
    def of(size: int) -> Frame:
        centres = (torch.arange(size) + 0.5) / size
        return Frame(centres[None, None, :], centres[None, :, None], 1 / size)

    def below(self, line: Tensor) -> Tensor:
        """Mask (B, H, W) of what lies under a line (B, 1, W) or (B, 1, 1)."""
        return coverage(line - self.y, self.pixel).expand(-1, -1, self.x.shape[-1])


# ---- tools: noise, repeated things, gradients -----------------------------------------------------------------------


def bump(place: Tensor) -> Tensor:
    """Weights (..., N, LATTICE) of the points of a periodic lattice as seen from places (..., N, 1)."""
    apart = (place - torch.arange(LATTICE) + LATTICE / 2).remainder(LATTICE) - LATTICE / 2
    return torch.exp(-2 * apart.square()) * math.sqrt(2 / math.pi)


def spread(smooth: Tensor, gain: float) -> Tensor:
    """Give averaged uniforms their contrast back, in [0, 1]."""
    return (0.5 + gain * (smooth - 0.5)).clamp(0, 1)


def noise(lattice: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Smooth noise (B, H, W) in [0, 1]: a lattice (B, L, L) seen at rows (B, H, 1) and columns (B, 1, W).

    Both places are in lattice steps and may be bent at will: squeezed rows make perspective, stretched ones grass.
    """
    return spread(bump(rows) @ lattice @ bump(columns.mT).mT, 1.7)


def fractal(lattice: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Three octaves of noise (B, H, W) in [0, 1] from lattices (B, 3, L, L); odd ratios hide the lattice's axes."""
    octaves = [noise(lattice[:, k], rows * step, columns * step) for k, step in enumerate((1.0, 1.83, 3.37))]
    return 0.5 * octaves[0] + 0.31 * octaves[1] + 0.19 * octaves[2]


def relief(lattice: Tensor, rows: Tensor, columns: Tensor, side: Tensor) -> Tensor:
    """Bumps (B, H, W), about -0.5 to 0.5, lit from above and from `side` (B,) in [-1, 1]."""
    here = fractal(lattice, rows, columns)
    return 2 * (here - fractal(lattice, rows - 0.35, columns - 0.35 * column(side)))


def net(frame: Frame, lattice: Tensor) -> Tensor:
    """A net (B, H, W) in [0, 1]: where two noises agree runs a thin wandering line (light in water, cracks in rock)."""
    one = noise(lattice[:, 0], frame.y * 8.3, frame.x * 6.1)
    other = noise(lattice[:, 1], frame.y * 6.9, frame.x * 7.7)
    return smoothstep(0.24, 0.0, (one - other).abs())


def curve(row: Tensor, columns: Tensor) -> Tensor:
    """A smooth wandering line (B, 1, W) in [0, 1] from a row (B, L) of a lattice."""
    return spread(row[:, None] @ bump(columns.mT).mT, 1.2)


def cells(position: Tensor, *rows: Tensor) -> tuple[Tensor, ...]:
    """Cut a line in unit cells: each point's place in its cell (-0.5 to 0.5), then each row's number for that cell.

    position: (B or 1, H, W) with any H; rows: (B, L) each. Trunks, blades and roofs, repeated with variety, start here.
    """
    index = position.floor()
    known = index.long().remainder(LATTICE).expand(len(rows[0]), -1, -1)
    return position - index - 0.5, *(row.gather(1, known.flatten(1)).view(known.shape) for row in rows)


def scatter(lattice: Tensor, frame: Frame, count: int, radius: float | Tensor, chance: Tensor) -> Tensor:
    """Round dots (B, H, W), at most one in each of count x count cells, each there with a `chance` (B,)."""
    x, y = frame.x.flatten() * count, frame.y.flatten() * count
    across, down, rarity = lattice[:, :, y.long()][:, :, :, x.long()].unbind(1)
    reach = 0.5 - radius * count  # a dot must not be cut by the walls of its cell
    away_x = x - x.floor() - 0.5 - reach * (2 * across - 1)
    away_y = (y - y.floor() - 0.5)[:, None] - reach * (2 * down - 1)
    distance = torch.sqrt(away_x.square() + away_y.square()) / count - radius
    return coverage(distance, 1.5 * frame.pixel) * (rarity < column(chance))


def flat(colour: Tensor) -> Tensor:
    """A colour per scene (B, 3) shaped (B, 3, 1, 1), to meet pictures."""
    return colour[:, :, None, None]


def blend(top: Tensor, bottom: Tensor, t: Tensor) -> Tensor:
    """Colours (B, 3, H, W) from `top` to `bottom` (B, 3) as t (B, H, W or 1) goes from 0 to 1."""
    return torch.lerp(flat(top), flat(bottom), t[:, None].clamp(0, 1))


def shade(canvas: Tensor, amount: Tensor) -> Tensor:
    """Brighten (amount > 0) or darken a canvas (B, 3, H, W) by a relative amount (B, H, W)."""
    return canvas * (1 + amount[:, None])


def glow(frame: Frame, x: Tensor, y: Tensor, radius: float | Tensor) -> Tensor:
    """A soft round light (B, H, W) in [0, 1] around the points (x, y), (B,) each."""
    away = (frame.x - column(x)).square() + (frame.y - column(y)).square()
    return torch.exp(-away / radius**2)


def nearness(frame: Frame, horizon: Tensor) -> Tensor:
    """0 at the horizon (B,) and above, 1 at the lower edge: (B, H, 1)."""
    return ((frame.y - column(horizon)) / (1 - column(horizon))).clamp(0, 1)


def receding(near: Tensor) -> Tensor:
    """Rows (B, H, 1) of a ground texture: steps crowd together towards the horizon."""
    return -4 * torch.log(near + 0.12)


def sides(u: Tensor) -> Tensor:
    """A side of the light in [-1, 1]."""
    return 2 * u - 1


def rgb(*colour: float) -> Tensor:
    """One colour (1, 3) for all scenes."""
    return torch.tensor([colour])


# ---- shared scenery -------------------------------------------------------------------------------------------------


def sky_colours(hour: Tensor) -> tuple[Tensor, Tensor]:
    """Zenith and horizon colours (B, 3) at an hour (B,) in [0, 1)."""
    return pick([zenith for zenith, _ in SKIES], hour), pick([low for _, low in SKIES], hour)


def sky(frame: Frame, lattice: Tensor, hour: Tensor, horizon: Tensor, cloud: Tensor) -> Tensor:
    """Sky (B, 3, H, W) at an hour (B,) in [0, 1), with clouds above a cover (B,) in [0, 1)."""
    zenith, low = sky_colours(hour)
    height = frame.y / column(horizon).clamp_min(0.15)
    canvas = blend(zenith, low, height)
    puffs = fractal(lattice, frame.y * 6, frame.x * 2.6)
    white = smoothstep(0.48, 0.72, puffs + 0.25 * column(cloud) - 0.1)
    return paint(canvas, 0.35 * low + 0.65, white * 0.8 * (1 - 0.5 * height.clamp(0, 1)))


def hills(frame: Frame, canvas: Tensor, line: Tensor, top: Tensor, foot: Tensor, depth: float = 0.2) -> Tensor:
    """Hills under a line (B, 1, W), their colour going from `top` to `foot` within `depth`."""
    return paint(canvas, blend(top, foot, (frame.y - line) / depth), frame.below(line))


def ridge(row: Tensor, frame: Frame, horizon: Tensor, waves: float, height: float | Tensor) -> Tensor:
    """A line of hills (B, 1, W) that rises up to `height` above the horizon (B,)."""
    return column(horizon) - height * curve(row, frame.x * waves) ** 1.5


def firs(
    frame: Frame, rows: Tensor, count: float, base: Tensor, height: float, chance: Tensor
) -> tuple[Tensor, Tensor]:
    """Fir trees standing on a line (B, 1, W): their mask (B, H, W) and the snow on their branches (B, H, W)."""
    place, tall, rarity = cells(frame.x * count, rows[:, 0], rows[:, 1])
    tall = height * (0.55 + 0.45 * tall)
    along = (frame.y - base + tall) / tall  # 0 at the tip, 1 at the foot
    tier = (along.clamp(0, 0.999) * 3).remainder(1)
    half = tall * (0.16 * along + 0.13 * tier)
    outline = torch.maximum((place / count).abs() - half, (along - 1).abs().sub(1) * tall)
    mask = coverage(outline, frame.pixel) * (rarity < column(chance))
    return mask, mask * smoothstep(0.55, 0.1, tier)


def skyline(frame: Frame, rows: Tensor, count: float, base: Tensor, height: Tensor) -> Tensor:
    """Line (B, 1, W) of a town's roofs, up to `height` (B,) above `base` (B,); some plots are empty."""
    place, tall, wide = cells(frame.x * count, rows[:, 0], rows[:, 1])
    house = coverage((place.abs() - 0.36 - 0.14 * wide) / count, frame.pixel)
    return column(base) - column(height) * house * tall


def windows(frame: Frame, lattice: Tensor, chance: Tensor, count: int = 14) -> Tensor:
    """Lit windows (B, H, W), one in each of count x count cells with a `chance` (B,)."""
    x, y = frame.x.flatten() * count, frame.y.flatten() * count
    lit = lattice[:, y.long() % LATTICE][:, :, x.long() % LATTICE] < column(chance)
    pane = coverage(((x - x.floor() - 0.5).abs() - 0.3) / count, frame.pixel)
    row = coverage(((y - y.floor() - 0.5).abs() - 0.32) / count, frame.pixel)
    return lit * pane * row[:, None]


def blades(frame: Frame, rows: Tensor, count: float, height: Tensor) -> Tensor:
    """Grass blades (B, H, W) that rise from the lower edge, up to `height` (B,)."""
    rise = 1 - frame.y
    place, tall, lean = cells(frame.x * count, rows[:, 0], rows[:, 1])
    tall = column(height) * (1.6 * tall - 0.6).clamp_min(0.001)
    along = rise / tall
    bend = place - (lean - 0.5) * 0.6 * along.square()
    return coverage((bend.abs() - 0.32 * (1 - along)) / count, frame.pixel)


def streaks(frame: Frame, rows: Tensor, count: float, slant: Tensor, length: float) -> Tensor:
    """Falling rain (B, H, W) in [0, 1]: slanted strokes, bright at their lower end."""
    position = (frame.x + column(slant) * frame.y) * count
    place, start, off = cells(position, rows[:, 0], rows[:, 1])
    along = (frame.y * 1.3 / length + start * 7).remainder(1.3 / length * 0.6) * length
    stroke = smoothstep(0, length, along) * (along < length)
    return stroke * coverage((place - 0.6 * (off - 0.5)).abs() / count - 0.45 * frame.pixel, frame.pixel)


def finish(
    canvas: Tensor,
    horizon: Tensor,
    light: Tensor,
    shadow: float = 0.5,
    tint: Tensor | None = None,
    veil: Tensor | None = None,
    veil_colour: Tensor | None = None,
    water: float = 0.0,
) -> Scenery:
    """Gather a scenery: clip the colours and lay the veil ((B, H, W), colour (B or 1, 3)) over the canvas."""
    batch = len(canvas)
    canvas = canvas.clamp(0, 1)
    veil = torch.zeros_like(canvas[:, 0]) if veil is None else veil.clamp(0, 1)
    veil_colour = torch.ones(1, 3) if veil_colour is None else veil_colour.clamp(0, 1)
    veil_rgb = flat(veil_colour).expand_as(canvas)
    return Scenery(
        rgb=paint(canvas, veil_rgb, veil),
        veil_rgb=veil_rgb,
        veil=veil,
        horizon=horizon.clamp(0, 1),
        tint=(torch.ones(1, 3) if tint is None else tint).expand(batch, 3),
        shadow=torch.full((batch,), shadow),
        light=light,
        water=torch.full((batch,), water),
    )


# ---- the ten backgrounds --------------------------------------------------------------------------------------------


def on_grass(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """A meadow: sky and hills (or none), flowers, wind in the grass, a few blades in front."""
    frame = Frame.of(size)
    hour, cloud, high, hue, lush, side, bloom, petal, tall, wave = u[:, :10].unbind(1)
    horizon = lerp(-0.3, 0.5, high.sqrt())
    green = hsv(lerp(0.2, 0.35, hue), lerp(0.52, 0.74, lush), lerp(0.46, 0.64, wave))
    canvas = sky(frame, lattice, hour, horizon, cloud)
    far, close = ridge(lattice[:, 0, 3], frame, horizon, 2.5, 0.3), ridge(lattice[:, 0, 4], frame, horizon, 3.5, 0.12)
    canvas = hills(frame, canvas, far, green * 0.6 + rgb(0.18, 0.26, 0.36), green * 0.9)
    canvas = hills(frame, canvas, close, green * 0.75 + 0.08, green)

    near = nearness(frame, horizon)
    rows = receding(near)
    tufts = noise(lattice[:, 0], rows * 1.2, frame.x * 15) + noise(lattice[:, 1], rows * 2.1, frame.x * 24) - 1
    wind = noise(lattice[:, 2], rows * 0.8, frame.x * 3 + column(wave) * 9) - 0.5
    meadow = blend(green + rgb(0.16, 0.13, 0.03), green * 0.88, near)
    meadow = shade(meadow, 0.28 * tufts * (0.35 + near) + 0.4 * wind)
    canvas = paint(canvas, meadow, frame.below(column(horizon)))

    spots = scatter(lattice.flip(1), frame, 9, 0.02, 0.6 * (bloom - 0.4).clamp_min(0))
    canvas = paint(canvas, pick(PETALS, petal), 0.9 * spots * frame.below(column(horizon) + 0.04))
    veil = blades(frame, lattice[:, 1, 5:7], 15, lerp(0.05, 0.2, tall))
    return finish(canvas, horizon, sides(side), veil=veil, veil_colour=green * 0.62)


def on_a_road(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """A road that runs to a vanishing point through fields, steppe or desert."""
    frame = Frame.of(size)
    hour, cloud, high, hue, rich, side, peak = u[:, :7].unbind(1)
    horizon = lerp(0.2, 0.46, high)
    field = hsv(lerp(0.07, 0.33, hue), lerp(0.3, 0.6, rich), lerp(0.5, 0.68, rich))
    canvas = sky(frame, lattice, hour, horizon, cloud)
    far = ridge(lattice[:, 0, 3], frame, horizon, 4.0, lerp(0.05, 0.3, column(peak)))
    canvas = hills(frame, canvas, far, field * 0.45 + rgb(0.22, 0.27, 0.38), field * 0.6 + 0.25)
    canvas = hills(frame, canvas, ridge(lattice[:, 1, 3], frame, horizon, 6, 0.08), field * 0.7, field * 0.9)

    near = nearness(frame, horizon)
    land = blend(field * 1.1 + 0.06, field * 0.9, near)
    land = shade(land, 0.45 * (fractal(lattice, receding(near), frame.x * 4) - 0.5))
    land = lay_road(frame, land, u[:, 7:], lattice[:, 1], near, field * 0.55 + rgb(0.2, 0.18, 0.14))
    return finish(paint(canvas, land, frame.below(column(horizon))), horizon, sides(side), shadow=0.55)


def lay_road(frame: Frame, land: Tensor, u: Tensor, lattice: Tensor, near: Tensor, shoulder: Tensor) -> Tensor:
    """Lay asphalt with its shoulders and marks over `land` (B, 3, H, W), along `near` (B, H, 1)."""
    bend, goal, start, wide, paved, warm, yellow, dash, marks = (column(factor) for factor in u[:, :9].unbind(1))
    half = lerp(0.26, 0.46, wide) * (near + 0.03)
    middle = lerp(0.3 + 0.4 * goal, 0.35 + 0.3 * start, near) + 1.3 * (bend - 0.5) * near * (1 - near)
    away = (frame.x - middle).abs()
    grey = lerp(0.24, 0.5, paved[:, 0]) * torch.lerp(rgb(0.95, 1.0, 1.08), rgb(1.05, 1.0, 0.98), warm[:, 0])
    asphalt = blend(grey + 0.12, grey, near)
    asphalt = shade(asphalt, 0.22 * (noise(lattice, receding(near) * 2, frame.x * 12) - 0.5))
    land = paint(land, shoulder, coverage(away - 1.16 * half, frame.pixel))
    land = paint(land, asphalt, coverage(away - half, frame.pixel))

    stripe = 0.05 * half + 0.3 * frame.pixel  # far marks keep some width, or they would flicker out
    edge = coverage((away - 0.86 * half).abs() - stripe, frame.pixel) * (marks < 0.75)
    beat = (0.55 / (near + 0.12) + dash).remainder(1)  # equal steps on the ground
    broken = torch.maximum(smoothstep(0.08, 0.0, (beat - 0.3).abs() - 0.22), (dash < 0.25).float())
    centre = coverage(away - 1.2 * stripe, frame.pixel) * broken
    land = paint(land, rgb(0.95, 0.95, 0.92), 0.9 * edge)
    return paint(land, torch.where(yellow[:, 0] < 0.5, rgb(0.95, 0.95, 0.92), rgb(0.98, 0.78, 0.2)), 0.95 * centre)


def in_a_forest(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """Three rows of trunks between foliage and a mossy or leafy ground."""
    frame = Frame.of(size)
    season, deep, high, bark, pale, side, dense, shift, sun, sun_x, crown, moss = u[:, :12].unbind(1)
    horizon = lerp(0.5, 0.7, high)
    hue = torch.where(season > 0.75, lerp(0.06, 0.15, season * 4 - 3), lerp(0.2, 0.4, season / 0.75))  # autumn or green
    leaf = hsv(hue, 0.6, lerp(0.42, 0.6, deep))
    mist = leaf * 0.55 + lerp(0.22, 0.42, sun)[:, None] * rgb(1.0, 1.02, 0.85)
    leaves = fractal(lattice, frame.y * 5, frame.x * 5) - 0.5
    canvas = shade(blend(mist * 0.8, mist * 1.05, frame.y / column(horizon)), 0.9 * leaves)
    beam = column(sun) * glow(frame, sun_x, torch.full_like(sun, 0.25), 0.3)
    canvas = paint(canvas, rgb(1.0, 0.95, 0.65), 0.6 * beam)

    near = nearness(frame, horizon - 0.06)
    soil = torch.lerp(leaf * 0.95, hsv(0.07 + 0.04 * moss, 0.5, 0.52), moss[:, None])
    litter = fractal(lattice, receding(near) * 1.2, frame.x * 5) - 0.5
    ground = shade(blend(soil * 0.65 + mist * 0.45, soil * 0.85, near), 0.75 * litter)
    canvas = paint(canvas, ground, frame.below(column(horizon) - 0.07 * curve(lattice[:, 2, 9], frame.x * 4)))

    wood = torch.where(pale[:, None] < 0.2, rgb(0.78, 0.76, 0.7), hsv(0.04 + 0.06 * bark, 0.4, lerp(0.3, 0.5, pale)))
    grain = noise(lattice[:, 1], frame.y * 4, frame.x * 22) - 0.5
    for layer, (count, clear) in enumerate(((9, 0.25), (6, 0.65), (3.4, 1.0))):
        position = (frame.x + column(shift)) * count
        trunk, across = trunks(frame, lattice[:, layer, 4:6], position, count, layer, column(horizon), dense)
        lit = 0.45 * across * column(sides(side)) - 0.3 * across.square() + 0.5 * grain
        colour = torch.lerp(mist * 0.75, wood, clear)
        canvas = paint(canvas, shade(flat(colour), lit), trunk)

    edge = lerp(0.1, 0.3, column(crown)) + 0.22 * (fractal(lattice.flip(1), frame.y * 4, frame.x * 5) - 0.5)
    roof = shade(blend(leaf * 0.6, leaf * 0.95, frame.y / 0.3), 1.1 * leaves)
    canvas = paint(canvas, roof, smoothstep(0.03, -0.03, frame.y - edge))
    return finish(canvas, horizon, sides(side), tint=0.88 + 0.1 * leaf)


def trunks(
    frame: Frame, rows: Tensor, position: Tensor, count: float, layer: int, horizon: Tensor, dense: Tensor
) -> tuple[Tensor, Tensor]:
    """A row of trunks: mask (B, H, W) and the place across each trunk, -1 to 1; higher layers are nearer."""
    place, thick, off = cells(position, rows[:, 0], rows[:, 1])
    foot = horizon + 0.09 * layer + 0.08 * off - 0.04
    flare = 0.015 * layer * smoothstep(-0.14, 0.02, frame.y - foot)
    half = (0.012 + 0.014 * layer) * (0.7 + thick) + flare
    across = (place - 0.5 * (off - 0.5)) / count
    mask = coverage(across.abs() - half, frame.pixel) * coverage(frame.y - foot, 2 * frame.pixel)
    return mask * (thick < column(0.45 + 0.4 * dense)), (across / half).clamp(-1, 1)


def in_water(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """Open sea under a sky, or a clear shallow seen from above with nets of light."""
    frame = Frame.of(size)
    hour, cloud, high, hue, deep, side, rough, clear, sun_x, coast, foam = u[:, :11].unbind(1)
    horizon = lerp(-0.4, 0.42, high)
    sea = hsv(lerp(0.47, 0.61, hue), lerp(0.6, 0.85, deep), lerp(0.72, 0.46, deep))
    canvas = sky(frame, lattice, hour, horizon, cloud)
    low = canvas.mean(-1)[:, :, size // 4]  # the sky that far water mirrors
    shore = ridge(lattice[:, 0, 3], frame, horizon + 0.01, 3, 0.4 * column(coast - 0.45).clamp_min(0))
    canvas = hills(frame, canvas, shore, sea * 0.35 + rgb(0.2, 0.26, 0.3), sea * 0.4 + rgb(0.35, 0.38, 0.4), 0.1)

    near = nearness(frame, horizon)
    tide = noise(lattice[:, 2], frame.y * 2.5, frame.x * 2.5) - 0.5
    body = shade(blend(0.6 * sea + 0.4 * low, sea * 0.9, near * 1.6), 0.3 * tide)
    glitter = torch.exp(-((frame.x - column(sun_x)) / 0.14).square()) * column((hour > 0.5) & (horizon > 0.05))
    waves = make_waves(frame, body, lattice, near, sea, rough, foam, glitter)
    shallow = shade(blend(sea * 0.6 + rgb(0.12, 0.36, 0.4), sea * 0.75 + rgb(0.0, 0.16, 0.2), near), 0.4 * tide)
    shallow = paint(shallow, rgb(0.85, 0.98, 0.97), lerp(0.35, 0.65, column(foam)) * net(frame, lattice))
    from_above = ((clear < 0.5) & (horizon < 0.02))[:, None, None, None]
    canvas = paint(canvas, torch.where(from_above, shallow, waves), frame.below(column(horizon)))
    return finish(canvas, horizon, sides(side), shadow=0.05, tint=rgb(0.94, 1.0, 1.02), water=1.0)


def make_waves(
    frame: Frame, body: Tensor, lattice: Tensor, near: Tensor, sea: Tensor, rough: Tensor, foam: Tensor, sun: Tensor
) -> Tensor:
    """Raise waves on a body of water (B, 3, H, W): shaded swell, dark troughs, pale crests, glitter under the `sun`."""
    rows = receding(near) * 2.9
    swell = noise(lattice[:, 0], rows, frame.x * 3.5) + 0.7 * noise(lattice[:, 1], rows * 1.7, frame.x * 6.3) - 0.85
    waves = shade(body, lerp(0.3, 0.65, column(rough)) * swell)
    waves = paint(waves, sea * 0.5, 0.35 * smoothstep(0.2, 0.5, -swell))
    waves = paint(waves, 0.25 * sea + 0.72, smoothstep(0.3, 0.55, swell) * lerp(0.25, 0.75, column(foam)))
    return paint(waves, rgb(1.0, 0.92, 0.75), 0.7 * sun * smoothstep(0.05, 0.3, swell))


def in_sand(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """Dunes with a lit and a shaded side, wind ripples in front."""
    frame = Frame.of(size)
    hour, cloud, high, hue, rich, side, steep, fine, turn, warp, pebble = u[:, :11].unbind(1)
    horizon = lerp(0.1, 0.42, high)
    sand = hsv(lerp(0.055, 0.125, hue), lerp(0.28, 0.6, rich), lerp(0.93, 0.8, rich))
    canvas = sky(frame, lattice, hour, horizon, cloud - 0.5)
    glance = column(sides(side))
    for layer, waves in enumerate((3.0, 2.2, 1.6)):
        base = column(horizon + 0.02 + (0.0, 0.17, 0.4)[layer])
        rows = lattice[:, layer, 3]
        rise = (0.16, 0.2, 0.26)[layer] * (0.6 + column(steep))
        line = base - rise * (curve(rows, frame.x * waves) - 0.3)
        slope = (curve(rows, frame.x * waves + 0.15) - curve(rows, frame.x * waves - 0.15)) * 2
        lit = (0.3 * slope * glance).clamp(-0.3, 0.14) * torch.exp(-(frame.y - line).clamp_min(0) * 5)
        air = (0.35, 0.15, 0.0)[layer]
        dune = blend(sand * (1.04 - air) + rgb(0.95, 0.85, 0.78) * air, sand * 0.78, (frame.y - line) / 0.4)
        dune = shade(dune, lit + 0.12 * (noise(lattice[:, 2], frame.y * 9, frame.x * 3) - 0.5))
        canvas = paint(canvas, dune, frame.below(line))

    near = nearness(frame, horizon)
    bend = fractal(lattice, frame.y * 3, frame.x * 2.5) * lerp(2.5, 6.0, column(warp))
    phase = receding(near) * lerp(1.6, 3.0, column(fine)) + frame.x * column(turn - 0.5) * 6 + bend
    ripple = torch.sin(phase * math.tau / 1.6) * smoothstep(0.1, 0.6, near)
    canvas = shade(canvas, (0.09 * ripple - 0.02) * frame.below(column(horizon) + 0.05))
    stones = scatter(lattice.flip(1), frame, 7, 0.022, 0.35 * (pebble - 0.5).clamp_min(0))
    canvas = paint(canvas, sand * 0.55, 0.8 * stones * frame.below(column(horizon) + 0.25))
    return finish(canvas, horizon, sides(side), tint=rgb(1.03, 1.0, 0.94))


def indoors(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """A room: papered wall, skirting, floor of boards, tiles or carpet, a window or a picture, perhaps a rug."""
    frame = Frame.of(size)
    hue, rich, high, paper, fold, side, wood, kind, pale, skirt, dye = u[:, :11].unbind(1)
    horizon, light = lerp(0.56, 0.72, high), sides(side)
    wall = hsv(hue, lerp(0.08, 0.32, rich), lerp(0.92, 0.78, rich))
    canvas = shade(flat(wall), 0.2 * column(light) * (frame.x - 0.5) - 0.12 * (frame.y - 0.3))
    canvas = paint(canvas, wall * 0.86, 0.9 * wallpaper(frame, paper, lerp(5, 9, fold).round()))
    canvas = hang_window(frame, canvas, u[:, 11:], wood)

    near = nearness(frame, horizon)
    planks = hsv(lerp(0.05, 0.1, wood), lerp(0.25, 0.6, dye), lerp(0.42, 0.7, pale))
    ground = torch.where(kind[:, None] < 0.67, planks, hsv(dye, 0.3, lerp(0.45, 0.7, pale)))
    floor = shade(blend(ground * 0.85, ground * 1.05, near), floor_pattern(frame, lattice, near, kind))
    depth = frame.y - column(horizon)
    floor = shade(floor, -0.3 * smoothstep(0.06, 0.0, depth))
    canvas = paint(canvas, floor, frame.below(column(horizon)))
    board = torch.where(skirt[:, None] < 0.6, rgb(0.95, 0.94, 0.9), ground * 0.7)
    canvas = paint(canvas, board, coverage((depth + 0.025).abs() - 0.025, frame.pixel))
    return finish(lay_rug(frame, canvas, u[:, 16:], column(horizon)), horizon, light, tint=rgb(1.0, 0.98, 0.95))


def lay_rug(frame: Frame, canvas: Tensor, u: Tensor, horizon: Tensor) -> Tensor:
    """Lay an oval rug with a pale band on every other floor; horizon (B, 1, 1)."""
    there, hue, place = u[:, :3].unbind(1)
    across = (frame.x - 0.35 - 0.3 * column(place)) / 0.38
    along = (frame.y - 0.5 - 0.52 * horizon) / (0.34 * (1 - horizon))
    oval = torch.sqrt(across.square() + along.square())
    colour, alpha = hsv(hue, 0.5, 0.62), column(there) < 0.5
    canvas = paint(canvas, colour, alpha * coverage((oval - 1) * 0.15, frame.pixel))
    return paint(canvas, colour * 0.6 + 0.36, alpha * coverage(((oval - 0.74).abs() - 0.09) * 0.2, frame.pixel))


def wallpaper(frame: Frame, kind: Tensor, count: Tensor) -> Tensor:
    """Pattern (B, H, W) in [0, 1] of a wall: plain, stripes, dots or panels below, by `kind` (B,) in [0, 1)."""
    x, y = (place * column(count) for place in (frame.x, frame.y))
    across = x.remainder(1) - 0.5
    step = frame.pixel * column(count)
    stripes = coverage(across.abs() - 0.25, step).expand(-1, y.shape[1], -1)
    brick = (x + 0.5 * y.floor().remainder(2)).remainder(1) - 0.5
    dots = coverage(torch.sqrt(brick.square() + (y.remainder(1) - 0.5).square()) - 0.24, step)
    panel = frame.below(torch.tensor(0.42).view(1, 1, 1)).expand_as(dots)
    chosen = (column(kind) * 4).floor()
    return (chosen == 1) * stripes + (chosen == 2) * dots + (chosen == 3) * panel


def floor_pattern(frame: Frame, lattice: Tensor, near: Tensor, kind: Tensor) -> Tensor:
    """Relative brightness (B, H, W) of a floor: boards, tiles or carpet by `kind` (B,) in [0, 1)."""
    across = (frame.x - 0.5) / (0.45 + near)
    plank, tone = cells(across * 7 + 30, lattice[:, 0, 2])
    seam = smoothstep(0.36, 0.5, plank.abs())
    boards = 0.3 * (tone - 0.5) - 0.25 * seam
    rows = 2.6 / (0.45 + near)
    check = ((across * 4 + 30).floor() + (rows * 2).floor()).remainder(2)
    carpet = 0.25 * (noise(lattice[:, 1], near * 7, frame.x * 12) - 0.5)
    chosen = (column(kind) * 3).floor()
    return torch.where(chosen == 0, boards, torch.where(chosen == 1, 0.36 * check - 0.18, carpet))


def hang_window(frame: Frame, canvas: Tensor, u: Tensor, wood: Tensor) -> Tensor:
    """Hang a window with bars, a framed picture or nothing on the wall."""
    kind, x, y, half, view = u[:, :5].unbind(1)
    x, y, half = lerp(0.24, 0.76, x), lerp(0.2, 0.28, y), lerp(0.12, 0.17, half)
    away_x, away_y = (frame.x - column(x)).abs(), (frame.y - column(y)).abs()
    box = torch.maximum(away_x, away_y * 0.95) - column(half)
    there, barred = column(kind) < 0.85, column(kind) < 0.55
    border = torch.where(view[:, None] < 0.5, rgb(0.96, 0.95, 0.92), hsv(0.04 + 0.06 * wood, 0.55, 0.42))
    outside = blend(*sky_colours(view), (frame.y - column(y - half)) / column(2 * half))
    hill = column(y + 0.4 * half) + 0.3 * column(half) * torch.sin(9 * frame.x + 40 * column(view))
    outside = paint(outside, hsv(0.3 + 0.5 * (kind > 0.55) * view, 0.45, 0.58), frame.below(hill))
    canvas = shade(canvas, -0.25 * there * smoothstep(0.07, 0.0, box))
    canvas = paint(canvas, border, there * coverage(box - 0.03, frame.pixel))
    pane = there * coverage(box, frame.pixel)
    bars = barred * coverage(torch.minimum(away_x, away_y) - 0.011, frame.pixel)
    return paint(paint(canvas, outside, pane), border, bars * pane)


def in_snow(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """Snow hills with firs under a pale sky, flakes falling in front."""
    frame = Frame.of(size)
    hour, cloud, high, cold, drift, side, wood, fall, far, shift = u[:, :10].unbind(1)
    horizon = lerp(0.3, 0.55, high)
    light = sides(side)
    canvas = 0.3 + 0.67 * sky(frame, lattice, hour, horizon, cloud)
    blue = hsv(lerp(0.55, 0.68, cold), lerp(0.1, 0.26, drift), 0.93)
    peaks = ridge(lattice[:, 2, 3], frame, horizon, 5, 0.32 * column(far))
    canvas = hills(frame, canvas, peaks, blue * 0.85, blue * 0.95 + 0.05, 0.25)

    needle = hsv(lerp(0.36, 0.48, cold), 0.5, 0.32)
    back = ridge(lattice[:, 0, 3], frame, horizon + 0.04, 2.6, 0.14)
    for line, count, height, pale in ((back, 8.0, 0.2, 0.35), (back + 0.07, 5.0, 0.4, 0.0)):
        rows = lattice[:, 0 if pale else 1, 6:8]
        trees, snow = firs(frame, rows, count, line + 0.02, height, 0.15 + 0.6 * wood)
        canvas = paint(paint(canvas, needle * (1 - pale) + pale * blue, trees), blue * 0.6 + 0.38, 0.75 * snow)
        canvas = hills(frame, canvas, line, torch.ones(1, 3) * 0.985, blue * 0.75 + 0.22, 0.3)
    front = column(horizon + 0.3) - 0.2 * (curve(lattice[:, 1, 3], frame.x * 1.8 + column(shift) * 9) - 0.3)
    canvas = hills(frame, canvas, front, torch.ones(1, 3) * 0.99, blue * 0.85 + 0.1, 0.5)
    mounds = relief(lattice, receding(nearness(frame, horizon)) * 0.9, frame.x * 2.6, light)
    canvas = paint(canvas, blue * 0.82, frame.below(back) * (0.9 * mounds).clamp(0, 0.75))

    flakes = scatter(lattice, frame, 5, 0.024, 0.7 * fall) + scatter(lattice.flip(1), frame, 8, 0.014, 0.8 * fall)
    return finish(canvas, horizon + 0.08, light, shadow=0.35, tint=rgb(0.98, 1.02, 1.06), veil=0.92 * flakes)


def in_rain(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """A wet street before a town or hills in the mist, lamps and their long reflections, rain in front."""
    frame = Frame.of(size)
    hue, dark, high, town, tall, side, slant, pour, lamp, left, right, warm, puddle = u[:, :13].unbind(1)
    horizon = lerp(0.42, 0.62, high)
    grey = hsv(lerp(0.5, 0.74, hue), lerp(0.08, 0.26, warm), lerp(0.5, 0.74, dark))
    gloom = fractal(lattice, frame.y * 4, frame.x * 2.5) - 0.5
    canvas = shade(blend(grey * 0.8, grey * 1.15, frame.y / column(horizon)), 0.5 * gloom)
    is_town = column(town) < 0.7
    rows = ((7.5, lerp(0.2, 0.42, tall), 0.3), (5.5, lerp(0.1, 0.3, tall), 0.14))
    for layer, (count, height, hill) in enumerate(rows):
        roofs = skyline(frame, lattice[:, layer, 2:4], count, horizon, height)
        roofs = torch.where(is_town, roofs, ridge(lattice[:, layer, 5], frame, horizon, 3 + layer, hill))
        canvas = hills(frame, canvas, roofs, grey * (0.72, 0.5)[layer], grey * (0.98, 0.75)[layer])
    lit = windows(frame, lattice[:, 2], 0.4 * (town < 0.7)) * frame.below(roofs + 0.03)
    canvas = paint(canvas, rgb(1.0, 0.86, 0.6), lerp(0.0, 0.5, column(pour)) * lit)

    strength = (column(lamp) < 0.75).float()
    lamps = [(left, hsv(0.08 + 0.05 * warm, 0.45, 1.0)), (right, pick(LAMPS, hue))]
    for x, colour in lamps:
        spot = 0.9 * glow(frame, x, horizon - 0.12, 0.05) + 0.3 * glow(frame, x, horizon - 0.12, 0.16)
        canvas = paint(canvas, colour, strength * spot.clamp(0, 1))
    street = wet_street(frame, canvas, lattice, horizon, grey, lamps, strength)
    canvas = paint(canvas, street, frame.below(column(horizon)))
    drops = rings(frame, lattice, 4, lerp(0.08, 0.35, puddle)) * smoothstep(0.08, 0.25, nearness(frame, horizon))
    canvas = paint(canvas, grey * 0.6 + 0.4, 0.5 * drops)

    lean = 0.5 * (slant - 0.5)
    near_rain, far_rain = (streaks(frame, lattice[:, k, 7:9], (9, 15)[k], lean, (0.3, 0.18)[k]) for k in (0, 1))
    rain = (0.6 * near_rain + 0.4 * far_rain) * lerp(0.7, 1.1, column(pour))
    tint = 0.8 + 0.15 * grey
    return finish(canvas, horizon, sides(side), shadow=0.3, tint=tint, veil=rain, veil_colour=rgb(0.88, 0.92, 0.97))


def wet_street(
    frame: Frame,
    canvas: Tensor,
    lattice: Tensor,
    horizon: Tensor,
    grey: Tensor,
    lamps: list[tuple[Tensor, Tensor]],
    strength: Tensor,
) -> Tensor:
    """A street (B, 3, H, W) that mirrors what stands above the horizon (B,) of `canvas`.

    Wet ground draws each reflection out so far that every column shows the mean colour of the column above it.
    """
    near = nearness(frame, horizon)
    above = 1 - frame.below(column(horizon))[:, None]
    mean = (canvas * above).sum(2) / above.sum(2)
    blur = torch.exp(-((frame.x.mT - frame.x) / 0.05).square())
    image = (mean @ (blur / blur.sum(1, keepdim=True)))[:, :, None]
    gleam = smoothstep(0.35, 0.7, fractal(lattice.flip(1), receding(near) * 1.2, frame.x * 2.2))
    street = torch.lerp(blend(grey * 0.62, grey * 0.46, near), image * 0.9, (0.3 + 0.45 * gleam)[:, None])
    for x, colour in lamps:
        streak = torch.exp(-((frame.x - column(x)) / (0.04 + 0.03 * near)).square() - 2.2 * near)
        street = paint(street, colour, 0.75 * strength * streak * (0.5 + 0.5 * gleam))
    return street


def rings(frame: Frame, lattice: Tensor, count: int, chance: Tensor) -> Tensor:
    """Flat rings (B, H, W) that drops make on wet ground, at most one in each of count x 2 count cells."""
    place_x, place_y = frame.x.flatten() * count, frame.y.flatten() * 2 * count
    rarity, wide, off = lattice[:, :, place_y.long() + 4][:, :, :, place_x.long()].unbind(1)
    away_x = place_x - place_x.floor() - 0.5 - 0.3 * (off - 0.5)
    away_y = (place_y - place_y.floor() - 0.5)[:, None] - 0.3 * (wide - 0.5)
    distance = torch.sqrt(away_x.square() + away_y.square()) - 0.16 - 0.1 * wide
    return smoothstep(0.12, 0.02, distance.abs()) * (rarity < column(chance))


def at_night(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """Moon and stars over dark hills or a town with lit windows."""
    frame = Frame.of(size)
    hue, deep, high, stars, town, tall, lit, warm, milky, moon_x = u[:, :10].unbind(1)
    horizon = lerp(0.55, 0.76, high)
    zenith = hsv(lerp(0.58, 0.76, hue), 0.75, lerp(0.14, 0.26, deep))
    low = hsv(lerp(0.54, 0.8, hue), 0.62, lerp(0.34, 0.55, deep))
    canvas = blend(zenith, low, (frame.y / column(horizon)).square())
    haze = smoothstep(0.45, 0.8, fractal(lattice, frame.y * 4, frame.x * 3))
    canvas = paint(canvas, low * 0.9 + 0.1, 0.55 * haze * column(milky))
    small = scatter(lattice, frame, 9, 0.008, lerp(0.2, 0.7, stars))
    bright = scatter(lattice.flip(1), frame, 5, 0.014, lerp(0.15, 0.5, stars))
    canvas = paint(canvas, rgb(1.0, 0.98, 0.9), torch.maximum(small, bright))
    canvas = hang_moon(frame, canvas, u[:, 9:], lattice[:, 2])

    canvas = hills(frame, canvas, ridge(lattice[:, 0, 3], frame, horizon, 3, 0.24), low * 0.55, low * 0.4)
    roofs = skyline(frame, lattice[:, 1, 3:5], 6, horizon + 0.04, lerp(0.25, 0.6, tall) * (town < 0.7))
    canvas = paint(canvas, zenith * 0.5, frame.below(roofs))
    glass = windows(frame, lattice[:, 2], lerp(0.3, 0.7, lit)) * frame.below(roofs + 0.03)
    canvas = paint(canvas, hsv(0.1 + 0.05 * warm, 0.55, 1.0), 0.95 * glass)
    field = column(horizon + 0.03) - 0.05 * curve(lattice[:, 2, 3], frame.x * 2)
    moonlight = 0.5 * (fractal(lattice, receding(nearness(frame, horizon)), frame.x * 4) - 0.5)
    ground = shade(blend(low * 0.66, zenith * 0.95, (frame.y - field) / 0.35), moonlight)
    canvas = paint(canvas, ground, frame.below(field))
    tint = 0.5 + 0.27 * low / low.amax(1, keepdim=True)
    return finish(canvas, horizon, sides(moon_x), shadow=0.3, tint=tint)


def hang_moon(frame: Frame, canvas: Tensor, u: Tensor, lattice: Tensor) -> Tensor:
    """Hang a moon with its halo in the sky: a disc less the disc of its shadow, from thin crescent to full."""
    x, y, phase, big = u[:, :4].unbind(1)
    x, y, radius = lerp(0.12, 0.88, x), lerp(0.12, 0.3, y), lerp(0.06, 0.11, big)
    aside = radius * (phase - 0.5).sign() * (0.6 + 3.4 * (phase - 0.5).abs())

    def disc(x: Tensor, y: Tensor) -> Tensor:
        return torch.sqrt((frame.x - column(x)).square() + (frame.y - column(y)).square()) - column(radius)

    moon = disc(x, y)
    seas = 0.16 * (noise(lattice, frame.y * 16, frame.x * 16) - 0.6)
    canvas = paint(canvas, rgb(0.75, 0.8, 1.0), 0.4 * torch.exp(-moon.clamp_min(0) / 0.09))
    face = shade(flat(rgb(1.0, 0.97, 0.85)), seas)
    lit = 1 - coverage(disc(x + aside, y - 0.2 * radius), 2 * frame.pixel)
    return paint(canvas, face, coverage(moon, frame.pixel) * lit)


def in_a_cave(u: Tensor, lattice: Tensor, size: int) -> Scenery:
    """Rock vaults one behind another, a bright opening or a dark depth lit by a torch, stalactites."""
    frame = Frame.of(size)
    hue, rich, high, open_, x, y, wide, hour, drip, torch_x, wet = u[:, :11].unbind(1)
    light, horizon = 0.8 * sides(x), lerp(0.68, 0.8, high)
    hue = torch.where(hue < 0.75, lerp(0.03, 0.11, hue / 0.75), lerp(0.55, 0.7, hue * 4 - 3))  # brown or slate
    rock = hsv(hue, lerp(0.18, 0.42, rich), 0.62)
    x, y, wide = lerp(0.25, 0.75, x), lerp(0.36, 0.5, y), column(lerp(0.15, 0.26, wide))
    reach = vault(frame, x, y, u[:, 11:])
    is_open = column((open_ < 0.65).float())
    stone = relief(lattice, frame.y * 5.5, frame.x * 4.5, light) - 0.28 * net(frame, lattice.flip(1))

    zenith, low = sky_colours(hour)
    outside = blend(zenith * 0.8 + 0.2, low * 0.6 + 0.4, (frame.y - column(y)) / wide + 0.8)
    hill = column(y) + 0.4 * wide - 0.08 * curve(lattice[:, 0, 3], frame.x * 5)
    outside = paint(outside, hsv(lerp(0.2, 0.36, hour), 0.4, 0.6), frame.below(hill))
    depth = flat(rock) * (0.1 + 0.25 * (reach / wide).clamp(0, 1).square())[:, None]
    canvas = torch.lerp(depth, outside, is_open[:, None])

    day, fire = low * 0.4 + rgb(0.6, 0.55, 0.48), rgb(1.0, 0.72, 0.42)
    flame = glow(frame, torch_x, torch.full_like(x, 0.55), 0.5) * (1 - 0.75 * is_open)
    for layer, scale in enumerate((1.0, 1.45, 2.15)):
        rim = scale * (wide + 0.06 * (noise(lattice[:, layer], frame.y * 5, frame.x * 5) - 0.5))
        wall = reach - rim
        behind = wall.clamp_min(0)
        daylight = is_open * (0.95 - 0.22 * layer) * torch.exp(-behind / (0.16 + 0.07 * layer))
        light_rgb = 0.24 + 0.8 * flat(day) * daylight[:, None] + 0.85 * flat(fire) * flame[:, None]
        lip = 0.3 * torch.exp(-behind / 0.03) - 0.12 * layer
        face = shade(flat(rock) * light_rgb, 1.2 * stone + 0.15 + lip)
        canvas = paint(canvas, face, coverage(-wall, 1.5 * frame.pixel))

    beam = torch.exp(-((frame.x - column(x)) / 0.32).square()) * is_open
    pool, level = beam.square() * (column(wet) > 0.5), 0.42 * beam + 0.7 * flame
    floor = cave_floor(lattice, frame, nearness(frame, horizon), rock, day, level, pool)
    canvas = paint(canvas, floor, frame.below(column(horizon) - 0.06 * curve(lattice[:, 1, 3], frame.x * 4)))
    for layer, count in enumerate((8.0, 5.0)):
        spikes, across = stalactites(frame, lattice[:, layer, 6:8], count, column(drip))
        colour = flat(rock) * (0.5 - 0.2 * layer)
        canvas = paint(canvas, shade(colour, 0.45 * across * column(light) + 0.6 * stone), spikes)
    tint = torch.lerp(rgb(0.95, 0.78, 0.62), rgb(0.86, 0.84, 0.82), is_open[:, 0])
    return finish(canvas, horizon, light, shadow=0.45, tint=tint)


def cave_floor(
    lattice: Tensor, frame: Frame, near: Tensor, rock: Tensor, day: Tensor, level: Tensor, wet: Tensor
) -> Tensor:
    """Rock floor (B, 3, H, W) under a light `level` (B, 1 or H, W), mirroring the day where it is `wet` (B, 1, W)."""
    rough = fractal(lattice, receding(near), frame.x * 4) - 0.5
    floor = shade(blend(rock * 1.05, rock * 0.75, near), level - 0.7 + 0.5 * rough)
    return paint(floor, day.clamp(0, 1), 0.35 * wet * smoothstep(0, 0.3, near))


def vault(frame: Frame, x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    """Distance (B, H, W) from (x, y), (B,) each, in a measure whose circles have the ragged outline of a cave mouth."""
    away_x, away_y = frame.x - column(x), 0.9 * (frame.y - column(y))
    angle = torch.atan2(away_y, away_x)
    lobes = ((2, 0.12), (3, 0.10), (7, 0.04))
    wobble = sum(size * torch.sin(k * angle + math.tau * column(u[:, i])) for i, (k, size) in enumerate(lobes))
    return torch.sqrt(away_x.square() + away_y.square()) / (1 + wobble)


def stalactites(frame: Frame, rows: Tensor, count: float, drip: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes hanging from the upper edge: mask (B, H, W) and the place across each spike, -1 to 1; drip (B, 1, 1)."""
    place, tall, off = cells(frame.x * count, rows[:, 0], rows[:, 1])
    tall = lerp(0.08, 0.36, drip) * (1.7 * tall - 0.5).clamp_min(0.02)
    half = 0.36 * (1 - frame.y / tall).clamp_min(0)
    across = place - 0.25 * (off - 0.5)
    mask = coverage((across.abs() - half) / count, frame.pixel) * (frame.y < tall)
    return mask, (across / (half + 1e-3)).clamp(-1, 1)


BACKGROUNDS: dict[str, Callable[[Tensor, Tensor, int], Scenery]] = {
    "on grass": on_grass,
    "on a road": on_a_road,
    "in a forest": in_a_forest,
    "in water": in_water,
    "in sand": in_sand,
    "indoors": indoors,
    "in snow": in_snow,
    "in rain": in_rain,
    "at night": at_night,
    "in a cave": in_a_cave,
}


def paint_background(name: str, u: Tensor, lattice: Tensor, size: int = 64) -> Scenery:
    """Paint a batch of scenes of one background.

    u: (B, N_FACTORS) uniforms in [0, 1); lattice: (B, N_LATTICES, LATTICE, LATTICE) uniforms; size: side in pixels.
    """
    return BACKGROUNDS[name](u, lattice, size)
