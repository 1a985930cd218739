"""What the tables of notebook 02 say, in Markdown: what the rules accept, what they cost, and whom to rely on."""

from __future__ import annotations

import pandas as pd

from d3s_utils.ground.claims import row_of
from d3s_utils.verification.acceptance import PAPER, UNANIMITY
from d3s_utils.verification.rules import RULES
from d3s_utils.verification.votes import voters


def accepted(by_rule: pd.DataFrame, judged: pd.DataFrame, paper: float) -> str:
    """The share of images each rule accepts, and the share by the questions that the paper asked.

    Args:
        by_rule: `acceptance.acceptance`, not split further.
        judged: rows of verified.csv of images that have votes.
        paper: the share that the paper's annotators accepted, in percent.
    """
    unanimous = judged[judged["rule"] == "unanimity"]
    if not len(unanimous):
        return "No image has votes."
    both = by_rule[by_rule["question"] == "both"]
    shares = _listed([f"**{row.accepted:.1f} %** by {RULES[row.rule].title}" for row in both.itertuples()])
    theirs = 100 * (unanimous["accepted_foreground"] & ~unanimous["flagged_adult"]).mean()
    return (
        f"Of {len(unanimous)} validation images with votes, {voters(by_rule)} accept both labels in {shares}. "
        f"Unanimity on the object alone, with nobody flagging the image, accepts {theirs:.1f} %. That is not the "
        "paper's rule yet: it asked only about what every model missed, and accepted a little over "
        f"{paper:.0f} %. Notebook 03 applies it."
    )


def paper_rule(ways: pd.DataFrame, paper: float) -> str:
    """What the paper's rule accepts of the same images, beside other rules.

    Args:
        ways: `acceptance.paper_rule`.
        paper: the share that the paper accepted, in percent.
    """
    theirs, everywhere = (row_of(ways, way=way) for way in (PAPER, UNANIMITY))
    own = ways.iloc[-1]
    text = (
        f"By the paper's rule {voters(ways)} are asked about the {theirs['asked']:.1f} % of the images that every "
        f"model missed"
    )
    if not pd.isna(theirs["of_asked"]):
        text += f" and accept {theirs['of_asked']:.1f} % of them"
    text += (
        f"; with the rest taken on trust, **{theirs['accepted']:.1f} %** ({theirs['low']:.1f} to {theirs['high']:.1f}) "
        f"are accepted, beside the paper's {paper:.0f} %."
    )
    if everywhere:
        text += f" Had every image been asked about, unanimity would accept {everywhere['accepted']:.1f} %."
    return f"{text} Ours, {RULES[own['way']].title} on both labels, accepts {own['accepted']:.1f} %."


def _listed(parts: list[str]) -> str:
    """ "one, two and three"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def refused(errors: pd.DataFrame) -> str:
    """How many images each rule refuses in which the judge behind the votes sees both labels.

    Args:
        errors: `acceptance.rule_errors`.
    """
    rows = errors[errors["kind"] == "refused though there"]
    if not rows["n"].max() > 0:
        return "The judge behind the votes sees both labels in no image, so no rule could refuse one."
    shares = [f"{RULES[row.rule].title} refuses **{row.share:.1f} %**" for row in rows.itertuples()]
    return f"Of the {rows['n'].max()} images in which the judge behind the votes sees both labels, {_listed(shares)}."


def rule_gain(wrong: pd.DataFrame) -> str:
    """Whether the last rule errs less than the one before it.

    Args:
        wrong: `acceptance.label_errors`.
    """
    if len(wrong) < 2:
        return "There is one rule, and none to hold it against."
    last, before = (RULES[rule].title for rule in wrong["rule"].iloc[[-1, -2]])
    row = wrong.iloc[-1]
    surely = "not told apart by this many images"
    if row["gain_low"] > 0:
        surely = "more than chance explains"
    if row["gain_high"] < 0:
        surely = "worse, and more than chance explains"
    interval = f"{row['gain_low']:+.2f} to {row['gain_high']:+.2f}"
    return f"{last} against {before}: {row['gain']:+.2f} points ({interval}), {surely}."


def early_stopping(stops: pd.DataFrame) -> str:
    """What stopping early saves, and what it changes.

    Args:
        stops: `effort.early_stopping`.
    """
    certain, lead = (row_of(stops, stop=stop) for stop in ("certain", "lead of two"))
    changes = f"changes {certain['changed']:.1f} % of the verdicts" if certain["changed"] else "changes no verdict"
    return (
        f"Stopping when the majority is certain saves **{certain['saved']:.0f} %** of the visits and {changes}; "
        f"stopping at a lead of two saves {lead['saved']:.0f} % and changes {lead['changed']:.1f} % of the verdicts "
        f"({lead['low']:.1f} to {lead['high']:.1f})."
    )


def least_accepted(cells: pd.DataFrame) -> str:
    """The class and the background that lose most images.

    Args:
        cells: `acceptance.acceptance` of one rule, by class_name and background.
    """
    both = cells[cells["question"] == "both"]
    if not len(both):
        return "No image has votes."
    rows, columns = (both.groupby(by)["accepted"].mean() for by in ("class_name", "background"))
    return (
        f"Accepted least by {voters(cells)}: the class **{rows.idxmin()}** ({rows.min():.1f} % of its images) and the "
        f"background **{columns.idxmin()}** ({columns.min():.1f} %). Over classes acceptance spans "
        f"{rows.max() - rows.min():.1f} points, over backgrounds {columns.max() - columns.min():.1f}."
    )


def planted_rates(workers: pd.DataFrame) -> str:
    """How often annotators were asked, and whether planted rates of slips are found again.

    Args:
        workers: `quality.worker_quality`.
    """
    looked = workers[(workers["question"] != "adult") & workers["kind"].isin(["", "careful"])]
    if not len(looked):
        return "Nobody answered a question about the labels."
    text = f"An annotator answered a question about {looked['n'].median():.0f} times here."
    planted = looked[looked["planted"].notna()]
    if not len(planted):
        return f"{text} How often people slip is not known beforehand, so the estimates cannot be checked."
    inside = planted["planted"].between(planted["low"], planted["high"]).sum()
    return f"{text} Of {len(planted)} planted rates, {inside} lie inside the 95 % interval of their estimate."


def audited(sample: pd.DataFrame) -> str:
    """Whether a random sample tells how many labels are wrong among the images taken on trust.

    Args:
        sample: `acceptance.audit`, where the presumed were asked about all the same.
    """
    told, rest = row_of(sample, part="audit"), row_of(sample, part="presumed")
    if not told or not rest:
        return "No sample was drawn here, or nothing is left beside it, so there is nothing to compare."
    held = "inside" if told["low"] <= rest["error"] <= told["high"] else "outside"
    return (
        f"The sample of {told['n']} images puts the refused labels of the rest at **{told['error']:.1f} %** "
        f"({told['low']:.1f} to {told['high']:.1f}); all of its votes say {rest['error']:.1f} %, {held} that "
        f"interval. It would have saved the votes on {rest['share']:.0f} % of the images."
    )
