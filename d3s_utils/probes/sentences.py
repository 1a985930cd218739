"""What the tables of notebook 05 say, in Markdown: which methods leak, what was hidden, and what moves."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.probes.directions import ERASED, LEAKS

PAPER_METHOD = "wasserstein"


def leaks(summary: pd.DataFrame) -> str:
    """The methods, LEACE apart, in whose features a linear probe finds most and least of what should not be there.

    Args:
        summary: `directions.summarise` of all directions.
    """
    rows = summary[(summary["probe"] == "linear") & summary["direction"].isin(LEAKS)]
    leak = rows[~rows["method"].str.endswith(ERASED)].groupby("method", sort=False)["accuracy"].max()
    if not len(leak):
        return "No features were read."
    text = (
        f"A linear probe finds most misplaced knowledge in **{leak.idxmax()}** (larger leak {leak.max():.1f} %), and "
        f"the least in **{leak.idxmin()}** ({leak.min():.1f} %); guessing gives {summary['chance'].iloc[0]:.0f} %."
    )
    if PAPER_METHOD not in leak:
        return text
    return f"{text} The paper's own penalty, {PAPER_METHOD}, leaks {leak[PAPER_METHOD]:.1f} % here."


def hidden(both: pd.DataFrame) -> str:
    """Whether leaks grow where probes learn from images that no penalty has seen.

    Args:
        both: `directions.summarise` of linear probes that learned from training images, and from unseen ones.
    """
    rows = both[both["direction"].isin(LEAKS)]
    gap = rows.pivot(index=["method", "direction"], columns="probe", values="accuracy")
    if "linear, unseen images" not in gap:
        return "No probe learned from unseen images."
    gap = (gap["linear, unseen images"] - gap["linear"]).groupby("method").max()
    most = gap.abs().idxmax()
    return (
        f"Learning from unseen images changes the reading most for **{most}**, by {gap[most]:+.1f} points. These "
        "probes have fewer images to learn from, so a reading *below* the first protocol's says little; one clearly "
        "above it would mean that the label was hidden and not removed."
    )


def moved(ratios: pd.DataFrame) -> str:
    """Whose features move with the background, and whose do not.

    Args:
        ratios: `counterfactuals.movement_ratios`.
    """
    ratio = ratios.pivot(index="method", columns="features", values="ratio").reindex(ratios["method"].unique())
    if not len(ratio):
        return "No counterfactual was drawn."
    fg, bg, own = ratio["fg"], ratio["bg"], ratio.loc[BACKBONE]
    return (
        f"Foreground features move least with the background under **{fg.idxmin()}**: {fg.min():.2f} of what a new "
        f"foreground does to them, against {own['fg']:.2f} in the undisentangled backbone. Background features of the "
        f"backbone move {own['bg']:.1f} times as far with the background as with the foreground; the most one-sided "
        f"are those of {bg.idxmax()}, {bg.max():.1f} times."
    )
