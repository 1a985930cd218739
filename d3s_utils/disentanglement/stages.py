"""The stages of notebook 04: two networks to start from, a split for each method, and the features of all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from d3s_utils.disentanglement.backbone import backbone_training, plain_training
from d3s_utils.disentanglement.encoding import encode, frozen_views
from d3s_utils.disentanglement.features import Features, as_tensors, features_path, from_tensors
from d3s_utils.disentanglement.images import Data
from d3s_utils.disentanglement.keys import backbone_key, features_key, plain_key, split_key, threads_of, views_key
from d3s_utils.disentanglement.methods import Method, method_of
from d3s_utils.disentanglement.models import (
    BACKBONE,
    PLAIN,
    SplitModel,
    Trained,
    checkpoint_path,
    new_backbone_model,
    new_projectors,
)
from d3s_utils.disentanglement.streams import vary_of
from d3s_utils.disentanglement.training import split_training
from d3s_utils.disentanglement.workers import train_on_workers
from d3s_utils.ground.cached import Tensors, cached, digest, is_kept
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.files import read_tensors, write_json, write_table
from d3s_utils.ground.parallel import computing_on, side_by_side
from d3s_utils.ground.seeds import torch_rng_for
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.training import Progress, Training, train

Watch = Callable[[Iterator[dict]], pd.DataFrame]  # turns the records of a training run into a table, maybe drawing them


def fit_ahead(folder: Path, profile: Profile, data: Data, methods: Sequence[str]) -> None:
    """Train everything at once, where nobody watches: `fit_plain`, `fit_backbone` and `fit_split` then find it.

    Two lanes side by side, each on one thread: the plain network and what starts from it, the backbone and what starts
    from that. Large networks, and those on a GPU or on several workers, need all there is and wait for their turn.
    """
    settings = profile.disentanglement
    if threads_of(profile) > 1 or settings.workers > 1 or pick_device(profile.device).type != "cpu":
        return

    def lane(fit_start: Callable[..., Trained]) -> None:
        start = fit_start(folder, profile, data)
        for method in methods:
            if method_of(method, profile).start == start.method:
                fit_split(folder, profile, data, start, method)

    side_by_side(lane, (fit_plain, fit_backbone))


def fit_plain(folder: Path, profile: Profile, data: Data, watch: Watch = pd.DataFrame) -> Trained:
    """The network that never saw a D3S image: published weights where the profile takes such, else trained here.

    Its two heads are those of no training; it is read for its features and to start from.
    """
    key = plain_key(profile, data)
    model = new_backbone_model(profile, data.n_classes, data.n_backgrounds)
    if profile.disentanglement.pretrained:
        return Trained(PLAIN, model.eval(), pd.DataFrame(), key)
    history = _learn_or_load(
        folder, profile, PLAIN, key, model, lambda: plain_training(profile, model.encoder, data), watch
    )
    return Trained(PLAIN, model.eval(), history, key)


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
    encoder, count, vary = backbone.model.encoder, profile.disentanglement.views, vary_of(profile.disentanglement)

    def make() -> Tensors:
        rng = torch_rng_for(profile.training_key, "views")
        d3s = frozen_views(encoder, data.d3s[torch.tensor(data.train)], count, vary, rng)
        return Tensors({"d3s": d3s, "natural": frozen_views(encoder, data.natural, count, vary, rng)})

    kept = cached(Path(folder) / "cache" / "views.safetensors", views_key(profile, data, backbone.key), make)
    return kept.tensors["d3s"], kept.tensors["natural"]


def fit_split(
    folder: Path, profile: Profile, data: Data, start: Trained, method: str, watch: Watch = pd.DataFrame
) -> Trained:
    """Train the split of `method` from `start`, the one it names; taken from checkpoints/ if it is there.

    Raises:
        D3SError: there is no such penalty.
    """
    way, key = method_of(method, profile), split_key(profile, data, start.key, method)
    model = _started(profile, start.model, data, way)

    def training() -> Training:
        views = None if way.whole else cache_views(folder, profile, data, start)
        return split_training(profile, model, data, method, views)

    history = _learn_or_load(folder, profile, method, key, model, training, watch)
    model = model.eval() if way.whole else model.on_top_of(start.model.encoder)
    return Trained(method, model, history, key)


def _started(profile: Profile, start: SplitModel, data: Data, way: Method) -> SplitModel:
    """What a method trains, before its first step: a copy of a whole network, or new projectors."""
    if way.whole:
        return copy.deepcopy(start)
    return new_projectors(profile, start, data.n_classes, data.n_backgrounds)


def fit_splits(
    folder: Path,
    profile: Profile,
    data: Data,
    starts: dict[str, Trained],
    methods: Sequence[str],
    watch: Watch = pd.DataFrame,
    watched: bool = False,
) -> dict[str, Trained]:
    """`fit_split` of several methods, by name. Projectors are so small that each trains on one thread, side by side.

    Args:
        starts: BACKBONE and PLAIN, trained.
        watched: whether `watch` draws; then one trains at a time.
    """
    ways = {method: method_of(method, profile) for method in methods}

    def fit(method: str) -> Trained:
        return fit_split(folder, profile, data, starts[ways[method].start], method, watch)

    small = [method for method, way in ways.items() if not way.whole]
    keys = {method: split_key(profile, data, starts[BACKBONE].key, method) for method in small}
    if not all(is_kept(checkpoint_path(folder, method), key) for method, key in keys.items()):
        cache_views(folder, profile, data, starts[BACKBONE])  # once, before several trainings ask for them
    trained = dict(zip(small, side_by_side(fit, small, 1 if watched else None), strict=True))
    return {method: trained[method] if method in trained else fit(method) for method in methods}


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
    way = None if method in (PLAIN, BACKBONE) else method_of(method, profile)
    base = BACKBONE if way and not way.whole else method
    if method == PLAIN and profile.disentanglement.pretrained:
        return new_backbone_model(profile, *_head_sizes(folder)).eval()
    model = new_backbone_model(profile, *_head_sizes(folder))
    model.load_state_dict(read_tensors(checkpoint_path(folder, base)))
    if base == method:
        return model.eval()
    projectors = new_projectors(profile, model, *_head_sizes(folder))
    projectors.load_state_dict(read_tensors(checkpoint_path(folder, method)))
    return projectors.on_top_of(model.eval().encoder)


def _head_sizes(folder: Path) -> list[int]:
    """Classes and backgrounds, as the backbone's checkpoint has them."""
    weights = read_tensors(checkpoint_path(folder, BACKBONE))
    return [weights[f"{head}_head.bias"].numel() for head in ("label", "background")]


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
    whole = method in (PLAIN, BACKBONE) or method_of(method, profile).whole
    shared = settings.workers > 1 and whole and method != PLAIN
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
        with computing_on(threads_of(profile) if whole else 1):
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
