"""What votes cost, and what fewer of them would have said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import with_wilson
from d3s_utils.verification.acceptance import acceptance_table
from d3s_utils.verification.rules import verify
from d3s_utils.verification.votes import sources


def by_workers(votes: pd.DataFrame, gold: pd.DataFrame | None = None, key: tuple = (0,)) -> pd.DataFrame:
    """Size of the verified split by rule and number of annotators per image: what fewer votes would have accepted.

    The numbers are odd, so that no majority ties. The first of each image's annotators, in a random order, are kept.

    Returns:
        `rule`, `workers` (per image), `accepted`, `low`, `high` (percent of images, both labels), `n`, `source`.
    """
    seats = _seats(votes, rng_for(*key, "seats"))
    parts = []
    for number in range(1, int(seats.max()) + 1, 2):
        verified = verify(votes[seats <= number], gold=gold)
        shares = acceptance_table(verified)
        parts.append(shares[shares["question"] == "both"].assign(workers=number))
    table = pd.concat(parts, ignore_index=True)
    return table[["rule", "workers", "accepted", "low", "high", "n", "source"]]


def _seats(votes: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """The seat of each vote: whether its worker is the first (1), second (2), ... of the image, in a random order."""
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
    lead = table.cumsum(axis=1)  # 1 for each yes and -1 for each no, added up from seat to seat
    left = table.abs().cumsum(axis=1).rsub(table.abs().sum(axis=1), axis=0)
    size = table.abs().sum(axis=1).groupby("image_id").max()
    enough = {"all votes": lead * 0 > 0, "certain": lead.abs() > left, "lead of two": lead.abs() >= 2}
    used = {stop: _images_done(done, table) for stop, done in enough.items()}
    verdicts = {stop: _majority(lead, seat) for stop, seat in used.items()}
    rows = [
        (stop, seat.mean(), 100 * (1 - seat.sum() / size.sum()), (verdicts[stop] != verdicts["all votes"]).sum())
        for stop, seat in used.items()
    ]
    out = pd.DataFrame(rows, columns=["stop", "used", "saved", "hits"]).assign(n=len(size))
    return with_wilson(out, "changed").assign(source=sources(votes))


def _images_done(done: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """By image, the seat at which all of its questions are done, which is its last one at the latest."""
    last = table.abs().sum(axis=1)
    seat = last.where(~done.any(axis=1), done.to_numpy().argmax(axis=1) + 1)
    return seat.groupby("image_id").max()


def _majority(lead: pd.DataFrame, seat: pd.Series) -> pd.Series:
    """By image, the verdict of the majority at `seat`."""
    rows = np.arange(len(lead))
    at = seat.reindex(lead.index.get_level_values("image_id")).to_numpy(int) - 1
    yes = pd.Series(lead.to_numpy()[rows, at] > 0, lead.index)
    yes = yes.unstack("question", fill_value=False)  # a question that nobody answered yet has no yes
    return yes.get("foreground", True) & yes.get("background", True) & ~yes.get("adult", False)


def cost(votes: pd.DataFrame) -> pd.DataFrame:
    """What the votes cost: `images`, `workers`, `visits` (image x worker), `votes`, `hours` and `seconds_per_image`.

    Hours are the sum of the answers' seconds. Where those are not known, as for simulated annotators, they are NaN.
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
