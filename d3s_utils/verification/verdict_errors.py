"""How often a rule errs: against the judge behind simulated votes, or estimated by an audit.

That judge is no independent truth. It made the votes, so these tables say how well a rule undoes the slips that were
planted on top of it, and nothing about labels that the judge itself misreads.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from d3s_utils.ground.stats import cluster_mean_ci, share_by, with_wilson
from d3s_utils.verification.votes import sources

TRUTH = "the judge behind the votes"


def rule_errors(verified: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Where each rule goes wrong, held against what the judge sees whose eyes the simulated annotators have.

    Returns:
        `rule`, `kind` in {refused though there, accepted though not there}, `share` (percent of the images that are, or
        are not, there), `low`, `high`, `n`, `source`, `truth` (who said what is there). A label is there where the
        judge gives it at least one half, and an image is there where both labels are.
    """
    truth = seen.set_index("image_id")[["foreground", "background"]].ge(0.5).all(axis=1)
    there = verified["image_id"].map(truth).astype(bool)
    said = verified["accepted"].astype(bool)
    kinds = {"refused though there": (there, ~said), "accepted though not there": (~there, said)}
    rows = [
        (rule, kind, int((images & wrong)[rows].sum()), int(images[rows].sum()))
        for rule, rows in verified.groupby("rule", sort=False).groups.items()
        for kind, (images, wrong) in kinds.items()
    ]
    table = pd.DataFrame(rows, columns=["rule", "kind", "hits", "n"])
    return with_wilson(table, "share").assign(source=sources(verified), truth=TRUTH)


def label_errors(verified: pd.DataFrame, seen: pd.DataFrame, key: tuple = (0,)) -> pd.DataFrame:
    """Share of labels, foreground and background together, that each rule decides wrongly; truth as in `rule_errors`.

    Returns:
        `rule`, `error`, `low`, `high` (percent, bootstrap over images), `n` (labels), `gain`, `gain_low`, `gain_high`
        (points by which the rule is better than the row before, image by image; NaN in the first), `source`, `truth`.
    """
    truth, labels = seen.set_index("image_id"), ("foreground", "background")
    wrong = {}
    for rule, rows in verified[verified["asked"]].groupby("rule", sort=False):
        there = truth.reindex(rows["image_id"])
        said = rows[[f"accepted_{label}" for label in labels]].to_numpy(bool)
        wrong[rule] = 100.0 * (said != there[list(labels)].ge(0.5).to_numpy()).mean(axis=1)
    rows, before = [], None
    for rule, errors in wrong.items():
        images = np.arange(len(errors))
        low, high = cluster_mean_ci(errors, images, (*key, "label error", rule))
        gain = (np.nan,) * 3
        if before is not None:
            bounds = cluster_mean_ci(wrong[before] - errors, images, (*key, "gain", rule))
            gain = ((wrong[before] - errors).mean(), *bounds)
        rows.append((rule, errors.mean(), low, high, 2 * len(errors), *gain))
        before = rule
    columns = ["rule", "error", "low", "high", "n", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=columns).assign(source=sources(verified), truth=TRUTH)


PARTS = ("candidate", "audit", "presumed")


def audit(verified: pd.DataFrame, why: pd.Series, rule: str = "dawid_skene") -> pd.DataFrame:
    """What an audit of a random part of the unasked says about their labels.

    Args:
        why: one of `PARTS` by image_id (see `asking.plan.choose`).

    Returns:
        `part`, `error` (percent of images that `rule` refuses), `low`, `high`, `n`, `share` (percent of all images),
        `rule`, `source`. The audit's error, with its interval, is the estimate for what is presumed. Where people were
        asked about the presumed all the same, these have a row to compare it with.
    """
    rows = verified[verified["rule"] == rule].assign(part=lambda table: table["image_id"].map(why))
    rows = rows[rows["asked"] & rows["n_votes"].gt(0)]
    table = share_by(rows.assign(hit=~rows["accepted"].astype(bool)), "error", "part").set_index("part")
    table = table.loc[[part for part in PARTS if part in table.index]].reset_index()
    share = 100 * table["part"].map(why.value_counts()) / len(why)
    return table.assign(share=share, rule=rule, source=sources(verified))
