"""What the tables of notebook 06 say, in Markdown: who holds where the background misleads, and who falls."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from d3s_utils.ground.claims import row_of
from d3s_utils.spurious.findings import BASELINES, baseline_of, steadiest
from d3s_utils.spurious.task import reader_name


def tied(classes: pd.DataFrame, images: pd.DataFrame, of_label: pd.Series | None) -> str:
    """What is tied to the backgrounds in this run.

    Args:
        classes: of the run.
        images: the task's, see `superclasses.tied_images`.
        of_label: see `superclasses.superclasses`.
    """
    names, backgrounds = images["label"].nunique(), images["background_index"].nunique()
    if of_label is None:
        return f"Here {names} classes are tied to {min(names, backgrounds)} of {backgrounds} backgrounds."
    left_out = f"; {of_label.isna().sum()} classes of no superclass are left out" if of_label.isna().any() else ""
    return (
        f"Here {names} superclasses of ImageNet-9 are tied to {min(names, backgrounds)} of {backgrounds} backgrounds. "
        f"They hold {of_label.notna().sum()} of the run's {len(classes)} classes{left_out}."
    )


def held(full: pd.DataFrame, gained: pd.DataFrame, chance: float) -> str:
    """The foreground features that hold best at full correlation, beside a network that nobody disentangled.

    Args:
        full: see `findings.at_full`.
        gained: see `findings.gains`.
        chance: in percent.
    """
    best, accuracy = steadiest(full), full.set_index(["method", "features", "side"])["accuracy"]
    if (best, "fg", "disagreeing") not in accuracy:
        return "No test image disagrees with the pairing."
    text = (
        f"Foreground features hold best under **{best}**: {accuracy[best, 'fg', 'disagreeing']:.1f} % where class and "
        f"background disagree, {accuracy[best, 'fg', 'agreeing']:.1f} % where they agree."
    )
    base, gain = baseline_of(full), row_of(gained, method=best)
    if gain:
        text += (
            f" All features of {BASELINES[base]}, get {accuracy[base, 'all', 'disagreeing']:.1f} % there: a difference "
            f"of {gain['gain']:.1f} points ({gain['low']:.1f} to {gain['high']:.1f})."
        )
    return f"{text} Guessing would give {chance:.0f} %."


def loud(louder: pd.DataFrame) -> str:
    """How far a head on all features follows the loudness of the background part.

    Args:
        louder: see `task.loudness`.
    """
    away = louder[louder["side"] == "disagreeing"]
    table = away.pivot(index="method", columns="loudness", values="accuracy")
    if table.shape[1] < 2:
        return "There is one loudness, and none to hold it against."
    quiet, loudest = table.columns.min(), table.columns.max()
    span = table[quiet] - table[loudest]
    most = span.idxmax()
    return (
        f"With the background part times {quiet:g} a head on all features of **{most}** names "
        f"{table.loc[most, quiet]:.1f} % of the disagreeing images, times {loudest:g} it names "
        f"{table.loc[most, loudest]:.1f} %; the smallest such difference, {span.min():.1f} points, is that of "
        f"{span.idxmin()}. The features hold the same knowledge each time."
    )


def fallen(summary: pd.DataFrame, readers: Iterable[tuple[str, str]]) -> str:
    """Who loses most and who least on disagreeing images while the correlation rises.

    Args:
        summary: `task.summarise` of several correlations.
        readers: methods and kinds of features; those without a row are left out.
    """
    away = summary[summary["side"] == "disagreeing"]
    dial = away.pivot(index=["method", "features"], columns="correlation", values="accuracy")
    if dial.shape[1] < 2:
        return "There is one correlation, and none to hold it against."
    low, high = dial.columns.min(), dial.columns.max()
    drop = {
        reader_name(*reader): dial.loc[reader, low] - dial.loc[reader, high]
        for reader in readers
        if reader in dial.index
    }
    most, least = max(drop, key=drop.get), min(drop, key=drop.get)
    return (
        f"From a correlation of {low:g} to {high:g} the loss on disagreeing images is largest for **{most}** "
        f"({drop[most]:.1f} points) and smallest for **{least}** ({drop[least]:.1f} points)."
    )
