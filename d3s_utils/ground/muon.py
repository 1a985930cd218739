"""Muon: momentum whose matrix updates are orthogonalised (Jordan et al., 2024), for fast training on few cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor

import torch
from torch import Tensor, nn


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the nearest semi-orthogonal matrix to `matrix` (m, n): a quintic Newton-Schulz iteration in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16()
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide else x.T).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; convolutions are seen as (out, in * height * width) matrices.

    The step is scaled to the size Adam's would have (Liu et al., 2025), so one learning rate serves both. `workers`
    take the weights side by side.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        workers: Executor | None = None,
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.in_turn: Callable[..., Iterable] = map if workers is None else workers.map

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                self.state.setdefault(weight, {}).setdefault("velocity", torch.zeros_like(weight))
            for _ in self.in_turn(lambda weight: self._turn(weight, group), weights):  # noqa: B023 (used up at once)
                pass

    @torch.no_grad()
    def _turn(self, weight: nn.Parameter, group: dict) -> None:
        velocity = self.state[weight]["velocity"]
        velocity.lerp_(weight.grad, 1 - group["momentum"])
        ahead = weight.grad.lerp(velocity, group["momentum"])
        update = orthogonalise(ahead.reshape(len(weight), -1)).reshape_as(weight)
        size = 0.2 * max(len(weight), weight[0].numel()) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * size)


class Optimizers:
    """Muon for the matrices inside `modules`, AdamW for the rest, one cosine schedule with a short warm-up for both."""

    def __init__(
        self,
        modules: nn.ModuleList,
        lr: float,
        steps: int,
        warmup: int = 50,
        final: float = 0.02,
        workers: Executor | None = None,
    ):
        named = [(name, p) for name, p in modules.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim >= 2 and "embedding" not in name and "conv_out" not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        self.optimizers = [
            Muon(matrices, lr, workers=workers),
            torch.optim.AdamW(rest, lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.parameters = [*matrices, *rest]
        self.lr, self.steps, self.warmup, self.final = lr, steps, warmup, final

    def step(self, progress: float, step: int) -> float:
        """One update at `progress` (0-1) through training; returns the gradient's norm before clipping to 1."""
        cosine = self.final + (1 - self.final) * 0.5 * (1 + torch.cos(torch.tensor(progress * torch.pi)).item())
        rate = self.lr * min(1.0, (step + 1) / self.warmup) * cosine
        norm = nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def state_dict(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[dict]) -> None:
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
