"""How real, how varied and how obedient the images are, in the eyes of a named feature space and of a judge.

A distance between sets of images means something only together with the features it was taken in and the number of
images; both stand in every table. The features are those of a network that never saw a generated image.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from d3s_utils import paths, standard
from d3s_utils.errors import D3SError
from d3s_utils.guides import patch_side
from d3s_utils.photos import open_backgrounds
from d3s_utils.seeds import rng_for, seed_for
from d3s_utils.settings import Profile
from d3s_utils.sources import Photos
from d3s_utils.standard import INCEPTION, on_disk
from d3s_utils.stats import cluster_mean_ci, wilson
from d3s_utils.taxonomy import class_table

if TYPE_CHECKING:
    from d3s_utils.pocket.judge import Judge

QUESTIONS = ("foreground", "background", "both")
GROUPS = 10  # of images, left out in turn by the jackknife
DRAWS = 1000  # of the bootstrap
CHUNK = 200  # photographs in memory at a time


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
    judge = _load_judge()
    asked = set(class_table(profile)["class_name"]), set(open_backgrounds(profile).names)
    return judge if asked[0] <= set(judge.classes) and asked[1] <= set(judge.backgrounds) else None


def _load_judge() -> Judge:
    folder = paths.POCKET_WEIGHTS / "judge"
    if not folder.is_dir():
        raise D3SError(f"realism.features: {folder} has no judge; run make pocket-generator, or name a timm model.")
    from d3s_utils.pocket.judge import load_judge

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
    judge = _load_judge()
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


# Are the labels there? ------------------------------------------------------------------------------------------------


def judge_labels(judge: Judge | None, images: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Whether the judge names the labels that were asked for.

    Args:
        images: (N, S, S, 3) uint8, in the order of `rows` (of the manifest).

    Returns:
        One row per image: image_id, class_name, background, foreground_source; `foreground_guess` and
        `background_guess`, names; `foreground_right`, `background_right`, `both_right`, bool. No rows without a judge.
    """
    table = rows[["image_id", "class_name", "background", "foreground_source"]].reset_index(drop=True)
    if judge is None:
        table, foreground, background = table.iloc[:0], [], []
    else:
        seen = judge.judge(images)
        foreground = np.asarray(judge.classes)[seen.foreground.argmax(1)]
        background = np.asarray(judge.backgrounds)[seen.background.argmax(1)]
    table = table.assign(foreground_guess=foreground, background_guess=background)
    table["foreground_right"] = table["foreground_guess"] == table["class_name"]
    table["background_right"] = table["background_guess"] == table["background"]
    table["both_right"] = table["foreground_right"] & table["background_right"]
    return table


def measured(table: pd.DataFrame, value: str, **where: object) -> dict[str, object]:
    """`measured`, `ci` and `n` for a row of the ledger: the one row of `table` where the columns in `where` say so.

    Nothing was measured (measured=None) where there is no such row.
    """
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    if table.empty:
        return {"measured": None}
    row = table.iloc[0]
    return {"measured": float(row[value]), "ci": (float(row["low"]), float(row["high"])), "n": int(row["n"])}


def reaches(found: Mapping[str, object], target: float) -> bool:
    """Whether something `measured` is at least `target`; what was not measured does not reach it."""
    return found["measured"] is not None and found["measured"] >= target


def label_rates(judged: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """How often the asked labels are there, by `columns` (none: over all images).

    Returns:
        `columns`, `question` (foreground, background, both), `rate`, `low`, `high` (percent, 95 % Wilson), `n`.
    """
    parts = []
    for question in QUESTIONS:
        groups = judged.groupby(list(columns) or (lambda _: 0), sort=False)[f"{question}_right"]
        table = groups.agg(hits="sum", n="size").reset_index(drop=not columns)
        parts.append(table.assign(question=question, rate=100 * table["hits"] / table["n"]))
    table = pd.concat(parts, ignore_index=True)
    table["low"], table["high"] = wilson(table["hits"], table["n"])
    return table[[*columns, "question", "rate", "low", "high", "n"]]


# Does the guide matter? -----------------------------------------------------------------------------------------------


def follow_guides(
    judge: Judge | None, images: np.ndarray, guides: np.ndarray, rows: pd.DataFrame, strength: float
) -> pd.DataFrame:
    """Where the object is and which colour it has, in each image and in its guide.

    The judge's locator finds the object of the asked class, in image and guide alike; its colour is the mean over a
    square a third as wide as the pasted photograph around that place.

    Returns:
        `judge_labels` and, per image, `strength`; `x`, `y` (found in the image) and `guide_x`, `guide_y` (found in the
        guide), fractions of the side; `red`, `green`, `blue` and the same with `guide_`, 0-255.
    """
    table = judge_labels(judge, images, rows).assign(strength=strength)
    side = images.shape[1]
    patch = patch_side(side, float(rows["scale"].iloc[0]))
    if judge is None:
        found, started, images, guides = np.empty((0, 2)), np.empty((0, 2)), images[:0], guides[:0]
    else:
        labels = [list(judge.classes).index(name) for name in rows["class_name"]]
        found, started = (np.asarray(judge.locate(pictures, labels)) for pictures in (images, guides))
    table[["x", "y"]], table[["guide_x", "guide_y"]] = found, started
    table[["red", "green", "blue"]] = region_colors(images, found, max(1, patch // 3))
    table[["guide_red", "guide_green", "guide_blue"]] = region_colors(guides, started, max(1, patch // 3))
    return table


def follow_sweep(
    judge: Judge | None, sweep: Mapping[float, np.ndarray], guides: np.ndarray, rows: pd.DataFrame
) -> pd.DataFrame:
    """`follow_guides` for the images of each strength, one after the other."""
    parts = [follow_guides(judge, images, guides, rows, strength) for strength, images in sweep.items()]
    return pd.concat(parts, ignore_index=True)


def region_colors(images: np.ndarray, centres: np.ndarray, width: int) -> np.ndarray:
    """Mean colour, (N, 3) in 0-255, of squares `width` pixels wide around `centres` (N, 2; x, y in fractions).

    A square that would leave the picture is moved inside.
    """
    side = images.shape[1]
    corners = np.clip(np.round(centres * side - width / 2), 0, side - width).astype(int)
    squares = [image[y : y + width, x : x + width] for image, (x, y) in zip(images, corners, strict=True)]
    return np.array([square.mean(axis=(0, 1)) for square in squares]).reshape(-1, 3)


def follow_rates(followed: pd.DataFrame, seed: int) -> pd.DataFrame:
    """How closely images follow their guides, by strength.

    Args:
        followed: rows of `follow_guides` at one or several strengths.

    Returns:
        `strength`, `quantity` (position: found in the image against found in the guide, mean over x and y; colour:
        mean over red, green and blue, each class's mean taken off first, so that knowing the class explains nothing),
        `correlation`, `low`, `high` (95 % bootstrap over foreground photographs), `n`.
    """
    rows = []
    for strength, table in followed.groupby("strength"):
        for quantity, names in (("position", ["x", "y"]), ("colour", ["red", "green", "blue"])):
            pair = table[[f"guide_{name}" for name in names]], table[names]
            if quantity == "colour":
                pair = [values - values.groupby(table["class_name"]).transform("mean") for values in pair]
            key = (seed, "follow", quantity, strength)
            found = correlation(*(np.asarray(values) for values in pair), table["foreground_source"], key)
            rows.append((strength, quantity, *found, len(table)))
    return pd.DataFrame(rows, columns=["strength", "quantity", "correlation", "low", "high", "n"])


def correlation(x: np.ndarray, y: np.ndarray, clusters: Sequence, key: Sequence[object]) -> tuple[float, float, float]:
    """Pearson correlation of the columns of `x` and `y` (N, K), mean over columns, with its 95 % bootstrap interval.

    Whole `clusters` (N,) are redrawn. Every moment is a sum over clusters, so a redraw is one matrix product.
    """
    moments = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y])  # (6, N, K)
    codes, names = pd.factorize(np.asarray(clusters, object))
    sums = np.zeros((6, len(names), x.shape[1]))
    for total, moment in zip(sums, moments, strict=True):
        np.add.at(total, codes, moment)
    draws = rng_for(*key).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS) if len(names) else []
    weights = np.vstack([np.ones(len(names)), *draws])  # the first row is the sample itself
    n, x1, y1, xy, xx, yy = np.einsum("bc,mck->mbk", weights, sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((xx - x1 * x1 / n) * (yy - y1 * y1 / n))
        values = ((xy - x1 * y1 / n) / spread).mean(axis=1)
    values[~np.isfinite(values)] = np.nan  # nothing varies
    if np.isnan(values).all():
        return np.nan, np.nan, np.nan
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return float(values[0]), float(low), float(high)


# How far from photographs? --------------------------------------------------------------------------------------------


def photo_features(
    space: FeatureSpace, photos: Photos, split: str, count: int, seed: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Features (N, D) of at most `count` photographs of a split, drawn by `seed`, and their rows."""
    table = photos.table(split)
    chosen = sorted(rng_for(seed, "realism photos", split).permutation(len(table))[:count])
    table = table.iloc[chosen].reset_index(drop=True)
    ids = list(table["photo_id"])
    parts = [space.extract(photos.load(ids[start : start + CHUNK])) for start in range(0, len(ids), CHUNK)]
    return np.concatenate(parts), table


class _Passthrough(nn.Module):
    """Lets torchmetrics work on features that are already there."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(features: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two sets of features, (N, D) and (M, D): the FID of that feature space."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_Passthrough(features.shape[1]))
    metric.update(torch.from_numpy(reference).double(), real=True)
    metric.update(torch.from_numpy(features).double(), real=False)
    return float(metric.compute())


def kernel(features: np.ndarray, reference: np.ndarray, key: Sequence[object] = ("kid",)) -> float:
    """Kernel distance (KID, cubic polynomial kernel), unbiased, of two sets of features, (N, D) and (M, D).

    One subset of min(N, M); `key` says which of the larger set.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(features), len(reference))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features in memory, as it should
        metric = KernelInceptionDistance(_Passthrough(features.shape[1]), subsets=1, subset_size=size)
    metric.update(torch.from_numpy(reference).double(), real=True)
    metric.update(torch.from_numpy(features).double(), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(*key))
        return float(metric.compute()[0])


DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"FID": frechet, "KID": kernel}


def realism_table(
    sets: Mapping[str, np.ndarray], reference: np.ndarray, space: str, seed: int, baseline: str | None = None
) -> pd.DataFrame:
    """Distance of several sets of images from a reference set of photographs.

    All sets are cut to the size of the smallest, because these distances shrink as sets grow. Intervals come from a
    jackknife over 10 groups of images, the reference held fixed.

    Args:
        sets: features (N, D) by name.
        baseline: one of the sets. Where another set shows the same images in the same order (guides and what was made
            of them), the difference to it is a paired one.

    Returns:
        `set`, `metric` (FID, KID), `distance`, `low`, `high`; `gap`, `gap_low`, `gap_high` (baseline minus set: how
        much nearer the set is to photographs), `n`, `n_reference`, `features`.
    """
    n = min(map(len, sets.values()))
    cut = {name: values[_some(len(values), n, seed)] for name, values in sets.items()}
    group = rng_for(seed, "jackknife").permutation(n) % min(GROUPS, n)
    rows = []
    for metric, distance in DISTANCES.items():
        left_out = {name: _leave_out(distance, values, reference, group) for name, values in cut.items()}
        for name, values in left_out.items():
            gap = (np.nan,) * 3 if baseline is None else _jackknife(left_out[baseline] - values)
            rows.append((name, metric, *_jackknife(values), *gap, n, len(reference), space))
    names = ["set", "metric", "distance", "low", "high", "gap", "gap_low", "gap_high", "n", "n_reference", "features"]
    return pd.DataFrame(rows, columns=names)


def _some(size: int, n: int, seed: int) -> np.ndarray:
    """`n` of `size` positions, in order; the same for every set of this size, so that pairs stay pairs."""
    return np.sort(rng_for(seed, "equal sets", size).permutation(size)[:n])


def _leave_out(distance: Callable, features: np.ndarray, reference: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The distance with every image, then with each group of images left out."""
    kept = [features, *(features[group != number] for number in np.unique(group))]
    return np.array([distance(part, reference) for part in kept])


def _jackknife(values: np.ndarray) -> tuple[float, float, float]:
    """The whole sample's value (the first) and its 95 % interval by the delete-a-group jackknife."""
    whole, parts = values[0], values[1:]
    error = np.sqrt((len(parts) - 1) / len(parts) * np.sum((parts - parts.mean()) ** 2))
    return float(whole), float(whole - 1.96 * error), float(whole + 1.96 * error)


# How varied? ----------------------------------------------------------------------------------------------------------


def diversity_table(sets: Mapping[str, tuple[np.ndarray, pd.DataFrame]], space: str, seed: int) -> pd.DataFrame:
    """Mean distance between two images of one class, and of one cell (class and background).

    Args:
        sets: features (N, D) and their rows (class_name, background or None) by name. The first set is the measure.

    Returns:
        `set`, `within` (class, cell), `distance` and its 95 % bootstrap interval over groups `low`, `high`, all in
        percent of the first set's distance within classes; `groups`, `n`, `features`. A set without backgrounds has no
        cells.
    """
    rows = []
    for name, (features, table) in sets.items():
        for within, columns in (("class", ["class_name"]), ("cell", ["class_name", "background"])):
            apart = _mean_distances(features, table, columns)
            if len(apart):
                interval = cluster_mean_ci(apart, np.arange(len(apart)), (seed, "diversity", name, within))
                rows.append((name, within, apart.mean(), *interval, len(apart), len(features), space))
    result = pd.DataFrame(rows, columns=["set", "within", "distance", "low", "high", "groups", "n", "features"])
    if len(result):
        result[["distance", "low", "high"]] *= 100 / result["distance"].iloc[0]
    return result


def _mean_distances(features: np.ndarray, table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Mean pairwise Euclidean distance inside each group of at least two."""
    if table[columns].isna().any(axis=None):
        return np.zeros(0)
    from scipy.spatial.distance import pdist

    groups = table.reset_index(drop=True).groupby(columns, sort=False).indices.values()
    return np.array([pdist(features[group]).mean() for group in groups if len(group) > 1])
