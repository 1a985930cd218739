"""The judge: a small network with a foreground and a background head, trained on renders alone.

It never sees a generated image in training, and shares neither weights nor architecture with the generator; the renders
it was trained on are the same. It scores the generator, gives the feature space in which realism is measured, and
stands in for annotators where there are no humans.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.ground import journal, paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import sha256
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.words import BACKGROUNDS, CLASSES
from d3s_utils.pocket.locator import LocatorNet, expected_location

WIDTHS = (24, 48, 96, 192)


@dataclass(frozen=True)
class Judgement:
    """What the judge sees in N images: probabilities (N, classes) and (N, backgrounds), features (N, 192)."""

    foreground: np.ndarray
    background: np.ndarray
    features: np.ndarray


class JudgeNet(nn.Module):
    """Plain convolutions with batch norm; (B, 3, 64, 64) in [0, 1] to maps (B, 192, 8, 8), pooled, two linear heads."""

    def __init__(self, classes: int = len(CLASSES), backgrounds: int = len(BACKGROUNDS)):
        super().__init__()
        layers, width = [], 3
        for stage, wide in enumerate(WIDTHS):
            layers += [_conv(width, wide, stride=2 if stage else 1), _conv(wide, wide)]
            width = wide
        self.trunk = nn.Sequential(*layers)
        self.foreground = nn.Linear(width, classes)
        self.background = nn.Linear(width, backgrounds)

    def maps(self, images: Tensor) -> Tensor:
        return self.trunk((images - 0.45) / 0.25)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.maps(images).mean((2, 3))
        return self.foreground(features), self.background(features)


def _conv(wide_in: int, wide_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, 3, stride, 1, bias=False), nn.BatchNorm2d(wide_out), nn.ReLU(inplace=True)
    )


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Attributes:
        classes, backgrounds: name the columns of its probabilities.
        key: what its answers depend on beside the images: weights and code.
    """

    net: JudgeNet
    locator: LocatorNet
    classes: tuple[str, ...]
    backgrounds: tuple[str, ...]
    key: str = ""
    name: str = "pocket judge"

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    @torch.inference_mode()
    def judge(self, images: np.ndarray, batch: int = 200) -> Judgement:
        """Judge uint8 images (N, S, S, 3)."""
        parts = []
        for start in range(0, len(images), batch):
            maps = self.net.maps(_to_tensor(images[start : start + batch], self.device))
            features = maps.mean((2, 3))
            foreground = self.net.foreground(features).softmax(1)
            background = self.net.background(features).softmax(1)
            parts.append([part.cpu().numpy() for part in (foreground, background, features)])
        return Judgement(*[np.concatenate(column) for column in zip(*parts, strict=True)])

    @torch.inference_mode()
    def locate(self, images: np.ndarray, labels: np.ndarray, batch: int = 200) -> np.ndarray:
        """Where the object of class `labels` (N,) is, if it is anywhere: (N, 2), x and y as fractions of the side."""
        wanted, parts = torch.tensor(np.asarray(labels, dtype=np.int64), device=self.device), []
        for start in range(0, len(images), batch):
            pixels = _to_tensor(images[start : start + batch], self.device)
            parts.append(expected_location(self.locator(pixels, wanted[start : start + batch])).cpu())
        return torch.cat(parts).numpy()


def _to_tensor(images: np.ndarray, device: torch.device) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
    return pixels if pixels.shape[-1] == 64 else F.interpolate(pixels, (64, 64), mode="area")


def load_judge(folder: Path | str = paths.POCKET_WEIGHTS / "judge", device: torch.device | str = "cpu") -> Judge:
    """The judge whose weights lie in `folder` (model.safetensors, locator.safetensors, judge.json)."""
    folder = Path(folder)
    journal.note_input(folder)
    weights = [folder / f"{part}.safetensors" for part in ("model", "locator")]
    if not all(file.is_file() for file in weights):
        raise D3SError(f"no judge in {folder}: `make pocket-generator` trains one, or name a folder that holds one")
    about = json.loads((folder / "judge.json").read_text())
    net = JudgeNet(len(about["classes"]), len(about["backgrounds"]))
    net.load_state_dict(_weights(weights[0]))
    locator = LocatorNet(len(about["classes"]))
    locator.load_state_dict(_weights(weights[1]))
    key = digest(about, *map(sha256, weights), code_of(JudgeNet))
    networks = net.eval().to(device), locator.eval().to(device)
    return Judge(*networks, tuple(about["classes"]), tuple(about["backgrounds"]), key)


def _weights(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}
