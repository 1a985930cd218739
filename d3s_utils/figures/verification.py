"""Figures of notebook 02. Each title says who voted, from the column `source`: simulated annotators are called that."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from d3s_utils.figures.shapes import (
    COLORS,
    chance_line,
    heatmap,
    image_grid,
    interval_dots,
    label_name,
    legend_below,
    new_axis,
    worded,
)
from d3s_utils.verification.acceptance import PAPER, UNANIMITY
from d3s_utils.verification.asking.task import Item, wording
from d3s_utils.verification.effort import STOPS
from d3s_utils.verification.rules import RULES
from d3s_utils.verification.votes import voters

LABELS = ("foreground", "background", "both")
QUESTION_COLORS = dict(zip(LABELS, (COLORS["foreground"], COLORS["background"], COLORS["verified"]), strict=True))


def plot_acceptance_by_rule(acceptance: pd.DataFrame, ax: Axes | None = None, *, paper: float | None = None) -> Axes:
    """One row per rule, one dot per question; bars are 95 % Wilson intervals.

    Args:
        acceptance: see `acceptance.acceptance_table`, not split further.
        paper: the share the paper's annotators accepted by unanimity, foreground only, in percent: a hollow diamond.
    """
    ax = new_axis(ax, height=3.2)
    for shift, question in zip((-0.22, 0.0, 0.22), LABELS, strict=True):
        rows = acceptance[acceptance["question"] == question]
        rows = rows.assign(rule=[RULES[rule].title for rule in rows["rule"]])
        style = {"color": QUESTION_COLORS[question], "label": _asked(question), "shift": shift}
        interval_dots(rows, "rule", "accepted", ax=ax, **style)
    if paper is not None:
        row = list(acceptance["rule"].unique()).index("unanimity") - 0.22
        style = {"markerfacecolor": "white", "markeredgecolor": COLORS["ink"], "color": "none"}
        ax.plot(paper, row, "D", label="the paper's MTurk workers, foreground", **style)
    low = 10 * np.floor(min(acceptance["low"].min(), 90) / 10)
    ax.set(xlabel="images accepted (%)", xlim=(low, 101), title=f"What {voters(acceptance)} accept")
    return legend_below(ax, 2)


def plot_paper_rule(ways: pd.DataFrame, ax: Axes | None = None, *, paper: float) -> Axes:
    """The share accepted by the paper's rule, with the paper's own number as a hollow diamond, and by others.

    Args:
        ways: see `acceptance.paper_rule`.
        paper: the share that the paper accepted, in percent.
    """
    titles = {name: f"{rule.title}, both labels" for name, rule in RULES.items()}
    titles |= {PAPER: PAPER, UNANIMITY: f"{UNANIMITY}, object alone"}
    names = [f"{titles[row.way]}\n{row.asked:.0f} % of the images asked about" for row in ways.itertuples()]
    ax = interval_dots(ways.assign(way=names), "way", "accepted", ax=new_axis(ax, height=2.8), color=COLORS["verified"])
    style = {"markerfacecolor": "white", "markeredgecolor": COLORS["ink"], "color": "none"}
    ax.plot(paper, list(ways["way"]).index(PAPER) + 0.2, "D", label="the paper's MTurk workers", **style)
    ax.set(xlabel="images accepted (%)", xlim=(0, 101), title=f"What the rule accepts\nvotes of {voters(ways)}")
    return legend_below(ax, 1)


def _asked(question: str) -> str:
    return "both labels, not adult" if question == "both" else label_name(question)


def plot_acceptance_heatmap(acceptance: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Percent of images with both labels accepted, class x background, the classes refused most on top.

    Args:
        acceptance: see `acceptance.acceptance_table`, for one rule, by class_name and background. Of many classes
            the 20 refused most are shown.
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
        label = "both labels" if question == "both" else label_name(question)
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
    title = f"What each rule gets wrong\n{voters(errors)}, held against the judge in whose eyes they see"
    ax.set(xlabel="share of those images (%)", xlim=(-1, None), title=title)
    return legend_below(ax, 2)


def plot_agreement(agreement: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Krippendorff's alpha per question with its bootstrap interval, and the share of agreeing pairs in words."""
    ax = new_axis(ax, height=2.6)
    pairs = agreement["pairs_agree"].map("{:.0f} % of pairs agree".format)
    pairs = pairs.where(agreement["pairs_agree"].notna(), "no image has two votes")
    names = agreement["question"].map(label_name) + " (" + pairs + ")"
    interval_dots(agreement.assign(name=names), "name", "alpha", ax=ax)
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
    looked = workers["kind"].isin(["", "careful"]) if "kind" in workers else workers["error"].notna()
    known, blind = workers["planted"].notna().any(), workers[~looked & (workers["question"] != "adult")]
    workers = workers[looked]
    for question in (question for question in LABELS if question in set(workers["question"])):
        rows, color = workers[workers["question"] == question].sort_values("error"), QUESTION_COLORS[question]
        across = rows["planted"] if known else np.arange(1, len(rows) + 1)
        ax.vlines(across, rows["low"], rows["high"], color=color, alpha=0.3, linewidth=1.5)
        ax.plot(across, rows["error"], "o", color=color, label=label_name(question), markeredgecolor="white")
    if known:
        most = 1.05 * workers["planted"].max()
        parts = [
            f"{kind} {rows['error'].min():.0f} to {rows['error'].max():.0f}" for kind, rows in blind.groupby("kind")
        ]
        below = f"\nnot shown, as they do not look: {', '.join(parts)} % against the consensus" if parts else ""
        ax.plot([0, most], [0, most], color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4, zorder=1)
        ax.set_xlabel("planted rate of slips (%)" + below)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("annotators, from careful to careless")
    ax.set(
        ylabel="answers against the consensus (%)", ylim=(-0.3, None), title=f"How reliable are the {voters(workers)}?"
    )
    ax.legend(loc="upper left")
    return ax


def draw_task(image: np.ndarray, guide: np.ndarray, natural: Sequence[np.ndarray], item: Item) -> Figure:
    """What an annotator is shown, as a still: image large, its guide, natural images of the class, and the questions.

    Args:
        image, guide, natural: (S, S, 3) uint8 each; of the natural images two are shown.
        item: what is asked.
    """
    figure = plt.figure(figsize=(7.2, 3.4))
    parts = figure.add_gridspec(3, 5, width_ratios=[3.2, 0.12, 1, 1, 1], wspace=0.08, hspace=0.12)
    large = figure.add_subplot(parts[:, 0])
    large.imshow(image, interpolation="bicubic")
    words = figure.add_subplot(parts[0:2, 2:])
    lines = [f"{wording(item, question)}" for question in item.questions]
    words.text(0, 1, item.class_name, fontweight="bold", va="top")
    words.text(0, 0.83, "\n".join(textwrap.wrap(item.definition, 46)[:2]), fontsize=8.5, va="top", color=COLORS["ink"])
    words.text(0, 0.52, "\n\n".join(lines), va="top", fontsize=9.5)
    small = [*[(picture, "the class") for picture in natural[:2]], (guide, "its guide")]
    axes = [figure.add_subplot(parts[2, 2 + column]) for column in range(len(small))]
    for ax, (picture, title) in zip(axes, small, strict=True):
        ax.imshow(picture, interpolation="bicubic")
        ax.set_title(title, fontsize=8.5)
    for ax in (large, words, *axes):
        ax.set_axis_off()
    return figure


def plot_gold(quality: pd.DataFrame, least: float, ax: Axes | None = None) -> Axes:
    """Each annotator's accuracy on pictures with known answers, the worst on top; below the line they are reported.

    Args:
        quality: see `annotators.gold_quality`. Of many annotators the 30 worst are shown.
        least: the line, 0-1.
    """
    shown = quality.head(30)
    ax = new_axis(ax, width=6.4, height=1.2 + 0.19 * len(shown))
    rows = np.arange(len(shown))
    colors = np.where(shown["reported"], COLORS["bad"], COLORS["ink"])
    ax.hlines(rows, shown["low"], shown["high"], color=colors, alpha=0.4, linewidth=2)
    ax.scatter(shown["accuracy"], rows, color=colors, s=28, zorder=3)
    ax.axvline(100 * least, color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4)
    ax.set(yticks=rows, yticklabels=shown["worker_id"], ylim=(len(shown) - 0.4, -0.6))
    ax.tick_params(axis="y", labelsize=8)
    ax.set(xlabel="right on gold (%), mean over yes and no", xlim=(min(25, shown["low"].min() - 2), 101))
    ax.set(title=f"Gold: answers that are known\n{voters(shown)}")
    return ax


RULE_COLORS = dict(zip(RULES, (COLORS["bad"], COLORS["ink"], COLORS["verified"]), strict=True))


def plot_by_workers(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Size of the verified split against annotators per image, one line per rule; 95 % Wilson intervals."""
    ax = new_axis(ax)
    for rule, rows in table.groupby("rule", sort=False):
        color = RULE_COLORS[rule]
        ax.fill_between(rows["workers"], rows["low"], rows["high"], color=color, alpha=0.18, linewidth=0)
        ax.plot(rows["workers"], rows["accepted"], "o-", color=color, label=RULES[rule].title)
    ax.set(xlabel="annotators per image", ylabel="images accepted (%)", ylim=(None, 101))
    ax.set(xticks=sorted(table["workers"].unique()), title=f"What more votes do to the verified split\n{voters(table)}")
    return legend_below(ax, 3)


def plot_early_stopping(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Annotators per image under each way to stop asking, with what it changes in words."""
    ax = new_axis(ax, height=2.6)
    ax.barh(range(len(table)), table["used"], color=COLORS["verified"], height=0.55)
    for number, row in enumerate(table.itertuples()):
        saved = f": saves {row.saved:.0f} %, changes {row.changed:.1f} %" if number else ""
        ax.text(row.used + 0.05, number, f"{row.used:.2f}{saved}", va="center", fontsize=9)
    names = [f"{row.stop}:\n{STOPS[row.stop]}" for row in table.itertuples()]
    ax.set(
        yticks=range(len(table)), yticklabels=names, ylim=(len(table) - 0.5, -0.5), xlim=(0, 1.45 * table["used"].max())
    )
    ax.tick_params(axis="y", labelsize=9)
    ax.set(xlabel="annotators per image", title=f"Stop asking when the majority is clear\n{voters(table)}")
    return ax


def plot_split_sizes(sizes: pd.DataFrame, ax: Axes | None = None, *, threshold: float | None = None) -> Axes:
    """Size of the verified split against the threshold, and the share of it whose labels are wrong, where known.

    Args:
        sizes: see `thresholds.split_sizes`.
        threshold: where a line stands, with the numbers there.
    """
    ax = new_axis(ax, width=6.4, height=3.2)
    ax.fill_between(sizes["threshold"], sizes["low"], sizes["high"], color=COLORS["verified"], alpha=0.18, linewidth=0)
    ax.plot(sizes["threshold"], sizes["accepted"], "o-", color=COLORS["verified"], label="images accepted")
    known = sizes["error"].notna().any()
    if known:
        ax.plot(sizes["threshold"], sizes["error"], "o-", color=COLORS["bad"], label="accepted, a label wrong")
    title = f"The verified split of {voters(sizes)}"
    if threshold is not None:
        row = sizes.iloc[(sizes["threshold"] - threshold).abs().argmin()]
        ax.axvline(threshold, color=COLORS["ink"], linewidth=1.4)
        title = f"{row['hits']:.0f} of {row['n']:.0f} images accepted by {voters(sizes)}"
        if pd.notna(row["error"]):
            title += f"\na label is wrong in {row['error']:.1f} % of them"
    ax.set(xlabel="belief in both labels that is asked for", ylabel="%", ylim=(-2, 102), xlim=(0, 1.02), title=title)
    return legend_below(ax, 2)


def draw_nearest(images: np.ndarray, shown: pd.DataFrame, columns: int = 6) -> Figure:
    """Accepted images above, refused ones below, those nearest to the threshold first.

    Args:
        images: (N, S, S, 3) uint8, one per row of `shown`.
        shown: see `thresholds.nearest`, with class_name and background.
    """
    blank = np.full((8, 8, 3), 255, np.uint8)
    rows, titles = [], []
    for verdict in (True, False):
        places = np.flatnonzero(shown["accepted"].astype(bool) == verdict)[:columns]
        missing = columns - len(places)
        rows += [*images[places], *[blank] * missing]
        titles += [_caption(row) for row in shown.iloc[places].itertuples()] + [""] * missing
    return image_grid(rows, titles, columns, row_titles=["accepted", "refused"], side=1.1)


def draw_examples(images: np.ndarray, examples: pd.DataFrame, columns: int = 6) -> Figure:
    """One row of pictures per verdict, with the labels asked for and the shares of yes to foreground / background.

    Args:
        images: (N, S, S, 3) uint8, one per row of `examples`.
        examples: up to `columns` images per `verdict` (see `acceptance.verdicts`), with class_name, background,
            p_foreground and p_background under a rule of shares.
    """
    blank = np.full_like(images[0], 255)
    rows, titles, groups = [], [], examples.groupby("verdict", sort=False, observed=True)
    for members in groups.indices.values():
        missing = columns - len(members)
        rows += [*images[members], *[blank] * missing]
        titles += [_caption(row) for row in examples.iloc[members].itertuples()] + [""] * missing
    names = [name.replace(" ", "\n", 1) for name in groups.indices]
    title = worded(f"Verdicts of {voters(examples)}, with yes to foreground / {{background}}")
    return image_grid(rows, titles, columns, row_titles=names, title=title)


def _caption(row) -> str:
    """Class, background and how likely each is there; "-" where nobody was asked."""
    shares = ["-" if pd.isna(p) else f"{100 * p:.0f}" for p in (row.p_foreground, row.p_background)]
    return f"{row.class_name}\n{row.background}\n{' / '.join(shares)} %"
