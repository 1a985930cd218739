"""Classifiers with one contract: uint8 images in, one score per class out; resizing and normalising is their work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 64  # pixels that a network trained here sees
CENTRE, SPREAD = 0.5, 0.25  # its normalisation of values in [0, 1]
BATCH = 64  # images classified at once


@dataclass(frozen=True)
class Preprocessing:
    """How a square image becomes what a network sees.

    Attributes:
        size: side of what the network sees, pixels.
        mean, std: of its normalisation, RGB, in [0, 1].
        crop: share of the image's side that is kept, around its centre: it is resampled to size / crop, then cut.
        interpolation: "bilinear" or "bicubic", both antialiased.

    Raises:
        ValueError: another interpolation, or a number out of its range.
    """

    size: int = SIDE
    mean: tuple[float, ...] = (CENTRE,) * 3
    std: tuple[float, ...] = (SPREAD,) * 3
    crop: float = 1.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ValueError(f"interpolation {self.interpolation!r} is neither bilinear nor bicubic")
        if self.size < 1 or not 0 < self.crop <= 1 or min(self.std) <= 0:
            raise ValueError("size and std must be above 0, crop in (0, 1]")

    def __call__(self, images: Tensor) -> Tensor:
        """(B, S, S, 3) uint8 to (B, 3, size, size) float32, on the same device."""
        pixels, whole = to_unit(images), int(self.size / self.crop)  # floor, as timm resizes
        if pixels.shape[-1] != whole:
            shape = (whole, whole)
            pixels = F.interpolate(pixels, size=shape, mode=self.interpolation, antialias=True).clamp_(0, 1)
        edge = round((whole - self.size) / 2)
        pixels = pixels[:, :, edge : edge + self.size, edge : edge + self.size]
        mean, std = (torch.tensor(value, device=images.device)[:, None, None] for value in (self.mean, self.std))
        return (pixels - mean) / std


@dataclass(frozen=True)
class Classifier:
    """A network together with the preprocessing it was trained with.

    Attributes:
        network: (B, 3, size, size) normalised to (B, its own classes).
        key: hash of everything its weights depend on.
        columns: which of the network's classes are the classes of this run, in their order; None for all.
        revision: commit of published weights, "" for those trained here.
    """

    name: str
    network: nn.Module
    key: str
    preprocessing: Preprocessing = Preprocessing()
    columns: tuple[int, ...] | None = None
    revision: str = ""

    def logits(self, images: np.ndarray, batch: int = BATCH) -> np.ndarray:
        """Raw scores (N, classes of the run), float32, of images (N, S, S, 3), uint8."""
        return np.concatenate([self.scores(self.prepare(part)) for part in in_batches(images, batch)])

    @torch.inference_mode()
    def prepare(self, images: np.ndarray) -> Tensor:
        """Images (B, S, S, 3), uint8, as the network sees them, on its device; any thread may do this ahead of time."""
        device = next(self.network.parameters()).device
        return self.preprocessing(torch.from_numpy(np.ascontiguousarray(images)).to(device))

    @torch.inference_mode()
    def scores(self, prepared: Tensor) -> np.ndarray:
        """Raw scores (B, classes of the run), float32, of what `prepare` made."""
        scores = self.network.eval()(prepared).float().cpu().numpy()
        return scores if self.columns is None else scores[:, list(self.columns)]


def in_batches(images: np.ndarray, size: int = BATCH) -> Iterator[np.ndarray]:
    """`images` (N, ...) in parts of `size`, the last one smaller where N asks for it."""
    return (images[start : start + size] for start in range(0, len(images), size))


def to_unit(images: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 to (B, 3, S, S) float32 in [0, 1], channels last in memory, as convolutions like it."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def resized(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The images (N, S, S, 3) with `side` pixels a side, uint8."""
    if images.shape[1] == side:
        return images
    small = [
        F.interpolate(to_unit(torch.from_numpy(part)), size=(side, side), mode="bilinear", antialias=True)
        for part in np.array_split(images, max(1, len(images) // 100))
    ]
    return torch.cat(small).mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
