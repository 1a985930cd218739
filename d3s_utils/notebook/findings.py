"""Whether two measurements of one claim support the same finding.

Another processor, another number of threads or another order of sums gives slightly other images and other networks,
as another training seed does. A number of the ledger is therefore held against what is known of its uncertainty: both
95 % intervals, and the spread over training seeds, which both runs have once each. With standard errors e of the two
intervals (over images; on the side where the other number lies) and the standard deviation s over training seeds

    allowed = t * sqrt(e_run^2 + e_reference^2 + 2 s^2)

where t is Student's quantile, its degrees of freedom those of s in the share that s has in the sum.

* A number is outside its tolerance if it is farther off than t at 95 % for it alone. About one in twenty of the
  numbers that chance moves will be. It is listed, and is no failure.
* A finding has changed if the number is farther off than t at 95 % for all compared numbers together (Bonferroni), and
  something that can be said of it is no longer true: "met" became "not met" or the reverse, its sign turned, it crossed
  the chance level, or it lies a twentieth of its scale away (5 points of 100, 0.05 of a correlation).
* A finding has also changed if it was measured and now is not.
* A number of whose family no spread was measured, while others' was, is compared and listed, and not judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from d3s_utils.ground.spread import Spread

LEVEL = 0.95
SCALE = {"%": 100.0, "points": 100.0, "correlation": 1.0, "alpha": 1.0}  # of a unit; any other number is its own scale
RELEVANT = 0.05  # of the scale


@dataclass(frozen=True)
class Pair:
    """One claim as the reference and as the run measured it."""

    id: str
    reference: pd.Series
    run: pd.Series
    spread: Spread | None

    @property
    def difference(self) -> float:
        return float(self.run["measured"] - self.reference["measured"])

    @property
    def scale(self) -> float:
        return SCALE.get(self.run["unit"], abs(float(self.reference["measured"])))

    @property
    def deviation(self) -> float:
        """Over training seeds."""
        return self.spread.of(self.id)[0] if self.spread else 0.0

    @property
    def errors(self) -> np.ndarray:
        """Standard errors: the run's interval, the reference's, and the training seeds of both."""
        up = self.difference > 0
        own = [self._error(self.run, "ci_low" if up else "ci_high")]
        return np.array([*own, self._error(self.reference, "ci_high" if up else "ci_low"), 2**0.5 * self.deviation])

    def _error(self, claim: pd.Series, end: str) -> float:
        if pd.notna(claim[end]):
            half, seeds = abs(float(claim[end] - claim["measured"])), np.nan_to_num(claim.get("seed_half", 0.0))
            return float(np.sqrt(max(half**2 - seeds**2, 0.0))) / ndtri(0.5 + LEVEL / 2)  # images alone
        if self.spread is None and claim["unit"] in SCALE and pd.notna(claim["n"]):
            return 0.5 * self.scale / float(claim["n"]) ** 0.5  # a share of n images has at most this
        return 0.0

    def allowed(self, among: int = 1) -> float:
        """How far apart chance leaves the two in 95 % of cases, all of `among` numbers together."""
        errors = self.errors
        total = float(np.sqrt((errors**2).sum()))
        if total == 0:
            return 0.0
        freedom = self.spread.of(self.id)[1] * (total / errors[2]) ** 4 if errors[2] else np.inf
        beyond = 1 - (1 - LEVEL) / (2 * among)
        return total * float(ndtri(beyond) if np.isinf(freedom) else stdtrit(freedom, beyond))

    def turned(self, among: int) -> str:
        """What can no longer be said of the finding; "" if it stands."""
        if not abs(self.difference) > self.allowed(among):
            return ""
        before, after = self.reference["measured"], self.run["measured"]
        words = [self.reference["status"], self.run["status"]]
        if sorted(words) == ["met", "not met"]:
            return f"{words[0]} became {words[1]}"
        if before * after < 0:
            return "its sign turned"
        chance = self.reference["chance"]
        if (before - chance) * (after - chance) < 0:
            return f"it crossed the chance level {chance:.4g}"
        if abs(self.difference) > RELEVANT * self.scale:
            return "it is far off"
        return ""

    def describe(self, among: int) -> str:
        own, kept, seeds = ndtri(0.5 + LEVEL / 2) * self.errors
        return (
            f"{self.id}: {show(self.run)}, reference {show(self.reference)}; apart {abs(self.difference):.3g}, "
            f"allowed {self.allowed():.3g}, as one of {among} numbers {self.allowed(among):.3g} "
            f"(the run's interval {own:.2g}, the reference's {kept:.2g}, training seeds {seeds:.2g})"
        )


def show(claim: pd.Series) -> str:
    ends = [claim["ci_low"], claim["ci_high"]]
    interval = "no interval" if pd.isna(ends).any() else f"{ends[0]:.4g} to {ends[1]:.4g}"
    return f"{claim['measured']:.4g} ({interval}) {claim['status']}"


@dataclass
class Findings:
    """What a comparison of two ledgers found, a line each."""

    compared: int = 0  # numbers
    changed: list[str] = field(default_factory=list)  # findings
    outside: list[str] = field(default_factory=list)  # numbers outside their tolerance whose finding stands
    missing: list[str] = field(default_factory=list)  # claims
    notes: list[str] = field(default_factory=list)  # that change nothing


def compare_claims(reference: pd.DataFrame, run: pd.DataFrame, spread: Spread | None) -> Findings:
    """What became of each claim of `reference` in `run`, two ledgers."""
    old, new = reference.set_index("id"), run.set_index("id")
    found = Findings(
        missing=[f"claim {id}" for id in old.index.difference(new.index, sort=False)],
        notes=[f"claim {id} is new" for id in new.index.difference(old.index, sort=False)],
    )
    if spread is None:
        found.notes.append("no spread over training seeds was measured (--spread); intervals alone are allowed for")
    pairs = []
    for id in old.index.intersection(new.index, sort=False):
        before, after = old.loc[id], new.loc[id]
        if pd.notna(before["measured"]) and pd.notna(after["measured"]):
            pairs.append(Pair(id, before, after, spread))
        elif pd.notna(before["measured"]):
            found.changed.append(f"{id}: {after['status']} ({after['why']}), reference {show(before)}")
        elif pd.notna(after["measured"]):
            found.notes.append(f"{id}: {show(after)}, not measured in the reference")
    found.compared = len(pairs)
    for pair in pairs:
        if spread is not None and not spread.knows(pair.id):
            if abs(pair.difference) > pair.allowed():
                unknown = "its spread over training seeds was not measured, so it is not judged"
                found.outside.append(f"{pair.describe(len(pairs))}; {unknown}")
        elif turned := pair.turned(len(pairs)):
            found.changed.append(f"{pair.describe(len(pairs))}: {turned}")
        elif abs(pair.difference) > pair.allowed():
            found.outside.append(pair.describe(len(pairs)))
    return found
