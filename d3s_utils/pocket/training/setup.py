"""What decides the weights, where training works, and what every stage keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from d3s_utils.ground import paths


@dataclass(frozen=True)
class Setup:
    """Everything that decides the weights. Minutes bound a stage on slow machines; steps bound it on fast ones."""

    seed: int = 0
    threads: int = 2
    scenes: int = 40_000
    held_out: int = 1_000
    judge_steps: int = 700
    judge_batch: int = 64
    locator_scenes: int = 8_000
    locator_steps: int = 700
    vae_channels: tuple[int, ...] = (32, 64, 96)
    vae_steps: int = 4_000
    vae_minutes: float = 15.0  # of each round
    vae_rounds: int = 2
    vae_batch: int = 8
    vae_lr: float = 1e-3
    kl: float = 2e-4
    squared: float = 10.0  # weight of the squared error beside L1
    unet_channels: tuple[int, ...] = (64, 128, 192)
    unet_steps: int = 40_000
    unet_minutes: float = 150.0
    unet_batch: int = 64
    unet_lr: float = 1e-3
    text_width: int = 128
    text_layers: int = 2
    object_weight: float = 3.0  # what an error on the object costs more than one on the background
    hard: tuple[str, ...] = ("goldfish", "coffee mug", "balloon", "umbrella")  # drawn twice as often, slow to learn
    late: float = 0.7  # below 1, noise levels are drawn more often the higher they are: shapes are decided there
    guides: float = 0.65  # share of the noise that remembers a guide, as image-to-image does ...
    guides_from: float = 0.6  # ... that started at this strength or above
    ema: float = 0.998
    lift: float = 2.0  # added to Stable Diffusion's log-SNR, so that a guide is still seen at high strength ...
    lift_until: float = 0.85  # ... up to this fraction of the way to t = 1000 ...
    lift_end: float = 0.5  # ... from where it falls to this, so that text alone starts from nearly pure noise
    save_every: int = 200


def workplace() -> Path:
    folder = paths.outputs() / "pocket-generator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def earlier_rounds() -> list[dict]:
    """Steps, seconds and channels of the rounds of training that `adopt` took up, oldest first."""
    path = workplace() / "earlier_rounds.json"
    return json.loads(path.read_text()) if path.is_file() else []


class Curve:
    """A loss curve on disk: one row per report, appended, so that a killed run keeps what it had."""

    def __init__(self, stage: str):
        self.path = workplace() / f"{stage}_curve.csv"

    def add(self, **values: float) -> None:
        row = pd.DataFrame([{name: round(float(value), 5) for name, value in values.items()}])
        row.to_csv(self.path, mode="a", header=not self.path.exists(), index=False)
        print(*[f"{name}={value}" for name, value in row.iloc[0].items()], flush=True)


def progress_of(step: int, steps: int, seconds: float, minutes: float) -> float:
    """How far training is, by steps or by the clock, whichever is further."""
    return min(1.0, max(step / steps, seconds / (60 * minutes)))


class Average:
    """An exponential running mean of a module's weights, with a warm-up."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay, self.count = module, decay, 0
        self.mean = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for name, p in self.module.named_parameters():
            self.mean[name].lerp_(p, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        for name, p in module.named_parameters():
            p.copy_(self.mean[name])
