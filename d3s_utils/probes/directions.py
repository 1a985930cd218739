"""What can be read from frozen features: four directions, one protocol, a linear and a nonlinear reader.

Every probe is trained after the features are frozen, on the same images, in the same steps, with the same decay; what
differs is only what it reads and what it is asked. Many probes are trained at once, as one batched matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.claims import Claim, Mark, finding
from d3s_utils.ground.device import pick_device
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Probes
from d3s_utils.ground.stats import cluster_mean_ci
from d3s_utils.probes.erasure import erase
from d3s_utils.probes.readers import Readers, Schedule, fit_readers, whitened


@dataclass(frozen=True)
class Direction:
    """A question put to a set of features."""

    id: str  # as in the ledger: fg_from_bg is the foreground class, read from background features
    features: str  # "fg" or "bg"
    target: str  # column of the image table: "label" or "background_index"

    def name(self, word: str = "background") -> str:
        """In words: "class from background features", what is shifted being called `word`."""
        target = "class" if self.target == "label" else word
        return f"{target} from {'foreground' if self.features == 'fg' else word} features"


DIRECTIONS = (
    Direction("fg_from_fg", "fg", "label"),
    Direction("bg_from_bg", "bg", "background_index"),
    Direction("bg_from_fg", "fg", "background_index"),
    Direction("fg_from_bg", "bg", "label"),
)
LEAKS = ("bg_from_fg", "fg_from_bg")  # the directions in which a part should know nothing
ERASED = " + LEACE"  # what the name of a method gains when LEACE has been over its features
# The two kinds of probe. At these step sizes 300 steps find what 1 000 do on features that leak.
READERS: dict[str, Callable[[Probes], Schedule]] = {
    "linear": lambda settings: Schedule(lr=0.03, steps=settings.steps),
    "mlp": lambda settings: Schedule(lr=0.01, steps=settings.steps, hidden=settings.hidden),
}


def with_erased(features: dict[str, Features], images: pd.DataFrame) -> dict[str, Features]:
    """Every method, and after it the same features under LEACE fitted on the training split."""
    train = (images["split"] == "train").to_numpy()
    return {
        name: row
        for method, own in features.items()
        for name, row in ((method, own), (method + ERASED, erase(own, images, train)))
    }


def probe(
    features: dict[str, Features], images: pd.DataFrame, settings: Probes, seed: int, device: str = "cpu"
) -> pd.DataFrame:
    """Every direction, linear and MLP, over all methods and seeds.

    Args:
        features: by method; row i of each is row i of `images`.
        images: image_id, split, label, background_index. Probes train on split "train" and guess on the rest.
        seed, device: the profile's.

    Returns:
        One row per method, probe, direction, seed and image: with `label` (what was asked) and `guess`.
    """
    train = (images["split"] == "train").to_numpy()
    rows = torch.from_numpy(np.flatnonzero(train)).expand(settings.seeds, -1)
    return _ask_all(features, images, ~train, ("linear", "mlp"), _fit_on(rows, train, settings, seed, device))


def by_width(features: dict[str, Features], kind: str) -> list[dict[str, Features]]:
    """The methods in groups whose `kind` of features ("fg", "bg", "all") have one width, to be trained as one stack."""
    groups: dict[int, dict[str, Features]] = {}
    for method, own in features.items():
        groups.setdefault(getattr(own, kind).shape[1], {})[method] = own
    return list(groups.values())


def _fit_on(rows: Tensor, scale: np.ndarray, settings: Probes, seed: int, device: str) -> Callable:
    """How readers of one direction and kind are trained on `rows` (R, n): whitened on `scale` (N,)."""

    def fit(
        features: dict[str, Features], images: pd.DataFrame, direction: Direction, kind: str
    ) -> tuple[Readers, Tensor]:
        x = np.stack([whitened(getattr(own, direction.features), scale) for own in features.values()])
        x = torch.from_numpy(x).to(pick_device(device))
        labels = torch.tensor(images[direction.target].to_numpy(), dtype=torch.long)
        keys = [(seed, "probe", kind, direction.id, repetition) for repetition in range(len(rows))]
        return fit_readers(x, labels, rows, keys, READERS[kind](settings)), x

    return fit


def _ask_all(features, images, asked: np.ndarray, kinds, fit: Callable) -> pd.DataFrame:
    """The guesses of every direction and kind on the images `asked` (N,) marks, as rows."""

    def ask(question: tuple) -> pd.DataFrame:
        direction, kind, group = question
        readers, x = fit(group, images, direction, kind)
        guesses = readers.guesses(x[:, torch.tensor(asked)]).numpy()  # (M, R, n)
        return tidy(guesses, list(group), images[asked], direction.target).assign(probe=kind, direction=direction.id)

    questions = [
        (direction, kind, group)
        for direction, kind in product(DIRECTIONS, kinds)
        for group in by_width(features, direction.features)
    ]
    return pd.concat(side_by_side(ask, questions), ignore_index=True)


def probe_unseen(
    features: dict[str, Features],
    images: pd.DataFrame,
    settings: Probes,
    seed: int,
    device: str = "cpu",
    folds: int = 5,
) -> pd.DataFrame:
    """Linear probes that learn from images the features were never fitted to, a check on `probe`.

    A penalty sees the training images only. Should it merely have hidden a label there, probes that learn there find
    nothing, though the features of new images still show it. Here the validation images are cut into `folds` by source
    photograph, and each fold is guessed by probes that learned from the others.

    Returns:
        Rows as `probe` gives them, probe "linear, unseen images", one guess per image.
    """
    val = (images["split"] != "train").to_numpy()
    fold = _folds(images["foreground_source"].to_numpy()[val], folds, seed)
    learned = [np.flatnonzero(val)[fold != one] for one in range(folds)]
    size = min(map(len, learned))  # probes learn from equally many images
    rows = torch.from_numpy(np.stack([own[:size] for own in learned]))
    guesses = _ask_all(features, images, val, ("linear",), _fit_on(rows, val, settings, seed, device))
    own_fold = pd.Series(fold, images["image_id"][val])
    mine = guesses["seed"].to_numpy() == own_fold.loc[guesses["image_id"]].to_numpy()
    return guesses[mine].assign(seed=0, probe="linear, unseen images").reset_index(drop=True)


def _folds(sources: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each image, (n,); images of one source share theirs, and folds hold equally many sources."""
    codes, names = pd.factorize(sources)
    return (rng_for(seed, "probe folds").permutation(len(names)) % folds)[codes]


def tidy(guesses: np.ndarray, methods: list[str], images: pd.DataFrame, target: str) -> pd.DataFrame:
    """(M, R, n) guesses as rows: method, seed (the repetition), image_id, label, guess."""
    sets, repetitions, n = guesses.shape
    return pd.DataFrame(
        {
            "method": np.repeat(methods, repetitions * n),
            "seed": np.tile(np.repeat(np.arange(repetitions), n), sets),
            "image_id": np.tile(images["image_id"].to_numpy(), sets * repetitions),
            "label": np.tile(images[target].to_numpy(), sets * repetitions),
            "guess": guesses.ravel(),
        }
    )


def head_guesses(features: dict[str, Features], images: pd.DataFrame) -> pd.DataFrame:
    """The same-side guesses of the heads that were trained along with the features, as the paper reports them."""
    rest = (images["split"] != "train").to_numpy()
    parts = [
        tidy(getattr(own, guess)[None, None, rest], [method], images[rest], target).assign(
            probe="joint head", direction=id
        )
        for method, own in features.items()
        for guess, target, id in (("fg_guess", "label", "fg_from_fg"), ("bg_guess", "background_index", "bg_from_bg"))
    ]
    return pd.concat(parts, ignore_index=True)


def summarise(
    guesses: pd.DataFrame, images: pd.DataFrame, seed: int, by=("method", "probe", "direction")
) -> pd.DataFrame:
    """Accuracy in percent for each group of `by`, with a 95 % interval that redraws whole source photographs.

    Seeds are averaged image by image first; `seed_range` is the distance between the best and the worst seed, `chance`
    what blind guessing reaches where labels are balanced.

    Args:
        guesses: rows of `probe`.
        images: image_id and foreground_source.
    """
    by = list(by)
    hits = guesses.assign(hit=100.0 * (guesses["guess"] == guesses["label"]))
    source = images.set_index("image_id")["foreground_source"]
    rows = []
    for key, group in hits.groupby(by, sort=False):
        mean = group.groupby("image_id", sort=False)["hit"].mean()
        per_seed = group.groupby("seed")["hit"].mean()
        low, high = cluster_mean_ci(mean.to_numpy(), source.loc[mean.index].to_numpy(), (seed, "probe interval"))
        chance = 100 / hits.loc[hits["direction"] == group["direction"].iloc[0], "label"].nunique()
        rows.append((*key, mean.mean(), low, high, len(mean), len(per_seed), np.ptp(per_seed), chance))
    return pd.DataFrame(rows, columns=[*by, "accuracy", "low", "high", "n", "seeds", "seed_range", "chance"])


# What counts as knowing a label and as having forgotten it, by direction and probe.
MARKS = {
    ("fg_from_fg", "linear"): Mark("at least", 95),
    ("bg_from_bg", "linear"): Mark("at least", 99),
    ("bg_from_fg", "linear"): Mark("at most", 18),
    ("fg_from_bg", "linear"): Mark("at most", 18),
    ("bg_from_fg", "mlp"): Mark("at most", 30),
    ("fg_from_bg", "mlp"): Mark("at most", 30),
}


def headline(summary: pd.DataFrame, paper_method: str) -> list[Claim]:
    """The numbers of this stage for the ledger, each held against its mark.

    Args:
        summary: rows of `summarise`.
        paper_method: whose linear probes carry the ids of the paper's own numbers; all others are variants of them.
    """
    names = {direction.id: direction.name() for direction in DIRECTIONS}
    found = []
    for row in summary.to_dict("records"):
        direction, method, probe = row["direction"], row["method"], row["probe"]
        if mark := MARKS.get((direction, probe)):
            variant = "" if (method, probe) == (paper_method, "linear") else f"/{method}, {probe}"
            text = f"{names[direction]}: {method}, {probe} probe, {mark}"
            found.append(finding(direction + variant, text, row, "accuracy", mark))
    return found
