"""Five questions that a reader who knows nothing asks first, each answered from what the run measured."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.evaluation.decomposition import SHAPLEY
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.ground.claims import PAPER, row_of
from d3s_utils.notebook.summary.charts import Dot, draw_dots
from d3s_utils.notebook.summary.measured import Measured
from d3s_utils.notebook.summary.numbers import in_words, measured
from d3s_utils.probes.directions import LEAKS
from d3s_utils.probes.findings import papers_mark

METHOD = ("bg_from_fg", "fg_from_bg", "spurious_gain")  # what the paper's method is judged by


@dataclass(frozen=True)
class Answer:
    """`text` has its numbers between double asterisks; `chart` is an <svg> element, or "" without numbers."""

    question: str
    text: str
    chart: str = ""


def answers(run: Measured) -> list[Answer]:
    return [
        Answer("What was drawn?", drawn(run)),
        Answer("How far do classifiers fall?", fallen(run), _fall_chart(run)),
        Answer("Why?", reason(run), _reason_chart(run)),
        Answer("Does the paper's method work?", method(run), _method_chart(run)),
        Answer("What is simulated?", simulated(run)),
    ]


def drawn(run: Measured) -> str:
    """How many images of what, by which generator, and whether they show it."""
    plan = run.manifest
    if not len(plan):
        return "No image has been drawn in this run yet."
    text = f"**{len(plan):,} images**"
    makers = [str(name) for name in plan["generator"].dropna().unique()]
    text += f" by a diffusion model ({', '.join(makers)})" if makers else ""
    if plan["class_name"].notna().all():
        cells = plan.groupby(["split", "class_name", "background"]).size().groupby("split").nunique()
        evenly = ", each class equally often on each background" if cells.max() == 1 else ""
        text += f": {plan['class_name'].nunique():,} classes on {plan['background'].nunique():,} backgrounds{evenly}"
    both = run.claim("labels/both")
    if not both:
        return f"{text}. No network was asked whether they show what was asked for."
    return f"{text}. A judge network that never saw a drawn image finds both asked labels in {measured(both)}."


def fallen(run: Measured) -> str:
    """What classifiers lose from natural images to D3S."""
    drop, mean = run.claim("zoo_drop"), _gap(run)
    size = drop if drop.get("measured", 0) > 0 else mirrored(drop) if drop else {}
    if not drop:
        return f"How far classifiers fall was not measured in this run{run.why_not('zoo_drop')}"
    word = "lose" if drop["measured"] > 0 else "do not lose but gain"
    if not mean:
        return f"From natural images to D3S classifiers {word} {measured(size)}."
    count = len(run.table("03_classifier_evaluation_gap")) - 1
    who = f"{in_words(count).capitalize()} classifiers name" if count > 1 else "One classifier names"
    kind = (
        "held-out natural images, in which most objects are where they usually are"
        if run.is_rendered
        else ("natural images")
    )
    return (
        f"{who} **{mean['natural']:.1f} %** of {kind}, and **{mean['d3s']:.1f} %** of D3S, where every object is "
        f"everywhere: they {word} {measured(size)}."
    )


def reason(run: Measured) -> str:
    """Where the loss comes from: background, style, wrong labels; and what mistakes name."""
    part, pull, free = (run.claim(id) for id in ("drop_background", "background_pull", "control_drop"))
    if not (part or pull):
        return f"Why they fall was not measured in this run{run.why_not('drop_background')}"
    said = []
    if part:
        drop = run.claim("zoo_drop")
        word = "Mostly the background" if drop and part["measured"] > drop["measured"] / 2 else "Several things"
        text = f"{word}. Unusual backgrounds take {measured(part)} of the loss"
        style, labels = _part(run, "style", SHAPLEY), _part(run, "labels", "")
        if style is not None and labels is not None:
            votes = ", by simulated votes" if part["status"] == "simulated" else ""
            text += f"; the generated style {_takes(style)}, wrong labels take {labels:.1f}{votes}"
        said.append(f"{text}.")
    if pull:
        said.append(
            f"**{pull['measured']:.1f} %** of the mistakes there name the class that is at home on that background"
            f"{_guessing(pull)}."
        )
    if free:
        said.append(_without_habit(free))
    return " ".join(said)


def method(run: Measured) -> str:
    """Whether the paper's method keeps object and background apart, as a linear probe and stronger ones read it."""
    rows = {id: row for id in METHOD if (row := run.claim(id))}
    if not rows:
        return f"Whether the paper's method works was not measured in this run{run.why_not('bg_from_fg')}"
    leaks = [text for text in (_background_leak(rows, run), _class_leak(rows, run)) if text]
    said = [f"{_verdict(rows)}."]
    if leaks:
        aim = (
            "A penalty is to keep the background out of foreground features, and the class out of background features."
        )
        said += [aim, f"A linear probe still reads {' and '.join(leaks)}{_strongest(run)}."]
    if "spurious_gain" in rows:
        row = rows["spurious_gain"]
        word = "beat" if row["measured"] > 0 else "fall behind"
        gain = measured(row if row["measured"] > 0 else mirrored(row))
        tied = "Where training ties class to background, its foreground features"
        said.append(f"{tied} {word} a plain network by {gain}.")
    return " ".join(said)


def _background_leak(rows: dict[str, dict], run: Measured) -> str:
    row = rows.get("bg_from_fg")
    if not row:
        return ""
    notes = [f"the paper: {PAPER['bg_from_fg'].value} %", _unpenalised(run, "bg_from_fg"), _guessing(row, "")]
    return f"the background in {measured(row)} ({'; '.join(filter(None, notes))})"


def _class_leak(rows: dict[str, dict], run: Measured) -> str:
    row = rows.get("fg_from_bg")
    if not row:
        return ""
    notes = [f"the paper: {PAPER['fg_from_bg'].value} % of 1,000 classes", _unpenalised(run, "fg_from_bg")]
    if pd.notna(row["chance"]) and row["chance"] != PAPER["fg_from_bg"].chance:
        carried = papers_mark("fg_from_bg", row["chance"]).value
        notes[0] += f", like {carried:g} % where guessing gives {row['chance']:.1f} %"
    return f"the class in {measured(row)} ({'; '.join(filter(None, notes))})"


def _unpenalised(run: Measured, direction: str) -> str:
    """What a linear probe reads where nothing was penalised."""
    table = run.table("05_disentanglement_probe_directions")
    found = row_of(table, method=BACKBONE, probe="linear", direction=direction) if "method" in table else {}
    return f"without penalty: {found['accuracy']:.1f} %" if found else ""


def simulated(run: Measured) -> str:
    """What in this run is made up, and what is not."""
    made_up = []
    if run.is_rendered:
        made_up.append("**natural images** are renders of a small drawn world, no photographs")
    if run.has_simulated_votes:
        made_up.append(
            "**annotators** are programs, no people: whatever rests on votes is marked "
            "“simulated” and says nothing about people"
        )
    rest = "Drawing, training, tests and intervals are real: this run computed them."
    if run.has_simulated_votes is None:
        rest += " Nobody has voted in it yet."
    if not made_up:
        return f"Nothing that this run measured rests on simulated votes or rendered images. {rest}"
    small = " It shows how the method behaves on ten simple classes, not what it does on ImageNet."
    joined = "; ".join(made_up)
    return f"{joined[:2]}{joined[2:3].upper()}{joined[3:]}. {rest}{small if run.is_rendered else ''}"


# Parts of sentences, and charts ---------------------------------------------------------------------------------------


def _gap(run: Measured) -> dict:
    table = run.table("03_classifier_evaluation_gap")
    return row_of(table, model=ZOO_MEAN) if "model" in table else {}


def _part(run: Measured, part: str, order: str) -> float | None:
    """Points of the mean of all models that a part of the drop takes."""
    table = run.table("03_classifier_evaluation_decomposition")
    if not {"model", "part", "order", "points"} <= set(table):
        return None
    found = row_of(table.fillna({"order": ""}), model=ZOO_MEAN, part=part, order=order)
    return found["points"] if found and pd.notna(found["points"]) else None


def _takes(points: float) -> str:
    return f"takes {points:.1f}" if points >= 0 else f"gives back {-points:.1f}"


def _without_habit(row: dict) -> str:
    """What a network loses that no habit has taught to go by the background."""
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return f"A network trained without that habit loses nothing that chance could not: {measured(row)}."
    word = "loses" if row["measured"] > 0 else "gains"
    value = row if row["measured"] > 0 else mirrored(row)
    return f"A network trained without that habit {word} {measured(value)}."


def mirrored(row: dict) -> dict:
    """A claim with its sign turned."""
    return {**row, "measured": -row["measured"], "ci_low": -row["ci_high"], "ci_high": -row["ci_low"]}


def _guessing(row: dict, start: str = "; ") -> str:
    return "" if pd.isna(row["chance"]) else f"{start}guessing gives {row['chance']:.1f} %"


def _verdict(rows: dict[str, dict]) -> str:
    met = [row["status"] == "met" for row in rows.values()]
    return "Yes, by every number here" if all(met) else "In part" if any(met) else "Not here"


def _strongest(run: Measured) -> str:
    """What the strongest probe reads of both leaks, as the end of a sentence."""
    table, name = run.table("05_disentanglement_probe_leak"), _method_name(run)
    if "method" not in table:
        return ""
    found = [row_of(table, method=name, direction=direction) for direction in LEAKS]
    if not all(found):
        return ""
    return f"; the strongest probe still reads **{found[0]['accuracy']:.1f}** and **{found[1]['accuracy']:.1f} %**"


def _method_name(run: Measured) -> str:
    return (run.settings.get("disentanglement") or {}).get("paper_method", "")


def dot(row: dict, name: str = "this run", paper: bool = True) -> Dot:
    """A claim as a dot."""
    ends = [None if pd.isna(row[end]) else row[end] for end in ("ci_low", "ci_high")]
    theirs = row["reference"] if paper and pd.notna(row["reference"]) else None
    return Dot(name, row["measured"], *ends, theirs, None if pd.isna(row["chance"]) else row["chance"])


def _fall_chart(run: Measured) -> str:
    mean = _gap(run)
    if not mean:
        return ""
    return draw_dots([Dot("natural images", mean["natural"]), Dot("D3S", mean["d3s"])], "%")


def _reason_chart(run: Measured) -> str:
    table = run.table("03_classifier_evaluation_decomposition")
    if not {"model", "part", "order", "points", "low", "high"} <= set(table):
        return ""
    named = (("unusual background", "background", SHAPLEY), ("generated style", "style", SHAPLEY),
             ("wrong labels", "labels", ""))  # fmt: skip
    rows = [(name, row_of(table.fillna({"order": ""}), model=ZOO_MEAN, part=p, order=o)) for name, p, o in named]
    dots = [Dot(name, row["points"], row["low"], row["high"]) for name, row in rows if row and pd.notna(row["points"])]
    return draw_dots(dots, "points") if dots else ""


def _method_chart(run: Measured) -> str:
    names = {"bg_from_fg": "background leak", "fg_from_bg": "class leak"}
    dots = [dot(row, name) for id, name in names.items() if (row := run.claim(id))]
    return draw_dots(dots, "%") if dots else ""
