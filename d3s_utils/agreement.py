"""What votes say about images, about rules and about the people who voted: acceptance, agreement, quality.

Percent are 0-100 with 95 % Wilson intervals; every table carries the `source` of its votes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.seeds import rng_for
from d3s_utils.stats import wilson
from d3s_utils.votes import ANSWERS, QUESTIONS, sources


def acceptance(verified: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Share of images accepted, in percent with Wilson intervals, per rule and question.

    Args:
        by: further columns of `verified` to split by, such as "class_name" (merge the manifest first).

    Returns:
        `rule`, `question` in {foreground, background, both}, `by`, `accepted`, `low`, `high`, `n`, `source`. "both" is
        what `verified["accepted"]` says: both labels, and not adult content.
    """
    columns = {"accepted_foreground": "foreground", "accepted_background": "background", "accepted": "both"}
    keys = ["rule", *by, "source"]
    long = verified.melt(keys, list(columns), "question", "hit").replace({"question": columns})
    groups = long.assign(hit=long["hit"].astype(float)).groupby(["rule", "question", *by, "source"], sort=False)["hit"]
    table = groups.agg(hits="sum", n="size").reset_index()
    return _percent(table, "accepted")[["rule", "question", *by, "accepted", "low", "high", "n", "source"]]


def _percent(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """`hits` of `n` as percent in column `name`, with `low` and `high`; of nothing the share is NaN."""
    low, high = wilson(table["hits"], table["n"])
    return table.assign(**{name: 100 * table["hits"] / table["n"].where(table["n"] > 0), "low": low, "high": high})


def acceptance_by_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """How acceptance falls as more yes votes are asked for: `question`, `at_least`, `accepted`, `low`, `high`, `n`.

    "both" takes the smaller of an image's two counts. An image's votes are all those it got.
    """
    yes = votes.assign(yes=votes["answer"].eq("yes")).pivot_table("yes", "image_id", "question", aggfunc="sum")
    yes = yes.reindex(columns=["foreground", "background"]).dropna(axis=1, how="all")
    yes["both"] = yes.min(axis=1)
    most = int(votes.groupby("image_id")["worker_id"].nunique().max())
    rows = [(question, k, int((yes[question] >= k).sum())) for question in yes for k in range(1, most + 1)]
    table = pd.DataFrame(rows, columns=["question", "at_least", "hits"]).assign(n=len(yes), source=sources(votes))
    return _percent(table, "accepted")[["question", "at_least", "accepted", "low", "high", "n", "source"]]


VERDICTS = ("accepted by all", "refused by unanimity alone", "refused by majority")


def verdicts(verified: pd.DataFrame) -> pd.Series:
    """One of `VERDICTS` by image_id, from the rules unanimity and majority."""
    said = verified.pivot(index="image_id", columns="rule", values="accepted").astype(bool)
    number = np.select([said["unanimity"], said["majority"]], [0, 1], default=2)
    return pd.Series(pd.Categorical.from_codes(number, VERDICTS, ordered=True), said.index, name="verdict")


def pick_examples(verified: pd.DataFrame, key: tuple, columns: int = 6) -> pd.DataFrame:
    """Up to `columns` images of each verdict, drawn by `key`: rows of `verified` under unanimity, with `verdict`."""
    rows = verified[verified["rule"] == "unanimity"].merge(verdicts(verified).reset_index(), on="image_id")
    order = rng_for(*key, "examples").permutation(len(rows))
    groups = rows.iloc[order].groupby("verdict", observed=True)
    return groups.head(columns).sort_values("verdict", kind="stable").reset_index(drop=True)


def rule_errors(verified: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Where each rule goes wrong, known because the annotators are simulated: the truth is what the judge sees.

    Returns:
        per rule: `kind` in {refused though there, accepted though not there}, `share` of those images (percent), `low`,
        `high`, `n`. A label is there where the judge gives it at least one half; "there" means both labels.
    """
    truth = seen.set_index("image_id")[["foreground", "background"]].ge(0.5).all(axis=1)
    there = verified["image_id"].map(truth).astype(bool)
    said = verified["accepted"].astype(bool)
    kinds = {"refused though there": (there, ~said), "accepted though not there": (~there, said)}
    rows = [
        (rule, kind, int((of & wrong)[rows].sum()), int(of[rows].sum()))
        for rule, rows in verified.groupby("rule", sort=False).groups.items()
        for kind, (of, wrong) in kinds.items()
    ]
    table = pd.DataFrame(rows, columns=["rule", "kind", "hits", "n"]).assign(source=sources(verified))
    return _percent(table, "share")[["rule", "kind", "share", "low", "high", "n", "source"]]


def agreement(votes: pd.DataFrame, key: tuple = (0,), n: int = 200) -> pd.DataFrame:
    """Krippendorff's alpha per question: 1 is perfect agreement, 0 what chance gives. Missing votes are allowed.

    Alpha is NaN where it has no meaning: all votes alike, or no image with two votes. It is low for a rare answer even
    when nearly all pairs of votes agree, which is why `pairs_agree` stands beside it.

    Returns:
        `question`, `alpha`, `low`, `high` (95 %, bootstrap over images), `pairs_agree` (percent of pairs of votes
        on one image), `yes` (percent of votes), `n` (images), `workers`, `source`.
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
        planted: see `simulated_workers`; joins the true rate of slips as `planted`.

    Returns:
        `worker_id`, `question`, `error` (percent), `low`, `high`, `n` (votes), `planted` (percent or NaN), `source`.
    """
    beliefs = verified[verified["rule"] == rule].set_index("image_id")
    believed = {question: beliefs[f"p_{question}"].dropna() > 0.5 for question in QUESTIONS}
    consensus = pd.concat(believed, names=["question"]).rename("consensus")
    told = votes.merge(consensus.reset_index(), on=["question", "image_id"])
    told["slip"] = told["answer"].eq("yes") != told["consensus"]
    groups = told.groupby(["worker_id", "question"])["slip"].agg(hits="sum", n="size")
    table = _percent(groups.reset_index(), "error").assign(planted=np.nan, source=sources(votes))
    if planted is not None:
        rates = planted.set_index(["worker_id", "question"])["error"]
        table["planted"] = rates.reindex(pd.MultiIndex.from_frame(table[["worker_id", "question"]])).to_numpy()
    return table[["worker_id", "question", "error", "low", "high", "n", "planted", "source"]]


def headline(verified: pd.DataFrame, agreed: pd.DataFrame, paper: float) -> pd.DataFrame:
    """The numbers of this stage for the ledger.

    Args:
        agreed: see `agreement`.
        paper: the share of images that the paper's annotators accepted, in percent.

    Returns:
        `id`, `text` (empty where the paper's own number says it), `measured`, `ci_low`, `ci_high`, `n`, `chance`,
        `unit`, and `met`: the interval reaches the paper's share, or an alpha's whole interval lies above chance.
    """
    unanimous = verified[verified["rule"] == "unanimity"]
    by_paper = unanimous["accepted_foreground"] & ~unanimous["flagged_adult"]
    asked_both = "share of the validation images accepted, foreground and background"
    shares = pd.DataFrame({"id": ["accepted_share", "accepted_share/both"], "text": ["", asked_both], "unit": "%"})
    shares["hits"] = [by_paper.sum(), unanimous["accepted"].sum()]
    shares = _percent(shares.assign(n=len(unanimous)), "measured")
    labels = agreed[agreed["question"] != "adult"]
    alphas = labels.rename(columns={"alpha": "measured"}).assign(
        id="alpha_" + labels["question"],
        text="annotators agree on the " + labels["question"] + " beyond chance (Krippendorff's alpha)",
        chance=0.0,
        unit="alpha",
    )
    rows = pd.concat([shares.assign(met=shares["high"] >= paper), alphas.assign(met=alphas["low"] > 0)])
    rows = rows.rename(columns={"low": "ci_low", "high": "ci_high"})
    return rows[["id", "text", "measured", "ci_low", "ci_high", "n", "chance", "unit", "met"]]
