"""What follows from predictions.parquet and verified.csv: accuracies and gaps (`decomposition` takes the drop apart).

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
from d3s_utils.ground.stats import cluster_gap_ci, cluster_mean_ci, wilson

ZOO_MEAN = "zoo mean"
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
