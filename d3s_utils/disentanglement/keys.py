"""What each result of disentanglement depends on: its settings, its inputs, and the code that makes it."""

from __future__ import annotations

from dataclasses import asdict, fields

from d3s_utils.disentanglement import images
from d3s_utils.disentanglement.backbone import backbone_training, plain_training
from d3s_utils.disentanglement.encoding import encode, frozen_views
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.methods import method_of
from d3s_utils.disentanglement.models import BACKBONE, PLAIN, new_backbone_model
from d3s_utils.disentanglement.penalties import table
from d3s_utils.disentanglement.streams import vary_of
from d3s_utils.disentanglement.training import split_training
from d3s_utils.evaluation import networks
from d3s_utils.ground.cached import digest
from d3s_utils.ground.settings import Profile, Turns
from d3s_utils.ground.sources import code_of

# How pictures are read, which networks and which penalties there are: keys hold what these gave, not their code.
BESIDE = (images.__name__, networks.__name__, table.__name__)
NETWORK = ("backbone", "pretrained", "background_share")
OF_BACKBONE = (*NETWORK, "backbone_epochs", "backbone_batch_size", "precision", "augment")
TURNS = tuple(each.name for each in fields(Turns))
OF_SPLIT = ("precision", "augment")


def plain_key(profile: Profile, data: Data) -> dict:
    """Everything that the weights of the plain network depend on."""
    published = profile.disentanglement.pretrained
    return {
        "method": PLAIN,
        "seed": profile.training_key,
        "settings": _settings(profile, *(NETWORK if published else OF_BACKBONE)),
        **_of_network(profile),
        "data": None if published else data.natural_digits,
        "code": code_of(new_backbone_model if published else plain_training, beside=BESIDE),
    }


def backbone_key(profile: Profile, data: Data) -> dict:
    """Everything that the weights of the backbone depend on."""
    return {
        "method": BACKBONE,
        "seed": profile.training_key,
        "settings": _settings(profile, *OF_BACKBONE, "workers"),
        **_of_network(profile),
        "data": data.train_key,
        "code": code_of(backbone_training, beside=BESIDE),
    }


def _of_network(profile: Profile) -> dict:
    """What a network of its own row depends on, and the threads it is trained on."""
    row = networks.NETWORKS.get(profile.disentanglement.backbone)
    return {"network": row and asdict(row), "threads": threads_of(profile)}


def threads_of(profile: Profile) -> int:
    """Threads that one training shares: a small network gains little from a second one, and trains beside another."""
    return 1 if profile.disentanglement.backbone in networks.NETWORKS else profile.threads


def split_key(profile: Profile, data: Data, start: dict, method: str) -> dict:
    """Everything that the weights of `method` depend on, given the key of its start; of all penalties its own alone.

    Raises:
        D3SError: there is no such penalty.
    """
    way = method_of(method, profile)
    module, row = table.penalty_module(way.penalty), table.penalty_row(way.penalty)
    turns = {name: getattr(way.turns, name) for name in TURNS if row.learns or not name.startswith("critic_")}
    if way.whole:
        names, inputs = [*OF_SPLIT, "workers"], {"threads": threads_of(profile)}
    else:
        names = [*OF_SPLIT, "width", "background_share"]
        inputs = {"views": digest(views_key(profile, data, start))}
    return {
        "method": method,
        "seed": profile.training_key,
        "settings": _settings(profile, *names) | turns,
        "data": data.train_key,
        "start": digest(start),
        "code": code_of(split_training, module, beside=BESIDE),
        **inputs,
    }


def views_key(profile: Profile, data: Data, backbone: dict) -> dict:
    """Everything that the cached views depend on, given the key of the backbone."""
    return {
        "seed": profile.training_key,
        "settings": _settings(profile, "views", "augment"),
        "data": data.train_key,
        "backbone": digest(backbone),
        "code": code_of(frozen_views, vary_of, beside=BESIDE),
    }


def features_key(data: Data, model: dict) -> dict:
    """Everything that the features of the D3S images depend on, given the key of the model."""
    return {"model": digest(model), "data": data.d3s_key, "code": code_of(encode, beside=BESIDE)}


def _settings(profile: Profile, *names: str) -> dict:
    return {name: getattr(profile.disentanglement, name) for name in names}
