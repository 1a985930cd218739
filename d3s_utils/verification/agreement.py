"""How far annotators agree: Krippendorff's alpha and Fleiss' kappa, question by question."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import percentiles
from d3s_utils.verification.votes import ANSWERS, QUESTIONS, sources


def agreement_table(votes: pd.DataFrame, key: tuple = (0,), n: int = 200) -> pd.DataFrame:
    """Krippendorff's alpha per question: 1 is perfect agreement, 0 what chance gives. Missing votes are allowed.

    Alpha is NaN where it has no meaning: all votes alike, or no image with two votes. It is low for a rare answer even
    when nearly all pairs of votes agree, which is why `pairs_agree` stands beside it.

    Returns:
        `question`, `alpha`, `low`, `high` (95 %, bootstrap over images), `kappa` (Fleiss', on the images with as many
        votes as most have), `pairs_agree` (percent of pairs of votes on one image), `yes` (percent of votes), `n`
        (images), `workers`, `source`.
    """
    rows = []
    for question in QUESTIONS:
        asked = votes[votes["question"] == question]
        if asked.empty:
            continue
        counts = pd.crosstab(asked["image_id"], asked["answer"]).reindex(columns=ANSWERS, fill_value=0).to_numpy()
        low, high = _alpha_interval(counts, rng_for(*key, "alpha", question), n)
        size = counts.sum(axis=1)
        alike, pairs = (counts * (counts - 1)).sum(), (size * (size - 1)).sum()
        rows.append(
            {
                "question": question,
                "alpha": krippendorff_alpha(counts),
                "low": low,
                "high": high,
                "kappa": fleiss_kappa(counts),
                "pairs_agree": 100 * alike / pairs if pairs else np.nan,
                "yes": 100 * counts[:, 0].sum() / size.sum(),
                "n": len(counts),
                "workers": asked["worker_id"].nunique(),
                "source": sources(votes),
            }
        )
    return pd.DataFrame(rows)


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Nominal alpha of (images, answers) counts of votes; NaN where all votes are alike or no image has two."""
    counts = counts[counts.sum(axis=1) >= 2]
    if (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    import krippendorff

    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def fleiss_kappa(counts: np.ndarray) -> float:
    """Fleiss' kappa (1971) of (images, answers) counts of votes; NaN where all votes are alike.

    It asks for as many votes on each image, so images with another number of votes than most are left out.
    """
    size = counts.sum(axis=1)
    raters = np.bincount(size).argmax() if len(size) else 0
    counts = counts[size == raters]
    if raters < 2 or (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    agree = (counts * (counts - 1)).sum(axis=1).mean() / (raters * (raters - 1))
    chance = np.square(counts.sum(axis=0) / counts.sum()).sum()
    return float((agree - chance) / (1 - chance))


def _alpha_interval(counts: np.ndarray, rng: np.random.Generator, n: int) -> tuple[float, float]:
    """95 % of the alphas of `n` resamples of the images."""
    alphas = [krippendorff_alpha(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(n)]
    low, high = percentiles(np.array(alphas))
    return float(low), float(high)
