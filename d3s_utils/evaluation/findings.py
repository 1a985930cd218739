"""What notebook 03 claims: what is lost, to what, and what it costs without habit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.evaluation.decomposition import of_order
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.ground.claims import Claim, Mark, finding, row_of

# What the pocket profile is expected to show.
ZOO_DROP, SMALL_DROP = Mark("at least", 35, "points"), Mark("at most", 8, "points")


def headline(
    gaps: pd.DataFrame, control: pd.DataFrame, parts: pd.DataFrame, pull: pd.DataFrame, *, simulated: bool
) -> list[Claim]:
    """What notebook 03 claims.

    Args:
        gaps, pull: see `gaps.gap_table` and `mistakes.background_pull`, the zoo's mean among the models.
        parts: see `decomposition.decompose`, the same; what is claimed is the mean of both orders.
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
        *_part_findings(of_order(parts[parts["model"] == ZOO_MEAN]), simulated),
    ]


def _part_findings(parts: pd.DataFrame, simulated: bool) -> list[Claim]:
    """What is claimed about the parts of the drop, the mean of both orders."""
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
