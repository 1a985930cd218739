"""Figures of notebook 05: what probes read, how strong they are, and how far counterfactuals move features."""

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

PROBE_STYLES = {  # colour, and where in a row its dot stands
    "linear": ("#0072B2", -0.27),
    "mlp": ("#D55E00", -0.09),
    "svm": ("#009E73", 0.09),
    "forest": ("#CC79A7", 0.27),
}
PROBE_NAMES = {"linear": "linear probe", "mlp": "MLP", "svm": "SVM", "forest": "random forest"}


def direction_name(id: str) -> str:
    """The direction `id` in words: "class from background features"."""
    return next(direction for direction in DIRECTIONS if direction.id == id).name(label_name("background"))


def plot_direction(
    summary: pd.DataFrame, direction: str, ax: Axes | None = None, *, paper: float | None = None, method: str = ""
) -> Axes:
    """One row per method, a dot per probe; bars are 95 % intervals, dashes chance, the diamond the paper's own number.

    Args:
        summary: rows of `directions.summarise`, with `chance` in percent.
        paper: in percent, drawn beside `method`, which stands for the paper's; chance may have been another one there.
    """
    rows = summary[summary["direction"] == direction]
    methods = list(rows["method"].unique())
    ax = new_axis(ax, height=1.4 + 0.4 * len(methods))
    for probe, (color, shift) in PROBE_STYLES.items():
        own = rows[rows["probe"] == probe].set_index("method").reindex(methods).reset_index()
        if own["accuracy"].notna().any():
            interval_dots(own, "method", ax=ax, color=color, label=PROBE_NAMES[probe], shift=shift)
    if paper is not None and method in methods:
        style = {"markerfacecolor": "white", "markeredgecolor": COLORS["ink"], "color": "none"}
        ax.plot(paper, methods.index(method), "D", label="paper", zorder=4, **style)
    chance_line(ax, rows["chance"].iloc[0], axis="x")
    ax.set(xlabel="accuracy (%)", xlim=(0, 102), title=direction_name(direction))
    return ax


def draw_directions(summary: pd.DataFrame, paper: dict[str, float], method: str) -> Figure:
    """All four directions: what a part should know on the left, what it should not on the right.

    Args:
        paper: the paper's number by direction id, in percent.
        method: which method stands for the paper's.
    """
    n = summary["method"].nunique()
    figure, axes = panel(2, 2, width=6.6, height=1.3 + 0.33 * n)
    order = ("fg_from_fg", "bg_from_fg", "bg_from_bg", "fg_from_bg")
    for ax, direction in zip(axes, order, strict=True):
        plot_direction(summary, direction, ax, paper=paper.get(direction), method=method)
    for ax in axes[1::2]:
        ax.set_yticklabels([])
    axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    figure.suptitle("Left: what each part should know. Right: what it should not.")
    return figure


def plot_leakage(summary: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Both leaks against each other, one point per method and probe: best where the chance lines cross."""
    ax = new_axis(ax, width=6.6, height=5.4)
    table = summary.pivot(index=["method", "probe"], columns="direction", values="accuracy").reset_index()
    table = table.dropna(subset=list(LEAKS))
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


def plot_strongest(leak: pd.DataFrame, others: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """The leaks as the strongest probe reads them, on the way from chance (0) to 100 %; the probe's name beside a dot.

    Args:
        leak: `protocol.leaks`.
        others: the same rows of runs under several training seeds, small and hollow.
    """
    rows = leak[leak["direction"].isin(LEAKS)]
    way = 100 / (100 - rows["chance"])
    ends = {end: way * (rows[end] - rows["chance"]) for end in ("low", "high")}
    rows, methods = rows.assign(**ends), list(rows["method"].unique())
    ax = new_axis(ax, width=9.6, height=2.0 + 0.42 * len(methods))
    for direction, color, shift in zip(LEAKS, (COLORS["foreground"], COLORS["background"]), (-0.17, 0.17), strict=True):
        own = rows[rows["direction"] == direction].set_index("method").reindex(methods).reset_index()
        interval_dots(own, "method", "share", ax=ax, color=color, label=direction_name(direction), shift=shift)
        if others is not None and len(others):
            seen = others[(others["direction"] == direction) & others["method"].isin(methods)]
            style = {"markerfacecolor": "none", "markeredgecolor": color, "color": "none", "markersize": 4}
            label = f"each of {others['training_seed'].nunique()} training seeds"
            ax.plot(seen["share"], seen["method"].map(methods.index) + shift, "o", label=label, zorder=1, **style)
        ends = (
            own["high"]
            if others is None or others.empty
            else own["high"].clip(
                lower=own["method"].map(others[others["direction"] == direction].groupby("method")["share"].max())
            )
        )
        for row, (x, probe) in enumerate(zip(ends, own["probe"], strict=True)):
            if isinstance(probe, str):
                ax.annotate(PROBE_NAMES[probe], (x, row + shift), (6, 0), textcoords="offset points", va="center",
                            fontsize=8, color=COLORS["ink"])  # fmt: skip
    chance_line(ax, 0, axis="x")
    ax.set(xlabel="leak, of the way from chance to 100 % (%)", xlim=(-12, 118), title="What the strongest probe finds")
    return legend_below(ax, 2)


def draw_strength(curve: pd.DataFrame) -> Figure:
    """Accuracy over the steps of training, one column per leak: linear probe, narrow MLP and full MLP from top down.

    A probe is strong enough where its curve is flat at the right end.

    Args:
        curve: `strength.strength`.
    """
    kinds = [tuple(pair) for pair in curve[["probe", "hidden"]].drop_duplicates().itertuples(index=False)]
    figure, axes = panel(len(LEAKS), len(kinds), width=5.4, height=3.0, sharex=True, sharey=True)
    for ax, (kind, direction) in zip(axes, [(kind, id) for kind in kinds for id in LEAKS], strict=True):
        rows = curve[(curve["probe"] == kind[0]) & (curve["hidden"] == kind[1]) & (curve["direction"] == direction)]
        plot_strength(rows, ax)
        name = f"MLP of {kind[1]} units" if kind[1] else PROBE_NAMES[kind[0]]
        ax.set_title(f"{direction_name(direction)}\n{name}", fontsize=10)
    axes[len(LEAKS) - 1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    for ax in axes[-len(LEAKS) :]:
        ax.set_xlabel("steps")
    return figure


def plot_strength(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Accuracy over steps, a line per method.

    Args:
        rows: of `strength.strength`, of one direction and one kind of probe.
    """
    ax = new_axis(ax)
    for method, own in rows.groupby("method"):
        own = own.sort_values("steps")
        ax.plot(own["steps"], own["accuracy"], "o-", markersize=4, linewidth=1.4, label=method)
    if len(rows):
        chance_line(ax, rows["chance"].iloc[0])
        ax.set_xscale("log", base=2)
        ax.set_xticks(ticks := sorted(rows["steps"].unique()), [f"{tick}" for tick in ticks])
    ax.set(ylabel="accuracy (%)", ylim=(0, 102))
    return ax


def plot_unseen(both: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The two leaks of each method, read by probes that learned from training images, or from unseen ones.

    Args:
        both: rows of `directions.summarise` with the column `learned`: "training images" or "unseen images".
    """
    styles = [
        (direction, learned, COLORS[color], shift + 0.1 * side, 1.0 if side > 0 else 0.45)
        for direction, color, shift in zip(LEAKS, ("foreground", "background"), (-0.2, 0.2), strict=True)
        for learned, side in (("training images", -1), ("unseen images", 1))
    ]
    methods = list(both["method"].unique())
    ax = new_axis(ax, width=8.4, height=2.2 + 0.42 * len(methods))
    for direction, learned, color, shift, alpha in styles:
        rows = both[(both["direction"] == direction) & (both["learned"] == learned)]
        rows = rows.set_index("method").reindex(methods).reset_index()
        label = f"{direction_name(direction)},\n{learned}"
        interval_dots(rows, "method", ax=ax, color=color, shift=shift, label=label)
        ax.lines[-1].set_alpha(alpha)
    chance_line(ax, both["chance"].iloc[0], axis="x")
    ax.set(xlabel="accuracy of the strongest probe (%)", xlim=(0, 102), title="The leaks, learned on other images")
    return legend_below(ax, 2)


def plot_controls(controls: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Probes of random labels: what they know of new images (filled), and of the images they learned from (hollow).

    Args:
        controls: `protocol.probe_controls`.
    """
    methods = list(controls["method"].unique())
    ax = new_axis(ax, width=8.4, height=2.4 + 0.42 * len(methods))
    for direction, color, shift in zip(LEAKS, (COLORS["foreground"], COLORS["background"]), (-0.15, 0.15), strict=True):
        own = controls[controls["direction"] == direction].set_index("method").reindex(methods).reset_index()
        interval_dots(own, "method", ax=ax, color=color, shift=shift, label=f"{direction_name(direction)}, new images")
        style = {"markerfacecolor": "white", "markeredgecolor": color, "color": "none"}
        ax.plot(own["memorised"], np.arange(len(own)) + shift, "o", label="the images learned from", **style)
    chance_line(ax, controls["chance"].iloc[0], axis="x")
    ax.set(xlabel="accuracy on random labels (%)", xlim=(0, 102), title="What a probe memorises")
    return legend_below(ax, 1)


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


def draw_moved(images: np.ndarray, moved: pd.DataFrame, method: str) -> Figure:
    """One foreground on every background, all from one seed, and below how far each part of the features moved.

    Args:
        images: (B, S, S, 3) uint8 of the rows of `moved`.
        moved: see `counterfactuals.moved_from`.
        method: whose features they are.
    """
    start = moved.loc[moved["start"], "background"].iloc[0]
    colors = [COLORS["verified"] if begun else "white" for begun in moved["start"]]
    figure = image_grid(list(images), list(moved["background"]), len(moved), colors=colors, side=1.02)
    (grid,) = figure.axes
    width, height = figure.get_size_inches()
    below, head = 2.0, 0.35
    whole = head + height + below
    figure.set_size_inches(width, whole)
    grid.set_position((0, below / whole, 1, height / whole))
    ax = figure.add_axes((0, 0.3 / whole, 1, (below - 0.62) / whole))
    parts = (("fg", "foreground features", COLORS["foreground"]), ("bg", "{background} features", COLORS["background"]))
    step = width / len(moved)
    for shift, (part, name, color) in zip((-0.19, 0.19), parts, strict=True):
        x = step * (np.arange(len(moved)) + 0.5 + shift)
        ax.bar(x, moved[part], width=0.34 * step, color=color, label=worded(name))
        for place, value in zip(x, moved[part], strict=True):
            ax.text(place, value, f"{value:.2f}", ha="center", va="bottom", fontsize=8)
    ax.set(xlim=(0, width), ylim=(0, 1.25 * max(1e-6, moved[["fg", "bg"]].max(axis=None))), xticks=[], yticks=[])
    ax.spines["left"].set_visible(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, fontsize=9)
    title = (
        f"{moved['class_name'].iloc[0]}: how far the features of {method} move from the image {start} (1: to any image)"
    )
    figure.suptitle(title, y=1 - 0.05 / whole, va="top", fontsize=min(11, 130 * width / len(title)))
    return figure


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
