"""What the two heads of a split model say, and the features that probes read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from d3s_utils.disentanglement.features import Features, features_path, write_features
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.models import SplitModel, Trained
from d3s_utils.evaluation.classifiers import to_unit
from d3s_utils.ground.stats import accuracy_by


@torch.inference_mode()
def frozen(encoder: nn.Module, images: Tensor, view: Callable[[Tensor], Tensor], batch_size: int = 200) -> Tensor:
    """What `encoder` makes of `images` (N, S, S, 3) uint8, (N, D); fitted to the memory of a small machine."""
    device = next(encoder.parameters()).device
    return torch.cat([encoder(view(part).to(device)).cpu() for part in images.split(batch_size)]).clone()


@torch.inference_mode()
def encode(model: SplitModel, images: Tensor | np.ndarray, image_id: np.ndarray, batch_size: int = 200) -> Features:
    """Features and head guesses of `images` (N, S, S, 3) uint8, without augmentation."""
    model.eval()
    device = next(model.parameters()).device
    splits = [model(to_unit(part).to(device)) for part in torch.as_tensor(images).split(batch_size)]
    fg, bg = (torch.cat([getattr(split, name) for split in splits]).cpu().numpy() for name in ("fg", "bg"))
    heads = ("label_logits", "background_logits")
    guesses = (torch.cat([getattr(split, name).argmax(1) for split in splits]).cpu().numpy() for name in heads)
    return Features(np.asarray(image_id, dtype=object), fg, bg, *guesses)


def save_features(folder: Path, trained: Trained, data: Data) -> Features:
    """Features of every D3S image under this method, written to features/<method>.safetensors and handed back."""
    features = encode(trained.model, data.d3s, data.images["image_id"].to_numpy())
    write_features(features_path(folder, trained.method), features, trained.method)
    return features


def head_accuracy(features: dict[str, Features], images: pd.DataFrame) -> pd.DataFrame:
    """How often the two heads are right on validation images they never saw.

    Returns:
        method, head ("label" or "background"), accuracy, low, high (percent, Wilson), n.
    """
    val = (images["split"] == "val").to_numpy()
    rows = [
        images[val].assign(method=method, head=head, label=images.loc[val, target], guess=getattr(own, guess)[val])
        for method, own in features.items()
        for head, target, guess in (("label", "label", "fg_guess"), ("background", "background_index", "bg_guess"))
    ]
    table = accuracy_by(pd.concat(rows), "method", "head")
    return table.sort_values(
        "method", key=lambda names: names.map(list(features).index), kind="stable", ignore_index=True
    )
