"""The findings of a run, one sentence and one small chart each, from its ledger alone."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from d3s_utils.ground.claims import PAPER
from d3s_utils.notebook.summary.answers import dot, mirrored
from d3s_utils.notebook.summary.charts import draw_dots
from d3s_utils.notebook.summary.measured import Measured
from d3s_utils.notebook.summary.numbers import measured, short
from d3s_utils.probes.findings import papers_mark


@dataclass(frozen=True)
class Form:
    """How a claim is said.

    Attributes:
        id: of the claim.
        text: the sentence; {value} becomes the number with its interval.
        below: another sentence where the number and its interval are below 0; {value} is then without sign.
        missing: what was not measured, where it was not.
    """

    id: str
    text: str
    missing: str
    below: str = ""


@dataclass(frozen=True)
class Statement:
    """A finding as the page shows it; `text` has its number between double asterisks."""

    id: str
    text: str
    status: str
    chart: str = ""
    notebook: str = ""


FORMS = (
    Form(
        "labels/both",
        "A judge network finds both asked labels in {value} of the drawn images.",
        "Whether images show both asked labels",
    ),
    Form(
        "guide/position",
        "The object stays near where the guide has it: the two places correlate at {value}.",
        "How closely objects follow their guides",
    ),
    Form(
        "realism/fid_gain",
        "Drawing takes the images nearer to natural ones than the pasted guides were, by an FID of {value}.",
        "How near images are to natural ones",
        "Drawing takes the images farther from natural ones than the pasted guides were, by an FID of {value}.",
    ),
    Form(
        "accepted_share",
        "By the paper's rule {value} of the validation images are accepted.",
        "What share of the images the paper's rule accepts",
    ),
    Form(
        "zoo_drop",
        "Classifiers lose {value} on average from natural images to D3S.",
        "How far classifiers fall",
        "Classifiers do not fall but gain {value} on average from natural images to D3S.",
    ),
    Form(
        "drop_background",
        "Of that loss unusual backgrounds take {value}, the mean of both orders of taking it apart.",
        "What unusual backgrounds cost",
        "Unusual backgrounds cost nothing: accuracy is higher there by {value}, the mean of both orders.",
    ),
    Form(
        "background_pull",
        "Of the mistakes on unusual backgrounds {value} name the class that is usual there.",
        "Whether mistakes follow the background",
    ),
    Form(
        "control_drop",
        "The same network, trained on images without habit, loses {value}.",
        "What a network without habit loses",
        "The same network, trained on images without habit, does not fall: it gains {value}.",
    ),
    Form(
        "fg_from_fg",
        "Under the paper's method foreground features still name the class in {value}.",
        "What foreground features know of the class",
    ),
    Form(
        "bg_from_bg",
        "Its background features name the background in {value}.",
        "What background features know of the background",
    ),
    Form(
        "bg_from_fg",
        "Its foreground features give the background away in {value}, read by a linear probe.",
        "How much background leaks into foreground features",
    ),
    Form(
        "fg_from_bg",
        "Its background features give the class away in {value}, read by a linear probe.",
        "How much class leaks into background features",
    ),
    Form(
        "least_leak",
        "The method that leaks least still goes {value} of the way from chance to 100 %, by its strongest probe.",
        "Which method leaks least",
    ),
    Form(
        "spurious_gain",
        "Where class and background are tied in training and part in the test, its foreground features beat all "
        "features of a plain network by {value}.",
        "Whether foreground features help where the background misleads",
        "Where class and background are tied in training and part in the test, its foreground features fall behind "
        "all features of a plain network by {value}.",
    ),
)


def statements(run: Measured) -> list[Statement]:
    """One statement per form, in the order of the story; what was not measured says so."""
    return [statement(run, form) for form in FORMS]


def statement(run: Measured, form: Form) -> Statement:
    row = run.claim(form.id)
    if not row:
        known = run.claims.get(form.id, {})
        return Statement(form.id, f"{form.missing} was not measured{run.why_not(form.id)}", "not run",
                         notebook=known.get("notebook", ""))  # fmt: skip
    ends = [row["measured"] if pd.isna(row[end]) else row[end] for end in ("ci_low", "ci_high")]
    below, unsure = form.below and ends[1] < 0, form.below and ends[0] < 0 < ends[1]
    text = (form.below if below else form.text).format(value=measured(mirrored(row) if below else row))
    parts = [text, "That may be chance alone." if unsure else "", papers_number(row), chance(row), votes(row)]
    chart = draw_dots([dot(row)], row["unit"])
    return Statement(form.id, " ".join(filter(None, parts)), row["status"], chart, row["notebook"])


def papers_number(row: dict) -> str:
    """The paper's number and, where guessing is another thing there, what it is worth here."""
    paper = PAPER.get(row["id"])
    if paper is None:
        return ""
    if paper.value is None:
        return "The paper says this in words, without a number."
    text = f"The paper: {short(paper.value, row['unit'])} {row['unit']}"
    if paper.chance is None or pd.isna(row["chance"]) or paper.chance == row["chance"]:
        return f"{text}."
    carried = papers_mark(row["id"], row["chance"]).value
    return f"{text}, where guessing gives {paper.chance:g} %; as far above chance here would be {carried:g} %."


def chance(row: dict) -> str:
    return "" if pd.isna(row["chance"]) else f"Guessing gives {row['chance']:.1f} %."


def votes(row: dict) -> str:
    return "The votes behind it are simulated, no people's." if row["status"] == "simulated" else ""
