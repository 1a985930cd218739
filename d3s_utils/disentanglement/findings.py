"""What notebook 04 claims: that the parts still know what they should under each penalty."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.ground.claims import Claim, Mark, finding

COST = Mark("at most", 2, "points")


def headline(accuracy: pd.DataFrame) -> list[Claim]:
    """What both heads lose on average under each penalty, against the projectors without one.

    Args:
        accuracy: `heads.head_accuracy`. Without the penalty "none" the backbone is the measure.
    """
    mean, n = accuracy.groupby("method", sort=False)["accuracy"].mean(), int(accuracy["n"].max())
    free = mean["none"] if "none" in mean else mean[BACKBONE]
    costs = (free - mean).drop([BACKBONE, "none"], errors="ignore")
    text = "accuracy that both heads lose on average under the penalty"
    return [
        finding(f"head_cost/{name}", f"{text} {name}", {"cost": cost, "n": n, "seeds": 1}, "cost", COST)
        for name, cost in costs.items()
    ]
