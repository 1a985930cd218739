"""Where votes come from: a file of people's votes, or simulated annotators.

A simulated annotator sees what a judge sees, an independent network, and slips at an individual, planted rate. Where no
judge knows the pictures (`verification.judge: none`) simulated annotators believe the prompt: their votes say nothing
about the images, and let a run end before people have voted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils import paths
from d3s_utils.errors import D3SError
from d3s_utils.seeds import rng_for
from d3s_utils.settings import Profile, Verification
from d3s_utils.tables import COLUMNS
from d3s_utils.votes import QUESTIONS, read_votes

# A simulated annotator calls a label present from a probability of their own upwards, drawn between these two.
THRESHOLDS = (0.3, 0.7)
# A slip that accuses a picture of adult content is rarer than one that overlooks an object: this share of the rate.
ADULT_SLIPS = 0.1


def collect_votes(
    profile: Profile, images: np.ndarray, table: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The votes this profile asks for, and what the judge of simulated annotators sees (None where nobody judged).

    Args:
        images, table: the validation images, (N, S, S, 3) uint8, and their rows of the manifest.
    """
    settings = profile.verification
    if settings.source == "csv":
        if settings.votes is None:
            raise D3SError(
                "verification.source is csv, but verification.votes names no file; set it to a file of votes."
            )
        return read_votes(settings.votes, table["image_id"]), None
    if settings.judge == "none":
        return simulate_votes(believe(table), settings, profile.seed), None
    seen = look(open_judge(settings.judge), images, table)
    return simulate_votes(seen, settings, profile.seed), seen


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
        `worker_id`, `question`, `threshold` (the probability from which they say yes) and `error` (percent of answers
        that slip), the latter between `error_low` and `error_high`, a tenth of that for the adult question.
    """
    if settings.error_low > settings.error_high:
        raise D3SError(
            f"verification.error_low is {settings.error_low}, above error_high, {settings.error_high}; swap them."
        )
    rows = []
    for number in range(settings.workers):
        worker = f"simulated-{number:02d}"
        rng = rng_for(seed, "annotator", worker)
        threshold = rng.uniform(*THRESHOLDS)
        for question in QUESTIONS:
            error = rng.uniform(settings.error_low, settings.error_high) * (ADULT_SLIPS if question == "adult" else 1)
            rows.append((worker, question, threshold, 100 * error))
    return pd.DataFrame(rows, columns=["worker_id", "question", "threshold", "error"])


def simulate_votes(seen: pd.DataFrame, settings: Verification, seed: int) -> pd.DataFrame:
    """Votes of simulated annotators, a stand-in that shows the machinery and says nothing about people.

    Each image goes to `settings.votes_per_image` of `settings.workers` annotators. Each says yes where the probability
    in `seen` reaches their threshold, and then slips at their own rate. Drawn image by image from its own key, so that
    the votes on one image depend on no other.

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
    workers = simulated_workers(settings, seed)
    names = workers["worker_id"].to_numpy(object)[:: len(QUESTIONS)]
    threshold, error = (workers[name].to_numpy().reshape(-1, len(QUESTIONS)) for name in ("threshold", "error"))

    panels, luck = _draw_panels(seen["image_id"], settings, seed)
    slips = 100 * luck < error[panels]  # (N, V, Q)
    yes = (seen[list(QUESTIONS)].to_numpy()[:, None] >= threshold[panels]) ^ slips
    index = pd.MultiIndex.from_product([seen["image_id"], range(panels.shape[1]), QUESTIONS])
    votes = index.set_names(["image_id", "seat", "question"]).to_frame(index=False)
    return votes.assign(
        worker_id=np.repeat(names[panels], len(QUESTIONS)),
        answer=np.where(yes.ravel(), "yes", "no"),
        source="simulated",
    )[COLUMNS["votes"]]


def _draw_panels(image_ids: pd.Series, settings: Verification, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Who sees each image, (N, V) numbers of workers, and the luck of each answer, (N, V, Q) in 0-1."""
    panels, luck = [], []
    for image_id in image_ids:
        rng = rng_for(seed, "votes", image_id)
        panels.append(np.sort(rng.permutation(settings.workers)[: settings.votes_per_image]))
        luck.append(rng.random((settings.votes_per_image, len(QUESTIONS))))
    return np.stack(panels), np.stack(luck)
