"""One way to train: steps that depend on a key and on their number alone, on one device or shared among workers.

A training that was killed therefore goes on from its last notes and ends with the same weights.

`accelerate.Accelerator` is not used: all of a process share one state, with one precision, while networks of several
precisions train here; and it shares steps by DistributedDataParallel, under which the gradient penalty of a critic
(`torch.autograd.grad`) cannot be taken.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from d3s_utils.ground.device import pick_device
from d3s_utils.ground.files import write_atomically
from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.seeds import seed_for, seeded, torch_rng_for


class Hardware:
    """Where and how precisely networks compute, and which share of each step is this process's.

    Args:
        device: what a profile's `device` says.
        precision: of forward and backward passes; weights, optimizers and penalties stay in float32.
    """

    def __init__(self, device: str = "cpu", precision: str = "float32"):
        self.device, self.dtype = pick_device(device), getattr(torch, precision)
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.rank = torch.distributed.get_rank() if together else 0
        self.workers = torch.distributed.get_world_size() if together else 1

    def computing(self):
        """The context of a forward pass."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, self.dtype)

    def backward(self, loss: Tensor, parameters: Sequence[nn.Parameter]) -> None:
        """Gradients of `loss`, the mean over all workers."""
        loss.backward()
        if self.workers > 1:
            mine = [parameter.grad for parameter in parameters if parameter.grad is not None]
            flat = torch.cat([grad.flatten() for grad in mine])
            torch.distributed.all_reduce(flat)
            for grad, part in zip(mine, (flat / self.workers).split([grad.numel() for grad in mine]), strict=True):
                grad.copy_(part.view_as(grad))


class Learner(Protocol):
    """Something that learns step by step, on its `hardware`."""

    hardware: Hardware

    def step(self, step: int, batch: Any, rng: torch.Generator) -> dict[str, float]:
        """One step downhill, and a flat report of it; `rng`, on the CPU, makes all draws."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


@dataclass(frozen=True)
class Training:
    """A learner, what it learns from, and how long.

    Attributes:
        draw: the batch of a step, from its number, a CPU generator and the hardware whose share it is; on the device.
        key: decides every draw, together with the number of the step.
        drops: whether layers draw from torch's own generator (dropout); such trainings take turns on the threads.
    """

    learner: Learner
    draw: Callable[[int, torch.Generator, Hardware], Any]
    steps: int
    key: tuple[object, ...]
    drops: bool = False


def has_dropout(model: nn.Module) -> bool:
    """Whether a layer of `model` draws from torch's own generator: dropout, dropped paths, timm's `drop_rate`."""
    rates = (getattr(layer, name, 0) for layer in model.modules() for name in ("drop_prob", "drop_rate"))
    dropout = (layer.p for layer in model.modules() if isinstance(layer, nn.modules.dropout._DropoutNd))
    return any(isinstance(rate, int | float) and rate > 0 for rate in (*rates, *dropout))


@dataclass(frozen=True)
class Progress:
    """The notes from which a killed training goes on, every `every` steps and at the end; of another `key`, none."""

    path: Path
    key: str
    every: int = 0

    def write(self, training: Training, records: list[dict]) -> None:
        """Everything a training needs to go on: tensors, numbers and names, atomically."""
        state = {"key": self.key, "learner": training.learner.state_dict(), "records": records}
        write_atomically(self.path, lambda part: torch.save(state, part))

    def read(self) -> dict | None:
        """What `write` left under this key; None if there is nothing, or nothing that can be read."""
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        return state if state.get("key") == self.key else None

    def due(self, done: int, steps: int) -> bool:
        return done == steps or self.every > 0 and done % self.every == 0


def train(training: Training, progress: Progress | None = None) -> Iterator[dict[str, float]]:
    """Train step by step, from where `progress` says it stood; yields a flat dict per step, earlier ones included."""
    learner, hardware = training.learner, training.learner.hardware
    left = None if progress is None else progress.read()
    records: list[dict] = []
    if left is not None:
        learner.load_state_dict(left["learner"])
        records = left["records"]
        yield from records
    rng = torch.Generator()
    for step in range(len(records), training.steps):
        key = (*training.key, step, hardware.rank)
        rng.manual_seed(seed_for(*key))
        batch = training.draw(step, rng, hardware)
        with seeded(*key, "drops") if training.drops else nullcontext():
            record = {"step": step, **learner.step(step, batch, rng)}
        records.append(record)
        if progress is not None and hardware.rank == 0 and progress.due(step + 1, training.steps):
            progress.write(training, records)
        yield record


class Rows:
    """Which of `count` rows a step learns from: shuffled anew each epoch, every row once before any comes twice.

    What is left of an epoch after its last whole step waits for another order.
    """

    def __init__(self, count: int, size: int, key: tuple[object, ...]):
        self.count, self.size, self.key = count, min(size, count), key
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.count // self.size

    def at(self, step: int, hardware: Hardware) -> Tensor:
        """The rows of a step that are this worker's."""
        epoch, turn = divmod(step, self.steps)
        if epoch != self._epoch:
            self._order = torch.randperm(self.count, generator=torch_rng_for(*self.key, epoch))
            self._epoch = epoch
        return self._order[turn * self.size : (turn + 1) * self.size][hardware.rank :: hardware.workers]


class Descent:
    """A network that goes downhill on one loss by Muon, which needs a third to a half of AdamW's steps.

    Args:
        loss: the loss of a network on a batch, and a flat report.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, Any, Hardware], tuple[Tensor, dict[str, float]]],
        steps: int,
        lr: float,
        hardware: Hardware,
    ):
        self.model, self.loss, self.steps, self.hardware = model.to(hardware.device).train(), loss, steps, hardware
        self.optimizers = Optimizers(model, lr)

    def step(self, step: int, batch: Any, rng: torch.Generator) -> dict[str, float]:
        loss, report = self.loss(self.model, batch, self.hardware)
        self.hardware.backward(loss, self.optimizers.parameters)
        self.optimizers.step(step / self.steps, step)
        return report

    def state_dict(self) -> dict:
        return {"model": self.model.state_dict(), "optimizers": self.optimizers.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizers.load_state_dict(state["optimizers"])
