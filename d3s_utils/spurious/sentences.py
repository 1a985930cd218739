"""What the tables of notebook 06 say, in Markdown: who holds where the background misleads, and who falls."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.spurious.task import reader_name, steadiest


def held(full: pd.DataFrame, chance: float) -> str:
    """The foreground features that hold best at full correlation, beside heads that read everything.

    Args:
        full: `task.summarise` of one correlation.
        chance: in percent.
    """
    best, accuracy = steadiest(full), full.set_index(["method", "features", "side"])["accuracy"]
    if (best, "fg", "disagreeing") not in accuracy:
        return "No test image disagrees with the pairing."
    text = (
        f"Foreground features hold best under **{best}**: {accuracy[best, 'fg', 'disagreeing']:.1f} % where class and "
        f"background disagree, {accuracy[best, 'fg', 'agreeing']:.1f} % where they agree."
    )
    if (best, "all", "disagreeing") in accuracy:
        text += (
            f" A head that reads *all* features of the same network gets {accuracy[best, 'all', 'disagreeing']:.1f} %, "
            f"one on all features of the plain backbone {accuracy[BACKBONE, 'all', 'disagreeing']:.1f} %."
        )
    return f"{text} Guessing would give {chance:.0f} %."


def fallen(summary: pd.DataFrame, readers: Iterable[tuple[str, str]]) -> str:
    """Who loses most and who least on disagreeing images while the correlation rises.

    Args:
        summary: `task.summarise` of several correlations.
        readers: methods and kinds of features; those without a row are left out.
    """
    away = summary[summary["side"] == "disagreeing"]
    dial = away.pivot(index=["method", "features"], columns="correlation", values="accuracy")
    if dial.shape[1] < 2:
        return "There is one correlation, and none to hold it against."
    low, high = dial.columns.min(), dial.columns.max()
    drop = {
        reader_name(*reader): dial.loc[reader, low] - dial.loc[reader, high]
        for reader in readers
        if reader in dial.index
    }
    most, least = max(drop, key=drop.get), min(drop, key=drop.get)
    return (
        f"From a correlation of {low:g} to {high:g} the loss on disagreeing images is largest for **{most}** "
        f"({drop[most]:.1f} points) and smallest for **{least}** ({drop[least]:.1f} points)."
    )
