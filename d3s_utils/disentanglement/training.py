"""The game of critics and encoder that a penalty is, step by step."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from d3s_utils.disentanglement.backbone import both_heads, cross_entropy
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.methods import method_of
from d3s_utils.disentanglement.models import SplitModel
from d3s_utils.disentanglement.penalties.measure import Parts, Penalty
from d3s_utils.disentanglement.penalties.table import build_penalty
from d3s_utils.disentanglement.streams import Batch, image_streams, view_streams
from d3s_utils.ground.seeds import seeded
from d3s_utils.ground.settings import Profile, Turns
from d3s_utils.ground.training import Hardware, Training, has_dropout


def split_training(
    profile: Profile, model: SplitModel, data: Data, method: str, views: tuple[Tensor, Tensor] | None = None
) -> Training:
    """The game of a `method`, on images, or on cached `views` of them. All methods see the same draws."""
    settings, key, way = profile.disentanglement, (profile.training_key, "split steps"), method_of(method, profile)
    with seeded(profile.training_key, "critics", way.penalty):
        penalty = build_penalty(way.penalty, model.sizes, data.n_classes, data.n_backgrounds)
    hardware = Hardware(profile.device, settings.precision)
    learner = SplitTraining(model, penalty, way.turns, hardware)
    streams = image_streams(data, settings) if views is None else view_streams(data, views)
    return Training(
        learner, streams.batches(way.turns.batch_size, key), len(learner.turns), key, drops=has_dropout(model)
    )


class SplitTraining:
    """The game of critics and encoder, step by step.

    After `warmup` steps of SGD come `steps` steps of the encoder, each after `critic_steps` of the critics where the
    penalty has any: Adam without momentum (betas 0 and 0.9). Its step size follows a cosine from `lr` to `lr_low`: the
    encoder's once, over all of its steps; or, with `lr_wave`, both players' go down and up in waves (docs/protocol.md).

    With `critic_memory` the critics have no turns of their own: they learn within the encoder's, from features of the
    last batches, which spares five of six passes through the network.
    """

    def __init__(self, model: SplitModel, penalty: Penalty, settings: Turns, hardware: Hardware):
        self.model, self.penalty = model.to(hardware.device).train(), penalty.to(hardware.device)
        self.hardware, self.weight = hardware, settings.weight * penalty.weight
        self.turns = list(turns(penalty, settings))
        adam = {"lr": settings.lr, "betas": (0.0, 0.9)}
        self.warm_up = torch.optim.SGD(model.parameters(), lr=settings.warmup_lr, momentum=0.9)
        self.encoder = torch.optim.Adam(model.parameters(), **adam)
        self.critic = torch.optim.Adam(penalty.parameters(), **adam) if penalty.learns else None
        wave = functools.partial(CosineAnnealingLR, T_max=settings.lr_wave or settings.steps, eta_min=settings.lr_low)
        self.schedule = wave(self.encoder)
        self.critic_schedule = wave(self.critic) if self.critic and settings.lr_wave else None
        self.remembers, self.critic_steps = settings.critic_memory, settings.critic_steps
        self.memory: list[Parts] = []

    def step(self, step: int, batch: Batch, rng: torch.Generator) -> dict[str, float]:
        """Whoever's turn it is goes one step downhill; a flat dict of floats."""
        turn = self.turns[step]
        if turn == "critic":
            with torch.no_grad(), self.hardware.computing():
                split = self.model(batch.inputs)
            report = self.teach(Parts(split.fg.float(), split.bg.float(), batch.label, batch.background), rng)
        elif turn == "encoder":
            loss, split, report = both_heads(self.model, batch, self.hardware)
            parts = Parts(split.fg, split.bg, batch.label, batch.background)
            if self.critic and self.remembers:
                report |= self.teach_from_memory(parts.detach(), rng)
            dependence, more = self.penalty.loss(parts, rng)
            self.descend(self.encoder, loss + self.weight * dependence)
            self.schedule.step()
            report |= more
        else:
            loss, report = cross_entropy(self.model, batch, self.hardware)
            self.descend(self.warm_up, loss)
        return report

    def teach(self, parts: Parts, rng: torch.Generator) -> dict[str, float]:
        """One step of the critics; what they saw."""
        loss, report = self.penalty.critic_loss(parts, rng)
        self.descend(self.critic, loss)
        if self.critic_schedule is not None:
            self.critic_schedule.step()
        return report

    def teach_from_memory(self, parts: Parts, rng: torch.Generator) -> dict[str, float]:
        """Remember `parts`, forget what is too old, and let the critics take their steps on batches of the rest."""
        self.memory = [*self.memory, parts][-self.remembers :]
        for turn in torch.randint(len(self.memory), (self.critic_steps,), generator=rng).tolist():
            report = self.teach(self.memory[turn], rng)
        return report

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One step downhill. Gradients that reach the other player's parameters are cleared before they are used."""
        optimizer.zero_grad(set_to_none=True)
        self.hardware.backward(loss, [p for group in optimizer.param_groups for p in group["params"]])
        optimizer.step()

    def _parts(self) -> dict:
        names = ("model", "penalty", "warm_up", "encoder", "schedule", "critic", "critic_schedule")
        parts = {name: getattr(self, name) for name in names}
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict:
        memory = [vars(parts) for parts in self.memory]
        return {name: part.state_dict() for name, part in self._parts().items()} | {"memory": memory}

    def load_state_dict(self, state: dict) -> None:
        self.memory = [
            Parts(**{name: value.to(self.hardware.device) for name, value in own.items()}) for own in state["memory"]
        ]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def turns(penalty: Penalty, settings: Turns) -> Iterator[str]:
    """Whose turn it is, step by step."""
    yield from ["warm-up"] * settings.warmup
    for _ in range(settings.steps):
        yield from ["critic"] * (settings.critic_steps if penalty.learns and not settings.critic_memory else 0)
        yield "encoder"
