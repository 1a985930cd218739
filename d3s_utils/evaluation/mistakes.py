"""Which mistakes classifiers make: how far the background pulls them, into which class, and the surest of them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from d3s_utils.evaluation.sets import D3S, NATURAL, of_set
from d3s_utils.ground.stats import share_by


def usual_backgrounds(natural: pd.DataFrame) -> pd.Series:
    """The most frequent background of each label among photographs; empty where backgrounds are unknown."""
    known = natural.dropna(subset="background")
    return known.groupby("label")["background"].agg(lambda names: names.mode().iloc[0])


def background_pull(predictions: pd.DataFrame) -> pd.DataFrame:
    """How many of the mistakes on D3S images with unusual backgrounds name the class that is at home there.

    Returns:
        model, share (percent), low, high (Wilson), n (mistakes), chance (percent: one of the other classes).
    """
    usual = usual_backgrounds(of_set(predictions, NATURAL))
    d3s = of_set(predictions, D3S)
    inhabitant = d3s["background"].map(pd.Series(usual.index, index=usual.to_numpy()).groupby(level=0).first())
    wrong = d3s[(d3s["guess"] != d3s["label"]) & inhabitant.notna() & (inhabitant != d3s["label"])]
    pulled = share_by(wrong.assign(hit=wrong["guess"] == inhabitant[wrong.index]), "share", "model")
    return pulled.assign(chance=100 / max(1, len(usual) - 1))


def confusion(predictions: pd.DataFrame, rows: str, names: Sequence[str]) -> pd.DataFrame:
    """How the guesses on D3S spread over the classes, in percent of each value of the column `rows`.

    Args:
        names: class names by label; they become the columns. Class names are rows in that order too.
    """
    d3s = of_set(predictions, D3S)
    counts = pd.crosstab(d3s[rows], d3s["guess"], normalize="index") * 100
    counts = counts.reindex(columns=range(len(names)), fill_value=0.0).set_axis(list(names), axis=1)
    return counts.reindex(names) if rows == "class_name" else counts


def home_order(predictions: pd.DataFrame, backgrounds: Sequence[str]) -> list[int]:
    """All labels, ordered as their usual backgrounds are in `backgrounds`; those without one last."""
    usual = usual_backgrounds(of_set(predictions, NATURAL))
    positions = {background: position for position, background in enumerate(backgrounds)}
    labels = sorted(predictions["label"].unique())
    return sorted((int(label) for label in labels), key=lambda label: positions.get(usual.get(label), len(positions)))


def confident_failures(predictions: pd.DataFrame, accepted: Sequence[str] | None = None) -> pd.DataFrame:
    """D3S images that were misread: those that fooled most models come first, and among these the surest mistakes.

    Args:
        accepted: only these image_ids, so that the label is known to be right; None for all.

    Returns:
        image_id, label, background, guess (the commonest wrong one), fooled and models (how many), p_guess (mean
        confidence of the fooled, 0-1).
    """
    d3s = of_set(predictions, D3S)
    d3s = d3s if accepted is None else d3s[d3s["image_id"].isin(accepted)]
    wrong = d3s[d3s["guess"] != d3s["label"]]
    images = wrong.groupby("image_id")
    table = images[["label", "background"]].first()
    table["guess"] = images["guess"].agg(lambda names: names.mode().iloc[0])
    table["fooled"], table["models"] = images["model"].nunique(), d3s["model"].nunique()
    table["p_guess"] = images["p_guess"].mean()
    return table.reset_index().sort_values(
        ["fooled", "p_guess", "image_id"], ascending=[False, False, True], ignore_index=True
    )


def failures_by_cell(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of each class on each background: how many of the answers on D3S are wrong, and the surest mistake.

    Args:
        predictions: of one model or of several, each of which answers for each image.

    Returns:
        label, background, share (percent), low, high (Wilson), n (answers), image_id and guess of the surest mistake
        ("" and -1 where there is none).
    """
    d3s = of_set(predictions, D3S)
    cells = share_by(d3s.assign(hit=d3s["guess"] != d3s["label"]), "share", "label", "background")
    wrong = d3s[d3s["guess"] != d3s["label"]].sort_values(["p_guess", "image_id"], ascending=[False, True])
    surest = wrong.drop_duplicates(["label", "background"])[["label", "background", "image_id", "guess"]]
    cells = cells.merge(surest, on=["label", "background"], how="left")
    return cells.assign(image_id=cells["image_id"].fillna(""), guess=cells["guess"].fillna(-1).astype(int))


def failures_of_cell(predictions: pd.DataFrame, label: int, background: str) -> pd.DataFrame:
    """The misread images of one class on one background, as `confident_failures` has them."""
    rows = predictions[(predictions["label"] == label) & (predictions["background"] == background)]
    return confident_failures(rows)
