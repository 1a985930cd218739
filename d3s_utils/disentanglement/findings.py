"""What notebook 04 finds: whether the parts still know what they should under the paper's method."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.methods import WHOLE
from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.ground.claims import Claim, Mark, finding

COST = Mark("at most", 2, "points")


def headline(accuracy: pd.DataFrame, paper_method: str) -> list[Claim]:
    """What both heads lose on average under the paper's method, against what was trained the same way without it.

    Args:
        accuracy: `heads.head_accuracy`. Without the penalty "none" ("none@backbone") the backbone is the measure.
        paper_method: which method stands for the paper's.
    """
    mean, n = accuracy.groupby("method", sort=False)["accuracy"].mean(), int(accuracy["n"].max())
    end = WHOLE if paper_method.endswith(WHOLE) else ""
    free = mean.get(f"none{end}", mean[BACKBONE])
    cost = {"cost": free - mean[paper_method], "n": n, "seeds": 1} if paper_method in mean else {}
    text = f"accuracy that both heads lose on average under {paper_method}"
    return [finding("head_cost", text, cost, "cost", COST)]
