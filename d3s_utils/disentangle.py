"""Learning features that come in two parts: one for the foreground, one for the background (paper, section 5).

A backbone is trained on two streams, D3S images (class and background known) and natural images (class known), and its
feature vector is cut in two with a linear head on each part. A penalty then drives the background out of the foreground
part and the class out of the background part. What the penalty trains is either two small projectors on the frozen
backbone, whose features of every view are computed once, or the backbone itself, as in the paper.
"""

from __future__ import annotations

import copy
import functools
import json
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3s_utils import dataset, tables
from d3s_utils.classifiers import ZOO, pick_device, resized, to_unit
from d3s_utils.errors import D3SError
from d3s_utils.features import Features, features_path, image_table, write_features
from d3s_utils.parallel import ahead, side_by_side
from d3s_utils.penalties import Parts, Penalty, build_penalty, recipe_for
from d3s_utils.photos import natural_arrays, open_photos
from d3s_utils.pocket.muon import Optimizers
from d3s_utils.profile import recipe_hash
from d3s_utils.seeds import seeded, torch_rng_for
from d3s_utils.settings import Disentanglement, Profile
from d3s_utils.stats import accuracy_by

STORED = 200  # pictures resized at a time
BACKBONE = "backbone"  # the method whose features nobody disentangled
Watch = Callable[[Iterator[dict]], pd.DataFrame]  # turns the records of a training run into a table, maybe drawing them


# Models ---------------------------------------------------------------------------------------------------------------


class Backbone(nn.Module):
    """A network without its head, together with the normalisation it was made for.

    Takes RGB images (N, 3, S, S) in 0-1 and gives `width` features each, (N, width).

    Args:
        name: a row of `classifiers.ZOO` (for small pictures) or a model of timm.
        pretrained: start from timm's weights.
    """

    def __init__(self, name: str, *, pretrained: bool = False):
        super().__init__()
        import timm

        if name in ZOO:
            member = ZOO[name]
            self.network = getattr(timm.models, member.architecture)(num_classes=0, **member.sizes)
        elif timm.is_model(name):
            self.network = timm.create_model(name, pretrained=pretrained, num_classes=0)
        else:
            raise D3SError(
                f"disentanglement.backbone: no network is called {name!r}; take one of {', '.join(ZOO)}, or of timm."
            )
        config = timm.data.resolve_model_data_config(self.network)
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1))
        self.width = self.network.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.mean) / self.std)


class Projectors(nn.Module):
    """Two small networks that read the same frozen features, one for each part; (N, D) -> (N, fg + bg)."""

    def __init__(self, n_features: int, fg: int, bg: int, hidden: int = 256):
        super().__init__()
        self.standardise = nn.BatchNorm1d(n_features, affine=False)
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, width)) for width in (fg, bg)
        )

    def forward(self, features: Tensor) -> Tensor:
        features = self.standardise(features)
        return torch.cat([part(features) for part in self.parts], dim=1)


@dataclass(frozen=True)
class Split:
    """What a split model says of one batch."""

    fg: Tensor  # (n, Df)
    bg: Tensor  # (n, Db)
    label_logits: Tensor  # (n, K), from fg
    background_logits: Tensor  # (n, B), from bg


class SplitModel(nn.Module):
    """An encoder whose feature vector is cut in two, with a linear head on each part.

    The last features are the background's, as many as `background_share` says (250 of 2048 in the paper).
    """

    def __init__(self, encoder: nn.Module, fg: int, bg: int, n_classes: int, n_backgrounds: int):
        super().__init__()
        self.encoder, self.sizes = encoder, [fg, bg]
        self.label_head, self.background_head = nn.Linear(fg, n_classes), nn.Linear(bg, n_backgrounds)

    def forward(self, inputs: Tensor) -> Split:
        fg, bg = self.encoder(inputs).split(self.sizes, dim=1)
        return Split(fg, bg, self.label_head(fg), self.background_head(bg))

    def on_top_of(self, frozen: nn.Module) -> SplitModel:
        """The same model reading images, through the frozen network whose features it was trained on."""
        whole = copy.copy(self)
        whole._modules = {**self._modules, "encoder": nn.Sequential(frozen, self.encoder)}
        return whole.eval()


def part_sizes(width: int, background_share: float) -> tuple[int, int]:
    """How many of `width` features are foreground and how many background; at least one each."""
    bg = min(max(1, round(background_share * width)), width - 1)
    return width - bg, bg


# Data -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """Images or their cached features, with labels. `draw(rows, rng)` gives the inputs of some rows, augmented."""

    draw: Callable[[Tensor, torch.Generator], Tensor]
    label: Tensor  # (N,)
    background: Tensor | None = None  # (N,), None for natural images


@dataclass(frozen=True)
class Batch:
    """Inputs of one step, D3S images first; `background` is theirs alone."""

    inputs: Tensor
    label: Tensor  # (n,)
    background: Tensor  # (m,), m <= n

    def to(self, device: torch.device) -> Batch:
        return Batch(self.inputs.to(device), self.label.to(device), self.background.to(device))


def batches(d3s: Stream, natural: Stream, size: int, rng: torch.Generator) -> Iterator[Batch]:
    """Without end: `size` images of each stream, every image once before any comes twice."""
    for d3s_rows, natural_rows in zip(rows_in_turn(d3s, size, rng), rows_in_turn(natural, size, rng), strict=True):
        inputs = torch.cat([d3s.draw(d3s_rows, rng), natural.draw(natural_rows, rng)])
        yield Batch(inputs, torch.cat([d3s.label[d3s_rows], natural.label[natural_rows]]), d3s.background[d3s_rows])


def keyed_batches(
    d3s: Stream, natural: Stream, size: int, key: Sequence[object], start: int = 0, rank: int = 0, of: int = 1
) -> Iterator[Batch]:
    """As `batches`, but step t depends on `key` and t alone: training may begin at any step, on any worker.

    Args:
        size: images of each stream in a step, over all workers.
        start: the first step.
        rank, of: this worker takes every `of`-th image of a step, from its `rank`-th on.
    """
    step = start
    while True:
        rng = torch_rng_for(*key, step, rank)
        rows = [
            rows_at(stream, size, (*key, name), step)[rank::of] for stream, name in ((d3s, "d3s"), (natural, "natural"))
        ]
        inputs = torch.cat([stream.draw(own, rng) for stream, own in zip((d3s, natural), rows, strict=True)])
        labels = torch.cat([d3s.label[rows[0]], natural.label[rows[1]]])
        yield Batch(inputs, labels, d3s.background[rows[0]])
        step += 1


def rows_at(stream: Stream, size: int, key: Sequence[object], step: int) -> Tensor:
    """The rows of a step: shuffled anew each epoch, every row once before any comes twice."""
    size = min(size, len(stream.label))
    epoch, turn = divmod(step, len(stream.label) // size)
    order = _order(len(stream.label), (*key, epoch))
    return order[turn * size : (turn + 1) * size]


@functools.lru_cache(maxsize=4)
def _order(count: int, key: tuple) -> Tensor:
    return torch.randperm(count, generator=torch_rng_for(*key))


def rows_in_turn(stream: Stream, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Shuffled rows of `stream`, `size` at a time, without end; what is left of an epoch is dropped."""
    size = min(size, len(stream.label))
    while True:
        order = torch.randperm(len(stream.label), generator=rng)
        yield from order[: len(order) - len(order) % size].split(size)


def varied(images: Tensor, rng: torch.Generator, shift: float = 0.1, jitter: float = 0.2) -> Tensor:
    """Images (n, S, S, 3) uint8 -> (n, 3, S, S) in 0-1, each mirrored or not, shifted, its colours changed.

    Args:
        shift: largest move either way, as a fraction of the side; the border reflects.
        jitter: largest relative change of the brightness; of each colour channel half of that.
    """
    n, side = len(images), images.shape[1]
    margin = int(shift * side)
    wide = F.pad(to_unit(images), [margin] * 4, mode="reflect")
    corners = torch.randint(0, 2 * margin + 1, (n, 2), generator=rng).tolist()
    mirrored = torch.rand(n, generator=rng) < 0.5
    moved = torch.stack([own[:, y : y + side, x : x + side] for own, (y, x) in zip(wide, corners, strict=True)])
    moved[mirrored] = moved[mirrored].flip(3)
    light, colour = (2 * torch.rand(n, channels, 1, 1, generator=rng) - 1 for channels in (1, 3))
    gain = (1 + jitter * light) * (1 + jitter / 2 * colour)
    return (moved * gain.to(moved)).clamp_(0, 1).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Data:
    """The pictures of a run and what is known of them."""

    images: pd.DataFrame  # D3S train and val: image_id, split, label, place, ...
    d3s: Tensor  # (N, S, S, 3) uint8, row i of `images`
    natural: Tensor  # (M, S, S, 3) uint8, natural training images
    natural_label: Tensor  # (M,)
    hash: str  # of everything the pixels depend on

    @property
    def train(self) -> np.ndarray:
        """(N,) the D3S images that may be learned from."""
        return (self.images["split"] == "train").to_numpy(copy=True)

    @property
    def n_classes(self) -> int:
        return int(self.images["label"].max()) + 1

    @property
    def n_backgrounds(self) -> int:
        return int(self.images["place"].max()) + 1


def load_data(folder: Path, profile: Profile) -> Data:
    """D3S images of both splits and the natural training images of a run.

    With `disentanglement.image_size` they are resized once and stay in a file of the run's cache, which is read where a
    batch asks for it; else they lie in memory.

    Raises:
        D3SError: the dataset is not there yet, or has no training images.
    """
    manifest = tables.read_table(Path(folder) / "manifest.parquet")
    if not (manifest["split"] == "train").any():
        raise D3SError("Disentanglement needs D3S training images; set dataset.train_per_cell to 1 or more.")
    if profile.disentanglement.image_size:
        return _data_on_disk(Path(folder), profile)
    parts = [dataset.load_images(Path(folder) / "dataset", split) for split in ("train", "val")]
    images = image_table(pd.concat([table for _, table in parts], ignore_index=True))
    photos = open_photos(profile)
    natural, table = natural_arrays(folder, photos, "train")
    data_hash = recipe_hash(list(images["recipe_hash"]), photos.recipe, list(table["photo_id"]))
    d3s = torch.from_numpy(np.concatenate([pixels for pixels, _ in parts]))
    return Data(images, d3s, torch.tensor(natural), torch.tensor(table["label"].to_numpy(np.int64)), data_hash)


def _data_on_disk(folder: Path, profile: Profile) -> Data:
    """`load_data` for more pictures than memory holds."""
    side, store = profile.disentanglement.image_size, folder / "dataset"
    parts = [dataset.read_dataset(store, split) for split in ("train", "val")]
    images = image_table(pd.concat(parts, ignore_index=True))
    ids = list(images["image_id"])
    d3s = stored_images(
        folder, ids, lambda part: dataset.load_images(store, part)[0], side, list(images["recipe_hash"])
    )
    photos = open_photos(profile)
    table = photos.table("train")
    natural = stored_images(folder, list(table["photo_id"]), photos.load, side, photos.recipe)
    data_hash = recipe_hash(list(images["recipe_hash"]), photos.recipe, list(table["photo_id"]), side)
    return Data(images, d3s, natural, torch.tensor(table["label"].to_numpy(np.int64)), data_hash)


def stored_images(
    folder: Path, ids: Sequence[str], load: Callable[[list[str]], np.ndarray], side: int, recipe: object
) -> Tensor:
    """Pictures resized to `side`, (N, side, side, 3) uint8, in a file under <folder>/cache that is mapped, not read.

    Args:
        load: ids to (n, S, S, 3) uint8; asked for `STORED` at a time.
    """
    path = folder / "cache" / f"pictures-{recipe_hash('stored', recipe, list(ids), side)}.npy"
    if not path.is_file():
        chunks = [list(ids[start : start + STORED]) for start in range(0, len(ids), STORED)]

        def write(part: Path) -> None:
            target = np.lib.format.open_memmap(part, "w+", np.uint8, (len(ids), side, side, 3))
            for number, pictures in enumerate(ahead(load, chunks)):
                target[number * STORED : number * STORED + len(pictures)] = resized(pictures, side)
            target.flush()

        tables.write_atomically(path, write)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nobody may write to it, and nobody does
        return torch.from_numpy(np.load(path, mmap_mode="r"))


def streams(data: Data, draws: tuple[Callable, Callable]) -> tuple[Stream, Stream]:
    """The two training streams, whose inputs come from `draws` (D3S training images, natural images)."""
    label, place = (
        torch.tensor(data.images[name].to_numpy()[data.train], dtype=torch.long) for name in ("label", "place")
    )
    return Stream(draws[0], label, place), Stream(draws[1], data.natural_label)


def image_streams(data: Data) -> tuple[Stream, Stream]:
    """Streams of augmented images."""
    train = torch.tensor(np.flatnonzero(data.train))  # looked up batch by batch, so that stored images stay on disk
    d3s = lambda rows, rng: varied(data.d3s[train[rows]], rng)  # noqa: E731
    return streams(data, (d3s, lambda rows, rng: varied(data.natural[rows], rng)))


def view_streams(data: Data, views: tuple[Tensor, Tensor]) -> tuple[Stream, Stream]:
    """Streams of cached features: each draw takes one of the V views (V, N, D) of an image."""

    def draw(own: Tensor, rows: Tensor, rng: torch.Generator) -> Tensor:
        return own[torch.randint(len(own), rows.shape, generator=rng), rows]

    return streams(data, tuple(lambda rows, rng, own=own: draw(own, rows, rng) for own in views))


# Training -------------------------------------------------------------------------------------------------------------


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
    label, place = F.cross_entropy(split.label_logits, batch.label), F.cross_entropy(seen, batch.background)
    report = {
        "label_loss": label.item(),
        "background_loss": place.item(),
        "label_accuracy": 100 * (split.label_logits.argmax(1) == batch.label).float().mean().item(),
        "background_accuracy": 100 * (seen.argmax(1) == batch.background).float().mean().item(),
    }
    return label + place, Parts(split.fg, split.bg, batch.label, batch.background), report


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


# The stages of notebook 04 --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A method: its split model, which reads images, and how training went (one row per step)."""

    method: str
    model: SplitModel
    history: pd.DataFrame


def fit_backbone(folder: Path, profile: Profile, data: Data, watch: Watch = pd.DataFrame) -> Trained:
    """The backbone with its two heads, trained end to end without penalty; taken from checkpoints/ if it is there."""
    settings = profile.disentanglement
    recipe = recipe_hash("split backbone", backbone_recipe(profile), data.hash)
    model = new_backbone_model(profile, data.n_classes, data.n_backgrounds)

    def learn() -> pd.DataFrame:
        size = settings.backbone_batch_size
        n_steps = max(1, settings.backbone_epochs * (len(data.natural) + int(data.train.sum())) // (2 * size))
        if lasting(settings):
            return watch(train_lastingly(folder, profile, BACKBONE, recipe, model, n_steps))
        rng = torch_rng_for(profile.training_key, "split backbone batches")
        with seeded(profile.training_key, "training", BACKBONE):  # for layers that drop features
            return watch(train_backbone(model, batches(*image_streams(data), size, rng), n_steps))

    history = learn_or_load(folder, BACKBONE, recipe, model, profile, learn)
    return Trained(BACKBONE, model.eval(), history)


def backbone_recipe(profile: Profile) -> list:
    """Everything but the data that the backbone's weights depend on."""
    own = asdict(profile.disentanglement)
    names = ("backbone", "pretrained", "background_share", "backbone_epochs", "backbone_batch_size")
    return [profile.training_key, profile.threads, {name: own[name] for name in names}]


def new_backbone_model(profile: Profile, n_classes: int, n_backgrounds: int) -> SplitModel:
    """A backbone with heads, its first weights drawn by the profile's training seed."""
    settings = profile.disentanglement
    with seeded(profile.training_key, "split backbone"):
        backbone = Backbone(settings.backbone, pretrained=settings.pretrained)
        backbone.to(memory_format=torch.channels_last)
        return SplitModel(backbone, *part_sizes(backbone.width, settings.background_share), n_classes, n_backgrounds)


def cache_views(backbone: SplitModel, data: Data, profile: Profile) -> tuple[Tensor, Tensor]:
    """Frozen features of `views` varied copies of the D3S training images and of the natural ones, (V, N, D) each."""
    rng = torch_rng_for(profile.training_key, "views")
    pixels = (data.d3s[torch.tensor(data.train)], data.natural)
    return tuple(
        torch.stack(
            [frozen(backbone.encoder, own, lambda x: varied(x, rng)) for _ in range(profile.disentanglement.views)]
        )
        for own in pixels
    )


@torch.inference_mode()
def frozen(encoder: nn.Module, images: Tensor, view: Callable[[Tensor], Tensor], batch_size: int = 200) -> Tensor:
    """What `encoder` makes of `images` (N, S, S, 3) uint8, (N, D); fitted to the memory of a small machine."""
    device = next(encoder.parameters()).device
    return torch.cat([encoder(view(part).to(device)).cpu() for part in images.split(batch_size)]).clone()


def fit_split(
    folder: Path, profile: Profile, data: Data, backbone: Trained, method: str, views=None, watch: Watch = pd.DataFrame
) -> Trained:
    """Train the split with the penalty `method` on top of `backbone`; taken from checkpoints/ if it is there.

    Args:
        views: what `cache_views` gave; not needed where the penalty trains the backbone itself.

    Raises:
        D3SError: there is no such penalty.
    """
    settings, weight = profile.disentanglement, recipe_for(method).weight
    recipe = recipe_hash(
        "split", method, weight, profile.training_key, asdict(settings), backbone_recipe(profile), data.hash
    )
    model = new_split_model(profile, backbone.model, data.n_classes, data.n_backgrounds)

    def learn() -> pd.DataFrame:
        on_views = settings.trains == "projectors"
        if lasting(settings) and not on_views:
            return watch(train_lastingly(folder, profile, method, recipe, model))
        both = view_streams(data, views) if on_views else image_streams(data)
        with seeded(profile.training_key, "critics", method):
            penalty = build_penalty(method, *model.sizes, data.n_classes, data.n_backgrounds)
        steps = batches(*both, settings.batch_size, torch_rng_for(profile.training_key, "split batches"))
        rng = torch_rng_for(profile.training_key, "shuffles", method)
        drops = nullcontext() if on_views else seeded(profile.training_key, "training", method)
        with drops:
            return watch(train(model, penalty, steps, settings, settings.weight * weight, rng))

    history = learn_or_load(folder, method, recipe, model, profile, learn)
    return Trained(method, on_images(model, backbone.model, profile), history)


def fit_splits(
    folder: Path,
    profile: Profile,
    data: Data,
    backbone: Trained,
    methods: Sequence[str],
    views=None,
    watch: Watch = pd.DataFrame,
    watched: bool = False,
) -> dict[str, Trained]:
    """`fit_split` of several methods, by name. Projectors are so small that each trains on one thread, side by side.

    Args:
        watched: whether `watch` draws; then one trains at a time.
    """

    def fit(method: str) -> Trained:
        return fit_split(folder, profile, data, backbone, method, views, watch)

    if profile.disentanglement.trains == "backbone":
        return {method: fit(method) for method in methods}
    return dict(zip(methods, side_by_side(fit, methods, 1 if watched else None), strict=True))


def new_split_model(profile: Profile, backbone: SplitModel, n_classes: int, n_backgrounds: int) -> SplitModel:
    """What a penalty trains: projectors on frozen features, or a copy of the backbone with its heads."""
    settings = profile.disentanglement
    if settings.trains == "backbone":
        return copy.deepcopy(backbone)
    sizes = part_sizes(settings.width, settings.background_share)
    with seeded(profile.training_key, "projectors"):
        return SplitModel(Projectors(backbone.encoder.width, *sizes), *sizes, n_classes, n_backgrounds)


def on_images(model: SplitModel, backbone: SplitModel, profile: Profile) -> SplitModel:
    """`model` as something that reads images, in evaluation mode."""
    return model.eval() if profile.disentanglement.trains == "backbone" else model.on_top_of(backbone.encoder)


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
        for head, target, guess in (("label", "label", "fg_guess"), ("background", "place", "bg_guess"))
    ]
    table = accuracy_by(pd.concat(rows), "method", "head")
    return table.sort_values(
        "method", key=lambda names: names.map(list(features).index), kind="stable", ignore_index=True
    )


def load_method(folder: Path, profile: Profile, method: str) -> SplitModel:
    """The trained model of `method` from checkpoints/, reading images.

    Raises:
        D3SError: it was never trained in this run.
    """
    paths = [checkpoint_path(folder, name) for name in (BACKBONE, method)]
    n_classes, n_backgrounds = (
        tables.read_tensors(paths[0])[f"{head}_head.bias"].numel() for head in ("label", "background")
    )
    backbone = new_backbone_model(profile, n_classes, n_backgrounds)
    backbone.load_state_dict(tables.read_tensors(paths[0]))
    if method == BACKBONE:
        return backbone.eval()
    model = new_split_model(profile, backbone, n_classes, n_backgrounds)
    model.load_state_dict(tables.read_tensors(paths[1]))
    return on_images(model, backbone.eval(), profile)


def fresh_model(folder: Path, profile: Profile, method: str) -> SplitModel:
    """What training `method` starts from, on any process: a new backbone, or a copy of the run's trained one."""
    data = load_data(folder, profile)
    backbone = new_backbone_model(profile, data.n_classes, data.n_backgrounds)
    if method == BACKBONE:
        return backbone
    backbone.load_state_dict(tables.read_tensors(checkpoint_path(folder, BACKBONE)))
    return new_split_model(profile, backbone, data.n_classes, data.n_backgrounds)


# Long training, and training on several devices -----------------------------------------------------------------------


def lasting(settings: Disentanglement) -> bool:
    """Whether a backbone trains step by step from keys: to be resumed, or to share its steps among workers."""
    return settings.save_every > 0 or settings.workers > 1


def train_lastingly(
    folder: Path, profile: Profile, method: str, recipe: str, model: SplitModel, n_steps: int | None = None
) -> Iterator[dict]:
    """Train `model` from its last checkpoint, on this process or on `disentanglement.workers`; yields all records.

    Args:
        method: `BACKBONE`, for which `n_steps` must be given, or a penalty.
        recipe: a checkpoint of another recipe is not taken up.
    """
    if profile.disentanglement.workers > 1:
        from d3s_utils.workers import train_on_workers

        train_on_workers(profile, Path(folder), method, recipe, n_steps)
        state = read_progress(progress_path(folder, method), recipe)
        model.load_state_dict(state["training"]["model"])
        records = state["records"]
    else:
        records = train_share(Path(folder), profile, method, recipe, model, n_steps)
    yield from records
    progress_path(folder, method).unlink(missing_ok=True)


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
    tables.write_atomically(path, lambda part: torch.save(state, part))


def read_progress(path: Path, recipe: str) -> dict | None:
    """What `write_progress` left of this recipe; None if there is nothing, or nothing that can be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        return None
    return state if state.get("recipe") == recipe else None


# Checkpoints ----------------------------------------------------------------------------------------------------------


def checkpoint_path(folder: Path, method: str) -> Path:
    return Path(folder) / "checkpoints" / f"split_{method}.safetensors"


def learn_or_load(folder: Path, method: str, recipe: str, model: nn.Module, profile: Profile, learn) -> pd.DataFrame:
    """Weights of `recipe` into `model`, from checkpoints/ if they are there, else by `learn()`, and then kept.

    Returns:
        The history of the training, one row per step.
    """
    path = checkpoint_path(folder, method)
    about, history = path.with_suffix(".json"), path.with_suffix(".csv")
    if all(file.is_file() for file in (path, about, history)) and json.loads(about.read_text())["recipe"] == recipe:
        model.load_state_dict(tables.read_tensors(path))
        return tables.read_table(history)
    table = learn()
    tables.write_table(history, table)
    tables.write_tensors(path, model.state_dict())
    settings = {"recipe": recipe, "method": method, "seed": profile.training_key, "settings": profile.disentanglement}
    tables.write_json(about, settings | {"metrics": table.ffill().iloc[-1].to_dict()})
    return tables.read_table(history)
