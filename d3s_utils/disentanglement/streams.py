"""What disentanglement learns from: D3S images (class and background known) and natural images (class known)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d3s_utils.disentanglement.images import Data
from d3s_utils.evaluation.classifiers import to_unit
from d3s_utils.ground.settings import Disentanglement
from d3s_utils.ground.training import Hardware, Rows

Vary = Callable[[Tensor, torch.Generator], Tensor]  # stored images and a CPU generator, to what a network reads


@dataclass(frozen=True)
class Batch:
    """Inputs of one step, D3S images first; `background` is theirs alone."""

    inputs: Tensor
    label: Tensor  # (n,)
    background: Tensor  # (m,), m <= n


@dataclass(frozen=True)
class Streams:
    """Both streams of training inputs and their labels.

    Attributes:
        take: D3S rows, natural rows and a CPU generator, to the inputs of these rows, as they are stored.
        vary: stored inputs on their device and a CPU generator, to what a network reads; None where that is the same.
    """

    take: Callable[[Tensor, Tensor, torch.Generator], Tensor]
    label: Tensor  # (N,) of D3S images
    background: Tensor  # (N,)
    natural_label: Tensor  # (M,)
    vary: Vary | None = None

    def batches(self, size: int, key: tuple[object, ...]) -> Callable[[int, torch.Generator, Hardware], Batch]:
        """How `training.train` draws a step: `size` images of each stream, over all workers."""
        d3s, natural = (
            Rows(len(self.label), size, (*key, "d3s")),
            Rows(len(self.natural_label), size, (*key, "natural")),
        )

        def draw(step: int, rng: torch.Generator, hardware: Hardware) -> Batch:
            ours, theirs = d3s.at(step, hardware), natural.at(step, hardware)
            inputs = self.take(ours, theirs, rng).to(hardware.device)
            inputs = inputs if self.vary is None else self.vary(inputs, rng)
            labels = torch.cat([self.label[ours], self.natural_label[theirs]])
            return Batch(inputs, labels.to(hardware.device), self.background[ours].to(hardware.device))

        return draw


def image_streams(data: Data, settings: Disentanglement) -> Streams:
    """Streams of augmented images."""
    train = torch.tensor(np.flatnonzero(data.train))  # looked up batch by batch, so that stored images stay on disk

    def take(ours: Tensor, theirs: Tensor, rng: torch.Generator) -> Tensor:
        return torch.cat([data.d3s[train[ours]], data.natural[theirs]])

    return Streams(take, *_labels(data), vary=vary_of(settings))


def view_streams(data: Data, views: tuple[Tensor, Tensor]) -> Streams:
    """Streams of cached features: each draw takes one of the V views (V, N, D) of an image."""

    def take(ours: Tensor, theirs: Tensor, rng: torch.Generator) -> Tensor:
        chosen = [
            torch.randint(len(own), rows.shape, generator=rng) for own, rows in zip(views, (ours, theirs), strict=True)
        ]
        return torch.cat([views[0][chosen[0], ours], views[1][chosen[1], theirs]])

    return Streams(take, *_labels(data))


def _labels(data: Data) -> tuple[Tensor, Tensor, Tensor]:
    """Class and background of the D3S training images, class of the natural ones."""
    label, background = (
        torch.tensor(data.images[name].to_numpy()[data.train], dtype=torch.long)
        for name in ("label", "background_index")
    )
    return label, background, data.natural_label


def vary_of(settings: Disentanglement) -> Vary:
    """How training images (n, S, S, 3) uint8 are varied, as `augment` says; a function of them and a CPU generator."""
    if settings.augment == "shift":
        return varied
    return functools.partial(cropped, side=settings.image_size)


def varied(images: Tensor, rng: torch.Generator, shift: float = 0.1, jitter: float = 0.2) -> Tensor:
    """Images (n, S, S, 3) uint8 -> (n, 3, S, S) in 0-1, each mirrored or not, shifted, its colours changed.

    Args:
        rng: on the CPU, wherever the images are, so that every device sees the same ones.
        shift: largest move either way, as a fraction of the side; the border reflects.
        jitter: largest relative change of the brightness; of each colour channel half of that.
    """
    n, side = len(images), images.shape[1]
    margin = int(shift * side)
    wide = F.pad(to_unit(images), [margin] * 4, mode="reflect")
    corners = torch.randint(0, 2 * margin + 1, (n, 2), generator=rng).tolist()
    mirrored = (torch.rand(n, generator=rng) < 0.5).to(images.device)
    moved = torch.stack([own[:, y : y + side, x : x + side] for own, (y, x) in zip(wide, corners, strict=True)])
    moved[mirrored] = moved[mirrored].flip(3)
    light, colour = (2 * torch.rand(n, channels, 1, 1, generator=rng) - 1 for channels in (1, 3))
    gain = (1 + jitter * light) * (1 + jitter / 2 * colour)
    return (moved * gain.to(moved)).clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def cropped(
    images: Tensor,
    rng: torch.Generator,
    side: int | None = None,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """Images (n, S, S, 3) uint8 -> (n, 3, side, side) in 0-1: a random part of each, resized, half of them mirrored.

    torchvision's RandomResizedCrop and RandomHorizontalFlip, as the authors train, with every draw from `rng`.

    Args:
        rng: on the CPU, wherever the images are.
        side: of the result; None: S.
        area: smallest and largest share of the picture that a part covers; of ten draws the first that fits is taken.
        ratio: narrowest and widest part, width over height, drawn evenly on a log scale.
    """
    pixels, whole = to_unit(images), images.shape[1]
    shape = (side or whole,) * 2
    parts = []
    for picture in pixels:
        left, top, width, height = _part(whole, rng, area, ratio)
        part = picture[None, :, top : top + height, left : left + width]
        parts.append(F.interpolate(part, size=shape, mode="bilinear", antialias=True))
    result = torch.cat(parts).clamp_(0, 1)
    mirrored = (torch.rand(len(images), generator=rng) < 0.5).to(images.device)
    result[mirrored] = result[mirrored].flip(3)
    return result.contiguous(memory_format=torch.channels_last)


def _part(whole: int, rng: torch.Generator, area, ratio) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random part of a square; the square itself where none of ten fits."""
    for _ in range(10):
        share, turn = torch.rand(2, generator=rng).tolist()
        covered = whole * whole * (area[0] + share * (area[1] - area[0]))
        wide = math.exp(math.log(ratio[0]) + turn * (math.log(ratio[1]) - math.log(ratio[0])))
        width, height = round(math.sqrt(covered * wide)), round(math.sqrt(covered / wide))
        if 0 < width <= whole and 0 < height <= whole:
            left, top = (int(torch.randint(whole - own + 1, (1,), generator=rng)) for own in (width, height))
            return left, top, width, height
    return 0, 0, whole, whole
