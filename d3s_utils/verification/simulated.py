"""Simulated annotators, a stand-in that shows the machinery and says nothing about people.

A simulated annotator sees what a judge sees, a network of its own, and slips at an individual, planted rate; a few do
not look at all. Where no judge knows the pictures (`verification.judge: none`) simulated annotators believe the prompt:
their votes say nothing about the images, and let a run end before people have voted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils.ground import paths
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Verification
from d3s_utils.pocket.judge import load_judge
from d3s_utils.verification.asking.plan import Plan
from d3s_utils.verification.votes import QUESTIONS, no_gold_votes

# A simulated annotator calls a label present from a probability of their own upwards, drawn between these two.
THRESHOLDS = (0.3, 0.7)
# A slip that accuses a picture of adult content is rarer than one that overlooks an object: this share of the rate.
ADULT_SLIPS = 0.1
# Those who do not look, in turn: one says yes, yes, no whatever there is to see, and the next tosses a coin.
SPAMMERS = ("hasty", "random")
HASTY = (True, True, False)
GOLD_EACH = 8  # gold items that a simulated annotator answers at least


def simulate(
    settings: Verification, seed: int, images: np.ndarray, table: pd.DataFrame, plan: Plan
) -> dict[str, pd.DataFrame | None]:
    """Simulated votes on what the plan asks about, and on its gold: `votes`, `gold`, `seen` and `workers`."""
    seen, judged = believe(table), None
    if settings.judge != "none":
        seen = judged = look(open_judge(settings.judge), images, table)
    asked = seen[seen["image_id"].isin(plan.asked["item_id"])]
    workers = simulated_workers(settings, seed)
    votes = simulate_votes(asked, settings, seed)
    gold = simulate_gold(plan, settings, seed)
    return {"votes": votes, "gold": gold, "seen": judged, "workers": workers}


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
    return load_judge(folder)


def believe(table: pd.DataFrame) -> pd.DataFrame:
    """What annotators see who believe the prompt: the columns of `look`, with every label there for certain."""
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
    """The index in `known` of each of `names`."""
    positions = pd.Index(known).get_indexer(names)
    if (positions < 0).any():
        unknown = names[positions < 0].iloc[0]
        raise D3SError(
            f"verification.judge never learnt the {what} {unknown!r} (it knows {', '.join(known)}); "
            "read people's votes with verification.source=csv verification.votes=FILE, or let simulated annotators "
            "believe the prompt with verification.judge=none."
        )
    return positions


def simulated_workers(settings: Verification, seed: int) -> pd.DataFrame:
    """The planted character of each simulated annotator: one row per worker x question.

    Returns:
        `worker_id`, `question`, `threshold` (the probability from which they say yes), `error` (percent of answers that
        slip, between `error_low` and `error_high`, a tenth of that for the adult question; NaN for spammers)
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

    `gold_rate` of what each annotator is shown is gold, and at least `GOLD_EACH` items where there are as many.

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
