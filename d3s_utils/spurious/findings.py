"""What notebook 06 finds: whose features hold where the background misleads, and how far they beat a plain network."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from d3s_utils.disentanglement.features import features_path
from d3s_utils.disentanglement.models import BACKBONE, PLAIN
from d3s_utils.ground import journal
from d3s_utils.ground.claims import SOURCE, Claim, Mark, finding, row_of
from d3s_utils.ground.stats import cluster_gap_ci
from d3s_utils.probes.directions import ERASED

BASELINES = {
    PLAIN: "the plain network, which never saw a D3S image",
    BACKBONE: "the backbone, which has seen D3S and both labels, for this run has no plain network",
}


def methods_of(folder: Path, penalties: tuple[str, ...]) -> list[str]:
    """Whose features are compared: the plain network's where notebook 04 left them, the backbone's, each penalty's."""
    plain = features_path(folder, PLAIN)
    journal.note_input(plain)
    return [*([PLAIN] if plain.is_file() else []), BACKBONE, *penalties]


def baseline_of(table: pd.DataFrame) -> str:
    """The network that the paper compares with, of those in the column `method`: plain, or else the backbone."""
    return PLAIN if (table["method"] == PLAIN).any() else BACKBONE


def at_full(summary: pd.DataFrame) -> pd.DataFrame:
    """Rows of `task.summarise` at the highest correlation: foreground features, and all features of the baseline.

    All features of the other networks are left out: their heads follow whichever part is louder, see `task.loudness`.
    """
    full = summary[summary["correlation"] == summary["correlation"].max()]
    return full[(full["features"] == "fg") | (full["features"].eq("all") & full["method"].eq(baseline_of(summary)))]


def gains(guesses: pd.DataFrame, images: pd.DataFrame, seed: int) -> pd.DataFrame:
    """By how much foreground features beat all features of the baseline, where class and background disagree.

    Args:
        guesses: rows of `task.spurious_task`; only those of the highest correlation count.

    Returns:
        method, baseline, correlation, gain, low, high (points; source photographs are redrawn), n (images).
    """
    base, away = baseline_of(guesses), guesses[~guesses["agrees"].astype(bool)]
    away = away[away["correlation"] == guesses["correlation"].max()]
    away = away.assign(hit=100.0 * (away["guess"] == away["label"]))
    away["source"] = away["image_id"].map(images.set_index("image_id")["foreground_source"])
    theirs = away[(away["method"] == base) & (away["features"] == "all")]
    rows = []
    for method, ours in away[away["features"] == "fg"].groupby("method", sort=False):
        if len(theirs):
            ends = cluster_gap_ci(ours["hit"], ours["source"], theirs["hit"], theirs["source"], (seed, "gain", method))
            gain = ours["hit"].mean() - theirs["hit"].mean()
            rows.append((method, base, ours["correlation"].iloc[0], gain, *ends, ours["image_id"].nunique()))
    return pd.DataFrame(rows, columns=["method", "baseline", "correlation", "gain", "low", "high", "n"])


def steadiest(full: pd.DataFrame) -> str:
    """The method, LEACE apart, whose foreground features name the class best where class and background disagree.

    Args:
        full: rows of `task.summarise` of one correlation. Without disagreeing images it is the backbone.
    """
    rows = full[(full["features"] == "fg") & (full["side"] == "disagreeing") & ~full["method"].str.endswith(ERASED)]
    return rows.loc[rows["accuracy"].idxmax(), "method"] if len(rows) else BACKBONE


def dial_readers(best: str, baseline: str = BACKBONE) -> list[tuple[str, str]]:
    """Whose heads are followed while the correlation rises: methods and kinds of features, `best` among them."""
    pairs = [(best, "fg"), (BACKBONE + ERASED, "fg"), ("none", "fg"), (best, "all"), (baseline, "all")]
    return list(dict.fromkeys(pairs))


def headline(full: pd.DataFrame, gained: pd.DataFrame, paper_method: str) -> list[Claim]:
    """The paper's comparison for its own method, and the best that any method's foreground features do.

    Args:
        full: see `at_full`.
        gained: see `gains`.
        paper_method: which method stands for the paper's.
    """
    knows, beats, best = Mark("at least", 93), Mark("above", 0, "points", SOURCE), steadiest(full)
    row = row_of(gained, method=paper_method)
    text = f"foreground features ({paper_method}) beat all features of {row.get('baseline', PLAIN)}, disagreeing images"
    text_best = f"foreground features that hold best where the background misleads, {best}, name the class ({knows})"
    away = row_of(full, method=best, features="fg", side="disagreeing")
    return [
        finding("spurious_gain", text, row, "gain", beats),
        finding("spurious_foreground", text_best, away, "accuracy", knows),
    ]
