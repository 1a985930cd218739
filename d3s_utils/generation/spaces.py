"""In whose eyes images are compared: the pocket judge, or the feature space of a named network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from d3s_utils.data.classes import class_table
from d3s_utils.generation import standard
from d3s_utils.generation.standard import INCEPTION, on_disk
from d3s_utils.generation.world import open_backgrounds
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile
from d3s_utils.pocket.judge import Judge, load_judge


@dataclass(frozen=True)
class FeatureSpace:
    """A network that turns pictures into vectors.

    Attributes:
        name: stands beside every distance taken in it.
        extract: (N, S, S, 3) uint8 of any size S -> (N, D) float32.
    """

    name: str
    extract: Callable[[np.ndarray], np.ndarray]


def open_judge(profile: Profile) -> Judge | None:
    """The pocket judge, where it has learnt the classes and backgrounds of this run; None elsewhere.

    Raises:
        D3SError: its weights are missing.
    """
    if profile.realism.features not in ("judge", "auto"):
        return None
    judge = load_pocket_judge()
    asked = set(class_table(profile)["class_name"]), set(open_backgrounds(profile).names)
    return judge if asked[0] <= set(judge.classes) and asked[1] <= set(judge.backgrounds) else None


def load_pocket_judge() -> Judge:
    folder = paths.POCKET_WEIGHTS / "judge"
    if not folder.is_dir():
        raise D3SError(f"realism.features: {folder} has no judge; run make pocket-generator, or name a timm model.")
    return load_judge(folder)


def open_features(profile: Profile) -> FeatureSpace:
    """The feature space `profile.realism.features`: the pocket judge, FID's Inception, or a timm model.

    Raises:
        D3SError: timm knows no such model, or its weights cannot be had.
    """
    wanted = profile.realism.features
    inception = on_disk(profile, INCEPTION) if wanted in ("inception", "auto") else None
    if inception is not None:
        return FeatureSpace("standard Inception", standard.inception(inception))
    if wanted == "inception":
        raise D3SError(
            f"realism.features: {INCEPTION} is neither in {paths.resolve(profile.realism.weights)} nor in torch's "
            "cache; put it there, or set realism.features to auto, judge or a timm model."
        )
    if wanted not in ("judge", "auto"):
        return timm_features(wanted)
    judge = load_pocket_judge()
    return FeatureSpace("pocket judge", lambda images: judge.judge(images).features)


def timm_features(name: str, batch: int = 64) -> FeatureSpace:
    """What a pretrained timm model sees before its last layer, with the preprocessing it was trained with."""
    import timm
    from PIL import Image

    try:
        network = timm.create_model(name, pretrained=True, num_classes=0).eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise D3SError(f"realism.features: timm cannot load {name!r} ({reason}); name another model.") from error
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))

    @torch.inference_mode()
    def extract(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), batch)
        parts = (torch.stack([transform(Image.fromarray(x)) for x in images[i : i + batch]]) for i in starts)
        return torch.cat([network(part) for part in parts]).float().numpy()

    return FeatureSpace(f"timm {name}", extract)
