"""Pictures behind the dial: what heads learn from at a correlation, and what they say of test images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.spurious.task import pairing, training_rows

SEEN, TEST = "training", "test"


def dial_examples(
    images: pd.DataFrame, guesses: pd.DataFrame, correlation: float, seed: int, columns: int = 8
) -> pd.DataFrame:
    """Training images at a correlation, and disagreeing test images with what a head says of them; first permutation.

    Args:
        images: see `task.spurious_task`.
        guesses: its rows, of one method and kind of features.
        correlation: one of those in `guesses`.
        seed: the profile's, which says who is tied to what and who is drawn.

    Returns:
        Rows of `images` with `kind` (`SEEN`, `TEST`), `agrees`, and `guess` (-1 for training images): at most `columns`
        of each kind, the training images of different classes and agreeing as often as the correlation says.
    """
    train = images[images["split"] == "train"].reset_index(drop=True)
    tied = pairing(images["label"].max() + 1, images["background_index"].max() + 1, seed, "spurious", 0)
    drawn = train.iloc[training_rows(train, tied, correlation, seed, "spurious", 0)]
    drawn = drawn.assign(agrees=drawn["background_index"].to_numpy() == tied[drawn["label"]], guess=-1, kind=SEEN)
    own = guesses[(guesses["permutation"] == 0) & np.isclose(guesses["correlation"], correlation)]
    away = own[~own["agrees"].astype(bool)][["image_id", "guess", "agrees"]]
    test = images.merge(away, on="image_id").assign(kind=TEST)
    return pd.concat([_agreeing(drawn, correlation, columns), _spread(test, columns)], ignore_index=True)


def _agreeing(drawn: pd.DataFrame, correlation: float, columns: int) -> pd.DataFrame:
    """`columns` rows of which as many agree as the correlation says."""
    agree = round(correlation * columns)
    parts = [_spread(drawn[drawn["agrees"]], agree), _spread(drawn[~drawn["agrees"]], columns - agree)]
    return pd.concat(parts)


def _spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most `count` rows, drawn so that their classes differ as far as they can; the same ones every time."""
    mixed = rows.iloc[rng_for("dial examples").permutation(len(rows))]
    turn = mixed.groupby("label").cumcount()
    return mixed.iloc[np.argsort(turn, kind="stable")[:count]]
