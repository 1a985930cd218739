"""Rules that turn votes into verdicts: unanimity, majority and Dawid-Skene, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from d3s_utils.ground.errors import D3SError
from d3s_utils.verification.votes import QUESTIONS, sources


def yes_shares(votes: pd.DataFrame, gold: pd.DataFrame | None = None) -> pd.Series:
    """Share of yes, 0-1, by image_id. Gold tells it nothing."""
    return votes["answer"].eq("yes").groupby(votes["image_id"]).mean()


def dawid_skene(votes: pd.DataFrame, gold: pd.DataFrame | None = None) -> pd.Series:
    """Probability, 0-1, that yes is the true answer, by image_id; learns each worker's reliability with the answers.

    Dawid and Skene (1979), as in crowd-kit. Where all votes agree there is nothing to learn, and the answer is certain.
    Where nearly every image is right, there are hardly any to learn from what a justified no looks like, and the method
    may call common slips a class of their own; votes on gold keep it from that.

    Args:
        gold: the same workers' votes on pictures whose answer is known, in the column `truth`.
    """
    if votes["answer"].nunique() < 2:
        return yes_shares(votes)
    from crowdkit.aggregation import DawidSkene

    names, known = {"image_id": "task", "worker_id": "worker", "answer": "label"}, None
    data = votes
    if gold is not None and len(gold):
        gold = gold[~gold["image_id"].isin(votes["image_id"])]  # what is asked about is not told beforehand
        known = gold.drop_duplicates("image_id").set_index("image_id")["truth"]
        data = pd.concat([votes, gold])
    data = data.sort_values(["image_id", "worker_id"])[list(names)].rename(columns=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # crowd-kit 1.4.2 uses calls that pandas 3 announces the end of
        posterior = DawidSkene(n_iter=100).fit_predict_proba(data, known)
    posterior = posterior["yes"].rename_axis("image_id").sort_index()
    return posterior if known is None else posterior.drop(known.index)


@dataclass(frozen=True)
class Rule:
    """How votes on one question become an answer."""

    title: str
    belief: Callable[..., pd.Series]  # votes on one question, and on its gold -> belief in yes, 0-1, by image_id
    accepts: Callable[[pd.Series], pd.Series]  # belief that the label is there -> accepted
    flags: Callable[[pd.Series], pd.Series]  # belief that it is adult content -> flagged


def _all(belief: pd.Series) -> pd.Series:
    return belief == 1.0


def _any(belief: pd.Series) -> pd.Series:
    return belief > 0.0


def _most(belief: pd.Series) -> pd.Series:
    return belief > 0.5


# Adding a row here is all it takes for a rule to reach every table and figure.
RULES: dict[str, Rule] = {
    "unanimity": Rule("unanimity", yes_shares, accepts=_all, flags=_any),
    "majority": Rule("majority", yes_shares, accepts=_most, flags=_most),
    "dawid_skene": Rule("Dawid-Skene", dawid_skene, accepts=_most, flags=_most),
}


def verify(
    votes: pd.DataFrame,
    image_ids: Sequence[str] | None = None,
    rules: Sequence[str] = tuple(RULES),
    presumed: Sequence[str] = (),
    gold: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Which images each rule accepts: both labels there, and not adult content.

    A question nobody was asked decides nothing (the paper never asked for the background). An image without votes on a
    question that others were asked is refused.

    Args:
        image_ids: one row each, in this order; by default the images that have votes, sorted.
        presumed: those of them that nobody was to be asked about: accepted on trust (column `asked` says no).
        gold: votes on pictures with known answers; a rule that learns about workers learns from them.

    Returns:
        verified.csv, one row per rule x image: `image_id`, `rule`, `accepted`, `p_foreground`, `p_background` (belief
        in the label, 0-1: share of yes, or Dawid-Skene's probability), `n_votes` (annotators who saw it), and further
        `accepted_foreground`, `accepted_background`, `flagged_adult`, `p_adult`, `asked`, `source`.
    """
    images = pd.Index(sorted(votes["image_id"].unique()) if image_ids is None else image_ids, name="image_id")
    n_votes = votes.groupby("image_id")["worker_id"].nunique().reindex(images, fill_value=0)
    parts = [
        _decide(votes, RULES[rule], images, gold).assign(rule=rule, n_votes=n_votes, source=sources(votes))
        for rule in rules
    ]
    columns = ["image_id", "rule", "accepted", "p_foreground", "p_background", "n_votes"]
    verified = pd.concat(parts).reset_index()
    verified["asked"] = ~verified["image_id"].isin(presumed) | verified["n_votes"].gt(0)
    labels = ["accepted", "accepted_foreground", "accepted_background"]
    verified.loc[~verified["asked"], labels] = True
    return verified[columns + [column for column in verified if column not in columns]]


def _decide(votes: pd.DataFrame, rule: Rule, images: pd.Index, gold: pd.DataFrame | None) -> pd.DataFrame:
    """One rule's beliefs and decisions, one row per image."""
    asked = dict(list(votes.groupby("question")))
    known = {} if gold is None else dict(list(gold.groupby("question")))
    belief = {
        question: rule.belief(asked[question], known.get(question)).reindex(images)
        if question in asked
        else pd.Series(np.nan, images)
        for question in QUESTIONS
    }
    there = {
        label: rule.accepts(belief[label]) if label in asked else pd.Series(True, images)
        for label in ("foreground", "background")
    }
    flagged = rule.flags(belief["adult"])
    return pd.DataFrame(
        {
            "accepted": there["foreground"] & there["background"] & ~flagged,
            **{f"accepted_{label}": accepted for label, accepted in there.items()},
            "flagged_adult": flagged,
            **{f"p_{question}": values for question, values in belief.items()},
        }
    )


def accepted(verified: pd.DataFrame, rule: str) -> pd.Index:
    """The image_ids that `rule` accepts, in the order of `verified`."""
    if rule not in set(verified["rule"]):
        raise D3SError(f"verified.csv holds no rule {rule!r}; it has {', '.join(verified['rule'].unique())}.")
    return pd.Index(verified.loc[(verified["rule"] == rule) & verified["accepted"].astype(bool), "image_id"])
