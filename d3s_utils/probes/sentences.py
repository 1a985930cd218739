"""What the tables of notebook 05 say, in Markdown: which methods leak, what was hidden, and what moves."""

from __future__ import annotations

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.probes.directions import DIRECTIONS, ERASED, LEAKS
from d3s_utils.probes.findings import larger_leaks
from d3s_utils.probes.strength import last_doubling

NAMES = {"linear": "linear probe", "mlp": "MLP", "svm": "SVM", "forest": "forest"}
FLAT = 1.0  # points that the last doubling may add


def leaks(leak: pd.DataFrame, paper_method: str) -> str:
    """The methods, LEACE apart, in whose features the strongest probe finds most and least of what should not be there.

    Args:
        leak: `protocol.leaks`.
        paper_method: which method stands for the paper's.
    """
    rows = leak[leak["direction"].isin(LEAKS) & ~leak["method"].str.endswith(ERASED)]
    if rows.empty:
        return "No features were read."
    larger = larger_leaks(leak).set_index("method")
    most, least = larger.loc[larger["share"].idxmax()], larger.loc[larger["share"].idxmin()]
    text = (
        f"The strongest probe finds most misplaced knowledge in **{most.name}** ({_reading(most)}), and the least in "
        f"**{least.name}** ({_reading(least)}); guessing gives {least['chance']:.0f} %."
    )
    if paper_method not in larger.index:
        return text
    return f"{text} The paper's method, {paper_method}, leaks {_reading(larger.loc[paper_method])}."


def _reading(row: pd.Series) -> str:
    share = f"{row['share']:.0f} % of the way from chance"
    return f"{row['accuracy']:.1f} % by the {NAMES[row['probe']]}, {share}, {row['bits']:.2f} bits"


def over_seeds(seeds: pd.DataFrame, method: str) -> str:
    """How far the paper's four numbers of `method` move when everything that is trained is drawn anew.

    Args:
        seeds: rows of `directions.summarise` of several runs, with the column `training_seed`.
    """
    own = seeds[(seeds["method"] == method) & (seeds["probe"] == "linear")] if len(seeds) else seeds
    if own.empty:
        return "The spread over training seeds was not measured under this profile; `make seeds` measures it."
    found = own.groupby("direction", sort=False)["accuracy"].agg(["mean", "min", "max"])
    names = {direction.id: direction.name() for direction in DIRECTIONS}
    told = [f"{names[id]} {row['mean']:.1f} % ({row['min']:.1f} to {row['max']:.1f})" for id, row in found.iterrows()]
    return (
        f"Over {own['training_seed'].nunique()} training seeds the linear probe reads, in the mean and from least to "
        f"most: {'; '.join(told)}."
    )


def strong_enough(curve: pd.DataFrame) -> str:
    """Whether the last doubling of the steps still adds anything.

    Args:
        curve: `strength.strength`.
    """
    added = last_doubling(curve)
    if added.empty:
        return "No curve was measured."
    rising = added[(added["added"] > FLAT) & (added["added_low"] > 0)]
    most = (rising if len(rising) else added).sort_values("added").iloc[-1]
    verdict = (
        "The probes were trained for long enough" if most["added"] <= FLAT else "No gain of longer training is shown"
    )
    verdict = "Longer training would find more" if len(rising) else verdict
    return (
        f"{verdict}: the last doubling of the steps adds {most['added']:+.1f} points at most ({NAMES[most['probe']]}, "
        f"{most['method']}; 95 % interval {most['added_low']:+.1f} to {most['added_high']:+.1f}), and "
        f"{added['added'].mean():+.1f} on average."
    )


def memorised(controls: pd.DataFrame) -> str:
    """What probes do with labels that mean nothing.

    Args:
        controls: `protocol.probe_controls`.
    """
    if controls.empty:
        return "No probe was given random labels."
    held = (controls["low"] <= controls["chance"]) & (controls["chance"] <= controls["high"])
    most = controls.loc[controls["memorised"].idxmax()]
    return (
        f"Of {len(held)} probes of random labels {held.sum()} read chance within their interval. On the images they "
        f"learned from they reach up to {most['memorised']:.0f} % ({NAMES[most['probe']]}, {most['method']}): "
        "an accuracy there says nothing of what features know."
    )


def hidden(points: pd.DataFrame) -> str:
    """Whether leaks grow where probes learn from images that no penalty has seen.

    Args:
        points: `protocol.difference` of unseen images less training images.
    """
    if points.empty:
        return "No probe learned from unseen images."
    most = points.loc[points["points"].idxmax()]
    meaning = (
        "a label was hidden there and not removed" if most["low"] > 0 else "there is no sign that a label was hidden"
    )
    moves = "raises the reading most for" if most["points"] > 0 else "raises no reading, and lowers least that of"
    return (
        f"Learning from unseen images {moves} **{most['method']}**, by {abs(most['points']):.1f} points (a change of "
        f"{most['low']:+.1f} to {most['high']:+.1f}): {meaning}. These probes have fewer images to "
        "learn from, so a reading *below* the first protocol's says little."
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
