"""Which images the rules accept: by rule, by question, by class and background, and by the number of yes votes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils.ground.claims import Claim, Mark, finding, row_of
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import share_by, with_wilson
from d3s_utils.verification.votes import sources, voters


def acceptance_table(verified: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Share of images accepted, in percent with Wilson intervals, per rule and question.

    Args:
        by: further columns of `verified` to split by, such as "class_name" (merge the manifest first).

    Returns:
        `rule`, `question` in {foreground, background, both}, `by`, `accepted`, `low`, `high`, `n`, `source`. "both" is
        what `verified["accepted"]` says: both labels, and not adult content.
    """
    columns = {"accepted_foreground": "foreground", "accepted_background": "background", "accepted": "both"}
    long = verified.melt(["rule", *by], list(columns), "question", "hit").replace({"question": columns})
    return share_by(long, "accepted", "rule", "question", *by).assign(source=sources(verified))


def acceptance_by_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """How acceptance falls as more yes votes are asked for: `question`, `at_least`, `accepted`, `low`, `high`, `n`.

    "both" takes the smaller of an image's two counts, each over all votes that it got.
    """
    yes = votes.assign(yes=votes["answer"].eq("yes")).pivot_table("yes", "image_id", "question", aggfunc="sum")
    yes = yes.reindex(columns=["foreground", "background"]).dropna(axis=1, how="all")
    yes["both"] = yes.min(axis=1)
    most = int(votes.groupby("image_id")["worker_id"].nunique().max())
    rows = [(question, k, int((yes[question] >= k).sum())) for question in yes for k in range(1, most + 1)]
    table = pd.DataFrame(rows, columns=["question", "at_least", "hits"]).assign(n=len(yes))
    return with_wilson(table, "accepted").assign(source=sources(votes))


VERDICTS = ("accepted by all", "refused by unanimity alone", "refused by majority")


def verdicts(verified: pd.DataFrame) -> pd.Series:
    """One of `VERDICTS` by image_id, from the rules unanimity and majority."""
    said = verified.pivot(index="image_id", columns="rule", values="accepted").astype(bool)
    number = np.select([said["unanimity"], said["majority"]], [0, 1], default=2)
    return pd.Series(pd.Categorical.from_codes(number, VERDICTS, ordered=True), said.index, name="verdict")


def pick_examples(verified: pd.DataFrame, key: tuple, columns: int = 6) -> pd.DataFrame:
    """Up to `columns` images for each verdict, drawn by `key`: rows of `verified` under unanimity, with `verdict`."""
    rows = verified[verified["rule"] == "unanimity"].merge(verdicts(verified).reset_index(), on="image_id")
    order = rng_for(*key, "examples").permutation(len(rows))
    groups = rows.iloc[order].groupby("verdict", observed=True)
    return groups.head(columns).sort_values("verdict", kind="stable").reset_index(drop=True)


PAPER, UNANIMITY = "the paper's rule", "unanimity on every image"


def paper_rule(verified: pd.DataFrame, candidates: Sequence[str], ours: str) -> pd.DataFrame:
    """The paper's rule of acceptance beside others, on the same votes.

    The paper asked only about images that every model of a panel got wrong. Of these it accepted those in which every
    annotator saw the object and which nobody flagged; all other images were accepted unasked.

    Args:
        candidates: image_ids of what every model got wrong, see `asking.plan.candidates`.
        ours: the rule that says which images count as verified here.

    Returns:
        `way` (PAPER; UNANIMITY, where every image was asked about; the name of `ours`, both labels), `asked` (percent
        of the images), `of_asked` (percent of these that is accepted), `accepted`, `low`, `high`, `n`, `source`.
    """
    rules = {rule: rows.set_index("image_id") for rule, rows in verified.groupby("rule")}
    unanimous, own = rules["unanimity"], rules[ours]
    seen = unanimous["accepted_foreground"].astype(bool) & ~unanimous["flagged_adult"].astype(bool)
    hard = pd.Series(seen.index.isin(candidates), seen.index)
    everywhere = verified["asked"].astype(bool).all()
    ways = {PAPER: (hard, seen | ~hard)}
    if everywhere:
        ways[UNANIMITY] = (pd.Series(True, seen.index), seen)
    ways[ours] = (own["asked"].astype(bool), own["accepted"].astype(bool))
    rows = [
        share_by(pd.DataFrame({"hit": hit}), "accepted").assign(
            way=way, asked=100.0 * asked.mean(), of_asked=100.0 * hit[asked].mean()
        )
        for way, (asked, hit) in ways.items()
    ]
    columns = ["way", "asked", "of_asked", "accepted", "low", "high", "n"]
    return pd.concat(rows, ignore_index=True)[columns].assign(source=sources(verified))


def paper_claims(ways: pd.DataFrame, paper: float) -> list[Claim]:
    """The paper's share by the paper's rule, as a row of the ledger.

    Args:
        ways: see `paper_rule`.
        paper: the share of images that the paper accepted, in percent.
    """
    reached = Mark("at least", paper, source="the paper's share")
    how = {"simulated": "simulated" in sources(ways).split("+"), "why": f"votes of {voters(ways)}"}
    return [finding("accepted_share", "", row_of(ways, way=PAPER), "accepted", reached, **how)]


def headline(verified: pd.DataFrame, agreed: pd.DataFrame) -> list[Claim]:
    """What notebook 02 finds: that annotators agree beyond chance. Simulated votes mark the finding as such.

    Which share of the images is accepted by the paper's rule needs to know what classifiers say; see `paper_claims`.

    Args:
        verified: the images that somebody voted on, see `rules.verify`.
        agreed: see `agreement.agreement_table`.
    """
    how = {"simulated": "simulated" in sources(verified).split("+"), "why": f"votes of {voters(verified)}"}
    text = "annotators agree on the foreground beyond chance (Krippendorff's alpha)"
    beyond, row = Mark("above", 0, "alpha", "what chance gives"), row_of(agreed, question="foreground")
    return [finding("alpha_foreground", text, row and row | {"chance": 0.0}, "alpha", beyond, **how)]
