"""In whose eyes images are compared: the pocket judge, or the feature space of a named network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from d3s_utils.generation import standard
from d3s_utils.generation.standard import INCEPTION, on_disk
from d3s_utils.generation.world import World
from d3s_utils.ground import paths
from d3s_utils.ground.cached import digest
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import sha256
from d3s_utils.ground.settings import Realism
from d3s_utils.ground.sources import code_of
from d3s_utils.pocket.judge import Judge, load_judge


@dataclass(frozen=True)
class FeatureSpace:
    """A network that turns pictures into vectors.

    Attributes:
        name: stands beside every distance taken in it.
        key: what the features depend on beside the images.
    """

    name: str
    extract: Callable[[np.ndarray], np.ndarray]
    key: object


def open_judge(wanted: Realism, world: World, device: str = "cpu") -> Judge | None:
    """The pocket judge, where it has learnt the classes and backgrounds of this run; None elsewhere.

    Raises:
        D3SError: its weights are missing.
    """
    if wanted.features not in ("judge", "auto"):
        return None
    judge = load_pocket_judge(device)
    known = set(world.classes["class_name"]) <= set(judge.classes)
    return judge if known and set(world.backgrounds.names) <= set(judge.backgrounds) else None


def load_pocket_judge(device: str = "cpu") -> Judge:
    folder = paths.POCKET_WEIGHTS / "judge"
    if not folder.is_dir():
        raise D3SError(f"realism.features: {folder} has no judge; run make pocket-generator, or name a timm model.")
    return load_judge(folder, pick_device(device))


def open_features(wanted: Realism, device: str = "cpu") -> FeatureSpace:
    """The feature space `wanted.features`: the pocket judge, FID's Inception, or a timm model.

    Args:
        device: the profile's; there the network computes.

    Raises:
        D3SError: timm knows no such model, or its weights cannot be had.
    """
    inception = on_disk(wanted.weights, INCEPTION) if wanted.features in ("inception", "auto") else None
    if inception is not None:
        key = [sha256(inception), code_of(standard.inception)]
        return FeatureSpace("standard Inception", standard.inception(inception, pick_device(device)), key)
    if wanted.features == "inception":
        raise D3SError(
            f"realism.features: {INCEPTION} is neither in {paths.resolve(wanted.weights)} nor in torch's "
            "cache; put it there, or set realism.features to auto, judge or a timm model."
        )
    if wanted.features not in ("judge", "auto"):
        return timm_features(wanted.features, pick_device(device))
    judge = load_pocket_judge(device)
    return FeatureSpace("pocket judge", lambda images: judge.judge(images).features, judge.key)


def timm_features(name: str, device: torch.device, batch: int = 64) -> FeatureSpace:
    """What a pretrained timm model sees before its last layer, with the preprocessing it was trained with."""
    import timm
    from PIL import Image

    try:
        network = timm.create_model(name, pretrained=True, num_classes=0).eval().to(device)
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise D3SError(f"realism.features: timm cannot load {name!r} ({reason}); name another model.") from error
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))

    @torch.inference_mode()
    def extract(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), batch)
        parts = (torch.stack([transform(Image.fromarray(x)) for x in images[i : i + batch]]) for i in starts)
        return torch.cat([network(part.to(device)).float().cpu() for part in parts]).numpy()

    weights = {part: digest(value.cpu().numpy()) for part, value in network.state_dict().items()}
    code = code_of(timm_features, beside=[World.__module__, Judge.__module__, standard.__name__])
    return FeatureSpace(f"timm {name}", extract, [name, weights, code])
