"""How the small networks of a run are built and trained, and how they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.evaluation import networks
from d3s_utils.evaluation.classifiers import CENTRE, SPREAD, Classifier, resized, to_unit
from d3s_utils.ground.cached import Tensors, cached, digest
from d3s_utils.ground.files import read_metadata, write_json
from d3s_utils.ground.seeds import seed_for, seeded
from d3s_utils.ground.settings import Evaluation
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.training import Descent, Hardware, Rows, Training, train


def build(name: str, classes: int, key: Sequence[object]) -> nn.Module:
    """An untrained small network for `classes` classes; its first weights depend on `key` alone."""
    import timm.models

    row = networks.find_network(name)
    with seeded(*key, "weights"):
        network = getattr(timm.models, row.architecture)(num_classes=classes, **row.sizes)
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


def cross_entropy(
    network: nn.Module, batch: tuple[Tensor, Tensor], hardware: Hardware
) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy in nats, and a report with the share of right answers in percent."""
    pixels, labels = batch
    with hardware.computing():
        scores = network(pixels).float()
    loss = F.cross_entropy(scores, labels)
    return loss, {"loss": loss.item(), "accuracy": 100 * (scores.argmax(1) == labels).float().mean().item()}


def learn(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    settings: Evaluation,
    lr: float,
    key: Sequence[object],
    device: str = "cpu",
) -> list[dict[str, float]]:
    """Train `network` in place by cross entropy.

    Args:
        images: (N, SIDE, SIDE, 3) uint8.
        labels: (N,) whole numbers.
        key: decides the order of the images and every augmentation.

    Returns:
        One flat dict per epoch: epoch, loss, accuracy (percent, on augmented images while learning).
    """
    pixels, truth = torch.from_numpy(images), torch.tensor(labels, dtype=torch.long)
    rows = Rows(len(pixels), settings.batch_size, (*key, "order"))
    steps = settings.epochs * rows.steps

    def draw(step: int, rng: torch.Generator, hardware: Hardware) -> tuple[Tensor, Tensor]:
        chosen = rows.at(step, hardware)
        seen = augment(to_unit(pixels[chosen].to(hardware.device)), rng)
        return (seen - CENTRE) / SPREAD, truth[chosen].to(hardware.device)

    learner = Descent(network, cross_entropy, steps, lr, Hardware(device))
    table = pd.DataFrame(train(Training(learner, draw, steps, (*key, "steps"))))
    epochs = table.groupby(table["step"] // rows.steps + 1)[["loss", "accuracy"]].mean()
    return epochs.rename_axis("epoch").reset_index().to_dict("records")


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
    """The small network `name`, trained on `training_set`, or read from `path` where that holds it.

    Args:
        path: the checkpoint, "<model>.safetensors"; what it depends on, its metrics and its history, one row per epoch,
            are in its header, and for people in "<model>.json" beside it. The classifier is called <model>.
        key: decides the first weights, the order of the images and every augmentation.
    """
    row = networks.find_network(name)
    made_by = {
        "name": name,
        "network": asdict(row),
        "settings": {"epochs": settings.epochs, "batch_size": settings.batch_size},
        "seed": seed_for(*key),
        "threads": torch.get_num_threads(),
        "data": digest(training_set.key, training_set.classes),
    }
    wanted = [made_by, code_of(learn, beside=[networks.__name__])]
    network = build(name, training_set.classes, key)

    def make() -> Tensors:
        images, labels = training_set.load()
        history = learn(network, resized(images), labels, settings, row.lr, key, device)
        metrics = {f"train_{column}": history[-1][column] for column in ("loss", "accuracy")}
        return Tensors(network.state_dict(), made_by | {"metrics": metrics, "history": history})

    kept = cached(path, wanted, make)
    network.load_state_dict(kept.tensors)
    write_json(path.with_suffix(".json"), kept.about)
    return Classifier(path.stem, network.eval().to(Hardware(device).device), digest(wanted))


def training_history(path: Path) -> pd.DataFrame:
    """epoch, loss, accuracy (percent) of a checkpoint that `fit_or_load` left; empty where there is none."""
    about = read_metadata(path)["about"] if path.is_file() else {}
    return pd.DataFrame(about.get("history", []), columns=["epoch", "loss", "accuracy"])
