"""One protocol for every set of features: four kinds of probe, the strongest of them, controls and unseen images.

A leak is what the strongest probe finds. Which probe that is is decided on a quarter of the training images, held out
by source photograph; its accuracy is then read on validation images, which took no part in the choice.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Probes
from d3s_utils.ground.stats import cluster_mean_ci
from d3s_utils.probes.asking import KINDS, Lesson, Question, ask
from d3s_utils.probes.directions import DIRECTIONS, ERASED, LEAKS, Direction, summarise
from d3s_utils.probes.estimators import QUARTER, folds_by_source

FEW = ("linear", "svm")  # enough for what LEACE leaves
KEYS = ["method", "direction", "probe"]


def questions(methods) -> list[Question]:
    """Which probes are put to which features: all four to the leaks, a linear one to what a part should know."""

    def kinds(method: str, direction: Direction) -> tuple[str, ...]:
        if direction.id not in LEAKS:
            return KINDS[:1]
        return FEW if method.endswith(ERASED) else KINDS

    return [(method, each, kind) for method in methods for each in DIRECTIONS for kind in kinds(method, each)]


def probe(
    features: dict[str, Features], images: pd.DataFrame, settings: Probes, seed: int, device: str = "cpu"
) -> pd.DataFrame:
    """Every direction over all methods, kinds of probe and seeds, learned from training images.

    Args:
        features: by method; row i of each is row i of `images`.
        images: image_id, split, label, background_index, foreground_source. Probes train on split "train" and guess on
            the rest.
        seed, device: the profile's.

    Returns:
        One row per method, probe, direction, seed and image: with `label` (what was asked) and `guess`.
    """
    train = (images["split"] == "train").to_numpy()
    lesson = Lesson([np.flatnonzero(train)] * settings.seeds, train, ~train)
    return ask(features, images, questions(features), lesson, settings, seed, device)


def probe_held_out(
    features: dict[str, Features], images: pd.DataFrame, settings: Probes, seed: int, device: str = "cpu"
) -> pd.DataFrame:
    """The probes of the leaks once, learned from three quarters of the training images and asked about the last.

    Returns:
        Rows as `probe` gives them.
    """
    train = np.flatnonzero(images["split"] == "train")
    fold = folds_by_source(images.iloc[train], QUARTER, (seed, "held-out quarter"))
    learned, held = (np.isin(np.arange(len(images)), train[rows]) for rows in (fold > 0, fold == 0))
    lesson = Lesson([np.flatnonzero(learned)], learned, held, whole=len(train))
    asked = [question for question in questions(features) if question[1].id in LEAKS]
    return ask(features, images, asked, lesson, settings, seed, device)


def strongest(held: pd.DataFrame) -> pd.DataFrame:
    """The kind of probe that is right most often, for each method and direction; of equal ones the first.

    Args:
        held: guesses on images that no accuracy is reported of, see `probe_held_out`.

    Returns:
        method, direction, probe.
    """
    hits = held.assign(held_out=100.0 * (held["guess"] == held["label"]))
    mean = hits.groupby(KEYS, sort=False)["held_out"].mean().reset_index()
    kind = mean["probe"].map(KINDS.index)
    order = mean.assign(kind=kind).sort_values(["held_out", "kind"], ascending=[False, True], kind="stable")
    return order.drop_duplicates(KEYS[:2]).sort_index()[[*KEYS, "held_out"]].reset_index(drop=True)


def only(guesses: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The `guesses` of the probes that `chosen` (method, direction, probe) names."""
    return guesses.merge(chosen[KEYS], on=KEYS)


def leaks(guesses: pd.DataFrame, chosen: pd.DataFrame, images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """What the strongest probes find on validation images.

    Args:
        guesses: rows of `probe`.
        chosen: `strongest`.

    Returns:
        method, direction, probe, accuracy, low, high, n, seeds, seed_range, chance, held_out (its accuracy on the
        held-out quarter), share (of the way from chance to 100 %, in percent) and bits (see `bits`).
    """
    own = only(guesses, chosen)
    table = summarise(own, images, seed, by=KEYS).merge(chosen, on=KEYS)
    known = own.groupby(KEYS).apply(bits, include_groups=False).rename("bits").reset_index()
    share = 100 * (table["accuracy"] - table["chance"]) / (100 - table["chance"])
    return table.assign(share=share).merge(known, on=KEYS)


def bits(guesses: pd.DataFrame) -> float:
    """Mutual information of label and guess, the mean over seeds; never below 0.

    A guess is computed from the features, so it cannot know more of the label than they do (data processing
    inequality; Cover and Thomas, Elements of Information Theory, 2.8): this is a lower bound on what is in them. From
    counts, with the correction of Miller (1955) and Madow for cells that few images fill.

    Args:
        guesses: seed, label and guess.
    """
    return float(np.mean([_information(own["label"], own["guess"]) for _, own in guesses.groupby("seed")]))


def _information(label: pd.Series, guess: pd.Series) -> float:
    counts = pd.crosstab(label, guess).to_numpy(float)
    n, sides = counts.sum(), (counts.sum(axis=0), counts.sum(axis=1))
    entropy = [-(p[p > 0] / n * np.log(p[p > 0] / n)).sum() + ((p > 0).sum() - 1) / (2 * n) for p in (*sides, counts)]
    return max(0.0, float((entropy[0] + entropy[1] - entropy[2]) / np.log(2)))


def leak_questions(chosen: pd.DataFrame) -> list[Question]:
    """The strongest probe of every leak, LEACE apart."""
    rows = chosen[chosen["direction"].isin(LEAKS) & ~chosen["method"].str.endswith(ERASED)]
    known = {direction.id: direction for direction in DIRECTIONS}
    return [(row["method"], known[row["direction"]], row["probe"]) for row in rows.to_dict("records")]


def probe_unseen(
    features: dict[str, Features],
    images: pd.DataFrame,
    chosen: pd.DataFrame,
    settings: Probes,
    seed: int,
    device: str = "cpu",
    folds: int = 5,
) -> pd.DataFrame:
    """The strongest probe of every leak, learned from images the features were never fitted to: a check on `probe`.

    A penalty sees the training images only. Should it merely have hidden a label there, probes that learn there find
    nothing, though the features of new images still show it. Here the validation images are cut into `folds` by source
    photograph, alike in class x background, and each is guessed by probes that learned from the others.

    Returns:
        Rows as `probe` gives them, one guess per image.
    """
    val = np.flatnonzero(images["split"] != "train")
    fold = folds_by_source(images.iloc[val], folds, (seed, "probe folds"))
    asked = np.isin(np.arange(len(images)), val)
    lesson = Lesson([val[fold != one] for one in range(folds)], asked, asked, whole=int((~asked).sum()))
    guesses = ask(features, images, leak_questions(chosen), lesson, settings, seed, device)
    own_fold = pd.Series(fold, images["image_id"].iloc[val])
    mine = guesses["seed"].to_numpy() == own_fold.loc[guesses["image_id"]].to_numpy()
    return guesses[mine].assign(seed=0).reset_index(drop=True)


def on_both(seen: pd.DataFrame, unseen: pd.DataFrame, images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Accuracies of the probes of `unseen` (rows of `probe_unseen`), and of the same in `seen`.

    Returns:
        Rows of `directions.summarise` with `learned`: "training images" or "unseen images".
    """
    seen = only(seen, unseen.drop_duplicates(KEYS))
    parts = {"training images": seen, "unseen images": unseen}
    return pd.concat(
        [summarise(own, images, seed, by=KEYS).assign(learned=learned) for learned, own in parts.items()],
        ignore_index=True,
    )


def relabelled(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """`images` with a random class and a random background for each source photograph: labels that mean nothing."""
    codes, names = pd.factorize(images["foreground_source"])
    drawn = {
        target: rng_for(seed, "control labels", target).integers(images[target].max() + 1, size=len(names))[codes]
        for target in ("label", "background_index")
    }
    return images.assign(**drawn)


def probe_controls(
    features: dict[str, Features],
    images: pd.DataFrame,
    chosen: pd.DataFrame,
    settings: Probes,
    seed: int,
    device: str = "cpu",
) -> pd.DataFrame:
    """The strongest probe of every leak, trained on control labels (Hewitt and Liang, 2019): how much it memorises.

    Returns:
        method, direction, probe, accuracy (on validation images), low, high, n, seeds, seed_range, chance, and
        `memorised`: the accuracy on the very images it learned from.
    """
    train, random = (images["split"] == "train").to_numpy(), relabelled(images, seed)
    lesson = Lesson([np.flatnonzero(train)], train, np.ones(len(images), bool))
    guesses = ask(features, random, leak_questions(chosen), lesson, settings, seed, device)
    learned = guesses["image_id"].isin(images["image_id"][train])
    hits = 100.0 * (guesses["guess"] == guesses["label"])
    memorised = hits[learned].groupby([guesses[key] for key in KEYS]).mean().rename("memorised").reset_index()
    chance = dict(zip(LEAKS, (100 / (images[t].max() + 1) for t in ("background_index", "label")), strict=True))
    table = summarise(guesses[~learned], images, seed, by=KEYS)
    return table.assign(chance=table["direction"].map(chance)).merge(memorised, on=KEYS)


def difference(first: pd.DataFrame, second: pd.DataFrame, images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """How many points more the guesses `first` get right than `second`, image by image, per method and direction.

    Returns:
        method, direction, points, low, high (95 %, source photographs redrawn), n. Only what both of them answered.
    """
    source, keys, rows = images.set_index("image_id")["foreground_source"], ["method", "direction", "image_id"], []
    means = [g.assign(hit=100.0 * (g["guess"] == g["label"])).groupby(keys, sort=False)["hit"].mean()
             for g in (first, second)]  # fmt: skip
    points = (means[0] - means[1]).dropna()
    for (method, direction), own in points.groupby(level=[0, 1], sort=False):
        own_sources = source.loc[own.index.get_level_values(2)].to_numpy()
        low, high = cluster_mean_ci(own.to_numpy(), own_sources, (seed, "probe difference"))
        rows.append((method, direction, own.mean(), low, high, len(own)))
    return pd.DataFrame(rows, columns=["method", "direction", "points", "low", "high", "n"])
