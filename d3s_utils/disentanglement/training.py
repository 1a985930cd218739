"""Training step by step: a backbone by cross entropy, then critics and encoder in turns."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3s_utils.disentanglement.images import load_data
from d3s_utils.disentanglement.models import BACKBONE, Split, SplitModel
from d3s_utils.disentanglement.penalties.measure import Parts, Penalty
from d3s_utils.disentanglement.penalties.table import build_penalty, recipe_for
from d3s_utils.disentanglement.streams import Batch, image_streams, keyed_batches
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.files import write_atomically
from d3s_utils.ground.muon import Optimizers
from d3s_utils.ground.seeds import seeded, torch_rng_for
from d3s_utils.ground.settings import Disentanglement, Profile


class Hardware:
    """Where and how precisely a network computes, and with how many others it shares its steps.

    Args:
        precision: of forward and backward passes; weights, optimizers and penalties stay in float32.
    """

    def __init__(self, model: nn.Module, precision: str = "float32"):
        self.device = next(model.parameters()).device
        self.dtype = getattr(torch, precision)
        self.others = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1

    def computing(self):
        """The context of a forward pass."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def backward(self, loss: Tensor, parameters: Sequence[nn.Parameter]) -> None:
        """Gradients of `loss`, the mean over all workers."""
        loss.backward()
        if self.others > 1:
            mine = [parameter.grad for parameter in parameters if parameter.grad is not None]
            flat = torch.cat([grad.flatten() for grad in mine])
            torch.distributed.all_reduce(flat)
            for grad, part in zip(mine, (flat / self.others).split([grad.numel() for grad in mine]), strict=True):
                grad.copy_(part.view_as(grad))


def cross_entropy(model: SplitModel, batch: Batch, hardware: Hardware) -> tuple[Tensor, Parts, dict[str, float]]:
    """Both heads' cross entropy in nats, the parts it was read from, and a report with the accuracies in percent."""
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
    return label + background, Parts(split.fg, split.bg, batch.label, batch.background), report


class BackboneTraining:
    """Cross entropy alone, by Muon, which needs a third of AdamW's steps."""

    def __init__(self, model: SplitModel, n_steps: int, lr: float = 0.01, precision: str = "float32"):
        self.model, self.n_steps = model, n_steps
        self.hardware = Hardware(model, precision)
        self.optimizers = Optimizers(nn.ModuleList([model]), lr, n_steps)
        model.train()

    def step(self, step: int, batch: Batch, rng: torch.Generator | None = None) -> dict:
        """One step downhill; a flat dict of floats."""
        loss, _, report = cross_entropy(self.model, batch, self.hardware)
        self.hardware.backward(loss, self.optimizers.parameters)
        self.optimizers.step(step / self.n_steps, step)
        return {"step": step, **report}

    def state_dict(self) -> dict:
        return {"model": self.model.state_dict(), "optimizers": self.optimizers.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizers.load_state_dict(state["optimizers"])


def train_backbone(model: SplitModel, steps: Iterator[Batch], n_steps: int, lr: float = 0.01) -> Iterator[dict]:
    """`BackboneTraining` over `n_steps` of `steps`. Yields one flat dict per step."""
    training = BackboneTraining(model, n_steps, lr)
    yield from (training.step(step, batch) for step, batch in enumerate(islice(steps, n_steps)))


def train(
    model: SplitModel,
    penalty: Penalty,
    steps: Iterator[Batch],
    settings: Disentanglement,
    weight: float,
    rng: torch.Generator,
) -> Iterator[dict]:
    """Warm up by cross entropy, then let critics and encoder take turns: the paper's recipe for any penalty.

    Args:
        settings: `warmup` steps of SGD, then `steps` steps of the encoder, each after `critic_steps` of the critics
            where the penalty has any. Adam without momentum (betas 0 and 0.9), its step falling to 0 along a cosine.
        weight: of the penalty beside the cross entropies.
        rng: draws the penalty's shuffles.

    Yields:
        One flat dict of floats per step, those of the critics included: in a notebook `pd.DataFrame(train(...))` is
        the whole logging system.
    """
    training = SplitTraining(model, penalty, settings, weight)
    for step, (_, batch) in enumerate(zip(training.turns, steps, strict=False)):
        yield training.step(step, batch, rng)


class SplitTraining:
    """The game of `train`, step by step, so that it can be stopped and taken up again."""

    def __init__(self, model: SplitModel, penalty: Penalty, settings: Disentanglement, weight: float):
        self.model, self.penalty, self.weight = model, penalty, weight
        self.turns = list(turns(penalty, settings))
        self.hardware = Hardware(model, settings.precision)
        adam = {"lr": settings.lr, "betas": (0.0, 0.9)}
        self.warm_up = torch.optim.SGD(model.parameters(), lr=settings.warmup_lr, momentum=0.9)
        self.encoder = torch.optim.Adam(model.parameters(), **adam)
        self.critic = torch.optim.Adam(penalty.parameters(), **adam) if penalty.learns else None
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.encoder, max(1, settings.steps))
        model.train()

    def step(self, step: int, batch: Batch, rng: torch.Generator) -> dict:
        """Whoever's turn it is goes one step downhill; a flat dict of floats."""
        turn = self.turns[step]
        if turn == "critic":
            with torch.no_grad(), self.hardware.computing():
                split = self.model(batch.inputs)
            parts = Parts(split.fg.float(), split.bg.float(), batch.label, batch.background)
            loss, report = self.penalty.critic_loss(parts, rng)
            self.descend(self.critic, loss)
        elif turn == "encoder":
            loss, parts, report = cross_entropy(self.model, batch, self.hardware)
            dependence, more = self.penalty.loss(parts, rng)
            self.descend(self.encoder, loss + self.weight * dependence)
            self.schedule.step()
            report |= more
        else:
            loss, _, report = cross_entropy(self.model, batch, self.hardware)
            self.descend(self.warm_up, loss)
        return {"step": step, **report}

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One step downhill. Gradients that reach the other player's parameters are cleared before they are used."""
        optimizer.zero_grad(set_to_none=True)
        self.hardware.backward(loss, [p for group in optimizer.param_groups for p in group["params"]])
        optimizer.step()

    def _parts(self) -> dict:
        parts = {name: getattr(self, name) for name in ("model", "penalty", "warm_up", "encoder", "schedule", "critic")}
        return {name: part for name, part in parts.items() if part is not None}

    def state_dict(self) -> dict:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def turns(penalty: Penalty, settings: Disentanglement) -> Iterator[str]:
    """Whose turn it is, step by step."""
    yield from ["warm-up"] * settings.warmup
    for _ in range(settings.steps):
        yield from ["critic"] * (settings.critic_steps if penalty.learns else 0)
        yield "encoder"


def lasting(settings: Disentanglement) -> bool:
    """Whether a backbone trains step by step from keys: to be resumed, or to share its steps among workers."""
    return settings.save_every > 0 or settings.workers > 1


def train_share(
    folder: Path,
    profile: Profile,
    method: str,
    recipe: str,
    model: SplitModel,
    n_steps: int | None = None,
    rank: int = 0,
    of: int = 1,
) -> list[dict]:
    """This worker's share of every step that is still to be made. Worker 0 keeps the checkpoints, the last one too.

    Returns:
        One flat dict per step, those before the checkpoint included.
    """
    settings, data, path = profile.disentanglement, load_data(folder, profile), progress_path(folder, method)
    model.to(pick_device(profile.device))
    if method == BACKBONE:
        training, size = BackboneTraining(model, n_steps, precision=settings.precision), settings.backbone_batch_size
    else:
        with seeded(profile.training_key, "critics", method):
            penalty = build_penalty(method, *model.sizes, data.n_classes, data.n_backgrounds)
        penalty.to(pick_device(profile.device))
        training = SplitTraining(model, penalty, settings, settings.weight * recipe_for(method).weight)
        size, n_steps = settings.batch_size, len(training.turns)
    state = read_progress(path, recipe)
    records: list[dict] = []
    if state is not None:
        training.load_state_dict(state["training"])
        records = state["records"]
    key, device = (profile.training_key, "steps", method), training.hardware.device
    steps = keyed_batches(*image_streams(data), size, key, len(records), rank, of)
    for step in range(len(records), n_steps):
        with seeded(*key, "drops", step, rank):
            rng = torch_rng_for(*key, "shuffles", step, rank)
            records.append(training.step(step, next(steps).to(device), rng))
        if rank == 0 and (step + 1 == n_steps or settings.save_every and (step + 1) % settings.save_every == 0):
            write_progress(path, {"recipe": recipe, "training": training.state_dict(), "records": records})
    return records


def progress_path(folder: Path, method: str) -> Path:
    return Path(folder) / "cache" / f"training-{method}.pt"


def write_progress(path: Path, state: dict) -> None:
    """Everything a training needs to go on: tensors, numbers and names, atomically."""
    write_atomically(path, lambda part: torch.save(state, part))


def read_progress(path: Path, recipe: str) -> dict | None:
    """What `write_progress` left of this recipe; None if there is nothing, or nothing that can be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        return None
    return state if state.get("recipe") == recipe else None
