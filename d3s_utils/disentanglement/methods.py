"""What the name of a method says: which penalty, and whether that trains projectors or the whole backbone."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE, PLAIN
from d3s_utils.disentanglement.penalties.table import penalty_row
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile, Turns

WHOLE = "@backbone"


@dataclass(frozen=True)
class Method:
    """A way to disentangle.

    Attributes:
        name: "hsic" or "hsic@backbone".
        penalty: a row of the penalties.
        whole: whether the whole backbone is trained, as in the paper; else projectors on its frozen features.
        start: whose weights it starts from, or reads the features of: BACKBONE or PLAIN.
        turns: how long and how fast.
    """

    name: str
    penalty: str
    whole: bool
    start: str
    turns: Turns


def method_of(name: str, profile: Profile) -> Method:
    """The method called `name`.

    Raises:
        D3SError: what follows the @ is not "backbone".
    """
    penalty, at, trained = name.partition("@")
    if at + trained not in ("", WHOLE):
        raise D3SError(
            f"disentanglement.penalties: {name} names {trained!r} behind the @; write {penalty}, which trains "
            f"projectors, or {penalty}{WHOLE}, which trains the whole backbone."
        )
    if at:
        return Method(name, penalty, True, profile.whole_backbone.start, profile.whole_backbone)
    return Method(name, penalty, False, BACKBONE, profile.disentanglement)


def all_methods(profile: Profile) -> list[str]:
    """Every method whose features a run keeps: the two without a penalty, then the penalties of the profile."""
    return [PLAIN, BACKBONE, *profile.disentanglement.penalties]


def method_table(profile: Profile) -> pd.DataFrame:
    """The profile's methods, one row each: method (index), how it sees dependence, what it trains, weight."""
    rows = []
    for method in (method_of(name, profile) for name in profile.disentanglement.penalties):
        row = penalty_row(method.penalty)
        trained = "the whole backbone" if method.whole else "two projectors"
        rows.append((method.name, row.about, trained, row.weight * method.turns.weight))
    columns = ["method", "how it sees dependence", "what it trains", "weight"]
    return pd.DataFrame(rows, columns=columns).set_index("method")
