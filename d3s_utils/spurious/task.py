"""A spurious task: class and background go together in training and part ways in the test.

Each class is tied to one background by a random permutation. A head trained on frozen features sees the pairing with a
probability, the correlation; then it is tested on images that agree with the pairing and on images that do not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from d3s_utils.disentanglement.features import KINDS, Features
from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.ground.claims import Claim, Mark, finding, row_of
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Spurious
from d3s_utils.ground.stats import cluster_mean_ci
from d3s_utils.probes.directions import ERASED, by_width
from d3s_utils.probes.readers import fit_readers


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
) -> pd.DataFrame:
    """Train and test a linear head for every method, kind of features, permutation and correlation.

    Args:
        features: by method; row i of each is row i of `images`.
        images: image_id, split, label, background_index. Heads train on split "train" and are tested on the rest.
        seed, device: the profile's.
        kinds: which features a head may read, of "fg", "bg", "all".

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
        guesses = _guesses(features, kind, images, train, rows, keys, pick_device(device))
        return pd.concat(
            [_tidy(guesses[:, r], features, kind, images[~train], case, ties[case[0]]) for r, case in enumerate(cases)]
        )

    return pd.concat(side_by_side(task, kinds), ignore_index=True)


def scaled(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """`x` (N, D) less its mean on the rows `fit` marks, divided by one number for all features.

    A head is meant to read the features as the network made them, as in the paper: were each feature divided by its own
    deviation, the user of the features would decide how loudly foreground and background speak.
    """
    centred = x - x[fit].mean(axis=0)
    return (centred / max(centred[fit].std(), 1e-6)).astype(np.float32)


def _guesses(features, kind: str, images, train, rows, keys, device) -> np.ndarray:
    """(M, R, n) guesses of heads on one kind of features; sets are trained together where their widths agree."""
    labels = torch.tensor(images["label"].to_numpy()[train], dtype=torch.long)
    guesses = {}
    for group in by_width(features, kind):
        x = torch.from_numpy(np.stack([scaled(getattr(own, kind), train) for own in group.values()])).to(device)
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


def steadiest(full: pd.DataFrame) -> str:
    """The method, LEACE apart, whose foreground features name the class best where class and background disagree.

    Args:
        full: rows of `summarise` of one correlation. Without disagreeing images it is the backbone.
    """
    rows = full[(full["features"] == "fg") & (full["side"] == "disagreeing") & ~full["method"].str.endswith(ERASED)]
    return rows.loc[rows["accuracy"].idxmax(), "method"] if len(rows) else BACKBONE


def dial_readers(best: str) -> list[tuple[str, str]]:
    """Whose heads are followed while the correlation rises: methods and kinds of features, `best` among them."""
    pairs = [(best, "fg"), (BACKBONE + ERASED, "fg"), ("none", "fg"), (best, "all"), (BACKBONE, "all")]
    return list(dict.fromkeys(pairs))


def headline(full: pd.DataFrame) -> list[Claim]:
    """The claims of this stage: three for each method, one for each erased one.

    A gap has no interval of its own; those of its two sides are in the table.

    Args:
        full: rows of `summarise` at a correlation of 1.
    """
    knows, loses, falls = Mark("at least", 93), Mark("at most", 4, "points"), Mark("below", 25)
    found = []
    for method in full["method"].unique():
        home, away = (row_of(full, method=method, features="fg", side=side) for side in ("agreeing", "disagreeing"))
        text = f"foreground features of {method} name the class where the background misleads, {knows}"
        found.append(finding(f"spurious_foreground/{method}", text, away, "accuracy", knows))
        if method.endswith(ERASED):
            continue
        gap = {"gap": home["accuracy"] - away["accuracy"], "n": away["n"]} if home and away else {}
        text = f"what foreground features of {method} lose where the background misleads, {loses}"
        found.append(finding(f"spurious_gap/{method}", text, gap, "gap", loses))
        away = row_of(full, method=method, features="all", side="disagreeing")
        text = f"all features of {method} fall for the background, {falls}"
        found.append(finding(f"spurious_all/{method}", text, away, "accuracy", falls))
    return found


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
