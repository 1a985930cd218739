"""Figures of notebook 02. Each title says who voted, from the column `source`: simulated annotators are called that."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.figures import COLORS, chance_line, heatmap, image_grid, interval_dots, legend_below, new_axis
from d3s_utils.votes import RULES, voters

LABELS = ("foreground", "background", "both")
QUESTION_COLORS = dict(zip(LABELS, (COLORS["foreground"], COLORS["background"], COLORS["verified"]), strict=True))


def plot_acceptance_by_rule(acceptance: pd.DataFrame, ax: Axes | None = None, *, paper: float | None = None) -> Axes:
    """One row per rule, one dot per question; bars are 95 % Wilson intervals.

    Args:
        acceptance: see `agreement.acceptance`, not split further.
        paper: the share the paper's annotators accepted by unanimity, foreground only, in percent: a hollow diamond.
    """
    ax = new_axis(ax, height=3.2)
    for shift, question in zip((-0.22, 0.0, 0.22), LABELS, strict=True):
        rows = acceptance[acceptance["question"] == question]
        rows = rows.assign(rule=[RULES[rule].title for rule in rows["rule"]])
        interval_dots(
            rows, "rule", "accepted", ax=ax, color=QUESTION_COLORS[question], label=_asked(question), shift=shift
        )
    if paper is not None:
        row = list(acceptance["rule"].unique()).index("unanimity") - 0.22
        style = {"markerfacecolor": "white", "markeredgecolor": COLORS["ink"], "color": "none"}
        ax.plot(paper, row, "D", label="the paper's MTurk workers, foreground", **style)
    low = 10 * np.floor(min(acceptance["low"].min(), 90) / 10)
    ax.set(xlabel="images accepted (%)", xlim=(low, 101), title=f"What {voters(acceptance)} accept")
    return legend_below(ax, 2)


def _asked(question: str) -> str:
    return "both labels, not adult" if question == "both" else question


def plot_acceptance_heatmap(acceptance: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Percent of images with both labels accepted, class x background, the classes refused most on top.

    Args:
        acceptance: see `agreement.acceptance`, of one rule, split by class_name and background. Of many classes the 20
            refused most are shown.
    """
    both = acceptance[acceptance["question"] == "both"]
    cells = both.pivot(index="class_name", columns="background", values="accepted")[both["background"].unique()]
    cells = cells.loc[cells.mean(axis=1).sort_values(kind="stable").index[:20]]
    ax = heatmap(cells, ax=ax, vmin=10 * np.floor(min(cells.min(axis=None), 90) / 10), label="accepted (%)")
    rule = RULES[both["rule"].iloc[0]].title
    ax.set(title=f"Both labels accepted by {voters(both)}\nrule: {rule}, {_images(both['n'])} a cell", ylabel="")
    return ax


def _images(n: pd.Series) -> str:
    few, many = int(n.min()), int(n.max())
    count = str(few) if few == many else f"{few} to {many}"
    return f"{count} image{'s' if many > 1 else ''}"


def plot_acceptance_by_votes(by_votes: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Acceptance against the number of yes votes asked for; majority and unanimity are two points of the same curve."""
    ax = new_axis(ax)
    for question in (question for question in LABELS if question in set(by_votes["question"])):
        rows, color = by_votes[by_votes["question"] == question], QUESTION_COLORS[question]
        ax.fill_between(rows["at_least"], rows["low"], rows["high"], color=color, alpha=0.18, linewidth=0)
        label = "both labels" if question == "both" else question
        ax.plot(rows["at_least"], rows["accepted"], "o-", color=color, label=label)
    most = int(by_votes["at_least"].max())
    ax.set(xlabel=f"yes votes asked for, of {most}", ylabel="images accepted (%)", ylim=(None, 101))
    ax.set(xticks=range(1, most + 1), title=f"Acceptance by votes of yes\n{voters(by_votes)}, 95 % intervals")
    ax.legend(loc="lower left")
    return ax


def plot_rule_errors(errors: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How often each rule refuses what the judge sees, and accepts what it does not see; 95 % Wilson intervals."""
    ax = new_axis(ax, height=3.2)
    colors = {"refused though there": COLORS["ink"], "accepted though not there": COLORS["bad"]}
    for shift, (kind, color) in zip((-0.13, 0.13), colors.items(), strict=True):
        rows = errors[errors["kind"] == kind]
        label = f"{kind} (of {int(rows['n'].iloc[0])} images)"
        rows = rows.assign(rule=[RULES[rule].title for rule in rows["rule"]])
        interval_dots(rows, "rule", "share", ax=ax, color=color, label=label, shift=shift)
    title = f"What each rule gets wrong\n{voters(errors)}, whose truth is known"
    ax.set(xlabel="share of those images (%)", xlim=(-1, None), title=title)
    return legend_below(ax, 2)


def plot_agreement(agreement: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Krippendorff's alpha per question with its bootstrap interval, and the share of agreeing pairs in words."""
    ax = new_axis(ax, height=2.6)
    rows = agreement.assign(
        name=[f"{row.question} ({row.pairs_agree:.0f} % of pairs agree)" for row in agreement.itertuples()]
    )
    interval_dots(rows, "name", "alpha", ax=ax)
    low = np.nanmin([0.0, *agreement["low"]])
    chance_line(ax, 0.0, axis="x")
    ax.set(xlabel="Krippendorff's alpha", xlim=(low - 0.05, 1.03), title=f"Agreement of {voters(agreement)}")
    return ax


def plot_worker_quality(workers: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Each annotator's rate of slips as the votes reveal it, against the planted one; in order where none was planted.

    Whiskers are 95 % Wilson intervals; on the dashed diagonal an estimate is exact. The adult question is left out: its
    slips are too rare to tell one annotator from another.
    """
    ax = new_axis(ax, width=6.4, height=5.2)
    known = workers["planted"].notna().any()
    for question in (question for question in LABELS if question in set(workers["question"])):
        rows, color = workers[workers["question"] == question].sort_values("error"), QUESTION_COLORS[question]
        across = rows["planted"] if known else np.arange(1, len(rows) + 1)
        ax.vlines(across, rows["low"], rows["high"], color=color, alpha=0.3, linewidth=1.5)
        ax.plot(across, rows["error"], "o", color=color, label=question, markeredgecolor="white")
    if known:
        most = 1.05 * workers["planted"].max()
        ax.plot([0, most], [0, most], color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4, zorder=1)
    ax.set(xlabel="planted rate of slips (%)" if known else "annotators, from careful to careless")
    ax.set(
        ylabel="answers against the consensus (%)", ylim=(-0.3, None), title=f"How reliable are the {voters(workers)}?"
    )
    ax.legend(loc="upper left")
    return ax


def draw_one(image: np.ndarray, row: pd.Series) -> Figure:
    """One image, (S, S, 3) uint8, large, with the two labels an annotator is asked for (`class_name`, `background`)."""
    return image_grid([image], [f"{row['class_name']}? {row['background']}?"], side=2.6)


def draw_examples(images: np.ndarray, examples: pd.DataFrame, columns: int = 6) -> Figure:
    """One row of pictures per verdict, with the labels asked for and the shares of yes to foreground / background.

    Args:
        images: (N, S, S, 3) uint8, one per row of `examples`.
        examples: up to `columns` images per `verdict` (see `agreement.verdicts`), with class_name, background,
            p_foreground and p_background under a rule of shares.
    """
    blank = np.full_like(images[0], 255)
    rows, titles, groups = [], [], examples.groupby("verdict", sort=False, observed=True)
    for places in groups.indices.values():
        missing = columns - len(places)
        rows += [*images[places], *[blank] * missing]
        titles += [_caption(row) for row in examples.iloc[places].itertuples()] + [""] * missing
    names = [name.replace(" ", "\n", 1) for name in groups.indices]
    title = f"Verdicts of {voters(examples)}, with yes to foreground / background"
    return image_grid(rows, titles, columns, row_titles=names, title=title)


def _caption(row) -> str:
    return f"{row.class_name}\n{row.background}\n{100 * row.p_foreground:.0f} / {100 * row.p_background:.0f} %"
