"""The votes of a run: people's, or those of simulated annotators."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Verification
from d3s_utils.verification.annotators import gold_quality
from d3s_utils.verification.asking.plan import Plan, plan_of
from d3s_utils.verification.simulated import simulate
from d3s_utils.verification.votes import no_gold_votes, people_voted, read_gold_votes, read_votes, voters


@dataclass(frozen=True)
class Collected:
    """What was asked in a run, and what was answered.

    Attributes:
        votes: the columns of votes.csv, and `seconds` where they are known.
        gold: votes on pictures with known answers: the columns of votes.csv and `truth`.
        plan: what was asked, and what nobody was asked about.
        seen: what the judge of simulated annotators sees of the images; None where nobody judged.
        workers: the planted characters of simulated annotators; None where people voted.
        left_out: annotators who were poor on gold, so that `votes` lacks theirs.
    """

    votes: pd.DataFrame
    gold: pd.DataFrame
    plan: Plan
    seen: pd.DataFrame | None = None
    workers: pd.DataFrame | None = None
    left_out: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        return self.workers is not None

    @property
    def example(self) -> pd.Series:
        """The first item of the plan that somebody voted on; the first of all where nobody did."""
        asked = self.plan.asked
        voted = asked[asked["item_id"].isin(self.votes["image_id"])]
        return (voted if len(voted) else asked).iloc[0]


def collect_votes(run: Run, images: np.ndarray, table: pd.DataFrame) -> Collected:
    """The votes of `run`: people's where there are any, else simulated ones.

    With `verification.source: auto` people's votes are those in the run's votes.csv, where the annotation page, the
    widget of notebook 02 and `mturk import` write them.

    Args:
        images, table: the validation images, (N, S, S, 3) uint8, and their rows of the manifest.

    Raises:
        D3SError: votes that cannot be, or votes of people that would be overwritten.
    """
    settings, path = run.profile.verification, run.folder / "votes.csv"
    plan = plan_of(run, table)
    if settings.source == "csv":
        found = Collected(read_votes(settings.votes, table["image_id"]), no_gold_votes(), plan)
    elif settings.source == "auto" and people_voted(path):
        votes = read_votes(path, table["image_id"], hashes=table.set_index("image_id")["recipe_hash"])
        found = Collected(votes[votes["source"] != "simulated"], read_gold_votes(run.folder), plan)
    else:
        if people_voted(path):
            raise D3SError(
                f"{path} holds votes of people, which simulated ones would overwrite; move the file away, or set "
                "verification.source to auto."
            )
        found = Collected(plan=plan, **simulate(settings, run.profile.seed, images, table, plan))
    return _without_poor_ones(found, settings) if settings.leave_out else found


def save_votes(run: Run, collected: Collected) -> pd.DataFrame:
    """Write votes.csv and gold_votes.csv, unless people's own votes were read from there; hand the votes back."""
    if collected.simulated or run.profile.verification.source == "csv":
        run.save(collected.votes, "votes.csv")
        if len(collected.gold):
            run.save(collected.gold, "gold_votes.csv")
    return collected.votes


def describe(collected: Collected) -> str:
    """What was asked, in a sentence or two of Markdown."""
    votes, asked = collected.votes, collected.plan.asked
    text = f"{voters(votes).capitalize()}: {votes['worker_id'].nunique()} of them gave **{len(votes)} votes** on "
    text += f"{votes['image_id'].nunique()} of {len(asked)} images that are asked about."
    if collected.plan.presumed:
        drawn = int((asked["why"] == "audit").sum())
        text += f" {len(collected.plan.presumed)} further images, which some model of the panel got right, are taken on"
        text += f" trust but for a random sample of {drawn}."
    if len(collected.gold):
        text += f" {collected.gold['image_id'].nunique()} pictures with known answers were asked about as well."
    if collected.left_out:
        text += f" Left out for poor answers to those: {', '.join(collected.left_out)}."
    return text


def describe_gold(quality: pd.DataFrame, collected: Collected) -> str:
    """Who is reported for their answers on gold (see `annotators.gold_quality`), in a sentence or two of Markdown."""
    reported = list(quality.loc[quality["reported"], "worker_id"])
    text = f"Reported: {', '.join(reported)}." if reported else "Nobody is reported."
    if collected.workers is not None:
        spammers = set(collected.workers.loc[collected.workers["kind"] != "careful", "worker_id"])
        found = spammers & set(reported)
        text += (
            f" Of {len(spammers)} planted annotators who do not look, gold finds **{len(found)}**; of those who look, "
        )
        text += f"it accuses {len(set(reported) - spammers)}."
    return text


def _without_poor_ones(collected: Collected, settings: Verification) -> Collected:
    """`collected` without the votes of those who were poor on gold."""
    quality = gold_quality(collected.gold, settings.gold_least)
    poor = tuple(quality.loc[quality["reported"], "worker_id"])
    votes = collected.votes[~collected.votes["worker_id"].isin(poor)]
    return replace(collected, votes=votes.reset_index(drop=True), left_out=poor)
