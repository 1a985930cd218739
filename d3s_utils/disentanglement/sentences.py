"""What the tables of notebook 04 say, in Markdown: what the heads know, and what a penalty costs them."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE


def heads(accuracy: pd.DataFrame) -> str:
    """How often the two heads of the backbone are right.

    Args:
        accuracy: `heads.head_accuracy`.
    """
    own = accuracy[accuracy["method"] == BACKBONE].set_index("head")["accuracy"]
    text = (
        f"On validation images the class head is right in **{own['label']:.1f} %**, the background head in "
        f"**{own['background']:.1f} %**."
    )
    if own["background"] > own["label"]:
        return f"{text} The background is the easier of the two: it fills the picture."
    return f"{text} The background is not the easier of the two here, although it fills the picture."


def costs(accuracy: pd.DataFrame) -> str:
    """Under which penalty a head fares worst.

    Args:
        accuracy: `heads.head_accuracy`.
    """
    table = accuracy.pivot(index="method", columns="head", values="accuracy")
    penalised = table.drop(index=[BACKBONE, "none", "none@backbone"], errors="ignore")
    if not len(penalised):
        return "No penalty was trained."
    worst = penalised.min(axis=1).idxmin()
    text = f"Lowest after a penalty: **{worst}**, with {_both(table.loc[worst])}."
    if "none" not in table.index:
        return text
    return f"{text} Without any penalty the projectors reach {_both(table.loc['none'])}."


def _both(row: pd.Series) -> str:
    return f"{row['label']:.1f} % for the class and {row['background']:.1f} % for the background"
