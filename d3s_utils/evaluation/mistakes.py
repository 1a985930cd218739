"""Which mistakes classifiers make: pulled by the background, into which class, and on which images they are surest."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from d3s_utils.ground.stats import wilson


def usual_backgrounds(natural: pd.DataFrame) -> pd.Series:
    """The most frequent background of each label among photographs; empty where backgrounds are unknown."""
    known = natural.dropna(subset="background")
    return known.groupby("label")["background"].agg(lambda names: names.mode().iloc[0])


def background_pull(predictions: pd.DataFrame) -> pd.DataFrame:
    """Of the mistakes on D3S images in unusual positions, how many name the class that is at home there?

    Returns:
        model, share (percent), low, high (Wilson), n (mistakes), chance (percent: one of the other classes).
    """
    usual = usual_backgrounds(predictions[predictions["dataset"] == "natural"])
    d3s = predictions[predictions["dataset"] == "d3s"]
    inhabitant = d3s["background"].map(pd.Series(usual.index, index=usual.to_numpy()).groupby(level=0).first())
    wrong = d3s[(d3s["guess"] != d3s["label"]) & inhabitant.notna() & (inhabitant != d3s["label"])]
    pulled = (wrong["guess"] == inhabitant[wrong.index]).groupby(wrong["model"], sort=False).agg(["sum", "size"])
    low, high = wilson(pulled["sum"], pulled["size"])
    share, chance = 100 * pulled["sum"] / pulled["size"], 100 / max(1, len(usual) - 1)
    table = pd.DataFrame({"share": share, "low": low, "high": high, "n": pulled["size"], "chance": chance})
    return table.rename_axis("model").reset_index()


def confusion(predictions: pd.DataFrame, rows: str, names: Sequence[str]) -> pd.DataFrame:
    """How the guesses on D3S spread over the classes, in percent of each value of the column `rows`.

    Args:
        names: class names by label; they become the columns. Class names are rows in that order too.
    """
    d3s = predictions[predictions["dataset"] == "d3s"]
    counts = pd.crosstab(d3s[rows], d3s["guess"], normalize="index") * 100
    counts = counts.reindex(columns=range(len(names)), fill_value=0.0).set_axis(list(names), axis=1)
    return counts.reindex(names) if rows == "class_name" else counts


def home_order(predictions: pd.DataFrame, backgrounds: Sequence[str]) -> list[int]:
    """All labels, ordered as their usual backgrounds are in `backgrounds`; those without one last."""
    usual = usual_backgrounds(predictions[predictions["dataset"] == "natural"])
    positions = {background: position for position, background in enumerate(backgrounds)}
    labels = sorted(predictions["label"].unique())
    return sorted((int(label) for label in labels), key=lambda label: positions.get(usual.get(label), len(positions)))


def confident_failures(predictions: pd.DataFrame, accepted: Sequence[str] | None = None) -> pd.DataFrame:
    """D3S images that were misread, those that fooled most models first, among these the surest mistake first.

    Args:
        accepted: only these image_ids, so that the label is known to be right; None for all.

    Returns:
        image_id, label, background, guess (the commonest wrong one), fooled and models (how many), p_guess (mean
        confidence of the fooled, 0-1).
    """
    d3s = predictions[predictions["dataset"] == "d3s"]
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
