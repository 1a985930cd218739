"""How good each annotator is: held against the consensus of all, and against answers that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.stats import share_by, wilson
from d3s_utils.verification.votes import ANSWERS, QUESTIONS, sources


def worker_quality(
    votes: pd.DataFrame, verified: pd.DataFrame, planted: pd.DataFrame | None = None, rule: str = "dawid_skene"
) -> pd.DataFrame:
    """How often each worker differs from what `rule` makes of all votes.

    Args:
        planted: see `simulated_workers`; joins the true rate of slips as `planted`, and the `kind`.

    Returns:
        `worker_id`, `question`, `error` (percent), `low`, `high`, `n` (votes), `planted` (percent; NaN where it is not
        known, or where the annotator did not look), `kind` ("" for people), `source`.
    """
    beliefs = verified[verified["rule"] == rule].set_index("image_id")
    believed = {question: beliefs[f"p_{question}"].dropna() > 0.5 for question in QUESTIONS}
    consensus = pd.concat(believed, names=["question"]).rename("consensus")
    told = votes.merge(consensus.reset_index(), on=["question", "image_id"])
    told["hit"] = told["answer"].eq("yes") != told["consensus"]
    table = share_by(told, "error", "worker_id", "question", sort=True)
    table = table.assign(planted=np.nan, kind="", source=sources(votes))
    if planted is not None:
        who = pd.MultiIndex.from_frame(table[["worker_id", "question"]])
        known = planted.set_index(["worker_id", "question"])[["error", "kind"]].reindex(who)
        table[["planted", "kind"]] = known.to_numpy()
        table["planted"] = table["planted"].astype(float)
    return table[["worker_id", "question", "error", "low", "high", "n", "planted", "kind", "source"]]


def gold_quality(gold: pd.DataFrame, least: float) -> pd.DataFrame:
    """How each annotator does on pictures whose answers are known.

    Whoever always says yes is right on every picture that is as asked. So accuracy is the mean of two: the accuracy
    where the right answer is yes, and the accuracy where it is no. Not looking gives 50 %.

    Args:
        gold: the columns of votes.csv and `truth`.
        least: the accuracy, 0-1, below which an annotator is reported.

    Returns:
        `worker_id`, `accuracy`, `low`, `high` (percent; 95 %, from the two Wilson intervals), `on_yes`, `on_no`
        (percent), `n` (answers), `reported`, `source`; the worst first. Whoever met no "no" is not reported.
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
