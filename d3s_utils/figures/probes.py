"""Figures of notebook 05: what probes read, in four directions, and how far counterfactuals move features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.figures.shapes import (
    COLORS,
    chance_line,
    image_grid,
    interval_dots,
    label_name,
    legend_below,
    new_axis,
    panel,
    worded,
)
from d3s_utils.probes.directions import DIRECTIONS, ERASED, LEAKS

PROBE_STYLES = {"linear": ("#0072B2", -0.17), "mlp": ("#D55E00", 0.17)}
PROBE_NAMES = {"linear": "linear probe", "mlp": "MLP probe"}


def direction_name(id: str) -> str:
    """The direction `id` in words: "class from background features"."""
    return next(direction for direction in DIRECTIONS if direction.id == id).name(label_name("background"))


def plot_direction(
    summary: pd.DataFrame, direction: str, ax: Axes | None = None, *, paper: float | None = None
) -> Axes:
    """One row per method, a dot per probe; bars are 95 % intervals, dashes chance, the diamond the paper's own number.

    Args:
        summary: rows of `directions.summarise`, with `chance` in percent.
        paper: in percent, drawn beside "wasserstein", the paper's method, where chance was another one.
    """
    rows = summary[summary["direction"] == direction]
    ax = new_axis(ax, height=1.4 + 0.4 * rows["method"].nunique())
    for probe, (color, shift) in PROBE_STYLES.items():
        interval_dots(rows[rows["probe"] == probe], "method", ax=ax, color=color, label=PROBE_NAMES[probe], shift=shift)
    methods = list(rows["method"].unique())
    if paper is not None and "wasserstein" in methods:
        style = {"markerfacecolor": "white", "markeredgecolor": COLORS["ink"], "color": "none"}
        ax.plot(paper, methods.index("wasserstein"), "D", label="paper", zorder=4, **style)
    chance_line(ax, rows["chance"].iloc[0], axis="x")
    ax.set(xlabel="accuracy (%)", xlim=(0, 102), title=direction_name(direction))
    return ax


def draw_directions(summary: pd.DataFrame, paper: dict[str, float]) -> Figure:
    """All four directions: what a part should know on the left, what it should not on the right.

    Args:
        paper: the paper's number by direction id, in percent.
    """
    n = summary["method"].nunique()
    figure, axes = panel(2, 2, width=6.6, height=1.3 + 0.33 * n)
    order = ("fg_from_fg", "bg_from_fg", "bg_from_bg", "fg_from_bg")
    for ax, direction in zip(axes, order, strict=True):
        plot_direction(summary, direction, ax, paper=paper.get(direction))
    for ax in axes[1::2]:
        ax.set_yticklabels([])
    axes[0].legend(loc="lower center", fontsize=9)
    figure.suptitle("Left: what each part should know. Right: what it should not.")
    return figure


def plot_leakage(summary: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Both leaks against each other, one point per method and probe: best where the chance lines cross."""
    ax = new_axis(ax, width=6.6, height=5.4)
    table = summary.pivot(index=["method", "probe"], columns="direction", values="accuracy").reset_index()
    for probe, (color, _) in PROBE_STYLES.items():
        rows = table[table["probe"] == probe]
        ax.plot(rows["bg_from_fg"], rows["fg_from_bg"], "o", color=color, label=PROBE_NAMES[probe])
    for own in (own for method, own in table.groupby("method") if ERASED not in method):
        ax.plot(own["bg_from_fg"], own["fg_from_bg"], color=COLORS["chance"], linewidth=0.8, zorder=0)
        far = own.loc[own["bg_from_fg"].idxmax()]
        right = far["bg_from_fg"] < 80
        ax.annotate(
            far["method"],
            (far["bg_from_fg"], far["fg_from_bg"]),
            (6, -3) if right else (-6, 4),
            textcoords="offset points",
            ha="left" if right else "right",
            fontsize=8,
        )
    chance = summary.drop_duplicates("direction").set_index("direction")["chance"]
    chance_line(ax, chance["fg_from_bg"])
    chance_line(ax, chance["bg_from_fg"], axis="x")
    ax.set(xlabel=f"{direction_name('bg_from_fg')} (%)", ylabel=f"{direction_name('fg_from_bg')} (%)")
    ax.set(xlim=(0, 102), ylim=(0, 102))
    ax.set_title("Both leaks at once (dots without a name: after LEACE)")
    return legend_below(ax)


def plot_unseen(summary: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The two leaks of each method, read by linear probes that learned from training images, or from unseen ones.

    Args:
        summary: rows with probe "linear" and "linear, unseen images".
    """
    leaks = summary[summary["direction"].isin(LEAKS)]
    ax = new_axis(ax, height=1.4 + 0.42 * leaks["method"].nunique())
    styles = [
        ("bg_from_fg", "linear", COLORS["foreground"], -0.3, 0.45),
        ("bg_from_fg", "linear, unseen images", COLORS["foreground"], -0.1, 1.0),
        ("fg_from_bg", "linear", COLORS["background"], 0.1, 0.45),
        ("fg_from_bg", "linear, unseen images", COLORS["background"], 0.3, 1.0),
    ]
    for direction, probe, color, shift, alpha in styles:
        rows = leaks[(leaks["direction"] == direction) & (leaks["probe"] == probe)]
        learned = "validation" if "unseen" in probe else "training"
        label = f"{direction_name(direction)},\nlearned on {learned} images"
        interval_dots(rows, "method", ax=ax, color=color, shift=shift, label=label)
        ax.lines[-1].set_alpha(alpha)
    chance_line(ax, leaks["chance"].iloc[0], axis="x")
    ax.set(xlabel="accuracy of a linear probe (%)", xlim=(0, 102), title="The leaks, learned on other images")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return ax


def draw_family(images: np.ndarray, guides: np.ndarray, families: pd.DataFrame, family: int = 0) -> Figure:
    """One family: a row per foreground, its guide first, then one image per background, all from one seed.

    Args:
        images, guides: (N, S, S, 3) uint8 of the rows of `families`.
    """
    rows = families.reset_index(drop=True)
    rows = rows[rows["family"] == family]
    backgrounds = list(rows["background"].unique())
    pictures, names = [], []
    for _, row in rows.groupby("label", sort=False):
        pictures += [guides[row.index[0]], *images[row.index]]
        names.append(row["class_name"].iloc[0])
    return image_grid(pictures, ["guide", *backgrounds], len(backgrounds) + 1, row_titles=names, side=1.1)


def plot_movement(ratios: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Movement with the background over movement with the foreground, per method; bars redraw whole families."""
    ax = new_axis(ax, height=1.5 + 0.42 * ratios["method"].nunique())
    parts = (("fg", "foreground features", COLORS["foreground"]), ("bg", "{background} features", COLORS["background"]))
    for shift, (kind, name, color) in zip((-0.15, 0.15), parts, strict=True):
        interval_dots(
            ratios[ratios["features"] == kind], "method", "ratio", ax=ax, color=color, label=worded(name), shift=shift
        )
    chance_line(ax, 1.0, "as far either way", axis="x")
    ax.set(xscale="log", xlabel=worded("movement with the {background} / movement with the foreground"))
    ax.set_title("What moves the features")
    ax.set_xticks(ticks := _ticks(ratios), [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    return legend_below(ax)


def _ticks(ratios: pd.DataFrame) -> Sequence[float]:
    low, high = ratios["low"].min(), ratios["high"].max()
    return [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if low / 1.5 <= tick <= 1.5 * high]
