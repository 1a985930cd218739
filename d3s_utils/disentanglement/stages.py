"""The stages of notebook 04: a backbone, a split model for each penalty, and the features of each; all are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from d3s_utils.disentanglement.backbone import backbone_training
from d3s_utils.disentanglement.encoding import encode, frozen_views
from d3s_utils.disentanglement.features import Features, as_tensors, features_path, from_tensors
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.keys import backbone_key, features_key, split_key, views_key
from d3s_utils.disentanglement.models import (
    BACKBONE,
    SplitModel,
    Trained,
    checkpoint_path,
    new_backbone_model,
    new_split_model,
    on_images,
)
from d3s_utils.disentanglement.training import split_training
from d3s_utils.disentanglement.workers import train_on_workers
from d3s_utils.ground.cached import Tensors, cached, digest, is_kept
from d3s_utils.ground.files import read_tensors, write_json, write_table
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.seeds import torch_rng_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.training import Progress, Training, train

Watch = Callable[[Iterator[dict]], pd.DataFrame]  # turns the records of a training run into a table, maybe drawing them


def fit_backbone(folder: Path, profile: Profile, data: Data, watch: Watch = pd.DataFrame) -> Trained:
    """The backbone with its two heads, trained end to end without penalty; taken from checkpoints/ if it is there."""
    key = backbone_key(profile, data)
    model = new_backbone_model(profile, data.n_classes, data.n_backgrounds)
    history = _learn_or_load(
        folder, profile, BACKBONE, key, model, lambda: backbone_training(profile, model, data), watch
    )
    return Trained(BACKBONE, model.eval(), history, key)


def cache_views(folder: Path, profile: Profile, data: Data, backbone: Trained) -> tuple[Tensor, Tensor]:
    """Frozen features of `views` varied copies of the D3S training images and of the natural ones, (V, N, D) each."""
    encoder, count = backbone.model.encoder, profile.disentanglement.views

    def make() -> Tensors:
        rng = torch_rng_for(profile.training_key, "views")
        d3s = frozen_views(encoder, data.d3s[torch.tensor(data.train)], count, rng)
        return Tensors({"d3s": d3s, "natural": frozen_views(encoder, data.natural, count, rng)})

    kept = cached(Path(folder) / "cache" / "views.safetensors", views_key(profile, data, backbone.key), make)
    return kept.tensors["d3s"], kept.tensors["natural"]


def fit_split(
    folder: Path, profile: Profile, data: Data, backbone: Trained, method: str, watch: Watch = pd.DataFrame
) -> Trained:
    """Train the split with the penalty `method` on top of `backbone`; taken from checkpoints/ if it is there.

    Raises:
        D3SError: there is no such penalty.
    """
    key = split_key(profile, data, backbone.key, method)
    model = new_split_model(profile, backbone.model, data.n_classes, data.n_backgrounds)

    def training() -> Training:
        views = None
        if profile.disentanglement.trains == "projectors":
            views = cache_views(folder, profile, data, backbone)
        return split_training(profile, model, data, method, views)

    history = _learn_or_load(folder, profile, method, key, model, training, watch)
    return Trained(method, on_images(model, backbone.model, profile), history, key)


def fit_splits(
    folder: Path,
    profile: Profile,
    data: Data,
    backbone: Trained,
    methods: Sequence[str],
    watch: Watch = pd.DataFrame,
    watched: bool = False,
) -> dict[str, Trained]:
    """`fit_split` of several methods, by name. Projectors are so small that each trains on one thread, side by side.

    Args:
        watched: whether `watch` draws; then one trains at a time.
    """

    def fit(method: str) -> Trained:
        return fit_split(folder, profile, data, backbone, method, watch)

    if profile.disentanglement.trains == "backbone":
        return {method: fit(method) for method in methods}
    keys = {method: split_key(profile, data, backbone.key, method) for method in methods}
    if not all(is_kept(checkpoint_path(folder, method), key) for method, key in keys.items()):
        cache_views(folder, profile, data, backbone)  # once, before several trainings ask for them
    return dict(zip(methods, side_by_side(fit, methods, 1 if watched else None), strict=True))


def save_features(folder: Path, trained: Trained, data: Data) -> Features:
    """Features of every D3S image under this method, kept in features/<method>.safetensors and handed back."""

    def make() -> Tensors:
        features = encode(trained.model, data.d3s, data.images["image_id"].to_numpy())
        return as_tensors(features, trained.method)

    return from_tensors(cached(features_path(folder, trained.method), features_key(data, trained.key), make))


def load_method(folder: Path, profile: Profile, method: str) -> SplitModel:
    """The trained model of `method` from checkpoints/, reading images, on the profile's device.

    Raises:
        D3SError: it was never trained in this run.
    """
    weights = [read_tensors(checkpoint_path(folder, name)) for name in dict.fromkeys((BACKBONE, method))]
    sizes = [weights[0][f"{head}_head.bias"].numel() for head in ("label", "background")]
    backbone = new_backbone_model(profile, *sizes)
    backbone.load_state_dict(weights[0])
    if method == BACKBONE:
        return backbone.eval()
    model = new_split_model(profile, backbone, *sizes)
    model.load_state_dict(weights[1])
    return on_images(model, backbone.eval(), profile)


def _learn_or_load(
    folder: Path,
    profile: Profile,
    method: str,
    key: dict,
    model: SplitModel,
    training: Callable[[], Training],
    watch: Watch,
) -> pd.DataFrame:
    """Weights into `model`, from checkpoints/ if they were left there under `key`, else learned, and then kept.

    Returns:
        The history of the training, one row per step, with six significant digits.
    """
    path, settings = checkpoint_path(folder, method), profile.disentanglement
    shared = settings.workers > 1 and (method == BACKBONE or settings.trains == "backbone")
    notes = Path(folder).resolve() / "cache" / f"training-{method}.pt"
    progress = Progress(notes, digest(key), settings.save_every)

    def learn() -> Iterator[dict]:
        if not shared:
            return train(training(), progress if settings.save_every else None)
        train_on_workers(profile, Path(folder), method, progress)
        end = progress.read()
        model.load_state_dict(end["learner"]["model"])
        return iter(end["records"])

    def make() -> Tensors:
        table = watch(learn())
        metrics = {column: _short(value) for column, value in table.ffill().iloc[-1].items()}
        history = {column: [_short(value) for value in own] for column, own in table.items()}
        return Tensors(model.state_dict(), key | {"metrics": metrics, "history": history})

    kept = cached(path, key, make)
    model.load_state_dict(kept.tensors)
    notes.unlink(missing_ok=True)
    history = pd.DataFrame(kept.about["history"]).astype({"step": int})
    write_table(path.with_suffix(".csv"), history)  # these two are copies for people
    write_json(path.with_suffix(".json"), {name: value for name, value in kept.about.items() if name != "history"})
    return history


def _short(value: float) -> float | None:
    """A number with six significant digits; None for what a step does not report."""
    return None if pd.isna(value) else float(f"{value:.6g}")
