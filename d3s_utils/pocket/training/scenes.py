"""The renders everything is trained on."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from d3s_utils.ground.files import write_tensors
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.squares import patch_side
from d3s_utils.ground.words import BACKGROUNDS, CLASSES, HABITS
from d3s_utils.pocket import world
from d3s_utils.pocket.training.setup import Setup, workplace


def scene_table(setup: Setup, split: str, count: int) -> pd.DataFrame:
    """Scenes without habit, class by class in turn."""
    classes = list(CLASSES["class_name"])
    each = -(-count // len(classes))
    table = world.natural_scenes(setup.seed, split, classes, each, habit=1 / len(BACKGROUNDS), key="generator")
    return table.sort_values("scene_id", key=lambda ids: ids.str[-5:] + ids, ignore_index=True).head(count)


def make_scenes(setup: Setup) -> None:
    """Render the training and held-out scenes, with their clean backgrounds."""
    for split, count in (("train", setup.scenes), ("held_out", setup.held_out)):
        path = workplace() / f"{split}.safetensors"
        if path.exists():
            continue
        table, started = scene_table(setup, split, count), time.time()
        rendered = world.render(table)
        print(f"{split}: {count / (time.time() - started):.0f} scenes a second")
        background = torch.tensor([BACKGROUNDS.index(name) for name in table["background"]])
        tensors = {name: torch.from_numpy(getattr(rendered, name)) for name in ("rgb", "clean", "mask")}
        labels = {"label": torch.tensor(table["label"].to_numpy()), "background": background}
        write_tensors(path, tensors | labels)


def scenes(split: str) -> dict[str, Tensor]:
    """rgb and clean uint8 (N, 64, 64, 3), mask uint8 (N, 64, 64), label and background int64 (N,)."""
    return load_file(workplace() / f"{split}.safetensors")


def pixels(images: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) to float (B, 3, S, S) in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def blemish(images: Tensor, generator: torch.Generator, mirror: bool = True) -> Tensor:
    """Blur, noise and light on images (B, 3, S, S) in [0, 1], so that a network reads shapes and not crisp edges."""
    count = len(images)
    small = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear", align_corners=False)
    images = torch.lerp(images, small, torch.rand(count, 1, 1, 1, generator=generator) ** 2)
    noise = torch.randn(images.shape, generator=generator) * 0.06 * torch.rand(count, 1, 1, 1, generator=generator)
    light = 1 + 0.3 * (torch.rand(count, 3, 1, 1, generator=generator) - 0.5)
    flip = (torch.rand(count, generator=generator) < 0.5) & torch.tensor(mirror)
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    return (images * light + noise).clamp(0, 1)


# Guides ---------------------------------------------------------------------------------------------------------------


def make_guides(setup: Setup) -> None:
    """A guide for each training scene: another object of its class, rendered elsewhere, pasted where it stood.

    The render is of that class and mostly at home, shrunk and square; the background is another clean one of the
    asked place. Were it the same object, the generator would learn to read its colours off the noised guide, where
    small stripes have run into one grey, and draw grey balloons.
    """
    path = workplace() / "guides.safetensors"
    if path.exists():
        return
    table, data, rng = scene_table(setup, "train", setup.scenes), scenes("train"), rng_for(setup.seed, "guides")
    home = rng.random(len(table)) < 0.8
    away = np.array(BACKGROUNDS)[rng.integers(0, len(BACKGROUNDS), len(table))]
    others = table.iloc[neighbours(table["label"].to_numpy(), rng)].reset_index(drop=True)
    renders = world.render(others.assign(background=np.where(home, others["class_name"].map(HABITS), away)))
    inside = renders.factors[["centre_x", "centre_y"]].to_numpy()
    side, whole = patch_side(world.SIZE, 0.4), world.SIZE
    corner = whole * centres(data["mask"]) - side * inside + rng.normal(0, 2, inside.shape)
    corner = np.clip(corner.round(), 0, whole - side).astype(int)
    small = F.interpolate(pixels(torch.from_numpy(renders.rgb)), (side, side), mode="bicubic", antialias=True)
    small = ((small.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    guides = data["clean"][torch.from_numpy(neighbours(data["background"].numpy(), rng))]
    for guide, render, (left, top) in zip(guides, small, corner, strict=True):
        guide[top : top + side, left : left + side] = render
    write_tensors(path, {"guide": guides})


def centres(masks: Tensor) -> np.ndarray:
    """Centre of each mask (N, S, S) as fractions of the side, (N, 2): x, y."""
    masks, along = masks.float(), (torch.arange(masks.shape[-1]) + 0.5) / masks.shape[-1]
    total = masks.sum((1, 2)).clamp(min=1)
    return torch.stack([(masks.sum(axis) @ along) / total for axis in (1, 2)], dim=1).numpy()


def neighbours(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each member of a group (N,) another position of the same group, drawn without favour."""
    other = np.empty(len(groups), int)
    for name in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == name))
        other[members] = np.roll(members, 1)
    return other
