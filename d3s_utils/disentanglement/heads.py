"""How well the two heads that were trained along with the features name what they never saw."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.stats import accuracy_by


def head_accuracy(features: dict[str, Features], images: pd.DataFrame) -> pd.DataFrame:
    """How often the two heads are right on validation images they never saw.

    Returns:
        method, head ("label" or "background"), accuracy, low, high (percent, Wilson), n.
    """
    val = (images["split"] == "val").to_numpy()
    rows = [
        images[val].assign(method=method, head=head, label=images.loc[val, target], guess=getattr(own, guess)[val])
        for method, own in features.items()
        for head, target, guess in (("label", "label", "fg_guess"), ("background", "background_index", "bg_guess"))
    ]
    table = accuracy_by(pd.concat(rows), "method", "head")
    return table.sort_values(
        "method", key=lambda names: names.map(list(features).index), kind="stable", ignore_index=True
    )
