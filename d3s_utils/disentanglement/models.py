"""Networks whose features come in two parts, one for the foreground and one for the background (paper, section 5)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3s_utils.evaluation.networks import NETWORKS
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import seeded
from d3s_utils.ground.settings import Profile

PLAIN = "plain"  # the network that never saw a D3S image: the paper's plain ResNet-50
CROPS = {"shift": 1.0, "crop": 0.875}  # share of a picture's side that validation sees, by `augment`
BACKBONE = "backbone"  # the method whose features nobody disentangled


class Backbone(nn.Module):
    """A network without its head, together with the normalisation it was made for.

    Takes RGB images (N, 3, S, S) in 0-1 and gives `width` features each, (N, width).

    Args:
        name: a row of networks.yaml (for small pictures) or a model of timm.
        pretrained: start from timm's weights.
        side: what it is trained on, in pixels; other pictures are resized and cut to that. None: whatever comes.
        crop: share of a picture's side that is kept where it is cut.
    """

    def __init__(self, name: str, *, pretrained: bool = False, side: int | None = None, crop: float = 1.0):
        super().__init__()
        import timm

        self.side, self.stored = side, side and round(side / crop)

        if name in NETWORKS:
            row = NETWORKS[name]
            self.network = getattr(timm.models, row.architecture)(num_classes=0, **row.sizes)
        elif timm.is_model(name):
            self.network = timm.create_model(name, pretrained=pretrained, num_classes=0)
        else:
            raise D3SError(
                f"disentanglement.backbone: no network is called {name!r}; take one of {', '.join(NETWORKS)}, or of "
                "timm."
            )
        config = timm.data.resolve_model_data_config(self.network)
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1))
        self.width = self.network.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.network((self.cut(images) - self.mean) / self.std)

    def cut(self, images: Tensor) -> Tensor:
        """The middle `side` pixels of pictures resized to side / crop; pictures of `side` pixels as they are."""
        if self.side is None or images.shape[-1] == self.side:
            return images
        if images.shape[-1] != self.stored:
            shape = (self.stored, self.stored)
            images = F.interpolate(images, size=shape, mode="bilinear", antialias=True).clamp(0, 1)
        edge = (self.stored - self.side) // 2
        return images[..., edge : edge + self.side, edge : edge + self.side]


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


def new_backbone_model(profile: Profile, n_classes: int, n_backgrounds: int) -> SplitModel:
    """A backbone with heads on the profile's device, its first weights drawn by the profile's seed."""
    settings = profile.disentanglement
    with seeded(profile.training_key, "split backbone"):
        backbone = Backbone(
            settings.backbone, pretrained=settings.pretrained, side=settings.image_size, crop=CROPS[settings.augment]
        )
        backbone.to(memory_format=torch.channels_last)
        sizes = part_sizes(backbone.width, settings.background_share)
        return SplitModel(backbone, *sizes, n_classes, n_backgrounds).to(pick_device(profile.device))


def new_projectors(profile: Profile, backbone: SplitModel, n_classes: int, n_backgrounds: int) -> SplitModel:
    """Untrained projectors for the features of `backbone`, with heads, on the profile's device."""
    sizes = part_sizes(profile.disentanglement.width, profile.disentanglement.background_share)
    with seeded(profile.training_key, "projectors"):
        model = SplitModel(Projectors(backbone.encoder.width, *sizes), *sizes, n_classes, n_backgrounds)
    return model.to(pick_device(profile.device))


@dataclass(frozen=True)
class Trained:
    """A method: its split model, which reads images, and how training went (one row per step)."""

    method: str
    model: SplitModel
    history: pd.DataFrame
    key: dict  # what the model's weights depend on


def checkpoint_path(folder: Path, method: str) -> Path:
    """Where a run keeps the weights of `method`."""
    return Path(folder) / "checkpoints" / f"split_{method}.safetensors"
