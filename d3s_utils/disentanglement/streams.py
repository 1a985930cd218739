"""What disentanglement learns from: D3S images (class and background known) and natural images (class known)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d3s_utils.disentanglement.images import Data
from d3s_utils.evaluation.classifiers import to_unit
from d3s_utils.ground.seeds import torch_rng_for


@dataclass(frozen=True)
class Stream:
    """Images or their cached features, with labels. `draw(rows, rng)` gives the inputs of some rows, augmented."""

    draw: Callable[[Tensor, torch.Generator], Tensor]
    label: Tensor  # (N,)
    background: Tensor | None = None  # (N,), None for natural images


@dataclass(frozen=True)
class Batch:
    """Inputs of one step, D3S images first; `background` is theirs alone."""

    inputs: Tensor
    label: Tensor  # (n,)
    background: Tensor  # (m,), m <= n

    def to(self, device: torch.device) -> Batch:
        return Batch(self.inputs.to(device), self.label.to(device), self.background.to(device))


def batches(d3s: Stream, natural: Stream, size: int, rng: torch.Generator) -> Iterator[Batch]:
    """Without end: `size` images of each stream, every image once before any comes twice."""
    for d3s_rows, natural_rows in zip(rows_in_turn(d3s, size, rng), rows_in_turn(natural, size, rng), strict=True):
        inputs = torch.cat([d3s.draw(d3s_rows, rng), natural.draw(natural_rows, rng)])
        yield Batch(inputs, torch.cat([d3s.label[d3s_rows], natural.label[natural_rows]]), d3s.background[d3s_rows])


def keyed_batches(
    d3s: Stream, natural: Stream, size: int, key: Sequence[object], start: int = 0, rank: int = 0, of: int = 1
) -> Iterator[Batch]:
    """As `batches`, but step t depends on `key` and t alone: training may begin at any step, on any worker.

    Args:
        size: images of each stream in a step, over all workers.
        start: the first step.
        rank, of: this worker takes every `of`-th image of a step, from its `rank`-th on.
    """
    step = start
    while True:
        rng = torch_rng_for(*key, step, rank)
        rows = [
            rows_at(stream, size, (*key, name), step)[rank::of] for stream, name in ((d3s, "d3s"), (natural, "natural"))
        ]
        inputs = torch.cat([stream.draw(own, rng) for stream, own in zip((d3s, natural), rows, strict=True)])
        labels = torch.cat([d3s.label[rows[0]], natural.label[rows[1]]])
        yield Batch(inputs, labels, d3s.background[rows[0]])
        step += 1


def rows_at(stream: Stream, size: int, key: Sequence[object], step: int) -> Tensor:
    """The rows of a step: shuffled anew each epoch, every row once before any comes twice."""
    size = min(size, len(stream.label))
    epoch, turn = divmod(step, len(stream.label) // size)
    order = _order(len(stream.label), (*key, epoch))
    return order[turn * size : (turn + 1) * size]


@functools.lru_cache(maxsize=4)
def _order(count: int, key: tuple) -> Tensor:
    return torch.randperm(count, generator=torch_rng_for(*key))


def rows_in_turn(stream: Stream, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Shuffled rows of `stream`, `size` at a time, without end; what is left of an epoch is dropped."""
    size = min(size, len(stream.label))
    while True:
        order = torch.randperm(len(stream.label), generator=rng)
        yield from order[: len(order) - len(order) % size].split(size)


def varied(images: Tensor, rng: torch.Generator, shift: float = 0.1, jitter: float = 0.2) -> Tensor:
    """Images (n, S, S, 3) uint8 -> (n, 3, S, S) in 0-1, each mirrored or not, shifted, its colours changed.

    Args:
        shift: largest move either way, as a fraction of the side; the border reflects.
        jitter: largest relative change of the brightness; of each colour channel half of that.
    """
    n, side = len(images), images.shape[1]
    margin = int(shift * side)
    wide = F.pad(to_unit(images), [margin] * 4, mode="reflect")
    corners = torch.randint(0, 2 * margin + 1, (n, 2), generator=rng).tolist()
    mirrored = torch.rand(n, generator=rng) < 0.5
    moved = torch.stack([own[:, y : y + side, x : x + side] for own, (y, x) in zip(wide, corners, strict=True)])
    moved[mirrored] = moved[mirrored].flip(3)
    light, colour = (2 * torch.rand(n, channels, 1, 1, generator=rng) - 1 for channels in (1, 3))
    gain = (1 + jitter * light) * (1 + jitter / 2 * colour)
    return (moved * gain.to(moved)).clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def streams(data: Data, draws: tuple[Callable, Callable]) -> tuple[Stream, Stream]:
    """The two training streams, whose inputs come from `draws` (D3S training images, natural images)."""
    label, background = (
        torch.tensor(data.images[name].to_numpy()[data.train], dtype=torch.long)
        for name in ("label", "background_index")
    )
    return Stream(draws[0], label, background), Stream(draws[1], data.natural_label)


def image_streams(data: Data) -> tuple[Stream, Stream]:
    """Streams of augmented images."""
    train = torch.tensor(np.flatnonzero(data.train))  # looked up batch by batch, so that stored images stay on disk
    d3s = lambda rows, rng: varied(data.d3s[train[rows]], rng)  # noqa: E731
    return streams(data, (d3s, lambda rows, rng: varied(data.natural[rows], rng)))


def view_streams(data: Data, views: tuple[Tensor, Tensor]) -> tuple[Stream, Stream]:
    """Streams of cached features: each draw takes one of the V views (V, N, D) of an image."""

    def draw(own: Tensor, rows: Tensor, rng: torch.Generator) -> Tensor:
        return own[torch.randint(len(own), rows.shape, generator=rng), rows]

    return streams(data, tuple(lambda rows, rng, own=own: draw(own, rows, rng) for own in views))
