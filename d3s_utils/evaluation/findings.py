"""What notebook 03 claims: what is lost, to what, and what it costs without habit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.evaluation.decomposition import of_order
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.ground.claims import SOURCE, Claim, Mark, finding, row_of

ZOO_DROP, SMALL_DROP = Mark("above", 0, "points", f"{SOURCE}, abstract"), Mark("at most", 8, "points")


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
    zoo, pulled = row_of(gaps, model=ZOO_MEAN), row_of(pull, model=ZOO_MEAN)
    pulls = "mistakes in unusual places name the class at home there, more often than chance"
    above_chance = Mark("above", pulled.get("chance", np.nan), "%", "which guessing would reach")
    return [
        finding("zoo_drop", "", zoo, "gap", ZOO_DROP),
        finding("control_drop", f"without habit a model loses {SMALL_DROP}", row_of(control), "gap", SMALL_DROP),
        finding("background_pull", pulls, pulled, "share", above_chance),
        _background_part(of_order(parts[parts["model"] == ZOO_MEAN]), simulated),
    ]


def _background_part(parts: pd.DataFrame, simulated: bool) -> Claim:
    """Whether backgrounds cost most of the drop, the mean of both orders."""
    other = parts.loc[parts["part"].isin(["style", "labels"]), "points"].max()
    most = Mark("above", other, "points", "which the next largest part costs")
    text = "of the drop, unusual backgrounds cost most"
    return finding("drop_background", text, row_of(parts, part="background"), "points", most, simulated=simulated)
