"""A spurious task: class and background go together in training and part ways in the test.

Each class, or superclass (see `superclasses`), is tied to one background by a random permutation. A head trained on
frozen features sees the pairing with a probability, the correlation; then it is tested on images that agree with the
pairing and on images that do not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from d3s_utils.disentanglement.features import KINDS, Features
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Spurious
from d3s_utils.ground.stats import cluster_mean_ci
from d3s_utils.probes.directions import ERASED
from d3s_utils.probes.readers import fit_readers
from d3s_utils.spurious.parts import has_parts, heard


def pairing(n_classes: int, n_backgrounds: int, *key: object) -> np.ndarray:
    """The background tied to each class, (K,): a random one-to-one choice; beyond K = B classes they share in turn."""
    order = rng_for(*key, "pairing").permutation(n_backgrounds)
    return order[np.arange(n_classes) % n_backgrounds]


def training_rows(images: pd.DataFrame, tied: np.ndarray, correlation: float, *key: object) -> np.ndarray:
    """Rows of `images` that show each class on its tied background with probability `correlation`.

    Every class gives as many images as its tied cell holds in the smallest class, whatever the correlation, so that a
    dial changes the pairing and never the amount of data. The other images come from the remaining tied backgrounds in
    equal chance.

    Args:
        images: label and background_index of the training images, rows counted from 0.
        tied: (K,) background of each class.

    Raises:
        D3SError: a class has no image on the background it is tied to, or none elsewhere though some are needed.
    """
    label, background = images["label"].to_numpy(), images["background_index"].to_numpy()
    agrees, known = background == tied[label], np.isin(background, tied)
    size = min(int((agrees & (label == k)).sum()) for k in range(len(tied)))
    if size == 0:
        raise D3SError("The spurious task needs every class on every background; raise dataset.train_per_cell.")
    n_agree = round(correlation * size)
    rng, chosen = rng_for(*key, "rows"), []
    for k in range(len(tied)):
        own = label == k
        usual, unusual = np.flatnonzero(own & agrees), np.flatnonzero(own & ~agrees & known)
        if len(unusual) < size - n_agree:
            raise D3SError("The spurious task needs every class on every background; raise dataset.train_per_cell.")
        chosen += [rng.permutation(usual)[:n_agree], rng.permutation(unusual)[: size - n_agree]]
    return np.concatenate(chosen)


def spurious_task(
    features: dict[str, Features],
    images: pd.DataFrame,
    settings: Spurious,
    seed: int,
    device: str = "cpu",
    kinds=("fg", "all"),
    loudness: float = 1.0,
) -> pd.DataFrame:
    """Train and test a linear head for every method, kind of features, permutation and correlation.

    Args:
        features: by method; row i of each is row i of `images`.
        images: image_id, split, label, background_index. Heads train on split "train" and are tested on the rest.
        seed, device: the profile's.
        kinds: which features a head may read, of "fg", "bg", "all"; where a network has no parts, only "all".
        loudness: times which the background part is multiplied where all features are read, see `parts.heard`.

    Returns:
        One row per method, kind, permutation, correlation and test image: label, guess, and whether it `agrees`. Images
        on a background tied to no class are left out, as in the paper.
    """
    train = (images["split"] == "train").to_numpy()
    n_classes, n_backgrounds = images["label"].max() + 1, images["background_index"].max() + 1
    ties = np.stack([pairing(n_classes, n_backgrounds, seed, "spurious", p) for p in range(settings.permutations)])
    cases = [(p, correlation) for p in range(settings.permutations) for correlation in settings.correlations]
    rows = np.stack([training_rows(images[train], ties[p], c, seed, "spurious", p) for p, c in cases])
    if unknown := set(kinds) - set(KINDS):
        raise D3SError(f"There are no features called {min(unknown)!r}; choose of {', '.join(KINDS)}.")

    def task(kind: str) -> pd.DataFrame:
        keys = [(seed, "spurious head", kind, p) for p, _ in cases]
        x = {name: heard(name, own, kind, train, loudness) for name, own in features.items() if _offers(name, kind)}
        guesses = _guesses(x, images, train, rows, keys, pick_device(device))
        return pd.concat(
            [_tidy(guesses[:, r], x, kind, images[~train], case, ties[case[0]]) for r, case in enumerate(cases)]
        )

    read = [kind for kind in kinds if any(_offers(name, kind) for name in features)]
    return pd.concat(side_by_side(task, read), ignore_index=True)


def loudness(
    features: dict[str, Features], images: pd.DataFrame, settings: Spurious, seed: int, device: str = "cpu"
) -> pd.DataFrame:
    """What heads on all features say where class and background always go together, the background part made louder.

    Both parts answer the question then, so nothing but their loudness decides which of them a head follows.

    Args:
        features: by method, LEACE's and those of networks without parts left out.

    Returns:
        `summarise` at a correlation of 1 for each of `settings.loudness`, the number in the column `loudness`.
    """
    split = {name: own for name, own in features.items() if has_parts(name) and not name.endswith(ERASED)}
    always = replace(settings, correlations=(1.0,))
    parts = []
    for factor in settings.loudness:
        guesses = spurious_task(split, images, always, seed, device, ("all",), factor)
        parts.append(summarise(guesses, images, seed).assign(loudness=factor))
    return pd.concat(parts, ignore_index=True)


def _offers(method: str, kind: str) -> bool:
    return kind == "all" or has_parts(method)


def _guesses(features: dict[str, np.ndarray], images, train, rows, keys, device) -> np.ndarray:
    """(M, R, n) guesses of heads on one kind of features; sets are trained together where their widths agree."""
    labels = torch.tensor(images["label"].to_numpy()[train], dtype=torch.long)
    guesses = {}
    for width in dict.fromkeys(x.shape[1] for x in features.values()):
        group = [method for method, x in features.items() if x.shape[1] == width]
        x = torch.from_numpy(np.stack([features[method] for method in group])).to(device)
        readers = fit_readers(x[:, np.flatnonzero(train)], labels, torch.from_numpy(rows), keys)
        guesses |= dict(zip(group, readers.guesses(x[:, np.flatnonzero(~train)]).numpy(), strict=True))
    return np.stack([guesses[method] for method in features])


def _tidy(guesses, features, kind: str, images, case, tied) -> pd.DataFrame:
    """(M, n) guesses of one case as rows, without images on backgrounds nobody is tied to."""
    label, background = images["label"].to_numpy(), images["background_index"].to_numpy()
    kept = np.isin(background, tied)
    return pd.DataFrame(
        {
            "method": np.repeat(list(features), kept.sum()),
            "features": kind,
            "permutation": case[0],
            "correlation": case[1],
            "image_id": np.tile(images["image_id"].to_numpy()[kept], len(features)),
            "label": np.tile(label[kept], len(features)),
            "guess": guesses[:, kept].ravel(),
            "agrees": np.tile((background == tied[label])[kept], len(features)),
        }
    )


def summarise(guesses: pd.DataFrame, images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Accuracy in percent on agreeing and on disagreeing images, over permutations, with the worst group.

    A group is a class on one side; `worst` is the mean over permutations of the lowest class accuracy. The interval
    redraws whole sources (`foreground_source`).

    Returns:
        One row per method, features, correlation and side: accuracy, low, high, worst, n (images), permutations.
    """
    hits = guesses.assign(hit=100.0 * (guesses["guess"] == guesses["label"]))
    hits["source"] = hits["image_id"].map(images.set_index("image_id")["foreground_source"])
    hits["side"] = np.where(hits["agrees"], "agreeing", "disagreeing")
    by = ["method", "features", "correlation", "side"]
    worst = (
        hits.groupby([*by, "permutation", "label"])["hit"].mean().groupby([*by, "permutation"]).min().groupby(by).mean()
    )
    rows = []
    for key, group in hits.groupby(by, sort=False):
        low, high = cluster_mean_ci(group["hit"].to_numpy(), group["source"].to_numpy(), (seed, "spurious interval"))
        n, permutations = group["image_id"].nunique(), group["permutation"].nunique()
        rows.append((*key, group["hit"].mean(), low, high, worst[key], n, permutations))
    return pd.DataFrame(rows, columns=[*by, "accuracy", "low", "high", "worst", "n", "permutations"])


def reader_name(method: str, kind: str, word: str = "background") -> str:
    """What a head reads, in words: "hsic, foreground features", what is shifted being called `word`."""
    kinds = {"fg": "foreground", "bg": word, "all": "all"}
    return f"{method}, {kinds[kind]} features"


def examples(images: pd.DataFrame, tied: np.ndarray, columns: int = 10) -> pd.DataFrame:
    """For the first classes, a training image on the tied background and a test image on another one.

    Returns:
        Rows of `images` with `kind` ("training", "disagreeing"), kind by kind, the classes in order.
    """
    parts = []
    for label in range(min(len(tied), columns)):
        own = images[(images["label"] == label) & images["background_index"].isin(tied)]
        agrees, test = own["background_index"] == tied[label], own["split"] != "train"
        above, below = own[agrees & ~test], own[~agrees & test]
        if len(above) and len(below):
            parts.append(above.iloc[[0]].assign(kind="training"))
            parts.append(below.iloc[[label % len(below)]].assign(kind="disagreeing"))
    return pd.concat(parts).sort_values("kind", ascending=False, kind="stable", ignore_index=True)
