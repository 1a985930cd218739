"""The training of a backbone without penalty: with its two heads on both streams, or plain, on natural images alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.models import Split, SplitModel
from d3s_utils.disentanglement.streams import Batch, image_streams, vary_of
from d3s_utils.ground.seeds import seeded
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.training import Descent, Hardware, Rows, Training, has_dropout

LR = 0.01


def backbone_training(profile: Profile, model: SplitModel, data: Data) -> Training:
    """`backbone_epochs` of both streams by cross entropy alone."""
    settings, key = profile.disentanglement, (profile.training_key, "split backbone steps")
    size, images = settings.backbone_batch_size, len(data.natural) + int(data.train.sum())
    steps = max(1, settings.backbone_epochs * images // (2 * size))
    learner = Descent(model, cross_entropy, steps, LR, Hardware(profile.device, settings.precision))
    draw = image_streams(data, settings).batches(size, key)
    return Training(learner, draw, steps, key, drops=has_dropout(model))


def plain_training(profile: Profile, encoder: nn.Module, data: Data) -> Training:
    """`backbone_epochs` of the natural images, under a class head on all features that is thrown away at the end.

    The network that never saw a D3S image, as published weights are where a profile takes such.
    """
    settings, key = profile.disentanglement, (profile.training_key, "plain steps")
    with seeded(profile.training_key, "plain head"):
        model = nn.Sequential(encoder, nn.Linear(encoder.width, data.n_classes))
    rows = Rows(len(data.natural), 2 * settings.backbone_batch_size, (*key, "natural"))
    vary, steps = vary_of(settings), settings.backbone_epochs * rows.steps

    def draw(step: int, rng: torch.Generator, hardware: Hardware) -> tuple[Tensor, Tensor]:
        chosen = rows.at(step, hardware)
        images = vary(data.natural[chosen].to(hardware.device), rng)
        return images, data.natural_label[chosen].to(hardware.device)

    learner = Descent(model, class_cross_entropy, steps, LR, Hardware(profile.device, settings.precision))
    return Training(learner, draw, steps, key, drops=has_dropout(model))


def class_cross_entropy(
    model: nn.Module, batch: tuple[Tensor, Tensor], hardware: Hardware
) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of the class in nats, and a report with the accuracy in percent."""
    images, label = batch
    with hardware.computing():
        scores = model(images)
    loss = F.cross_entropy(scores.float(), label)
    right = 100 * (scores.argmax(1) == label).float().mean().item()
    return loss, {"label_loss": loss.item(), "label_accuracy": right}


def cross_entropy(model: SplitModel, batch: Batch, hardware: Hardware) -> tuple[Tensor, dict[str, float]]:
    """Both heads' cross entropy in nats, and a report with the accuracies in percent."""
    loss, _, report = both_heads(model, batch, hardware)
    return loss, report


def both_heads(model: SplitModel, batch: Batch, hardware: Hardware) -> tuple[Tensor, Split, dict[str, float]]:
    """`cross_entropy`, and the split it was read from, in float32."""
    with hardware.computing():
        split = model(batch.inputs)
    split = Split(*(part.float() for part in (split.fg, split.bg, split.label_logits, split.background_logits)))
    seen = split.background_logits[: len(batch.background)]
    label, background = F.cross_entropy(split.label_logits, batch.label), F.cross_entropy(seen, batch.background)
    report = {
        "label_loss": label.item(),
        "background_loss": background.item(),
        "label_accuracy": 100 * (split.label_logits.argmax(1) == batch.label).float().mean().item(),
        "background_accuracy": 100 * (seen.argmax(1) == batch.background).float().mean().item(),
    }
    return label + background, split, report
