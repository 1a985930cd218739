"""The small networks that a run trains on its own photographs: timm architectures, narrowed until a CPU trains them."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.evaluation.classifiers import CENTRE, SIDE, SPREAD, Classifier, resized, to_unit
from d3s_utils.ground.cached import digest
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_tensors, write_json, write_tensors
from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.seeds import seed_for, seeded, torch_rng_for
from d3s_utils.ground.settings import Evaluation

ALGORITHM = 3  # part of every recipe; raise it when training changes, and old checkpoints count no more


@dataclass(frozen=True)
class Member:
    """One architecture of the zoo: a function or class of `timm.models` and what makes it small."""

    architecture: str
    sizes: dict
    lr: float = 0.01


# Five families, narrowed until 4 000 images of 64 pixels take about half a minute on one CPU core. A row here is all it
# takes for a model to reach every table and figure.
ZOO = {
    "resnet": Member("resnet10t", {"channels": (16, 32, 64, 128), "stem_width": 8}),
    "densenet": Member(
        "DenseNet", {"growth_rate": 12, "block_config": (2, 2, 2, 2), "bn_size": 2, "stem_type": "deep"}
    ),
    "convnext": Member(
        "ConvNeXt",
        {"patch_size": 4, "depths": (1, 1, 1, 1), "dims": (24, 48, 96, 192), "ls_init_value": None},  # no slow start
    ),
    "vit": Member(
        "VisionTransformer",
        {"img_size": SIDE, "patch_size": 8, "depth": 3, "embed_dim": 64, "num_heads": 2, "mlp_ratio": 2.0},
    ),
    "mixer": Member("MlpMixer", {"img_size": SIDE, "patch_size": 8, "num_blocks": 3, "embed_dim": 64}),
}


def find_member(name: str) -> Member:
    """The row of `ZOO` called `name`.

    Raises:
        D3SError: if there is none.
    """
    if name in ZOO:
        return ZOO[name]
    near = difflib.get_close_matches(name, ZOO, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise D3SError(
        f"evaluation.models: there is no model {name!r} to train{hint}; known are {', '.join(ZOO)}. "
        "For a model of timm with its own weights set evaluation.weights to pretrained."
    )


def build(name: str, classes: int, key: Sequence[object]) -> nn.Module:
    """An untrained network of the zoo for `classes` classes; its first weights depend on `key` alone."""
    import timm.models

    member = find_member(name)
    with seeded(*key, "weights"):
        network = getattr(timm.models, member.architecture)(num_classes=classes, **member.sizes)
    return network.to(memory_format=torch.channels_last)


def augment(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror, scale, shift and recolour each image by its own draw; soften half of them and roughen the other half.

    Softening and noise let a network forgive the texture of generated images, so that what it loses on them is not
    their style.

    Args:
        images: (B, 3, S, S) in [0, 1], in random order.
        rng: on the CPU.
    """
    images = _move(images.contiguous(), rng)
    soft, rough = images[: (len(images) + 1) // 2], images[(len(images) + 1) // 2 :]
    soft.lerp_(_blurred(soft), _draw(soft, rng, 0.0, 1.0))
    noise = torch.randn(rough.shape, generator=rng).to(images.device)
    rough.addcmul_(noise, _draw(rough, rng, 0.0, 0.06))
    grey = images.mean(1, keepdim=True)
    level = grey.mean((2, 3), keepdim=True)
    images = torch.lerp(grey, images, _draw(images, rng, 0.7, 1.3))
    contrast, light = _draw(images, rng, 0.75, 1.25), _draw(images, rng, 0.8, 1.2)
    images = images.sub_(level).mul_(contrast).add_(level * light).clamp_(0, 1)
    return images.contiguous(memory_format=torch.channels_last)


def _blurred(images: Tensor) -> Tensor:
    """Each pixel the mean of the nine around it; borders repeat."""
    wide = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9


def _draw(images: Tensor, rng: torch.Generator, low: float, high: float) -> Tensor:
    """One number in [low, high) per image, shaped (B, 1, 1, 1)."""
    return (low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=rng)).to(images.device)


def _move(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mirrored in half of the cases, scaled by 0.87 to 1.15, shifted by up to a tenth of the side; borders reflect."""
    zoom, across, down = (_draw(images, rng, *ends).flatten() for ends in ((0.87, 1.15), (-0.2, 0.2), (-0.2, 0.2)))
    mirror = torch.where(_draw(images, rng, 0, 1).flatten() < 0.5, -1.0, 1.0)
    height, width = images.shape[2:]
    y, x = ((2 * torch.arange(side, device=images.device) + 1) / side - 1 for side in (height, width))
    y, x = torch.outer(zoom, y) + down[:, None], torch.outer(zoom * mirror, x) + across[:, None]
    grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=3)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def train(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    key: Sequence[object],
) -> Iterator[dict[str, float]]:
    """Train `network` in place by cross entropy (Muon, which learns objects in half of AdamW's steps).

    Args:
        images: (N, SIDE, SIDE, 3) uint8.
        labels: (N,) whole numbers.
        key: decides the order of the images and every augmentation.

    Yields:
        One flat dict per epoch: epoch, loss, accuracy (percent, on augmented images while learning).
    """
    device, rng = next(network.parameters()).device, torch_rng_for(*key, "order and augmentation")
    images, labels = torch.from_numpy(images).to(device), torch.tensor(labels, dtype=torch.long, device=device)
    batch_size = min(batch_size, len(images))
    steps = len(images) // batch_size  # the rest of an epoch waits for another order
    optimizers = Optimizers(nn.ModuleList([network]), lr, epochs * steps)
    network.train()
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=rng)[: steps * batch_size].view(steps, batch_size).to(device)
        loss_sum = hits = 0.0
        for step, batch in enumerate(order, epoch * steps):
            pixels = augment(to_unit(images[batch]), rng)
            scores = network((pixels - CENTRE) / SPREAD)
            loss = F.cross_entropy(scores, labels[batch])
            loss.backward()
            optimizers.step(step / (epochs * steps), step)
            loss_sum += loss.item()
            hits += (scores.argmax(1) == labels[batch]).sum().item()
        yield {"epoch": epoch + 1, "loss": loss_sum / steps, "accuracy": 100 * hits / (steps * batch_size)}


@dataclass(frozen=True)
class TrainingSet:
    """What a classifier learns from.

    Attributes:
        key: what the pictures depend on; read before they are loaded.
        load: images (N, S, S, 3) uint8 and their labels (N,).
        classes: number of labels.
    """

    key: object
    load: Callable[[], tuple[np.ndarray, np.ndarray]]
    classes: int


def fit_or_load(
    path: Path, name: str, training_set: TrainingSet, settings: Evaluation, key: Sequence[object], device: str = "cpu"
) -> Classifier:
    """The model `name` of the zoo, trained on `training_set`; or read from `path`, if the same recipe left it there.

    Args:
        path: the checkpoint, "<model>.safetensors"; "<model>.json" beside it says how it was made: settings, seed,
            data hash, metrics and the history, one row per epoch. The classifier is called <model>.
        key: decides the first weights, the order of the images and every augmentation.
    """
    card = _recipe(name, training_set, settings, key)
    network = build(name, training_set.classes, key).to(pick_device(device))
    if _read_card(path).get("recipe") == card["recipe"]:
        network.load_state_dict(read_tensors(path))
    else:
        images, labels = training_set.load()
        options = {"epochs": settings.epochs, "batch_size": settings.batch_size, "lr": find_member(name).lr, "key": key}
        history = list(train(network, resized(images), labels, **options))
        metrics = {f"train_{column}": history[-1][column] for column in ("loss", "accuracy")}
        write_tensors(path, network.state_dict())
        card |= {"data": data_hash(images, labels), "metrics": metrics, "history": history}
        write_json(path.with_suffix(".json"), card)
    return Classifier(path.stem, network.eval(), card["recipe"])


def _recipe(name: str, training_set: TrainingSet, settings: Evaluation, key: Sequence[object]) -> dict:
    """The start of a checkpoint's card: all that its weights depend on, and the hash of it."""
    card = {
        "name": name,
        "member": asdict(find_member(name)),
        "settings": {"epochs": settings.epochs, "batch_size": settings.batch_size},
        "seed": seed_for(*key),
        "threads": torch.get_num_threads(),
    }
    return card | {"recipe": digest("classifier", ALGORITHM, card, training_set.key)}


def training_history(path: Path) -> pd.DataFrame:
    """epoch, loss, accuracy (percent) of a checkpoint trained here; empty where there is none."""
    return pd.DataFrame(_read_card(path).get("history", []), columns=["epoch", "loss", "accuracy"])


def data_hash(images: np.ndarray, labels: np.ndarray) -> str:
    """16 hexadecimal digits that change with any pixel or label."""
    digest = hashlib.sha256(np.ascontiguousarray(images))
    digest.update(np.ascontiguousarray(labels, dtype=np.int64))
    return digest.hexdigest()[:16]


def _read_card(path: Path) -> dict:
    """What lies beside the checkpoint `path`; nothing unless both files are there and readable."""
    try:
        return json.loads(path.with_suffix(".json").read_text()) if path.is_file() else {}
    except (OSError, ValueError):
        return {}
