"""Four questions put to frozen features, and what came back as rows and as accuracies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.stats import cluster_mean_ci
from d3s_utils.probes.erasure import erase


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


def with_erased(features: dict[str, Features], images: pd.DataFrame) -> dict[str, Features]:
    """Every method, and after it the same features under LEACE fitted on the training split."""
    train = (images["split"] == "train").to_numpy()
    return {
        name: row
        for method, own in features.items()
        for name, row in ((method, own), (method + ERASED, erase(own, images, train)))
    }


def by_width(features: dict[str, Features], kind: str) -> list[dict[str, Features]]:
    """The methods in groups whose `kind` of features ("fg", "bg", "all") have one width, to be trained as one stack."""
    groups: dict[int, dict[str, Features]] = {}
    for method, own in features.items():
        groups.setdefault(getattr(own, kind).shape[1], {})[method] = own
    return list(groups.values())


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
