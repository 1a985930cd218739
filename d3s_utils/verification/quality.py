"""How far annotators agree, and how good each of them is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import wilson
from d3s_utils.verification.votes import ANSWERS, QUESTIONS, sources


def percent(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """`hits` of `n` as percent in column `name`, with `low` and `high`; of nothing the share is NaN."""
    low, high = wilson(table["hits"], table["n"])
    return table.assign(**{name: 100 * table["hits"] / table["n"].where(table["n"] > 0), "low": low, "high": high})


def agreement(votes: pd.DataFrame, key: tuple = (0,), n: int = 200) -> pd.DataFrame:
    """Krippendorff's alpha per question: 1 is perfect agreement, 0 what chance gives. Missing votes are allowed.

    Alpha is NaN where it has no meaning: all votes alike, or no image with two votes. It is low for a rare answer even
    when nearly all pairs of votes agree, which is why `pairs_agree` stands beside it.

    Returns:
        `question`, `alpha`, `low`, `high` (95 %, bootstrap over images), `kappa` (Fleiss', of the images with as many
        votes as most have), `pairs_agree` (percent of pairs of votes on one image), `yes` (percent of votes), `n`
        (images), `workers`, `source`.
    """
    rows = []
    for question in [question for question in QUESTIONS if question in set(votes["question"])]:
        asked = votes[votes["question"] == question]
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
    """95 % of alphas of `n` resamples of the images."""
    alphas = [krippendorff_alpha(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(n)]
    alphas = [alpha for alpha in alphas if not np.isnan(alpha)]
    return tuple(np.percentile(alphas, [2.5, 97.5])) if alphas else (np.nan, np.nan)


def worker_quality(
    votes: pd.DataFrame, verified: pd.DataFrame, planted: pd.DataFrame | None = None, rule: str = "dawid_skene"
) -> pd.DataFrame:
    """How often each worker differs from what `rule` makes of all votes.

    Args:
        planted: see `simulated_workers`; joins the true rate of slips as `planted`, and the `kind`.

    Returns:
        `worker_id`, `question`, `error` (percent), `low`, `high`, `n` (votes), `planted` (percent; NaN where it is not
        known, or the annotator did not look), `kind` ("" of people), `source`.
    """
    beliefs = verified[verified["rule"] == rule].set_index("image_id")
    believed = {question: beliefs[f"p_{question}"].dropna() > 0.5 for question in QUESTIONS}
    consensus = pd.concat(believed, names=["question"]).rename("consensus")
    told = votes.merge(consensus.reset_index(), on=["question", "image_id"])
    told["slip"] = told["answer"].eq("yes") != told["consensus"]
    groups = told.groupby(["worker_id", "question"])["slip"].agg(hits="sum", n="size")
    table = percent(groups.reset_index(), "error").assign(planted=np.nan, kind="", source=sources(votes))
    if planted is not None:
        who = pd.MultiIndex.from_frame(table[["worker_id", "question"]])
        known = planted.set_index(["worker_id", "question"])[["error", "kind"]].reindex(who)
        table[["planted", "kind"]] = known.to_numpy()
        table["planted"] = table["planted"].astype(float)
    return table[["worker_id", "question", "error", "low", "high", "n", "planted", "kind", "source"]]


def gold_quality(gold: pd.DataFrame, least: float) -> pd.DataFrame:
    """How each annotator does on pictures whose answers are known.

    Who always says yes is right on every picture that is as asked; so accuracy is the mean of that on answers that are
    yes and that on answers that are no, and not looking gives 50 %.

    Args:
        gold: the columns of votes.csv and `truth`.
        least: the accuracy, 0-1, below which an annotator is reported.

    Returns:
        `worker_id`, `accuracy`, `low`, `high` (percent; 95 %, from the two Wilson intervals), `on_yes`, `on_no`
        (percent), `n` (answers), `reported`, `source`; the worst first. Nobody is reported who met no "no".
    """
    right = gold.assign(right=gold["answer"].eq(gold["truth"]))
    counts = right.pivot_table("right", "worker_id", "truth", aggfunc=["sum", "size"], fill_value=0)
    counts = counts.reindex(columns=pd.MultiIndex.from_product([["sum", "size"], ANSWERS]), fill_value=0)
    hits, n = counts["sum"].to_numpy(float), counts["size"].to_numpy(float)
    share = np.divide(hits, n, out=np.full_like(hits, np.nan), where=n > 0)  # (workers, 2)
    low, high = (bound / 100 for bound in wilson(hits, n))
    middle, wide = share.mean(axis=1), (np.hypot(*(share - low).T) / 2, np.hypot(*(high - share).T) / 2)
    table = pd.DataFrame(
        {
            "worker_id": counts.index,
            "accuracy": 100 * middle,
            "low": 100 * (middle - wide[0]),
            "high": 100 * (middle + wide[1]),
            "on_yes": 100 * share[:, 0],
            "on_no": 100 * share[:, 1],
            "n": n.sum(axis=1).astype(int),
            "reported": middle < least,
            "source": sources(gold) if len(gold) else "",
        }
    )
    return table.sort_values(["accuracy", "worker_id"], ignore_index=True)
