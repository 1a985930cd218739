"""Readers of frozen features: many small classifiers trained at once, as one batched matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d3s_utils.ground.seeds import torch_rng_for


@dataclass(frozen=True)
class Schedule:
    """How readers are trained: AdamW, its step size falling to 0 along a cosine.

    Attributes:
        hidden: width of the hidden layer; None for a linear reader.
    """

    hidden: int | None = None
    steps: int = 300
    batch_size: int = 256
    lr: float = 0.1
    decay: float = 0.01


class Readers:
    """A stack of M x R small classifiers, linear or with one hidden layer of ReLU units.

    M sets of features times R repetitions; classifier (m, r) sees features m only. Parameters are (M * R, in, out), on
    the device of `x` (M, N, D), the features that will be read.
    """

    def __init__(self, x: Tensor, n_labels: int, hidden: int | None, rngs: Sequence[torch.Generator]):
        sizes = [x.shape[2], n_labels] if hidden is None else [x.shape[2], hidden, n_labels]
        self.sets, self.device = len(x), x.device
        self.weights = [self._drawn(before, after, rngs) for before, after in zip(sizes, sizes[1:], strict=False)]
        shapes = [(weight.shape[0], 1, weight.shape[2]) for weight in self.weights]
        self.biases = [torch.zeros(shape, device=self.device) for shape in shapes]
        if hidden is not None:  # else all units would bend at one point, the mean, and take long to move from there
            self.biases[0] = self._repeated(torch.stack([torch.randn(1, hidden, generator=rng) for rng in rngs]))
        for bias in self.biases:
            bias.requires_grad_()

    def _drawn(self, before: int, after: int, rngs: Sequence[torch.Generator]) -> Tensor:
        """He initialisation, the same for all sets within a repetition, so that methods are compared in pairs."""
        one = torch.stack([torch.randn(before, after, generator=rng) for rng in rngs]) * (2 / before) ** 0.5
        return self._repeated(one).requires_grad_()

    def _repeated(self, one: Tensor) -> Tensor:
        return one.repeat(self.sets, 1, 1).to(self.device)

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def logits(self, x: Tensor) -> Tensor:
        """(M * R, n, D) -> (M * R, n, K)."""
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.relu(x) if layer else x, weight)
        return x

    @torch.inference_mode()
    def guesses(self, x: Tensor) -> Tensor:
        """Features (M, n, D) -> guessed labels (M, R, n), on the CPU."""
        repetitions = len(self.weights[0]) // self.sets
        stacked = x.repeat_interleave(repetitions, dim=0)
        return self.logits(stacked).argmax(dim=2).view(self.sets, repetitions, -1).cpu()


def fit_readers(
    x: Tensor, labels: Tensor, rows: Sequence[Tensor], keys: Sequence[Sequence[object]], schedule: Schedule = Schedule()
) -> Readers:
    """Train one reader for every set of features and every repetition, all at the same time.

    Args:
        x: (M, N, D) features, standardised or whitened, on the device where they are to be read.
        labels: (N,) what is to be read, counted from 0.
        rows: for each of R repetitions the rows it may train on, (n,) each; their numbers may differ.
        keys: R keys; each draws the first weights and the order of the mini-batches of one repetition.
    """
    rngs = [torch_rng_for(*key) for key in keys]
    readers, labels = Readers(x, int(labels.max()) + 1, schedule.hidden, rngs), labels.to(x.device)
    optimizer = torch.optim.AdamW(readers.parameters, lr=schedule.lr, weight_decay=schedule.decay, foreach=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.steps)
    size = min(schedule.batch_size, *map(len, rows))
    for batch in mini_batches(rows, size, schedule.steps, rngs):  # (R, b)
        batch = batch.to(x.device)
        seen = x[:, batch].flatten(0, 1)  # (M * R, b, D)
        logits = readers.logits(seen).flatten(0, 1)
        loss = F.cross_entropy(logits, labels[batch].repeat(len(x), 1).flatten(), reduction="sum") / batch.shape[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    return readers


def mini_batches(rows: Sequence[Tensor], size: int, steps: int, rngs: Sequence[torch.Generator]):
    """Yield (R, size) rows, each repetition going through its own rows in its own order, epoch after epoch."""
    left = [own[:0] for own in rows]
    for _ in range(steps):
        left = [
            part if len(part) >= size else own[torch.randperm(len(own), generator=rng)]
            for part, own, rng in zip(left, rows, rngs, strict=True)
        ]
        yield torch.stack([part[:size] for part in left])
        left = [part[size:] for part in left]


def standardised(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """`x` (N, D) with mean 0 and deviation 1 on the rows `fit` marks; a constant feature becomes 0."""
    mean, deviation = x[fit].mean(axis=0), x[fit].std(axis=0)
    return ((x - mean) / np.where(deviation > 1e-6 * (1 + np.abs(mean)), deviation, np.inf)).astype(np.float32)


def whitened(x: np.ndarray, fit: np.ndarray, floor: float = 1e-4) -> np.ndarray:
    """`x` (N, D) turned onto its principal axes, each with deviation 1 on the rows `fit` marks.

    A probe then finds a label in a faint direction as fast as in a loud one. Directions below `floor` times the largest
    variance stay faint, for they are rounding more than signal.
    """
    centred = x.astype(np.float64) - x[fit].mean(axis=0, dtype=np.float64)
    variance, axes = np.linalg.eigh(np.cov(centred[fit].T).reshape(x.shape[1], -1))
    return (centred @ (axes / np.sqrt(np.maximum(variance, floor * variance.max() + 1e-12)))).astype(np.float32)
