"""What can be read from frozen features: four directions, one protocol, a linear and a nonlinear reader.

Every probe is trained after the features are frozen, on the same images, in the same steps, with the same decay; what
differs is only what it reads and what it is asked. Many probes are trained at once, as one batched matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from d3s_utils.features import Features, erase
from d3s_utils.parallel import side_by_side
from d3s_utils.seeds import rng_for, torch_rng_for
from d3s_utils.settings import Probes
from d3s_utils.stats import cluster_mean_ci


@dataclass(frozen=True)
class Direction:
    """A question put to a set of features."""

    id: str  # as in the ledger: fg_from_bg is the foreground class, read from background features
    features: str  # "fg" or "bg"
    target: str  # column of the image table: "label" or "place"
    name: str  # for axes


DIRECTIONS = (
    Direction("fg_from_fg", "fg", "label", "class from foreground features"),
    Direction("bg_from_bg", "bg", "place", "background from background features"),
    Direction("bg_from_fg", "fg", "place", "background from foreground features"),
    Direction("fg_from_bg", "bg", "label", "class from background features"),
)
ERASED = " + LEACE"  # what the name of a method gains when LEACE has been over its features

# The two kinds of probe. At these step sizes 300 steps find what 1 000 do on features that leak.
READERS = {
    "linear": lambda settings: {"hidden": None, "lr": 0.03},
    "mlp": lambda settings: {"hidden": settings.hidden, "lr": 0.01},
}


class Readers:
    """A stack of M x R small classifiers, linear or with one hidden layer of ReLU units.

    M sets of features times R repetitions; classifier (m, r) sees features m only. Parameters are (M * R, in, out).
    """

    def __init__(self, sets: int, width: int, n_labels: int, hidden: int | None, rngs: Sequence[torch.Generator]):
        sizes = [width, n_labels] if hidden is None else [width, hidden, n_labels]
        self.sets = sets
        self.weights = [self._drawn(before, after, rngs) for before, after in zip(sizes, sizes[1:], strict=False)]
        self.biases = [torch.zeros(weight.shape[0], 1, weight.shape[2], requires_grad=True) for weight in self.weights]

    def _drawn(self, before: int, after: int, rngs: Sequence[torch.Generator]) -> Tensor:
        """He initialisation, the same for all sets within a repetition, so that methods are compared in pairs."""
        one = torch.stack([torch.randn(before, after, generator=rng) for rng in rngs]) * (2 / before) ** 0.5
        return one.repeat(self.sets, 1, 1).requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def logits(self, x: Tensor) -> Tensor:
        """(M * R, n, D) -> (M * R, n, K)."""
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.relu(x) if layer else x, weight)
        return x

    @torch.inference_mode()
    def guesses(self, x: Tensor) -> Tensor:
        """Features (M, n, D) -> guessed labels (M, R, n)."""
        repetitions = len(self.weights[0]) // self.sets
        stacked = x.repeat_interleave(repetitions, dim=0)
        return self.logits(stacked).argmax(dim=2).view(self.sets, repetitions, -1)


def fit_readers(
    x: Tensor,
    labels: Tensor,
    rows: Tensor,
    n_labels: int,
    keys: Sequence[Sequence[object]],
    *,
    hidden: int | None = None,
    steps: int = 300,
    batch_size: int = 256,
    lr: float = 0.1,
    decay: float = 0.01,
) -> Readers:
    """Train one reader for every set of features and every repetition, all at the same time.

    Args:
        x: (M, N, D) features, standardised or whitened.
        labels: (N,) what is to be read.
        rows: (R, n) the rows each repetition may train on.
        keys: R keys; each draws the first weights and the order of the mini-batches of one repetition.
        hidden: width of the hidden layer; None for a linear reader.
        steps, batch_size, lr, decay: AdamW with its step size falling to 0 along a cosine.
    """
    rngs = [torch_rng_for(*key) for key in keys]
    readers = Readers(len(x), x.shape[2], n_labels, hidden, rngs)
    optimizer = torch.optim.AdamW(readers.parameters, lr=lr, weight_decay=decay, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for batch in mini_batches(rows, min(batch_size, rows.shape[1]), steps, rngs):  # (R, b)
        seen = x[:, batch].flatten(0, 1)  # (M * R, b, D)
        logits = readers.logits(seen).flatten(0, 1)
        loss = F.cross_entropy(logits, labels[batch].repeat(len(x), 1).flatten(), reduction="sum") / batch.shape[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return readers


def mini_batches(rows: Tensor, size: int, steps: int, rngs: Sequence[torch.Generator]):
    """Yield (R, size) rows, each repetition going through its own rows in its own order, epoch after epoch."""
    left = rows[:, :0]
    for _ in range(steps):
        if left.shape[1] < size:
            left = torch.stack(
                [own[torch.randperm(len(own), generator=rng)] for own, rng in zip(rows, rngs, strict=True)]
            )
        yield left[:, :size]
        left = left[:, size:]


def standardised(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """`x` (N, D) with mean 0 and deviation 1 on the rows `fit` marks; a constant feature becomes 0."""
    mean, deviation = x[fit].mean(axis=0), x[fit].std(axis=0)
    return ((x - mean) / np.where(deviation > 1e-6 * (1 + np.abs(mean)), deviation, np.inf)).astype(np.float32)


def whitened(x: np.ndarray, fit: np.ndarray, floor: float = 1e-4) -> np.ndarray:
    """`x` (N, D) turned onto its principal axes, each with deviation 1 on the rows `fit` marks.

    A probe then finds a label in a faint direction as fast as in a loud one. Directions below `floor` times the largest
    variance stay faint, for they are rounding more than signal.
    """
    centred = x.astype(np.float64) - x[fit].mean(axis=0, dtype=np.float64)
    variance, axes = np.linalg.eigh(np.cov(centred[fit].T).reshape(x.shape[1], -1))
    return (centred @ (axes / np.sqrt(np.maximum(variance, floor * variance.max() + 1e-12)))).astype(np.float32)


def with_erased(features: dict[str, Features], images: pd.DataFrame) -> dict[str, Features]:
    """Every method, and after it the same features under LEACE fitted on the training split."""
    train = (images["split"] == "train").to_numpy()
    return {
        name: row
        for method, own in features.items()
        for name, row in ((method, own), (method + ERASED, erase(own, images, train)))
    }


def probe(features: dict[str, Features], images: pd.DataFrame, settings: Probes, seed: int) -> pd.DataFrame:
    """Every direction, linear and MLP, over all methods and seeds.

    Args:
        features: by method; row i of each is row i of `images`.
        images: image_id, split, label, place. Probes train on split "train" and guess on the rest.
        seed: the profile's.

    Returns:
        One row per method, probe, direction, seed and image: with `label` (what was asked) and `guess`.
    """
    train = (images["split"] == "train").to_numpy()
    rows = torch.from_numpy(np.flatnonzero(train)).expand(settings.seeds, -1)
    return _ask_all(features, images, ~train, ("linear", "mlp"), _fit_on(rows, train, settings, seed))


def by_width(features: dict[str, Features], kind: str) -> list[dict[str, Features]]:
    """The methods in groups whose `kind` of features ("fg", "bg", "all") have one width, to be trained as one stack."""
    groups: dict[int, dict[str, Features]] = {}
    for method, own in features.items():
        groups.setdefault(getattr(own, kind).shape[1], {})[method] = own
    return list(groups.values())


def _fit_on(rows: Tensor, scale: np.ndarray, settings: Probes, seed: int) -> Callable:
    """How readers of one direction and kind are trained on `rows` (R, n): whitened on `scale` (N,)."""

    def fit(
        features: dict[str, Features], images: pd.DataFrame, direction: Direction, kind: str
    ) -> tuple[Readers, Tensor]:
        x = torch.from_numpy(np.stack([whitened(getattr(own, direction.features), scale) for own in features.values()]))
        labels = torch.tensor(images[direction.target].to_numpy(), dtype=torch.long)
        keys = [(seed, "probe", kind, direction.id, repetition) for repetition in range(len(rows))]
        options = READERS[kind](settings)
        return fit_readers(x, labels, rows, int(labels.max()) + 1, keys, steps=settings.steps, **options), x

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
    features: dict[str, Features], images: pd.DataFrame, settings: Probes, seed: int, folds: int = 5
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
    guesses = _ask_all(features, images, val, ("linear",), _fit_on(rows, val, settings, seed))
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
        for guess, target, id in (("fg_guess", "label", "fg_from_fg"), ("bg_guess", "place", "bg_from_bg"))
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


# What counts as knowing a label and as having forgotten it, in percent, by direction and probe.
MARKS = {
    ("fg_from_fg", "linear"): ("at least", 95.0),
    ("bg_from_bg", "linear"): ("at least", 99.0),
    ("bg_from_fg", "linear"): ("at most", 18.0),
    ("fg_from_bg", "linear"): ("at most", 18.0),
    ("bg_from_fg", "mlp"): ("at most", 30.0),
    ("fg_from_bg", "mlp"): ("at most", 30.0),
}


def headline(summary: pd.DataFrame, paper_method: str) -> pd.DataFrame:
    """The numbers of this stage for the ledger, each held against its mark.

    Args:
        summary: rows of `summarise`.
        paper_method: whose linear probes carry the ids of the paper's own numbers; all others are variants of them.

    Returns:
        What `claims.claims_from` takes.
    """
    kept = summary[[(row.direction, row.probe) in MARKS for row in summary.itertuples()]]
    columns = ["id", "text", "measured", "ci_low", "ci_high", "n", "seeds", "chance", "met", "why"]
    rows = []
    for row in kept.itertuples():
        word, mark = MARKS[row.direction, row.probe]
        met = row.accuracy >= mark if word == "at least" else row.accuracy <= mark
        variant = "" if (row.method, row.probe) == (paper_method, "linear") else f"/{row.method}, {row.probe}"
        name = next(direction.name for direction in DIRECTIONS if direction.id == row.direction)
        why = "" if met else f"the mark is {word} {mark:g} %"
        text = f"{name}: {row.method}, {row.probe} probe, {word} {mark:g} %"
        rows.append(
            (row.direction + variant, text, row.accuracy, row.low, row.high, row.n, row.seeds, row.chance, met, why)
        )
    return pd.DataFrame(rows, columns=columns)
