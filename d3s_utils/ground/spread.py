"""How far the numbers of the ledger move when everything that is trained is drawn anew, and intervals that say so.

spread.csv beside the reference holds one row per claim, measured once from finished runs that differ in `training_seed`
alone; spread.yaml says how. `notebook/spread.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from d3s_utils.ground.claims import Mark
from d3s_utils.ground.files import read_table

BEYOND = 0.975  # of 95 % on both sides
FEWEST = 3  # runs from which an interval may be made; two say nearly nothing


@dataclass(frozen=True)
class Spread:
    """The content of spread.csv; `table` has the index id and the columns seeds, mean, sd, min, max."""

    table: pd.DataFrame

    def knows(self, id: str) -> bool:
        """Whether a claim of this one's family was measured."""
        return bool((self.table.index.map(family) == family(id)).any())

    def runs(self, id: str) -> int:
        """How many runs the spread of a claim's family rests on."""
        return int(self.table.loc[self.table.index.map(family) == family(id), "seeds"].max()) if self.knows(id) else 0

    def of(self, id: str) -> tuple[float, float]:
        """Standard deviation of a claim over training seeds, and the degrees of freedom behind it.

        A few seeds say little of one number. The claims of one family (`bg_from_fg/none, mlp` is of `bg_from_fg`) are
        therefore pooled, and the larger one counts: the claim's own or the family's root mean square.
        """
        kin = self.table[self.table.index.map(family) == family(id)]
        if kin.empty:
            return 0.0, np.inf
        freedom = kin["seeds"] - 1
        pooled = np.sqrt((freedom * kin["sd"] ** 2).sum() / freedom.sum())
        return max(float(kin["sd"].get(id, 0.0)), float(pooled)), float(freedom.sum())

    def half(self, id: str) -> float:
        """Half of the 95 % interval that training seeds alone would give a claim: Student's t times its deviation.

        Its own where it was measured, with the few degrees of freedom it has; else that of its family, see `of`.
        """
        own = self.table.loc[id] if id in self.table.index else None
        deviation, freedom = self.of(id) if own is None else (float(own["sd"]), float(own["seeds"] - 1))
        return 0.0 if deviation == 0 else float(stdtrit(freedom, BEYOND)) * deviation


def family(id: str) -> str:
    return id.split("/")[0]


def read_spread(reference: Path) -> Spread | None:
    """The spread kept in the folder `reference`; None where nobody has measured it."""
    path = reference / "spread.csv"
    return Spread(read_table(path).set_index("id")) if path.is_file() else None


def with_training_seeds(claims: pd.DataFrame, spread: Spread | None) -> pd.DataFrame:
    """The ledger's rows with intervals over images and training seeds, each held against its mark again.

    A mixed model with two effects: a number is its expectation, plus what the training seed adds, plus what the images
    add. Each side of the interval is therefore the root of the sum of two squares: its width over images, as the row
    has it, and `Spread.half`, which is left in the column `seed_half`. A row without interval gets that of the seeds.

    Args:
        claims: rows of the ledger (see `claims.claims_table`).
        spread: None: nobody measured it under this profile, and the intervals are those over images.
    """
    if spread is None:
        return claims
    rows = [_widened(row, spread) for row in claims.to_dict("records")]
    return pd.DataFrame(rows, columns=claims.columns).astype(claims.dtypes)


def _widened(row: dict, spread: Spread) -> dict:
    if pd.isna(row["measured"]) or spread.runs(row["id"]) < FEWEST:
        return row
    half, middle = spread.half(row["id"]), row["measured"]
    ends = [middle if pd.isna(row[end]) else row[end] for end in ("ci_low", "ci_high")]
    low, high = middle - np.hypot(middle - ends[0], half), middle + np.hypot(ends[1] - middle, half)
    if row["unit"] == "%":
        low, high = max(low, 0.0), min(high, 100.0)
    row = row | {"ci_low": low, "ci_high": high, "seed_half": half}
    mark = Mark.read(row["mark"])
    if mark and row["status"] in ("met", "not met") and mark.reached(low) != mark.reached(high):
        row |= {"status": "undecided", "why": f"over images and training seeds the interval holds both sides of {mark}"}
    return row
