"""What notebook 04 claims: that the parts still know what they should under each penalty."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.methods import WHOLE
from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.ground.claims import Claim, Mark, finding

COST = Mark("at most", 2, "points")


def headline(accuracy: pd.DataFrame) -> list[Claim]:
    """What both heads lose on average under each penalty, against what was trained the same way without one.

    Args:
        accuracy: `heads.head_accuracy`. Without the penalty "none" ("none@backbone") the backbone is the measure.
    """
    mean, n = accuracy.groupby("method", sort=False)["accuracy"].mean(), int(accuracy["n"].max())
    free = {end: mean.get(f"none{end}", mean[BACKBONE]) for end in ("", WHOLE)}
    costs = {
        name: free[WHOLE if name.endswith(WHOLE) else ""] - own
        for name, own in mean.items()
        if name not in (BACKBONE, "none", f"none{WHOLE}")
    }
    text = "accuracy that both heads lose on average under the penalty"
    return [
        finding(f"head_cost/{name}", f"{text} {name}", {"cost": cost, "n": n, "seeds": 1}, "cost", COST)
        for name, cost in costs.items()
    ]
