"""What the tables of notebook 03 say, in Markdown: what is lost, where, and to what."""

from __future__ import annotations

import pandas as pd

from d3s_utils.evaluation.decomposition import BACKGROUND_FIRST, SHAPLEY, STYLE_FIRST
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.ground.claims import row_of


def lost(gaps: pd.DataFrame) -> str:
    """What the zoo loses from natural images to D3S.

    Args:
        gaps: `gaps.gap_table`, the zoo's mean among the models.
    """
    mean = row_of(gaps, model=ZOO_MEAN)
    if not mean:
        return "No model was asked."
    return (
        f"The zoo names **{mean['natural']:.1f} %** of its own held-out natural images and **{mean['d3s']:.1f} %** of "
        f"D3S: it {_loss(mean)}. On the dashed line nothing would be lost."
    )


def _loss(row: dict) -> str:
    """ "loses **47.1 points** (95 % interval of the loss: 44.3 to 50.0)"."""
    word = "loses" if row["gap"] > 0 else "gains"
    interval = f"95 % interval of the loss: {row['low']:.1f} to {row['high']:.1f}"
    return f"{word} **{abs(row['gap']):.1f} points** ({interval})"


def hardest(by_background: pd.DataFrame) -> str:
    """The backgrounds on which D3S is hardest and easiest.

    Args:
        by_background: `gaps.accuracy_table` of the zoo's mean by dataset and background.
    """
    found = by_background[by_background["dataset"] == "d3s"].set_index("background")["accuracy"]
    if len(found) < 2:
        return "There is one background, and none to hold it against."
    return (
        f"The hardest background is **{found.idxmin()}** ({found.min():.1f} %), the easiest **{found.idxmax()}** "
        f"({found.max():.1f} %): {found.max() - found.min():.1f} points between two backgrounds for the same classes."
    )


def control(without: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """What a model without habit loses, beside the zoo.

    Args:
        without: `gaps.gap_table` of the model that was trained without habit; empty where nothing can be staged.
        gaps: `gaps.gap_table`, the zoo's mean among the models.
    """
    own, zoo = row_of(without), row_of(gaps, model=ZOO_MEAN)
    if not own:
        return "No model was trained without habit here, because these natural images have the habits they have."
    model = own["model"].partition("@")[0]
    return (
        f"Without habit, {model} names {own['natural']:.1f} % of its natural images and {own['d3s']:.1f} % of D3S: it "
        f"{_loss(own)}, where the zoo with habit lost {zoo['gap']:.1f}."
    )


def decomposed(parts: pd.DataFrame, voters: str) -> str:
    """Where the points go, how much of that depends on which change is made first, and by how much the two interact.

    Args:
        parts: `decomposition.decompose`, the zoo's mean among the models.
        voters: who accepted the images, in words.
    """
    zoo = parts[parts["model"] == ZOO_MEAN].set_index(["part", "order"])
    drop = zoo["points"]
    text = f"Of {drop['natural', ''] - drop['d3s', '']:.1f} points "
    if pd.isna(drop["background", SHAPLEY]):
        return text + (
            "the share of style and background is not known, because nobody knows the backgrounds of these natural "
            f"images; wrong labels take {drop['labels', '']:.1f} (acceptance by {voters})."
        )
    both = zoo.loc[("interaction", "")]
    return (
        f"{text}the unusual background takes **{_points(zoo, 'background')}**, the style {_points(zoo, 'style')} and "
        f"wrong labels {drop['labels', '']:.1f} (acceptance by {voters}). These are means over two orders: with the "
        f"style changed first the background costs {drop['background', STYLE_FIRST]:.1f} and the style "
        f"{drop['style', STYLE_FIRST]:.1f}, with the background changed first "
        f"{drop['background', BACKGROUND_FIRST]:.1f} and {drop['style', BACKGROUND_FIRST]:.1f}. The difference is "
        f"their interaction, {both['points']:.1f} points ({both['low']:.1f} to {both['high']:.1f})."
    )


def _points(zoo: pd.DataFrame, part: str) -> str:
    """ "51.0 points (48.1 to 53.9)", the mean of both orders."""
    row = zoo.loc[(part, SHAPLEY)]
    return f"{row['points']:.1f} points ({row['low']:.1f} to {row['high']:.1f})"
