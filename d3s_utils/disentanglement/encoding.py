"""What networks make of pictures, on the device they are on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from d3s_utils.disentanglement.features import Features
from d3s_utils.disentanglement.models import SplitModel
from d3s_utils.disentanglement.streams import Vary
from d3s_utils.evaluation.classifiers import to_unit


@torch.inference_mode()
def frozen(encoder: nn.Module, images: Tensor, view: Callable[[Tensor], Tensor], batch_size: int = 200) -> Tensor:
    """What `encoder` makes of `images` (N, S, S, 3) uint8, (N, D); fitted to the memory of a small machine."""
    device = next(encoder.parameters()).device
    return torch.cat([encoder(view(part.to(device))).cpu() for part in images.split(batch_size)]).clone()


def frozen_views(encoder: nn.Module, images: Tensor, count: int, vary: Vary, rng: torch.Generator) -> Tensor:
    """Features of `count` varied copies of each image, (count, N, D); `vary` as in `streams.vary_of`."""
    return torch.stack([frozen(encoder, images, lambda own: vary(own, rng)) for _ in range(count)])


@torch.inference_mode()
def encode(model: SplitModel, images: Tensor | np.ndarray, image_id: np.ndarray, batch_size: int = 200) -> Features:
    """Features and head guesses of `images` (N, S, S, 3) uint8, without augmentation."""
    model.eval()
    device = next(model.parameters()).device
    splits = [model(to_unit(part.to(device))) for part in torch.as_tensor(images).split(batch_size)]
    fg, bg = (torch.cat([getattr(split, name) for split in splits]).cpu().numpy() for name in ("fg", "bg"))
    heads = ("label_logits", "background_logits")
    guesses = (torch.cat([getattr(split, name).argmax(1) for split in splits]).cpu().numpy() for name in heads)
    return Features(np.asarray(image_id, dtype=object), fg, bg, *guesses)
