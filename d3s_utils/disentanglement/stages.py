"""The stages of notebook 04: a backbone, then one split model per penalty."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from d3s_utils.disentanglement.heads import frozen
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.models import (
    BACKBONE,
    SplitModel,
    Trained,
    checkpoint_path,
    new_backbone_model,
    new_split_model,
    on_images,
)
from d3s_utils.disentanglement.penalties.table import build_penalty, recipe_for
from d3s_utils.disentanglement.streams import batches, image_streams, varied, view_streams
from d3s_utils.disentanglement.training import (
    lasting,
    progress_path,
    read_progress,
    train,
    train_backbone,
    train_share,
)
from d3s_utils.disentanglement.workers import train_on_workers
from d3s_utils.ground.cached import digest
from d3s_utils.ground.files import read_table, read_tensors, write_json, write_table, write_tensors
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.seeds import seeded, torch_rng_for
from d3s_utils.ground.settings import Profile

Watch = Callable[[Iterator[dict]], pd.DataFrame]  # turns the records of a training run into a table, maybe drawing them


def fit_backbone(folder: Path, profile: Profile, data: Data, watch: Watch = pd.DataFrame) -> Trained:
    """The backbone with its two heads, trained end to end without penalty; taken from checkpoints/ if it is there."""
    settings = profile.disentanglement
    recipe = digest("split backbone", backbone_recipe(profile), data.hash)
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
    recipe = digest("split", method, weight, profile.training_key, asdict(settings), backbone_recipe(profile), data.hash)
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


def load_method(folder: Path, profile: Profile, method: str) -> SplitModel:
    """The trained model of `method` from checkpoints/, reading images.

    Raises:
        D3SError: it was never trained in this run.
    """
    paths = [checkpoint_path(folder, name) for name in (BACKBONE, method)]
    n_classes, n_backgrounds = (read_tensors(paths[0])[f"{head}_head.bias"].numel() for head in ("label", "background"))
    backbone = new_backbone_model(profile, n_classes, n_backgrounds)
    backbone.load_state_dict(read_tensors(paths[0]))
    if method == BACKBONE:
        return backbone.eval()
    model = new_split_model(profile, backbone, n_classes, n_backgrounds)
    model.load_state_dict(read_tensors(paths[1]))
    return on_images(model, backbone.eval(), profile)


def learn_or_load(folder: Path, method: str, recipe: str, model: nn.Module, profile: Profile, learn) -> pd.DataFrame:
    """Weights of `recipe` into `model`, from checkpoints/ if they are there, else by `learn()`, and then kept.

    Returns:
        The history of the training, one row per step.
    """
    path = checkpoint_path(folder, method)
    about, history = path.with_suffix(".json"), path.with_suffix(".csv")
    if all(file.is_file() for file in (path, about, history)) and json.loads(about.read_text())["recipe"] == recipe:
        model.load_state_dict(read_tensors(path))
        return read_table(history)
    table = learn()
    write_table(history, table)
    write_tensors(path, model.state_dict())
    settings = {"recipe": recipe, "method": method, "seed": profile.training_key, "settings": profile.disentanglement}
    write_json(about, settings | {"metrics": table.ffill().iloc[-1].to_dict()})
    return read_table(history)


def train_lastingly(
    folder: Path, profile: Profile, method: str, recipe: str, model: SplitModel, n_steps: int | None = None
) -> Iterator[dict]:
    """Train `model` from its last checkpoint, on this process or on `disentanglement.workers`; yields all records.

    Args:
        method: `BACKBONE`, for which `n_steps` must be given, or a penalty.
        recipe: a checkpoint of another recipe is not taken up.
    """
    if profile.disentanglement.workers > 1:
        train_on_workers(profile, Path(folder), method, recipe, n_steps)
        state = read_progress(progress_path(folder, method), recipe)
        model.load_state_dict(state["training"]["model"])
        records = state["records"]
    else:
        records = train_share(Path(folder), profile, method, recipe, model, n_steps)
    yield from records
    progress_path(folder, method).unlink(missing_ok=True)
