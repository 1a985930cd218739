"""Where votes come from: people, or simulated annotators where no people voted.

A simulated annotator sees what a judge sees, an independent network, and slips at an individual, planted rate; a few do
not look at all. Where no judge knows the pictures (`verification.judge: none`) simulated annotators believe the prompt:
their votes say nothing about the images, and let a run end before people have voted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from d3s_utils import paths
from d3s_utils.agreement import gold_quality
from d3s_utils.annotation.plan import Plan, make_plan
from d3s_utils.errors import D3SError
from d3s_utils.runs import Run
from d3s_utils.seeds import rng_for
from d3s_utils.settings import Profile, Verification
from d3s_utils.tables import COLUMNS
from d3s_utils.votes import QUESTIONS, no_gold_votes, people_voted, read_gold_votes, read_votes, voters

# A simulated annotator calls a label present from a probability of their own upwards, drawn between these two.
THRESHOLDS = (0.3, 0.7)
# A slip that accuses a picture of adult content is rarer than one that overlooks an object: this share of the rate.
ADULT_SLIPS = 0.1
# Those who do not look, in turn: one says yes, yes, no whatever there is to see; the next tosses a coin.
SPAMMERS = ("hasty", "random")
HASTY = (True, True, False)
GOLD_EACH = 8  # gold items that a simulated annotator answers at least


@dataclass(frozen=True)
class Collected:
    """What was asked in a run, and what was answered.

    Attributes:
        votes: the columns of votes.csv, and `seconds` where they are known.
        gold: votes on pictures with known answers: the columns of votes.csv and `truth`.
        plan: what was asked, and what nobody was asked about.
        seen: what the judge of simulated annotators sees of the images; None where nobody judged.
        workers: the planted characters of simulated annotators; None where people voted.
        left_out: those whose votes `votes` lacks because they were poor on gold.
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
    plan = make_plan(run, table)
    if settings.source == "csv":
        found = Collected(read_votes(settings.votes, table["image_id"]), no_gold_votes(), plan)
    elif settings.source == "auto" and people_voted(path):
        votes = read_votes(path, table["image_id"], recipes=table.set_index("image_id")["recipe_hash"])
        found = Collected(votes[votes["source"] != "simulated"], read_gold_votes(run), plan)
    else:
        if people_voted(path):
            raise D3SError(
                f"{path} holds votes of people, which simulated ones would overwrite; move the file away, or set "
                "verification.source to auto."
            )
        found = _simulate(run.profile, images, table, plan)
    return _without_poor_ones(found, settings) if settings.leave_out else found


def save_votes(run: Run, collected: Collected) -> pd.DataFrame:
    """Write votes.csv and gold_votes.csv, unless people's own are what was read from there; hands the votes back."""
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
    """Who is reported for their answers on gold (see `agreement.gold_quality`), in a sentence or two of Markdown."""
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
    """The same without the votes of those who were poor on gold."""
    quality = gold_quality(collected.gold, settings.gold_least)
    poor = tuple(quality.loc[quality["reported"], "worker_id"])
    votes = collected.votes[~collected.votes["worker_id"].isin(poor)]
    return replace(collected, votes=votes.reset_index(drop=True), left_out=poor)


def _simulate(profile: Profile, images: np.ndarray, table: pd.DataFrame, plan: Plan) -> Collected:
    """Simulated votes on what the plan asks about, and on its gold."""
    settings, seen, judged = profile.verification, believe(table), None
    if settings.judge != "none":
        seen = judged = look(open_judge(settings.judge), images, table)
    asked = seen[seen["image_id"].isin(plan.asked["item_id"])]
    workers = simulated_workers(settings, profile.seed)
    votes = simulate_votes(asked, settings, profile.seed)
    return Collected(votes, simulate_gold(plan, settings, profile.seed), plan, judged, workers)


def open_judge(name: str):
    """The network in whose eyes the simulated annotators see; "pocket" is the one shipped with the pocket world.

    Raises:
        D3SError: no such judge, or its weights are not there.
    """
    folder = paths.POCKET_WEIGHTS / "judge" if name == "pocket" else paths.resolve(name)
    if not folder.is_dir():
        raise D3SError(
            f"verification.judge: there is no judge in {folder}; name a folder that holds one, write 'pocket', "
            "or read people's votes with verification.source=csv verification.votes=FILE."
        )
    from d3s_utils.pocket.judge import load_judge

    return load_judge(folder)


def believe(table: pd.DataFrame) -> pd.DataFrame:
    """What those see who do not look: as `look`, every label there for certain."""
    return pd.DataFrame({"image_id": table["image_id"].to_numpy(), "foreground": 1.0, "background": 1.0, "adult": 0.0})


def look(judge, images: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """What there is to see of the asked labels, in the eyes of `judge`.

    Args:
        images: (N, S, S, 3) uint8.
        table: N rows with `image_id`, `class_name` and `background`, the labels asked for.

    Returns:
        `image_id` and the judge's probabilities, 0-1, of the asked labels: `foreground`, `background` and `adult`
        (0: the judge knows no such thing).

    Raises:
        D3SError: a class or background the judge never learnt.
    """
    judgement = judge.judge(images)
    rows = np.arange(len(table))
    return pd.DataFrame(
        {
            "image_id": table["image_id"].to_numpy(),
            "foreground": judgement.foreground[rows, _positions(table["class_name"], judge.classes, "class")],
            "background": judgement.background[rows, _positions(table["background"], judge.backgrounds, "background")],
            "adult": 0.0,
        }
    )


def _positions(names: pd.Series, known: Sequence[str], what: str) -> np.ndarray:
    """Where each of `names` stands in `known`."""
    positions = pd.Index(known).get_indexer(names)
    if (positions < 0).any():
        stranger = names[positions < 0].iloc[0]
        raise D3SError(
            f"verification.judge never learnt the {what} {stranger!r} (it knows {', '.join(known)}); "
            "read people's votes with verification.source=csv verification.votes=FILE, or let simulated annotators "
            "believe the prompt with verification.judge=none."
        )
    return positions


def simulated_workers(settings: Verification, seed: int) -> pd.DataFrame:
    """The planted character of each simulated annotator: one row per worker x question.

    Returns:
        `worker_id`, `question`, `threshold` (the probability from which they say yes), `error` (percent of answers that
        slip, between `error_low` and `error_high`, a tenth of that for the adult question; NaN for who does not look)
        and `kind`: "careful", or one of `SPAMMERS`.
    """
    if settings.error_low > settings.error_high:
        raise D3SError(
            f"verification.error_low is {settings.error_low}, above error_high, {settings.error_high}; swap them."
        )
    spammers = rng_for(seed, "spammers").permutation(settings.workers)[: settings.spammers]
    kinds = {number: SPAMMERS[turn % len(SPAMMERS)] for turn, number in enumerate(spammers)}
    rows = []
    for number in range(settings.workers):
        worker, kind = f"simulated-{number:02d}", kinds.get(number, "careful")
        rng = rng_for(seed, "annotator", worker)
        threshold = rng.uniform(*THRESHOLDS)
        for question in QUESTIONS:
            error = rng.uniform(settings.error_low, settings.error_high) * (ADULT_SLIPS if question == "adult" else 1)
            rows.append((worker, question, threshold, 100 * error if kind == "careful" else np.nan, kind))
    return pd.DataFrame(rows, columns=["worker_id", "question", "threshold", "error", "kind"])


def simulate_votes(seen: pd.DataFrame, settings: Verification, seed: int) -> pd.DataFrame:
    """Votes of simulated annotators, a stand-in that shows the machinery and says nothing about people.

    Each image goes to `settings.votes_per_image` of `settings.workers` annotators. Each says yes where the probability
    in `seen` reaches their threshold, and then slips at their own rate; spammers do not look. Drawn image by image from
    its own key, so that the votes on one image depend on no other.

    Args:
        seen: see `look`.

    Returns:
        The columns of votes.csv, `source` being "simulated" throughout.
    """
    if settings.votes_per_image > settings.workers:
        raise D3SError(
            f"verification.votes_per_image is {settings.votes_per_image}, but there are {settings.workers} workers; "
            "raise verification.workers or ask for fewer votes."
        )
    panels, luck = _draw_panels(seen["image_id"], settings, seed)
    return _answers(seen, simulated_workers(settings, seed), panels, luck)


def _answers(seen: pd.DataFrame, workers: pd.DataFrame, panels: np.ndarray, luck: np.ndarray) -> pd.DataFrame:
    """What the `panels` (N, V) of `workers` say, with the `luck` (N, V, Q) that they have."""
    shape = (-1, len(QUESTIONS))
    threshold, error = (workers[name].to_numpy().reshape(shape) for name in ("threshold", "error"))
    names, kinds = (workers[name].to_numpy(object)[:: len(QUESTIONS)] for name in ("worker_id", "kind"))
    yes = (seen[list(QUESTIONS)].to_numpy()[:, None] >= threshold[panels]) ^ (100 * luck < error[panels])  # (N, V, Q)
    kind = kinds[panels][..., None]
    yes = np.where(kind == "random", luck < 0.5, np.where(kind == "hasty", np.array(HASTY), yes))
    index = pd.MultiIndex.from_product([seen["image_id"], range(panels.shape[1]), QUESTIONS])
    votes = index.set_names(["image_id", "seat", "question"]).to_frame(index=False)
    return votes.assign(
        worker_id=np.repeat(names[panels], len(QUESTIONS)),
        answer=np.where(yes.ravel(), "yes", "no"),
        source="simulated",
    )[COLUMNS["votes"]]


def simulate_gold(plan: Plan, settings: Verification, seed: int) -> pd.DataFrame:
    """Votes of simulated annotators on the plan's gold, whose truth is what they would see if they looked.

    Each answers the share `gold_rate` of what they are shown, at least `GOLD_EACH` where there are as many.

    Returns:
        The columns of votes.csv, of the questions whose answers are known, and `truth`.
    """
    if plan.gold.empty or settings.gold_rate in (0, 1):
        return no_gold_votes()
    truth = plan.gold.pivot(index="item_id", columns="question", values="answer").reindex(columns=list(QUESTIONS))
    seen = truth.eq("yes").astype(float).rename_axis("image_id").reset_index()
    shown = len(plan.asked) * settings.votes_per_image / settings.workers
    each = max(GOLD_EACH, round(shown * settings.gold_rate / (1 - settings.gold_rate)))
    workers, parts = simulated_workers(settings, seed), []
    for number, worker in enumerate(workers["worker_id"].unique()):
        rng = rng_for(seed, "gold votes", worker)
        mine = seen.iloc[np.sort(rng.permutation(len(seen))[:each])]
        luck = rng.random((len(mine), 1, len(QUESTIONS)))
        parts.append(_answers(mine, workers, np.full((len(mine), 1), number), luck))
    known = plan.gold.rename(columns={"item_id": "image_id", "answer": "truth"})
    return pd.concat(parts).merge(known, on=["image_id", "question"])[[*COLUMNS["votes"], "truth"]]


def _draw_panels(image_ids: pd.Series, settings: Verification, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Who sees each image, (N, V) numbers of workers, and the luck of each answer, (N, V, Q) in 0-1."""
    panels, luck = [], []
    for image_id in image_ids:
        rng = rng_for(seed, "votes", image_id)
        panels.append(np.sort(rng.permutation(settings.workers)[: settings.votes_per_image]))
        luck.append(rng.random((settings.votes_per_image, len(QUESTIONS))))
    return np.stack(panels), np.stack(luck)
