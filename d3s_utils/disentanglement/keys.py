"""What each result of disentanglement depends on: its settings, its inputs, and the code that makes it."""

from __future__ import annotations

from dataclasses import asdict

from d3s_utils.disentanglement import images
from d3s_utils.disentanglement.backbone import backbone_training
from d3s_utils.disentanglement.encoding import encode, frozen_views
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.disentanglement.penalties import table
from d3s_utils.disentanglement.training import split_training
from d3s_utils.evaluation import networks
from d3s_utils.ground.cached import digest
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.sources import code_of

# How pictures are read, which networks and which penalties there are: keys hold what these gave, not their code.
BESIDE = (images.__name__, networks.__name__, table.__name__)
OF_BACKBONE = ("backbone", "pretrained", "background_share", "backbone_epochs", "backbone_batch_size", "precision")
OF_SPLIT = ("trains", "warmup", "steps", "batch_size", "lr", "warmup_lr", "weight", "precision")


def backbone_key(profile: Profile, data: Data) -> dict:
    """Everything that the weights of the backbone depend on."""
    row = networks.NETWORKS.get(profile.disentanglement.backbone)
    return {
        "method": BACKBONE,
        "seed": profile.training_key,
        "settings": _settings(profile, *OF_BACKBONE, "workers"),
        "threads": profile.threads,
        "network": row and asdict(row),
        "data": data.train_key,
        "code": code_of(backbone_training, beside=BESIDE),
    }


def split_key(profile: Profile, data: Data, backbone: dict, method: str) -> dict:
    """Everything that the weights of `method` depend on, given the key of the backbone; of all penalties its own alone.

    Raises:
        D3SError: there is no such penalty.
    """
    module, row = table.penalty_module(method), table.penalty_row(method)
    names = [*OF_SPLIT, *(["critic_steps"] if row.learns else [])]
    if profile.disentanglement.trains == "backbone":
        names, inputs = [*names, "workers"], {"threads": profile.threads}
    else:
        names, inputs = [*names, "width", "background_share"], {"views": digest(views_key(profile, data, backbone))}
    return {
        "method": method,
        "seed": profile.training_key,
        "settings": _settings(profile, *names),
        "data": data.train_key,
        "backbone": digest(backbone),
        "code": code_of(split_training, module, beside=BESIDE),
        **inputs,
    }


def views_key(profile: Profile, data: Data, backbone: dict) -> dict:
    """Everything that the cached views depend on, given the key of the backbone."""
    return {
        "seed": profile.training_key,
        "settings": _settings(profile, "views"),
        "data": data.train_key,
        "backbone": digest(backbone),
        "code": code_of(frozen_views, beside=BESIDE),
    }


def features_key(data: Data, model: dict) -> dict:
    """Everything that the features of the D3S images depend on, given the key of the model."""
    return {"model": digest(model), "data": data.d3s_key, "code": code_of(encode, beside=BESIDE)}


def _settings(profile: Profile, *names: str) -> dict:
    return {name: getattr(profile.disentanglement, name) for name in names}
