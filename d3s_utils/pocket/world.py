"""The pocket world: small scenes of an object on a background, with mask, clean background and factors known.

A scene is a row (scene_id, class_name, background). Its draws depend on the scene_id alone, so the same scene_id under
another background is the same object in the same pose: a counterfactual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.words import BACKGROUNDS, HABITS
from d3s_utils.pocket import backgrounds, foregrounds
from d3s_utils.pocket.backgrounds import Scenery
from d3s_utils.pocket.raster import column, lerp, paint, smoothstep

SIZE = 64
CHUNK = 100  # scenes rendered together; larger batches fall out of the cache
EXTENT = (0.38, 0.74)  # side of the object's box as a fraction of the picture
WINDOW = 0.8125  # the object is drawn in a window of this fraction of the picture, which moves with it
N_POSE = 8
DAYLIGHT = 0.08  # how far below the horizon things that stand are set down at least


@dataclass(frozen=True)
class Rendered:
    """N scenes.

    rgb, clean: uint8 (N, S, S, 3), the picture with and without its object; mask: uint8 (N, S, S), 255 where the
    object is seen; factors: one row per scene with its key, the object's centre (fractions of the side, from the
    visible mask), extent, mean colour (red, green, blue in 0-1), light, horizon and the share of it that is visible.
    """

    rgb: np.ndarray
    mask: np.ndarray
    clean: np.ndarray
    factors: pd.DataFrame


@dataclass(frozen=True)
class Draws:
    """All random numbers of a batch of scenes: uniforms in [0, 1)."""

    foreground: Tensor  # (B, foregrounds.N_FACTORS)
    background: Tensor  # (B, backgrounds.N_FACTORS)
    pose: Tensor  # (B, N_POSE)
    lattice: Tensor  # (B, backgrounds.N_LATTICES, backgrounds.LATTICE, backgrounds.LATTICE)


def draw_numbers(scene_ids: list[str]) -> Draws:
    """The random numbers of each scene, from its id alone."""
    side = backgrounds.LATTICE
    counts = [foregrounds.N_FACTORS, backgrounds.N_FACTORS, N_POSE, backgrounds.N_LATTICES * side * side]
    drawn = np.stack([rng_for("pocket scene", name).random(sum(counts), dtype=np.float32) for name in scene_ids])
    parts = torch.from_numpy(drawn).split(counts, dim=1)
    return Draws(*parts[:3], parts[3].reshape(-1, backgrounds.N_LATTICES, side, side))


def render(scenes: pd.DataFrame, size: int = SIZE) -> Rendered:
    """Render `scenes` (columns scene_id, class_name, background; further columns pass through to the factors).

    Scenes of one class and one background are painted together and put back in order. Neither order nor company
    changes a scene.
    """

    def paint_chunk(rows: pd.DataFrame) -> tuple:
        picture, background, visible, found = compose(rows, size)
        return to_bytes(picture), visible.mul(255).round().to(torch.uint8).numpy(), to_bytes(background), found

    chunks = in_chunks(paint_chunk, scenes)
    if not chunks:
        none = np.empty((0, size, size, 3), np.uint8)
        return Rendered(none, none[..., 0], none, scenes.copy())
    rgb, mask, clean, factors = zip(*chunks, strict=True)
    return Rendered(*map(np.concatenate, (rgb, mask, clean)), pd.concat(factors, ignore_index=True))


def render_clean(scenes: pd.DataFrame, size: int = SIZE) -> np.ndarray:
    """`render(scenes).clean` alone, uint8 (N, S, S, 3), without painting the objects; needs scene_id and background."""

    def paint_chunk(rows: pd.DataFrame) -> np.ndarray:
        return to_bytes(paint_scenery(rows["background"].to_numpy(), draw_numbers(list(rows["scene_id"])), size).rgb)

    return np.concatenate([np.empty((0, size, size, 3), np.uint8), *in_chunks(paint_chunk, scenes)])


def in_chunks(paint_chunk: Callable[[pd.DataFrame], object], scenes: pd.DataFrame) -> list:
    """`paint_chunk` of `CHUNK` scenes at a time, as many chunks at once as torch has threads, each on one of them.

    Pictures are so small that threads within one operation would mostly wait for each other.
    """
    rows = [scenes.iloc[start : start + CHUNK] for start in range(0, len(scenes), CHUNK)]
    calm = torch.inference_mode()(paint_chunk)
    return side_by_side(calm, rows)


def compose(rows: pd.DataFrame, size: int) -> tuple[Tensor, Tensor, Tensor, pd.DataFrame]:
    """One batch: picture (B, 3, S, S), clean background (B, 3, S, S), visible mask (B, S, S), factors."""
    draws = draw_numbers(list(rows["scene_id"]))
    scenery = paint_scenery(rows["background"].to_numpy(), draws, size)
    centre, extent = place(rows["class_name"].to_numpy(), draws.pose, scenery)
    object_rgb, alpha = draw_objects(rows["class_name"].to_numpy(), draws, centre, extent, scenery.light, size)
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size] * 2, indexing="ij")

    lit = (object_rgb * scenery.tint[:, :, None, None]).clamp(0, 1)
    visible = alpha * above_water(x, y, centre, extent, draws.pose, scenery)
    ground = cast_shadow(x, y, rows["class_name"].to_numpy(), centre, extent, scenery)
    canvas = scenery.rgb * (1 - ground[:, None])
    canvas = paint(canvas, torch.lerp(lit, scenery.rgb, 0.72), (alpha - visible) * 0.8)  # seen through the water
    front = paint(lit, scenery.veil_rgb, scenery.veil)
    picture = paint(canvas, front, visible)
    return picture, scenery.rgb, visible, describe(rows, draws, lit, visible, alpha, extent, scenery, x, y)


def paint_scenery(names: np.ndarray, draws: Draws, size: int) -> Scenery:
    """The backgrounds of a batch, painted background by background and put back in order."""
    order, parts = [], []
    for name in np.unique(names):
        where = torch.from_numpy(np.flatnonzero(names == name))
        order.append(where)
        parts.append(backgrounds.paint_background(name, draws.background[where], draws.lattice[where], size))
    back = torch.cat(order).argsort()
    return Scenery(*[torch.cat([getattr(part, key) for part in parts])[back] for key in Scenery.__dataclass_fields__])


def place(names: np.ndarray, pose: Tensor, scenery: Scenery) -> tuple[Tensor, Tensor]:
    """Centres (B, 2) and extents (B,), as fractions of the side; the object's box lies inside the picture.

    What stands is set down on the ground in seven scenes of ten; everything else hangs anywhere, as pasted renders
    do.
    """
    extent = lerp(*EXTENT, pose[:, 0])
    margin = extent * 0.5
    anywhere = margin[:, None] + (1 - 2 * margin[:, None]) * pose[:, 1:3]
    foot = torch.tensor([foregrounds.bottom(name) for name in names]) * margin
    lowest = 1 - 0.02 - foot
    highest = torch.maximum(scenery.horizon + DAYLIGHT - foot, margin).minimum(lowest)
    stands = torch.tensor([foregrounds.STANDS[name] for name in names]) & (pose[:, 3] < 0.7) & (scenery.water == 0)
    y = torch.where(stands, lerp(highest, lowest, pose[:, 2]), anywhere[:, 1])
    return torch.stack([anywhere[:, 0], y], dim=1), extent


def draw_objects(
    names: np.ndarray, draws: Draws, centre: Tensor, extent: Tensor, light: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """Colours (B, 3, S, S) and coverage (B, S, S) of the objects, drawn at twice the resolution in a moving window."""
    window = round(WINDOW * size)
    corner = ((centre * size).round() - window // 2).long().clamp(0, size - window)  # (B, 2) whole pixels, x then y
    fine = (torch.arange(2 * window) + 0.5) / 2
    half = column(extent * 0.5)
    x = ((fine[None, None] + column(corner[:, 0])) / size - column(centre[:, 0])) / half
    y = ((fine[None, :, None] + column(corner[:, 1])) / size - column(centre[:, 1])) / half
    rgb, alpha = torch.zeros(len(names), 3, size, size), torch.zeros(len(names), size, size)
    inside = torch.arange(window)
    for name in np.unique(names):
        at = torch.from_numpy(np.flatnonzero(names == name))
        grid = [axis.expand(-1, 2 * window, 2 * window)[at] for axis in (x, y)]
        sprite = foregrounds.draw(name, draws.foreground[at], *grid, 1 / (size * extent[at]), light[at])
        cover = F.avg_pool2d(sprite.alpha[:, None], 2)
        colour = F.avg_pool2d(sprite.rgb * sprite.alpha[:, None], 2) / cover.clamp(min=1e-6)
        rows, columns = corner[at, 1][:, None, None] + inside[:, None], corner[at, 0][:, None, None] + inside
        alpha[at[:, None, None], rows, columns] = cover[:, 0]
        rgb.permute(0, 2, 3, 1)[at[:, None, None], rows, columns] = colour.permute(0, 2, 3, 1)
    return rgb, alpha


def above_water(x: Tensor, y: Tensor, centre: Tensor, extent: Tensor, pose: Tensor, scenery: Scenery) -> Tensor:
    """Share (B, S, S) of each pixel that is not under the wavy water line; 1 everywhere on dry land."""
    line = centre[:, 1] + extent * lerp(0.22, 0.42, pose[:, 4])
    waves = 0.012 * torch.sin(column(lerp(30.0, 50.0, pose[:, 5])) * x + column(6.3 * pose[:, 6]))
    dry = smoothstep(0.012, -0.012, y - column(line) - waves)
    return torch.lerp(torch.ones_like(dry), dry, column(scenery.water))


def cast_shadow(x: Tensor, y: Tensor, names: np.ndarray, centre: Tensor, extent: Tensor, scenery: Scenery) -> Tensor:
    """Darkness (B, S, S) of the shadow: under what stands close and dark, under what floats lower and faint."""
    stands = torch.tensor([float(foregrounds.STANDS[name]) for name in names])
    foot = centre[:, 1] + 0.5 * extent * torch.tensor([foregrounds.bottom(name) for name in names])
    foot = foot + lerp(0.09, -0.015, stands)
    across = (x - column(centre[:, 0] - 0.10 * extent * scenery.light)) / column(0.46 * extent)
    down = (y - column(foot)) / column(0.12 * extent)
    blob = smoothstep(1.0, 0.0, across.square() + down.square())
    on_ground = smoothstep(-0.02, 0.06, y - column(scenery.horizon))
    return blob * on_ground * column(scenery.shadow * lerp(0.45, 0.8, stands))


def describe(
    rows: pd.DataFrame,
    draws: Draws,
    lit: Tensor,
    visible: Tensor,
    alpha: Tensor,
    extent: Tensor,
    scenery: Scenery,
    x: Tensor,
    y: Tensor,
) -> pd.DataFrame:
    """The factors of a batch of scenes."""
    area = visible.sum((1, 2)).clamp(min=1e-6)
    colour = (lit * visible[:, None]).sum((2, 3)) / area[:, None]
    found = {
        "centre_x": (visible * x).sum((1, 2)) / area,
        "centre_y": (visible * y).sum((1, 2)) / area,
        "extent": extent,
        "visible": area / alpha.sum((1, 2)).clamp(min=1e-6),
        "red": colour[:, 0],
        "green": colour[:, 1],
        "blue": colour[:, 2],
        "light": scenery.light,
        "horizon": scenery.horizon,
        "mirrored": (draws.foreground[:, 1] < 0.5).float(),
    }
    return rows.reset_index(drop=True).assign(**{name: value.numpy() for name, value in found.items()})


def to_bytes(picture: Tensor) -> np.ndarray:
    """(B, 3, S, S) in [0, 1] to uint8 (B, S, S, 3)."""
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def natural_scenes(
    seed: int, split: str, classes: list[str], per_class: int, habit: float, key: str = "natural"
) -> pd.DataFrame:
    """The biased sample that plays the part of ImageNet: rows (scene_id, label, class_name, background).

    Each class appears on its habitual background (`taxonomy.HABITS`) with probability `habit`, else on one of the
    other nine, all equally likely; `habit=0.1` is the sample without habit. The same scene_id keeps its object and its
    pose whatever the habit. `label` is the position in `classes`.
    """
    rows = []
    for label, name in enumerate(classes):
        others = [background for background in BACKGROUNDS if background != HABITS[name]]
        for index in range(per_class):
            scene_id = f"{key}/{seed}/{split}/{name.lower().replace(' ', '_')}/{index:05d}"
            chance, choice = rng_for("habit", scene_id).random(2)
            background = HABITS[name] if chance < habit else others[int(choice * len(others))]
            rows.append((scene_id, label, name, background))
    return pd.DataFrame(rows, columns=["scene_id", "label", "class_name", "background"])
