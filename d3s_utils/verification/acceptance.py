"""Which images the rules accept, by class and background, and how often a rule errs where the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import cluster_mean_ci
from d3s_utils.verification.quality import percent
from d3s_utils.verification.votes import sources


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
    return percent(table, "accepted")[["rule", "question", *by, "accepted", "low", "high", "n", "source"]]


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
    return percent(table, "accepted")[["question", "at_least", "accepted", "low", "high", "n", "source"]]


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
    return percent(table, "share")[["rule", "kind", "share", "low", "high", "n", "source"]]


def label_errors(verified: pd.DataFrame, seen: pd.DataFrame, key: tuple = (0,)) -> pd.DataFrame:
    """Share of labels, foreground and background together, that each rule decides wrongly; truth as in `rule_errors`.

    Returns:
        `rule`, `error`, `low`, `high` (percent, bootstrap over images), `n` (labels), `gain`, `gain_low`, `gain_high`
        (points by which the rule is better than the row before, image by image; NaN in the first), `source`.
    """
    truth, labels = seen.set_index("image_id"), ("foreground", "background")
    wrong = {}
    for rule, rows in verified[verified["asked"]].groupby("rule", sort=False):
        there = truth.reindex(rows["image_id"])
        said = rows[[f"accepted_{label}" for label in labels]].to_numpy(bool)
        wrong[rule] = 100.0 * (said != there[list(labels)].ge(0.5).to_numpy()).mean(axis=1)
    rows, before = [], None
    for rule, errors in wrong.items():
        images = np.arange(len(errors))
        low, high = cluster_mean_ci(errors, images, (*key, "label error", rule))
        gain = (np.nan,) * 3
        if before is not None:
            bounds = cluster_mean_ci(wrong[before] - errors, images, (*key, "gain", rule))
            gain = ((wrong[before] - errors).mean(), *bounds)
        rows.append((rule, errors.mean(), low, high, 2 * len(errors), *gain))
        before = rule
    columns = ["rule", "error", "low", "high", "n", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=columns).assign(source=sources(verified))


def audit(verified: pd.DataFrame, why: pd.Series, rule: str = "dawid_skene") -> pd.DataFrame:
    """What an audit of a random part of the unasked says about their labels.

    Args:
        why: by image_id, "candidate", "audit" or "presumed" (see `annotation.plan.choose`).

    Returns:
        `part`, `error` (percent of images that `rule` refuses), `low`, `high`, `n`, `share` (percent of all images),
        `rule`, `source`. The audit's error, with its interval, is the estimate for what is presumed. Where the presumed
        were asked about all the same, they have a row to compare it with.
    """
    rows = verified[verified["rule"] == rule].assign(part=lambda table: table["image_id"].map(why))
    rows = rows[rows["asked"] & rows["n_votes"].gt(0)]
    groups = rows.assign(hit=~rows["accepted"].astype(bool)).groupby("part")["hit"].agg(hits="sum", n="size")
    table = groups.reindex([part for part in ("candidate", "audit", "presumed") if part in groups.index]).reset_index()
    table["share"] = 100 * table["part"].map(why.value_counts()) / len(why)
    table = percent(table.assign(rule=rule, source=sources(verified)), "error")
    return table[["part", "error", "low", "high", "n", "share", "rule", "source"]]


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
    shares = percent(shares.assign(n=len(unanimous)), "measured")
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
