"""What notebook 05 claims: the paper's four numbers, and four findings on probes and leaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binom

from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.ground.claims import PAPER, SOURCE, Claim, Mark, finding, row_of
from d3s_utils.probes.directions import DIRECTIONS, ERASED, LEAKS

RELEVANT = 5  # points a leak has to grow by on unseen images to be called hidden: what `make check` calls far off


def headline(
    summary: pd.DataFrame, leak: pd.DataFrame, controls: pd.DataFrame, differences: dict[str, pd.DataFrame], method: str
) -> list[Claim]:
    """The numbers of this stage for the ledger.

    Args:
        summary: rows of `directions.summarise` with linear probes.
        leak: `protocol.leaks`.
        controls: `protocol.probe_controls`.
        differences: `protocol.difference` under "nonlinear" (strongest probe less the linear one) and "unseen"
            (unseen images less training images).
        method: the paper's own.
    """
    return [
        *papers_numbers(summary, method),
        *least_leak(leak),
        *nonlinear(differences["nonlinear"]),
        *controls_at_chance(controls),
        *unseen_as_seen(differences["unseen"]),
    ]


def papers_numbers(summary: pd.DataFrame, method: str) -> list[Claim]:
    """The paper's four numbers as a linear probe reads them from the features of the paper's method."""
    found = []
    for direction in DIRECTIONS:
        row = row_of(summary, method=method, probe="linear", direction=direction.id)
        if row:
            mark = papers_mark(direction.id, row["chance"])
            found.append(finding(direction.id, f"{direction.name()}: {method}, linear probe", row, "accuracy", mark))
    return found


def papers_mark(id: str, chance: float) -> Mark:
    """The paper's number as a mark: as far from our chance level to 100 % as the paper's is from its own.

    The paper reads 2.4 % of 1 000 classes, where guessing gives 0.1 %. Of ten classes guessing gives 10 % and the same
    share of the way is 12.1 %.
    """
    paper = PAPER[id]
    share = (paper.value - paper.chance) / (100 - paper.chance)
    value = round(chance + share * (100 - chance), 1)
    source = f"{SOURCE}: {paper.value:g} % where guessing gives {paper.chance:g} %"
    return Mark("at most" if id in LEAKS else "at least", value, source=source)


def larger_leaks(leak: pd.DataFrame) -> pd.DataFrame:
    """The larger of the two leaks of each method, LEACE apart, by its share of the way from chance to 100 %."""
    rows = leak[leak["direction"].isin(LEAKS) & ~leak["method"].str.endswith(ERASED)]
    return rows.loc[rows.groupby("method", sort=False)["share"].idxmax()]


def least_leak(leak: pd.DataFrame) -> list[Claim]:
    """Which method leaks least; it is held against the network that nothing penalised.

    It is not held against the paper's: projectors on frozen features and a whole backbone are not the same task.
    """
    larger = larger_leaks(leak)
    free = row_of(larger, method=BACKBONE)
    if not free:
        return []
    row = larger.loc[larger["share"].idxmin()].to_dict()
    way = 100 / (100 - row["chance"])
    ends = {end: way * (row[end] - row["chance"]) for end in ("low", "high")}
    text = f"larger leak of the method that leaks least, {row['method']} ({row['probe']} probe), above chance"
    mark = Mark("below", round(free["share"], 1), source="the larger leak of the backbone, which nothing penalised")
    return [finding("least_leak", text, {**row, **ends, "chance": np.nan}, "share", mark)]


def nonlinear(points: pd.DataFrame) -> list[Claim]:
    """What the strongest probe finds beyond the linear one, where that is most."""
    points = points[points["direction"].isin(LEAKS) & ~points["method"].str.endswith(ERASED)]
    if points.empty:
        return []
    row = points.loc[points["points"].idxmax()].to_dict()
    text = f"most that the strongest probe finds beyond the linear one: {row['method']}"
    return [finding("beyond_linear", text, row, "points", Mark("above", 0, "points"))]


def controls_at_chance(controls: pd.DataFrame) -> list[Claim]:
    """How many probes of control labels read chance within their interval; one in twenty misses it by chance alone."""
    if controls.empty:
        return []
    held = (controls["low"] <= controls["chance"]) & (controls["chance"] <= controls["high"])
    least = 100 * binom.ppf(0.025, len(held), 0.95) / len(held)
    mark = Mark("at least", round(least, 1), source="what as many 95 % intervals hold in 39 of 40 cases")
    text = f"probes of random labels that read chance within their 95 % interval, of {len(held)}"
    return [finding("controls_at_chance", text, {"held": 100 * held.mean()}, "held", mark, n=len(held))]


def unseen_as_seen(points: pd.DataFrame) -> list[Claim]:
    """The leak that grows most where probes learn from unseen images; fewer of them are learned from."""
    points = points[points["direction"].isin(LEAKS)]
    if points.empty:
        return []
    row = points.loc[points["points"].idxmax()].to_dict()
    text = f"most that a leak grows when probes learn from unseen images: {row['method']}, at most {RELEVANT} points"
    mark = Mark("at most", RELEVANT, "points", "a twentieth of the scale, which `make check` calls far off")
    return [finding("unseen_as_seen", text, row, "points", mark)]
