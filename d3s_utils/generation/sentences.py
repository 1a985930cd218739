"""What the tables of notebook 01 say, in Markdown: the plan, the labels, the guide, and how near D3S comes."""

from __future__ import annotations

import pandas as pd

from d3s_utils.generation.distances import HELD_OUT, WITH_HABIT
from d3s_utils.ground.claims import row_of


def planned(plan: pd.DataFrame) -> str:
    """How large the dataset is going to be.

    Args:
        plan: rows of the manifest.
    """
    sizes = plan.groupby("split", sort=False).size()
    parts = ", ".join(f"{n:,} {split}" for split, n in sizes.items())
    cells = plan.groupby(["split", "class_name", "background"]).size().groupby("split").nunique()
    alike = "the same number in each cell" if cells.max() == 1 else "not the same number in every cell"
    return (
        f"The plan holds {len(plan):,} images ({parts}): {plan['class_name'].nunique()} classes on "
        f"{plan['background'].nunique()} backgrounds, {alike}."
    )


def labels_found(rates: pd.DataFrame, by_class: pd.DataFrame) -> str:
    """How many images show both labels, and the class that is hardest to get right.

    Args:
        rates, by_class: `labels.label_rates`, of all images and by class_name; without rows where nobody judged.
    """
    both = row_of(rates, question="both")
    if not both:
        return "No judge knows these classes, so whether the labels are there is a question for annotators alone."
    worst = row_of(by_class[by_class["question"] == "both"].sort_values("rate"))
    return (
        f"The judge finds both labels in **{both['rate']:.1f} %** of {both['n']} images (95 % interval "
        f"{both['low']:.1f} to {both['high']:.1f}). Hardest to get right is **{worst['class_name']}** with "
        f"{worst['rate']:.1f} % ({worst['low']:.1f} to {worst['high']:.1f}, n = {worst['n']})."
    )


def guide_followed(follow: pd.DataFrame) -> str:
    """How closely images follow their guides in place and colour.

    Args:
        follow: `following.follow_rates` at one strength; without rows where nobody judged.
    """
    place, colour = (row_of(follow, quantity=quantity) for quantity in ("position", "colour"))
    if not place:
        return "No judge knows these classes, so nobody can say how closely the guides were followed."
    return (
        f"At this run's strength of {place['strength']:g}, over all {place['n']} samples, the object's place "
        f"correlates with the guide's at {_correlation(place)} and its colour at {_correlation(colour)}."
    )


def _correlation(row: dict) -> str:
    if pd.isna(row["correlation"]):
        return "a value that so few images do not tell"
    return f"**{row['correlation']:.2f}** ({row['low']:.2f} to {row['high']:.2f})"


def nearness(distances: pd.DataFrame) -> str:
    """How far D3S, its guides and held-out pictures are from the reference, what drawing has gained, and what habit is.

    Args:
        distances: `distances.realism_table` with the guides as baseline, and `reference` in words.
    """
    ours, guides, floor, habit = (
        row_of(distances, metric="FID", set=name) for name in ("D3S", "guides", HELD_OUT, WITH_HABIT)
    )
    if not ours:
        return "No distance was taken."
    word = "nearer to" if ours["gap"] > 0 else "further from"
    text = (
        f"In the features of the {ours['features']}, with {ours['n']} images a set, FID against {ours['reference']} is "
        f"**{ours['distance']:.2f}** for D3S and {guides['distance']:.2f} for the guides; held-out pictures like the "
        f"reference score {floor['distance']:.2f}, the floor. Drawing took the images "
        f"{abs(ours['gap']):.2f} {word} the reference than the collages were (95 % interval of the gain: "
        f"{ours['gap_low']:.2f} to {ours['gap_high']:.2f})."
    )
    if not habit:
        return text
    return f"{text} Habit alone, without any drawing, puts natural images {habit['distance']:.2f} away."


def standard_networks(perceptual: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """Whether LPIPS and CLIP were asked.

    Args:
        perceptual: `standard.lpips_table`.
        agreement: `clip_agreement.clip_agreement`.
    """
    lpips = "was taken, see its table" if len(perceptual) else "was not taken, for want of its weights on this machine"
    clip = "is in a table to filter by" if len(agreement) else "was not asked for (`realism.clip`)"
    return f"LPIPS {lpips}; agreement with CLIP {clip}."
