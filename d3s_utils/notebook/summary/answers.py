"""Five questions that a reader who knows nothing asks first, each answered from what the run measured."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from d3s_utils.evaluation.decomposition import SHAPLEY
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.ground.claims import PAPER, row_of
from d3s_utils.notebook.summary.charts import Dot, draw_dots
from d3s_utils.notebook.summary.measured import Measured
from d3s_utils.notebook.summary.numbers import in_words, interval, measured, short
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
    if not drop:
        return f"How far classifiers fall was not measured in this run{run.why_not('zoo_drop')}"
    word = "lose" if drop["measured"] > 0 else "do not lose but gain"
    if not mean:
        return f"From natural images to D3S classifiers {word} {measured({**drop, 'measured': abs(drop['measured'])})}."
    count = len(run.table("03_classifier_evaluation_gap")) - 1
    who = f"{in_words(count).capitalize()} classifiers name" if count > 1 else "One classifier names"
    kind = (
        "held-out natural images, in which most objects are where they usually are"
        if run.is_rendered
        else ("natural images")
    )
    size = f"**{short(abs(drop['measured']), 'points')} points**{interval(drop, 'points')}"
    return (
        f"{who} **{mean['natural']:.1f} %** of {kind}, and **{mean['d3s']:.1f} %** of D3S, where every object is "
        f"everywhere: they {word} {size}."
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
            text += f"; the generated style takes {style:.1f} and wrong labels {labels:.1f}{votes}"
        said.append(f"{text}.")
    if pull:
        said.append(
            f"**{pull['measured']:.1f} %** of the mistakes there name the class that is at home on that background"
            f"{_guessing(pull)}."
        )
    if free:
        said.append(f"A network trained without that habit loses {measured(free)}.")
    return " ".join(said)


def method(run: Measured) -> str:
    """Whether the paper's method keeps object and background apart, as a linear probe and stronger ones read it."""
    rows = {id: row for id in METHOD if (row := run.claim(id))}
    if not rows:
        return f"Whether the paper's method works was not measured in this run{run.why_not('bg_from_fg')}"
    said = [f"{_verdict(rows)}."]
    if "bg_from_fg" in rows:
        said.append(
            f"A linear probe reads the background from foreground features in {measured(rows['bg_from_fg'])}"
            f" (the paper: {PAPER['bg_from_fg'].value} %{_guessing(rows['bg_from_fg'], ', ')})"
        )
    if "fg_from_bg" in rows:
        row = rows["fg_from_bg"]
        start = "and the class from background features in" if len(said) > 1 else "A linear probe reads the class in"
        carried = papers_mark("fg_from_bg", row["chance"]).value if pd.notna(row["chance"]) else None
        here = f", as good as {carried:g} % here" if carried is not None and row["chance"] != 0.1 else ""
        said.append(f"{start} {measured(row)} (the paper: {PAPER['fg_from_bg'].value} % of 1,000 classes{here})")
    if len(said) > 1:
        said[-1] += f"{_strongest(run)}."
    if "spurious_gain" in rows:
        row = rows["spurious_gain"]
        word = "beat" if row["measured"] > 0 else "fall behind"
        gain = measured({**row, "measured": abs(row["measured"])}) if row["measured"] > 0 else measured(row)
        tied = "Where training ties class to background, its foreground features"
        said.append(f"{tied} {word} a plain network by {gain}.")
    return " ".join(said)


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
