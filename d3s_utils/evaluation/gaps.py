"""What follows from predictions.parquet and verified.csv: accuracies, gaps, and the drop decomposed.

All accuracies are in percent, all gaps in percentage points. Intervals are 95 %: Wilson where every image rests on a
photograph of its own, else a bootstrap that redraws photographs (`foreground_source`) with all their images. A `key`
names the draw, e.g. `(profile.seed, "evaluation")`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils.evaluation.mistakes import usual_backgrounds
from d3s_utils.evaluation.sets import D3S, NATURAL, NO_HABIT, UNIFORM, of_set
from d3s_utils.ground.claims import Claim, Mark, finding, row_of
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import cluster_gap_ci, cluster_mean_ci, percentiles, wilson

ZOO_MEAN = "zoo mean"
PARTS = ("style", "background", "labels")  # of the drop from photographs to D3S, in the order they are told
# What the pocket profile is expected to show.
ZOO_DROP, SMALL_DROP = Mark("at least", 35, "points"), Mark("at most", 8, "points")
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


def gap_table(predictions: pd.DataFrame, key: Key, *, natural: str = NATURAL, by: str = "model") -> pd.DataFrame:
    """What is lost from a set of photographs to D3S: `by`, natural, d3s, gap, low, high, one row per value of `by`.

    Args:
        natural: the name of the set of photographs.
    """
    rows = []
    for name, part in predictions.groupby(by, sort=False):
        sides = [(hits(side), side["foreground_source"]) for side in (of_set(part, natural), of_set(part, D3S))]
        means = [values.mean() for values, _ in sides]
        low, high = cluster_gap_ci(*sides[0], *sides[1], (*key, "gap", natural, by, name))
        rows.append((name, *means, means[0] - means[1], low, high))
    return pd.DataFrame(rows, columns=[by, NATURAL, D3S, "gap", "low", "high"])


def accuracy_by_rule(predictions: pd.DataFrame, verified: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Accuracy on the D3S images that each rule accepts, and on all: rule, model, accuracy, low, high, n."""
    d3s = of_set(predictions, D3S)
    parts = [accuracy_table(d3s, key, "model").assign(rule="all images")]
    for rule, rows in verified.groupby("rule", sort=False):
        kept = d3s[d3s["image_id"].isin(rows.loc[rows["accepted"].astype(bool), "image_id"])]
        parts.append(accuracy_table(kept, key, "model").assign(rule=rule))
    return pd.concat(parts, ignore_index=True)[["rule", "model", "accuracy", "low", "high", "n"]]


def habit_curve(predictions: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Accuracy against the habit a model was trained with: habit, images, accuracy, low, high, n.

    Args:
        predictions: of one architecture, column `habit` telling its training photographs apart.

    Returns:
        Three rows of `images` for each habit: "natural" (held-out photographs with the same habit), "d3s", and "d3s,
        unusual" (generated images whose background is not the usual one of their class).
    """
    generated = predictions["dataset"] == D3S
    control = (predictions["dataset"] == UNIFORM) & (predictions["habit"] != NO_HABIT)  # not the model's own
    usual = usual_backgrounds(of_set(predictions, NATURAL))
    unusual = generated & (predictions["background"] != predictions["label"].map(usual))
    sets = {NATURAL: ~generated & ~control, D3S: generated, f"{D3S}, unusual": unusual}
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
    usual = usual_backgrounds(of_set(predictions, NATURAL))
    parts = []
    for model, rows in with_zoo_mean(predictions).groupby("model", sort=False):
        totals = _totals_by_source(rows, set(accepted), usual)
        chosen = rng_for(*key, "decompose").multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=n)
        low, high = percentiles(_parts_of(chosen @ totals))
        points = _parts_of(totals.sum(0))
        parts.append(pd.DataFrame({"part": [NATURAL, *PARTS, D3S], "points": points, "low": low, "high": high}))
        parts[-1].insert(0, "model", model)
    return pd.concat(parts, ignore_index=True)


def _totals_by_source(rows: pd.DataFrame, accepted: set[str], usual: pd.Series) -> np.ndarray:
    """Per photograph (C, 9): hits and images of natural, d3s, accepted usual, accepted unusual; natural at home."""
    natural, generated = (rows["dataset"] == name for name in (NATURAL, D3S))
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


def headline(
    gaps: pd.DataFrame, control: pd.DataFrame, parts: pd.DataFrame, pull: pd.DataFrame, *, simulated: bool
) -> list[Claim]:
    """What notebook 03 claims.

    Args:
        gaps, parts, pull: see `gap_table`, `decompose` and `background_pull`, the zoo's mean among the models.
        control: the gap of the one model that was trained without habit; empty if there is none.
        simulated: whether the votes behind `parts` are.
    """
    zoo, least = row_of(gaps, model=ZOO_MEAN), row_of(gaps[gaps["model"] != ZOO_MEAN].nsmallest(1, "gap"))
    some, pulled = Mark("above", 0, "points", of="low"), row_of(pull, model=ZOO_MEAN)
    pulls = "mistakes in unusual places name the class at home there, more often than chance"
    above_chance = Mark("above", pulled.get("chance", np.nan), "%", "which guessing would reach", of="low")
    return [
        finding("zoo_drop", f"the zoo loses {ZOO_DROP} on D3S", zoo, "gap", ZOO_DROP),
        finding("zoo_drop/least", "even its steadiest model loses", least, "gap", some),
        finding("control_drop", f"without habit a model loses {SMALL_DROP}", row_of(control), "gap", SMALL_DROP),
        finding("background_pull", pulls, pulled, "share", above_chance),
        *_part_findings(parts[parts["model"] == ZOO_MEAN], simulated),
    ]


def _part_findings(parts: pd.DataFrame, simulated: bool) -> list[Claim]:
    """What is claimed about the parts of the drop."""
    other = parts.loc[parts["part"].isin(["style", "labels"]), "points"].max()
    most = Mark("above", other, "points", "which the next largest part costs")
    claims = {
        "background": ("of the drop, unusual backgrounds cost most", most),
        "style": (f"the generated style costs {SMALL_DROP}", SMALL_DROP),
        "labels": (f"wrong labels cost {SMALL_DROP}", SMALL_DROP),
    }
    return [
        finding(f"drop_{part}", text, row_of(parts, part=part), "points", mark, simulated=simulated)
        for part, (text, mark) in claims.items()
    ]
