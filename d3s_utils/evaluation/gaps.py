"""What follows from predictions.parquet and verified.csv: accuracies, gaps, and the drop decomposed.

All accuracies are in percent, all gaps in percentage points. Intervals are 95 %: Wilson where every image rests on a
photograph of its own, else a bootstrap that redraws photographs (`foreground_source`) with all their images. A `key`
names the draw, e.g. `(profile.seed, "evaluation")`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from d3s_utils.evaluation.mistakes import usual_backgrounds
from d3s_utils.evaluation.sets import UNIFORM
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import cluster_gap_ci, cluster_mean_ci, wilson

ZOO_MEAN = "zoo mean"
PARTS = ("style", "background", "labels")  # of the drop from photographs to D3S, in the order they are told
ZOO_DROP, CONTROL_DROP = 35, 8  # points: what the pocket profile is expected to show
Key = Sequence[object]


def with_zoo_mean(predictions: pd.DataFrame) -> pd.DataFrame:
    """`predictions` and, as a further model, all of them together: its accuracy is the mean of the models'."""
    return pd.concat([predictions, predictions.assign(model=ZOO_MEAN)], ignore_index=True)


def hits(predictions: pd.DataFrame) -> np.ndarray:
    """100 where the guess is the label, else 0; (N,)."""
    return 100.0 * (predictions["guess"] == predictions["label"]).to_numpy()


def mean_with_interval(values: np.ndarray, rows: pd.DataFrame, key: Key) -> dict[str, float]:
    """accuracy, low, high, n of `values` (0 or 100, one per row); n counts images, not answers."""
    answer = {"accuracy": values.mean() if len(values) else np.nan, "n": rows["image_id"].nunique()}
    if rows["foreground_source"].is_unique:
        low, high = wilson((values > 0).sum(), len(values))
    else:
        low, high = cluster_mean_ci(values, rows["foreground_source"], key)
    return answer | {"low": float(low), "high": float(high)}


def accuracy_table(predictions: pd.DataFrame, key: Key, *columns: str, top5: bool = False) -> pd.DataFrame:
    """Accuracy for each combination of `columns`, in order of appearance: `columns`, accuracy, low, high, n.

    Args:
        top5: count an image as right if its label is among the five best guesses.
    """
    rows = []
    for group, part in predictions.groupby(list(columns), sort=False, dropna=False, observed=True):
        values = 100.0 * part["top5"].to_numpy(bool) if top5 else hits(part)
        rows.append(dict(zip(columns, group, strict=True)) | mean_with_interval(values, part, (*key, *group, top5)))
    return pd.DataFrame(rows, columns=[*columns, "accuracy", "low", "high", "n"])


def gap_table(predictions: pd.DataFrame, key: Key, *, natural: str = "natural", by: str = "model") -> pd.DataFrame:
    """What is lost from `natural` photographs to D3S: `by`, natural, d3s, gap, low, high, one row per value of `by`."""
    rows = []
    for name, part in predictions.groupby(by, sort=False):
        before, after = part[part["dataset"] == natural], part[part["dataset"] == "d3s"]
        sides = [(hits(side), side["foreground_source"]) for side in (before, after)]
        means = [values.mean() for values, _ in sides]
        low, high = cluster_gap_ci(*sides[0], *sides[1], (*key, "gap", natural, by, name))
        rows.append((name, *means, means[0] - means[1], low, high))
    return pd.DataFrame(rows, columns=[by, "natural", "d3s", "gap", "low", "high"])


def accuracy_by_rule(predictions: pd.DataFrame, verified: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Accuracy on the D3S images that each rule accepts, and on all: rule, model, accuracy, low, high, n."""
    d3s = predictions[predictions["dataset"] == "d3s"]
    parts = [accuracy_table(d3s, key, "model").assign(rule="all images")]
    for rule, rows in verified.groupby("rule", sort=False):
        kept = d3s[d3s["image_id"].isin(rows.loc[rows["accepted"].astype(bool), "image_id"])]
        parts.append(accuracy_table(kept, key, "model").assign(rule=rule))
    return pd.concat(parts, ignore_index=True)[["rule", "model", "accuracy", "low", "high", "n"]]


def habit_curve(predictions: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Accuracy against the habit a model grew up with: habit, images, accuracy, low, high, n.

    Args:
        predictions: of one architecture, column `habit` telling its upbringings apart.

    Returns:
        Per habit three rows of `images`: "natural" (held-out photographs with the same habit), "d3s", and "d3s,
        unusual" (generated images whose background is not the usual one of their class).
    """
    generated = predictions["dataset"] == "d3s"
    elsewhere = (predictions["dataset"] == "natural-uniform") & (predictions["habit"] != UNIFORM)
    usual = usual_backgrounds(predictions[predictions["dataset"] == "natural"])
    unusual = generated & (predictions["background"] != predictions["label"].map(usual))
    sets = {"natural": ~generated & ~elsewhere, "d3s": generated, "d3s, unusual": unusual}
    parts = [
        accuracy_table(predictions[chosen].assign(images=name), key, "habit", "images") for name, chosen in sets.items()
    ]
    return pd.concat(parts, ignore_index=True).sort_values("habit", kind="stable", ignore_index=True)


def decompose(predictions: pd.DataFrame, accepted: Sequence[str], key: Key, n: int = 1000) -> pd.DataFrame:
    """The drop from natural photographs to D3S, split into three parts that add up to it exactly.

    Between the two accuracies stand two steps. C: accuracy on accepted D3S images, with every class as often on its
    usual background as in the photographs. V: accuracy on accepted D3S images as they are, all backgrounds alike.

        style = natural - C        the same habit, but generated
        background = C - V         generated all the same, but without the habit
        labels = V - d3s           images that do not show what was asked for

    Args:
        accepted: image_ids that annotators accepted.
        n: bootstrap draws; photographs are redrawn, with every image and model that rests on them.

    Returns:
        model, part ("natural", the three parts, "d3s"), points, low, high. Style and background are missing where the
        backgrounds of photographs are unknown.
    """
    usual = usual_backgrounds(predictions[predictions["dataset"] == "natural"])
    parts = []
    for model, rows in with_zoo_mean(predictions).groupby("model", sort=False):
        totals = _totals_by_source(rows, set(accepted), usual)
        chosen = rng_for(*key, "decompose").multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=n)
        low, high = _percentiles(_parts_of(chosen @ totals))
        points = _parts_of(totals.sum(0))
        parts.append(pd.DataFrame({"part": ["natural", *PARTS, "d3s"], "points": points, "low": low, "high": high}))
        parts[-1].insert(0, "model", model)
    return pd.concat(parts, ignore_index=True)


def _totals_by_source(rows: pd.DataFrame, accepted: set[str], usual: pd.Series) -> np.ndarray:
    """Per photograph (C, 9): hits and images of natural, d3s, accepted usual, accepted unusual; natural at home."""
    natural, generated = (rows["dataset"] == name for name in ("natural", "d3s"))
    verified = generated & rows["image_id"].isin(accepted)
    at_home = rows["background"] == rows["label"].map(usual)
    right = rows["guess"] == rows["label"]
    groups = [natural, generated, verified & at_home, verified & ~at_home]
    columns = [column for group in groups for column in (group & right, group)]
    marks = np.stack([*columns, natural & at_home], axis=1).astype(float)
    return pd.DataFrame(marks).groupby(rows["foreground_source"].to_numpy(), sort=True).sum().to_numpy()


def _parts_of(totals: np.ndarray) -> np.ndarray:
    """(..., 9) totals to (..., 5): natural, style, background, labels, d3s."""
    with np.errstate(invalid="ignore", divide="ignore"):
        hit, count = totals[..., 0:8:2], totals[..., 1:8:2]
        natural, d3s, home, away = np.moveaxis(100 * hit / count, -1, 0)
        verified = 100 * hit[..., 2:].sum(-1) / count[..., 2:].sum(-1)
        share = totals[..., 8] / count[..., 0]
        habitual = np.where(share > 0, share * home + (1 - share) * away, np.nan)
    return np.stack([natural, natural - habitual, habitual - verified, verified - d3s, d3s], axis=-1)


def _percentiles(draws: np.ndarray) -> np.ndarray:
    """(n, 5) to (2, 5); a part that is missing in every draw stays missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanpercentile(draws, [2.5, 97.5], axis=0)


def headline(
    gaps: pd.DataFrame, control: pd.DataFrame, parts: pd.DataFrame, pull: pd.DataFrame, *, simulated: bool
) -> pd.DataFrame:
    """What notebook 03 claims, as rows for `claims.claims_from`.

    Args:
        gaps, parts, pull: see `gap_table`, `decompose` and `background_pull`, the zoo's mean among the models.
        control: the gap of the one model that grew up without habit; empty if there is none.
        simulated: whether the votes behind `parts` are.
    """
    zoo, models = gaps["model"] == ZOO_MEAN, gaps[gaps["model"] != ZOO_MEAN]
    least, pulled = models.nsmallest(1, "gap"), pull[pull["model"] == ZOO_MEAN]
    text = f"the zoo loses at least {ZOO_DROP} points on D3S"
    rows = [
        _row("zoo_drop", text, gaps[zoo], "gap", lambda x: x >= ZOO_DROP),
        _row("zoo_drop/least", "even its steadiest model loses", least, "gap", lambda _: least["low"].item() > 0),
    ]
    text = f"without habit a model loses at most {CONTROL_DROP} points"
    rows.append(_row("control_drop", text, control, "gap", lambda x: x <= CONTROL_DROP))
    text = "mistakes in unusual places name the class at home there, more often than chance"
    chance = pulled["chance"].max()
    rows.append(_row("background_pull", text, pulled, "share", lambda _: pulled["low"].item() > chance))
    rows += _part_rows(parts[parts["model"] == ZOO_MEAN].set_index("part"), simulated)
    return pd.DataFrame(rows).assign(unit=lambda table: np.where(table["id"] == "background_pull", "%", "points"))


def _part_rows(parts: pd.DataFrame, simulated: bool) -> list[dict]:
    """The claims about the parts of the drop (index: part)."""
    other = parts.loc[["style", "labels"], "points"].max()
    claims = {
        "background": ("of the drop, unusual backgrounds cost most", lambda x: x > other),
        "style": (f"the generated style costs at most {CONTROL_DROP} points", lambda x: x <= CONTROL_DROP),
        "labels": (f"wrong labels cost at most {CONTROL_DROP} points", lambda x: x <= CONTROL_DROP),
    }
    return [
        _row(f"drop_{part}", text, parts.loc[[part]], "points", met, simulated) for part, (text, met) in claims.items()
    ]


def _row(
    id: str, text: str, found: pd.DataFrame, value: str, met: Callable[[float], bool], simulated: bool = False
) -> dict:
    """One claim about the first row of `found`; without a row, or without a number in it, the claim was not run."""
    claim = {"id": id, "text": text, "measured": np.nan, "ci_low": np.nan, "ci_high": np.nan, "simulated": simulated}
    if not len(found) or np.isnan(found[value].iloc[0]):
        return claim
    first = found.iloc[0]
    right = bool(met(first[value]))
    claim |= {"measured": first[value], "ci_low": first["low"], "ci_high": first["high"], "met": right}
    return claim | {"chance": first.get("chance", np.nan)}
