"""Figures of notebook 03. Bars and dots carry 95 % intervals; accuracies are in percent, gaps in points."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.evaluation.decomposition import PARTS
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.evaluation.predict import ImageSet
from d3s_utils.evaluation.sets import D3S, NATURAL, SETS, UNIFORM
from d3s_utils.figures.shapes import (
    COLORS,
    chance_line,
    heatmap,
    image_grid,
    interval_dots,
    legend_below,
    new_axis,
    nothing,
    worded,
)
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.rules import RULES

CURVES = {
    NATURAL: (SETS[NATURAL].shows, COLORS["natural"]),
    D3S: (SETS[D3S].shows, COLORS["d3s"]),
    f"{D3S}, unusual": ("D3S, unusual {backgrounds}", COLORS["uniform"]),
}
SET_COLORS = {UNIFORM: COLORS["natural"], D3S: COLORS["d3s"]}  # others: that of `COLORS["guide"]`
PART_NAMES = {
    NATURAL: "natural images",
    "style": "generated style",
    "background": "unusual {background}",
    "labels": "wrong labels",
    D3S: "D3S",
}
PART_COLORS = {
    NATURAL: COLORS["natural"],
    "style": COLORS["guide"],
    "background": COLORS["background"],
    "labels": COLORS["verified"],
    D3S: COLORS["d3s"],
}


def draw_two_kinds(natural: ImageSet, d3s: ImageSet, key: Sequence[object], columns: int = 10) -> Figure:
    """A picture of each of the first classes, drawn by `key`: natural images above, D3S below."""
    rows = []
    for images in (natural, d3s):
        mixed = images.table.sample(frac=1, random_state=rng_for(*key, "examples"))
        chosen = mixed.groupby("label").head(1).sort_values("label").head(columns)
        rows.append(images.load(list(chosen["image_id"])))
    return image_grid([picture for row in rows for picture in row], columns=len(rows[0]), row_titles=["natural", "D3S"])


def plot_training(histories: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Accuracy on the augmented natural training images, epoch by epoch, one line per model."""
    ax = new_axis(ax)
    for model, rows in histories.groupby("model", sort=False):
        ax.plot(rows["epoch"], rows["accuracy"], "o-", markersize=4, label=model)
    ax.set(
        xlabel="epoch", ylabel="accuracy while training (%)", ylim=(0, 100), title="The zoo learns its natural images"
    )
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="lower right", ncols=2)
    return ax


def plot_natural_against_d3s(gaps: pd.DataFrame, accuracies: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """One dot per model, natural images across, D3S up; on the dashed line nothing would be lost.

    Args:
        gaps: see `gaps.gap_table`.
        accuracies: see `gaps.accuracy_table` by model and dataset, for the whiskers.
    """
    ax = new_axis(ax, width=6.4, height=5.6)
    ax.plot([0, 100], [0, 100], color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4, zorder=1)
    ax.text(52, 54, "no loss", rotation=45, rotation_mode="anchor", transform_rotates_text=True, fontsize=9)
    ends = accuracies.pivot(index="model", columns="dataset", values=["low", "high"])
    for number, row in enumerate(gaps.itertuples()):
        color = COLORS["ink"] if row.model == ZOO_MEAN else f"C{number % 8}"
        low, high = (ends.loc[row.model, end] for end in ("low", "high"))
        ax.hlines(row.d3s, low["natural"], high["natural"], color=color, alpha=0.35, linewidth=4)
        ax.vlines(row.natural, low["d3s"], high["d3s"], color=color, alpha=0.35, linewidth=4)
        ax.plot(row.natural, row.d3s, "o", color=color, label=row.model)
    ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal", title="At home and elsewhere")
    ax.set(xlabel="accuracy on held-out natural images (%)", ylabel="accuracy on D3S (%)")
    ax.legend(loc="upper left")
    return ax


def plot_gaps(gaps: pd.DataFrame, ax: Axes | None = None, *, target: float | None = None) -> Axes:
    """Points lost from natural images to D3S, the greatest loss on top; `target` is drawn as a line."""
    rows = gaps.sort_values("gap", ascending=False, kind="stable")
    ax = interval_dots(rows, "model", "gap", ax=ax, color=COLORS["d3s"])
    for position, gap in enumerate(rows["gap"]):
        ax.annotate(f"{gap:.1f}", (gap, position), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=10)
    if target is not None:
        chance_line(ax, target, "target", axis="x")
    ax.set(
        xlabel="accuracy lost on D3S (points)", title="What each model loses", xlim=(min(0, rows["low"].min()), None)
    )
    return ax


def plot_by_background(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Zoo accuracy per background, hardest at the bottom: D3S, and the other sets whose backgrounds are known.

    Args:
        table: dataset, background, accuracy, low, high.
    """
    order = table[table["dataset"] == D3S].sort_values("accuracy", ascending=False)["background"]
    ax = new_axis(ax, height=0.9 + 0.4 * len(order))
    known = table.dropna(subset="background")
    names = [name for name in SETS if name in {UNIFORM, D3S, *known["dataset"]}]
    for shift, name in zip(np.linspace(-0.15, 0.15, len(names)), names, strict=True):
        rows = known[known["dataset"] == name].set_index("background").reindex(order).reset_index()
        how = {"color": SET_COLORS.get(name, COLORS["guide"]), "label": SETS[name].shows, "shift": shift}
        if rows["accuracy"].notna().any():
            interval_dots(rows, "background", ax=ax, **how)
    ax.set(
        xlabel="accuracy, mean of the zoo (%)", xlim=(0, 100), title=worded("Some {backgrounds} are harder than others")
    )
    ax.legend(loc="lower right")
    return ax


def plot_class_gaps(gaps: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Each class on natural images and on D3S (mean of the zoo), joined by what it loses; the greatest loss on top."""
    rows = gaps.sort_values("gap", ascending=False, kind="stable").reset_index(drop=True)
    ax = new_axis(ax, height=0.9 + 0.4 * len(rows))
    ax.hlines(rows.index, rows["d3s"], rows["natural"], color=COLORS["chance"], linewidth=2)
    ax.plot(rows["natural"], rows.index, "o", color=COLORS["natural"], label="natural images")
    ax.plot(rows["d3s"], rows.index, "o", color=COLORS["d3s"], label="D3S")
    ax.set_yticks(rows.index, rows["class_name"])
    ax.set(xlabel="accuracy, mean of the zoo (%)", xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5))
    ax.set_title(worded("Which classes rest on their {background}?"))
    ax.grid(False, axis="y")
    return legend_below(ax)


def plot_cells(cells: pd.DataFrame, usual: pd.Series, ax: Axes | None = None) -> Axes:
    """Accuracy per class and background; a frame marks the background a class usually has.

    Args:
        cells: accuracies, class names by backgrounds.
        usual: class name to background; may be empty.
    """
    ax = heatmap(cells, ax=ax, label="accuracy on D3S, mean of the zoo (%)")
    for position, name in enumerate(cells.index):
        if usual.get(name) in cells.columns:
            corner = (cells.columns.get_loc(usual[name]) - 0.5, position - 0.5)
            ax.add_patch(plt.Rectangle(corner, 1, 1, fill=False, edgecolor=COLORS["d3s"], linewidth=2.5))
    title = "At home (framed) and elsewhere" if len(usual) else worded("Every class on every {background}")
    ax.set(title=title, xlabel="", ylabel="")
    return ax


def plot_confusion(counts: pd.DataFrame, ax: Axes | None = None, *, title: str, xlabel: str = "guess") -> Axes:
    """Percent of each row's guesses, rows as they come."""
    ax = heatmap(counts, ax=ax, vmax=max(1.0, np.nanmax(counts.to_numpy())), label="share of the guesses (%)")
    ax.set(title=title, xlabel=xlabel, ylabel="")
    return ax


def plot_background_pull(pull: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many of the mistakes name the class that lives on the background shown."""
    if pull.empty:
        return nothing(ax, "nobody knows where these photographs were taken, so no class has a home")
    ax = interval_dots(pull, "model", "share", ax=ax, color=COLORS["background"])
    chance_line(ax, pull["chance"].iloc[0], axis="x")
    ax.set(
        xlabel="mistakes that name the class at home there (%)",
        xlim=(0, 100),
        title=worded("Do mistakes follow the {background}?"),
    )
    return ax


def plot_habit_curve(curve: pd.DataFrame, ax: Axes | None = None, *, model: str = "") -> Axes:
    """Accuracy against the habit a model was trained with; bands are 95 % intervals.

    Args:
        curve: see `gaps.habit_curve`.
    """
    ax = new_axis(ax)
    for images, rows in curve.groupby("images", sort=False):
        label, color = CURVES[images]
        ax.fill_between(rows["habit"], rows["low"], rows["high"], color=color, alpha=0.18, linewidth=0)
        ax.plot(rows["habit"], rows["accuracy"], "o-", color=color, label=worded(label))
    ax.set(xlabel=worded("how often a class is on its usual {background} while training"), ylabel="accuracy (%)")
    ax.set(ylim=(0, 100))
    ax.set(xticks=sorted(curve["habit"].unique()), title=f"What a habit costs {f'({model})' if model else ''}".strip())
    ax.legend(loc="lower left")
    return ax


def plot_decomposition(parts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A waterfall from natural images down to D3S: what the style, the background and wrong labels take away.

    Args:
        parts: see `decomposition.of_order`, the rows of one model and one order.
    """
    ax = new_axis(ax)
    rows = parts.set_index("part")
    level = rows.loc["natural", "points"]
    for position, (part, row) in enumerate(rows.iterrows()):
        drop = part in PARTS
        bottom, height = (level - row["points"], row["points"]) if drop else (0, row["points"])
        if not np.isfinite(height):
            ax.text(position, level, "not known", ha="center", va="bottom", fontsize=10)
            continue
        ax.bar(position, height, bottom=bottom, width=0.62, color=PART_COLORS[part], alpha=0.9)
        end = bottom if drop else height
        spread = [[max(0.0, row["points"] - row["low"])], [max(0.0, row["high"] - row["points"])]]
        ax.errorbar(
            position, end, yerr=spread[::-1] if drop else spread, color=COLORS["ink"], linewidth=1.6, fmt="none"
        )
        text = f"{0.0 - round(height, 1):+.1f}" if drop else f"{height:.1f}"
        ax.annotate(
            text,
            (position + 0.06, max(bottom, end, bottom + height)),
            xytext=(0, 10),
            textcoords="offset points",
            ha="left",
        )
        if drop:
            ax.plot([position - 0.69, position + 0.31], [level, level], color=COLORS["chance"], linewidth=1)
            level = bottom
    ax.set_xticks(range(len(rows)), [worded(PART_NAMES[part]).replace(" ", "\n") for part in rows.index])
    ax.set(ylabel="accuracy (%)", ylim=(0, 105), title="Where the accuracy goes (mean of the zoo, both orders)")
    ax.grid(False, axis="x")
    return ax


def plot_two_by_two(cells: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A line for natural images and one for generated ones, from habit to none; parallel lines do not interact.

    Args:
        cells: see `decomposition.two_by_two`, the rows of one model.
    """
    known = cells.dropna(subset=["accuracy"])
    if len(known) < len(cells):
        return nothing(ax, worded("nobody knows the {background} of these natural images, so the four do not exist"))
    ax = new_axis(ax, width=5.6)
    for style, color, shift in (("natural", COLORS["natural"], -0.02), ("generated", COLORS["d3s"], 0.02)):
        rows = known[known["style"] == style].set_index("background").loc[["habitual", "uniform"]]
        spread = np.clip([rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]], 0, None)
        ax.errorbar(np.arange(2) + shift, rows["accuracy"], yerr=spread, fmt="o-", color=color, label=f"{style} images")
    ax.set_xticks(range(2), [worded("{background} as usual for the class"), worded("any {background} alike")])
    ax.set(xlim=(-0.3, 1.3), ylim=(0, 102), ylabel="accuracy, mean of the zoo (%)")
    ax.set_title(worded("Style and {background}, each alone and both"))
    ax.legend(loc="lower left")
    return ax


def plot_rules(table: pd.DataFrame, ax: Axes | None = None, *, voters: str = "") -> Axes:
    """Zoo accuracy on the images that each acceptance rule keeps; the number kept stands beside the rule."""
    titles = {name: rule.title for name, rule in RULES.items()}
    rows = table.assign(name=[f"{titles.get(row.rule, row.rule)}, n = {row.n}" for row in table.itertuples()])
    ax = interval_dots(rows, "name", ax=ax, color=COLORS["verified"])
    ax.set(xlabel="accuracy on D3S, mean of the zoo (%)", xlim=(0, 100))
    ax.set_title("Does the rule of acceptance matter?" + (f"\nvotes of {voters}" if voters else ""))
    return ax


AUDIT_PARTS = {
    "candidate": "candidates: every model wrong",
    "audit": "audit: a sample of the rest",
    "presumed": "the rest, had it not been asked about",
}


def plot_audit(table: pd.DataFrame, ax: Axes | None = None, *, voters: str = "") -> Axes:
    """Share of images whose labels are refused, by why they are asked about; 95 % Wilson intervals.

    Args:
        table: see `verdict_errors.audit`.
    """
    names = [f"{AUDIT_PARTS[row.part]}\n{row.share:.0f} % of the images" for row in table.itertuples()]
    ax = interval_dots(table.assign(name=names), "name", "error", ax=ax, color=COLORS["verified"])
    ax.get_figure(root=True).set_size_inches(6.4, 2.6)
    ax.tick_params(axis="y", labelsize=9)
    ax.set(xlabel="images refused (%)", xlim=(0, None))
    ax.set_title("Is the rest as good as presumed?" + (f"\nvotes of {voters}" if voters else ""))
    return ax


def draw_failures(images: np.ndarray, failures: pd.DataFrame, names: Sequence[str], columns: int = 6) -> Figure:
    """Generated images with what they show, where, and what the models saw instead.

    Args:
        images: (N, S, S, 3) uint8, one per row of `failures`.
        failures: see `mistakes.confident_failures`.
        names: class names by label.
    """
    titles = [
        f"{names[row.label]}\n{row.background}\n→ {names[row.guess]} ({row.p_guess:.0%})"
        for row in failures.itertuples()
    ]
    return image_grid(list(images), titles, columns, side=1.7, title="Sure and wrong: what it is, where, and the guess")
