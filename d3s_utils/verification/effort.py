"""What votes cost, and what fewer of them would have said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.acceptance import acceptance
from d3s_utils.verification.quality import percent
from d3s_utils.verification.rules import verify
from d3s_utils.verification.votes import sources


def by_workers(votes: pd.DataFrame, gold: pd.DataFrame | None = None, key: tuple = (0,)) -> pd.DataFrame:
    """Size of the verified split by rule and number of annotators per image: what fewer votes would have accepted.

    Odd numbers, so that no majority ties; of each image's annotators the first in a random order are kept.

    Returns:
        `rule`, `workers` (per image), `accepted`, `low`, `high` (percent of images, both labels), `n`, `source`.
    """
    seats = _seats(votes, rng_for(*key, "seats"))
    parts = []
    for number in range(1, int(seats.max()) + 1, 2):
        verified = verify(votes[seats <= number], gold=gold)
        shares = acceptance(verified)
        parts.append(shares[shares["question"] == "both"].assign(workers=number))
    table = pd.concat(parts, ignore_index=True)
    return table[["rule", "workers", "accepted", "low", "high", "n", "source"]]


def _seats(votes: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Of each vote, whether its worker is the first, second, ... (1, 2, ...) of the image, in a random order."""
    pairs = votes[["image_id", "worker_id"]].drop_duplicates().sort_values(["image_id", "worker_id"])
    pairs = pairs.iloc[rng.permutation(len(pairs))]
    pairs = pairs.assign(seat=pairs.groupby("image_id").cumcount() + 1)
    return votes[["image_id", "worker_id"]].merge(pairs, "left")["seat"].to_numpy()


STOPS = {
    "all votes": "every vote is asked for",
    "certain": "no later vote could change the majority",
    "lead of two": "one answer is two votes ahead",
}


def early_stopping(votes: pd.DataFrame, key: tuple = (0,)) -> pd.DataFrame:
    """How many votes would have been enough, had one stopped asking about an image (sequential majority).

    Annotators come in a random order, and each answers all questions: an image is done when all its questions are.

    Returns:
        `stop` (a key of `STOPS`), `used` (annotators per image), `saved` (percent), `changed` (percent of images whose
        verdict by majority differs from that of all votes), `low`, `high` (95 % Wilson), `n` (images), `source`.
    """
    seats = _seats(votes, rng_for(*key, "seats"))
    signs = votes.assign(sign=np.where(votes["answer"] == "yes", 1, -1), seat=seats)
    table = signs.pivot_table("sign", ["image_id", "question"], "seat", fill_value=0, sort=True)
    counts = table.to_numpy(int)  # (images x questions, annotators): 1 yes, -1 no, 0 not asked
    lead, size = counts.cumsum(axis=1), np.abs(counts).sum(axis=1)
    left = size[:, None] - np.abs(counts).cumsum(axis=1)
    enough = {
        "all votes": np.zeros_like(lead, bool),
        "certain": np.abs(lead) > left,
        "lead of two": np.abs(lead) >= 2,
    }
    whole, rows = None, []
    for stop, done in enough.items():
        seat = np.where(done.any(axis=1), done.argmax(axis=1) + 1, size)
        image = pd.Series(seat, table.index).groupby("image_id").max()
        last = image.reindex(table.index.get_level_values("image_id")).to_numpy() - 1
        yes = pd.Series(lead[np.arange(len(lead)), last] > 0, table.index)
        yes = yes.unstack("question", fill_value=False)  # a question that nobody answered yet has no yes
        verdict = yes.get("foreground", True) & yes.get("background", True) & ~yes.get("adult", False)
        whole = verdict if whole is None else whole
        full = pd.Series(size, table.index).groupby("image_id").max()
        rows.append(
            (stop, image.mean(), 100 * (1 - image.sum() / full.sum()), int((verdict != whole).sum()), len(image))
        )
    out = pd.DataFrame(rows, columns=["stop", "used", "saved", "hits", "n"]).assign(source=sources(votes))
    return percent(out, "changed")[["stop", "used", "saved", "changed", "low", "high", "n", "source"]]


def cost(votes: pd.DataFrame) -> pd.DataFrame:
    """What the votes cost: `images`, `workers`, `visits` (image x worker), `votes`, `hours` and `seconds_per_image`.

    Hours are the sum of the answers' seconds; where they are not known, as of simulated annotators, they are NaN.
    """
    visits = votes.groupby(["image_id", "worker_id"])
    seconds = visits["seconds"].sum(min_count=1) if "seconds" in votes else pd.Series(np.nan, range(visits.ngroups))
    row = {
        "images": votes["image_id"].nunique(),
        "workers": votes["worker_id"].nunique(),
        "visits": visits.ngroups,
        "votes": len(votes),
        "hours": seconds.sum(min_count=1) / 3600,
        "seconds_per_image": seconds.median(),
        "source": sources(votes),
    }
    return pd.DataFrame([row])
