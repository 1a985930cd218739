"""The training of a backbone with its two heads, end to end and without penalty."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.models import Split, SplitModel
from d3s_utils.disentanglement.streams import Batch, image_streams
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.training import Descent, Hardware, Training

LR = 0.01


def backbone_training(profile: Profile, model: SplitModel, data: Data) -> Training:
    """`backbone_epochs` of both streams by cross entropy alone."""
    settings, key = profile.disentanglement, (profile.training_key, "split backbone steps")
    size, images = settings.backbone_batch_size, len(data.natural) + int(data.train.sum())
    steps = max(1, settings.backbone_epochs * images // (2 * size))
    learner = Descent(model, cross_entropy, steps, LR, Hardware(profile.device, settings.precision))
    return Training(learner, image_streams(data).batches(size, key), steps, key, drops=True)


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
