"""Where to draw the line: the verified split at any threshold on what the votes say, and what it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import with_wilson
from d3s_utils.verification.rules import RULES, yes_shares
from d3s_utils.verification.votes import sources

LABELS = ("foreground", "background")
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 21))


def beliefs(verified: pd.DataFrame) -> dict[str, str]:
    """What may be held against a threshold, in words, and a rule of `verified` that rests on it."""
    found: dict[object, str] = {}
    for rule in verified["rule"].unique():
        found.setdefault(RULES[rule].belief, rule)
    return {
        "share of yes" if belief is yes_shares else f"{RULES[rule].title}, probability": rule
        for belief, rule in found.items()
    }


def accept_at(verified: pd.DataFrame, rule: str, threshold: float) -> pd.DataFrame:
    """The asked images of a rule, accepted where both labels are believed at least as much as `threshold` says.

    A label nobody was asked about decides nothing, and adult content is what the rule flags.

    Args:
        verified: see `rules.verify`.
        threshold: in (0, 1]. For shares of yes, 1 is unanimity, and just above one half the majority.

    Returns:
        Rows of `verified` with `accepted`, `accepted_foreground` and `accepted_background` anew, and `belief`, the
        smaller of the two.

    Raises:
        D3SError: there is no such rule.
    """
    if rule not in set(verified["rule"]):
        raise D3SError(f"verified.csv holds no rule {rule!r}; it has {', '.join(verified['rule'].unique())}.")
    rows = verified[(verified["rule"] == rule) & verified["asked"].astype(bool)].reset_index(drop=True)
    held = {label: rows[f"p_{label}"] for label in LABELS}
    known = {label: belief.notna().any() for label, belief in held.items()}
    enough = {label: held[label] >= threshold - 1e-9 if known[label] else True for label in LABELS}
    flagged = rows["flagged_adult"].astype(bool)
    shown = pd.concat([held[label] for label in LABELS if known[label]] or [pd.Series(np.nan, rows.index)], axis=1)
    return rows.assign(
        **{f"accepted_{label}": enough[label] for label in LABELS},
        accepted=np.logical_and(enough["foreground"], enough["background"]) & ~flagged,
        belief=shown.min(axis=1, skipna=False),
    )


def label_error(split: pd.DataFrame, seen: pd.DataFrame) -> float:
    """Percent of the accepted images that lack one of their labels; NaN where none is accepted.

    Args:
        split: see `accept_at`.
        seen: what is there: image_id, foreground and background (0-1; there from one half on).
    """
    truth = seen.set_index("image_id")[list(LABELS)].ge(0.5).all(axis=1)
    kept = split.loc[split["accepted"].astype(bool), "image_id"]
    return float(100 * (1 - truth.reindex(kept).mean())) if len(kept) else np.nan


def split_sizes(
    verified: pd.DataFrame, rule: str, seen: pd.DataFrame | None = None, thresholds: Sequence[float] = THRESHOLDS
) -> pd.DataFrame:
    """The verified split at each threshold.

    Args:
        seen: see `label_error`; None where the truth is not known.

    Returns:
        `threshold`, `accepted`, `low`, `high` (percent of the asked images, Wilson), `n`, `hits`, `error` (percent of
        the accepted images, NaN without `seen`), `rule`, `source`.
    """
    rows = []
    for threshold in thresholds:
        split = accept_at(verified, rule, threshold)
        error = np.nan if seen is None else label_error(split, seen)
        rows.append((threshold, int(split["accepted"].sum()), len(split), error))
    table = with_wilson(pd.DataFrame(rows, columns=["threshold", "hits", "n", "error"]), "accepted")
    return table.assign(hits=[hits for _, hits, *_ in rows], rule=rule, source=sources(verified))


def nearest(split: pd.DataFrame, threshold: float, count: int) -> pd.DataFrame:
    """At most `count` accepted and `count` refused images, those nearest to the threshold first.

    Args:
        split: see `accept_at`.

    Returns:
        Rows of `split`, the accepted before the refused.
    """
    mixed = split.iloc[rng_for("nearest").permutation(len(split))]  # equals are many: not the first class alone
    ordered = mixed.loc[(mixed["belief"] - threshold).abs().sort_values(kind="stable", na_position="last").index]
    kept = ordered["accepted"].astype(bool)
    return pd.concat([ordered[kept].head(count), ordered[~kept].head(count)], ignore_index=True)
