"""Muon for matrices, AdamW for the rest, under one schedule: fast training on few cores."""

from __future__ import annotations

import math
from concurrent.futures import Executor

import torch
from torch import nn

WARMUP = 50  # steps in which the learning rate grows
FINAL = 0.02  # share of it that is left at the end


class Optimizers:
    """Muon for the matrices inside `modules`, AdamW for the rest, one cosine schedule with a short warm-up for both.

    Muon is momentum whose matrix updates are orthogonalised (Jordan et al., 2024), scaled to the size of Adam's
    (Liu et al., 2025), so one learning rate serves both. A convolution is seen as an (out, in * height * width) matrix.

    Args:
        workers: threads that take the matrices side by side.
    """

    def __init__(self, modules: nn.Module, lr: float, workers: Executor | None = None):
        from timm.optim import Muon

        named = [(name, p) for name, p in modules.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim >= 2 and "embedding" not in name and "conv_out" not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        options = {"momentum": 0.95, "nesterov": True, "ns_coefficients": "original"}
        shares = [matrices] if workers is None else [[matrix] for matrix in matrices]
        self.optimizers = [
            *(Muon([{"params": share, "use_muon": True}], lr, **options) for share in shares),
            torch.optim.AdamW(rest, lr, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.parameters = [*matrices, *rest]
        self.lr, self.in_turn = lr, map if workers is None else workers.map

    def step(self, progress: float, step: int) -> float:
        """One update at `progress` (0-1) through training; returns the gradient's norm before clipping to 1."""
        cosine = FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(progress * math.pi))
        rate = self.lr * min(1.0, (step + 1) / WARMUP) * cosine
        norm = nn.utils.clip_grad_norm_(self.parameters, 1.0)

        def go(optimizer: torch.optim.Optimizer) -> None:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        list(self.in_turn(go, self.optimizers))
        return float(norm)

    def state_dict(self) -> list[dict]:
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[dict]) -> None:
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
