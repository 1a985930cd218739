"""Figures of notebook 04: the two streams, how training went, and maps of what features know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.disentanglement.features import Features
from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.figures.shapes import (
    COLORS,
    dots,
    image_grid,
    key,
    legend,
    legend_below,
    new_axis,
    nothing,
    worded,
    zoom,
)
from d3s_utils.ground.run import headless
from d3s_utils.ground.seeds import rng_for

PART_COLORS = {"label": COLORS["foreground"], "background": COLORS["background"]}
PART_NAMES = {"label": "class, from foreground features", "background": "{background}, from {background} features"}
SEEN = {"fg_penalty": "{background} in foreground features", "bg_penalty": "class in {background} features"}
SMOOTH = 20  # steps a curve is averaged over
# Ten colours for the names of a map, which `MARKERS` support; those of backgrounds are not those of classes.
CLASS_COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#6B6F76", "#000000"]
CLASS_COLORS += ["#8C564B"]
PLACE_COLORS = ["#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499"]
PLACE_COLORS += ["#BBBBBB"]
MARKERS = "osD^vP<X>p"


def draw_streams(d3s: np.ndarray, images: pd.DataFrame, natural: np.ndarray, seed: int, columns: int = 8) -> Figure:
    """Random pictures of both streams: D3S images with their two labels above, natural images below.

    Args:
        d3s: (N, S, S, 3) pictures of the rows of `images`.
        natural: (M, S, S, 3).
    """
    rng = rng_for(seed, "streams figure")
    above, below = (rng.permutation(len(own))[:columns] for own in (d3s, natural))
    titles = [f"{row.class_name}\n{row.background}" for row in images.iloc[above].itertuples()]
    pictures = [*d3s[above], *natural[below]]
    return image_grid(pictures, titles, len(above), row_titles=["D3S", "natural,\nno labels"], side=1.35)


def plot_head_curves(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Accuracy of the heads on the batches they learn from, as far as they learn, a running mean of 20 steps."""
    names = {f"{part}_accuracy": name for part, name in PART_NAMES.items()}
    ax = _curves(history.dropna(subset=["label_accuracy"]), names, ax)  # a plain network learns the class alone
    ax.set(xlabel="step", ylabel="accuracy on training batches (%)", ylim=(0, 102), title="The heads while learning")
    return legend(ax, "lower right")


def plot_penalty_curves(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What the penalty still sees on either side of the split, in percent of the most it saw; a mean of 20 steps."""
    steps = history.reindex(columns=["step", *SEEN]).dropna(subset=["fg_penalty"])
    most = steps[list(SEEN)].rolling(SMOOTH, min_periods=1).mean().abs().max(axis=None)
    if not most > 0:
        return nothing(ax, "no penalty")
    ax = _curves(steps.assign(**{side: 100 * steps[side] / most for side in SEEN}), SEEN, ax)
    ax.axhline(0, color=COLORS["chance"], linewidth=1)
    ax.set(xlabel="step", ylabel="dependence seen\n(% of the most)", ylim=(min(-4, ax.get_ylim()[0]), 104))
    return ax


def _curves(steps: pd.DataFrame, names: dict[str, str], ax: Axes | None) -> Axes:
    """The columns `names` of `steps` that exist as running means over the steps, in the colours of the two parts."""
    ax = new_axis(ax)
    for (column, name), color in zip(names.items(), PART_COLORS.values(), strict=True):
        if column in steps:
            curve = steps[column].rolling(SMOOTH, min_periods=1).mean()
            sns.lineplot(x=steps["step"], y=curve, color=color, label=worded(name), legend=False, estimator=None, ax=ax)
    return ax


def draw_training(histories: dict[str, pd.DataFrame]) -> Figure:
    """One row per method: the heads' accuracy at the left, the dependence the penalty sees at the right."""
    size = (9.6, 1.1 + 1.75 * len(histories))
    figure, axes = plt.subplots(len(histories), 2, figsize=size, squeeze=False, sharex="row")
    for (left, right), (method, history) in zip(axes, histories.items(), strict=True):
        plot_penalty_curves(history, right)
        plot_head_curves(history, left).set(title=method, ylabel="heads (%)", ylim=(50, 102), xlabel="")
        left.get_legend().remove()
        right.set(xlabel="", ylabel="seen (%)")
    axes[0, 1].set_title("dependence seen, % of the most")
    for ax in axes[-1]:
        ax.set_xlabel("step")
    for column in axes.T:
        handles, labels = max((ax.get_legend_handles_labels() for ax in column), key=lambda found: len(found[0]))
        if handles:
            column[-1].legend(handles, labels, loc="upper center", bbox_to_anchor=(0.45, -0.45), fontsize=10)
    return figure


def plot_head_accuracy(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Both heads on validation images they never saw, one row per method; bars are 95 % intervals.

    Args:
        table: method, head ("label" or "background"), accuracy, low, high.
    """
    rows = table.assign(head=[worded(PART_NAMES[head]) for head in table["head"]])
    palette = {worded(PART_NAMES[head]): color for head, color in PART_COLORS.items()}
    ax = dots(rows, "method", hue="head", palette=palette, ax=ax)
    ax.set(xlabel="accuracy of the head (%)", title="What each part still knows of its own")
    return legend_below(zoom(ax, rows), 1)


def draw_maps(features: Features, images: pd.DataFrame, method: str) -> Figure:
    """Both parts on their two main axes (PCA), each coloured once by class and once by background.

    A part that does its duty shows islands in one column and confetti in the other.

    Args:
        images: label, class_name, background_index and background of each row of `features`.
        method: whose features these are.
    """
    figure, axes = plt.subplots(2, 2, figsize=(8.8, 7.8))
    parts = {"foreground features": features.fg, "{background} features": features.bg}
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        points = principal_axes(part)
        plot_map(points, images["label"], images["class_name"], row[0])
        plot_map(points, images["background_index"], images["background"], row[1], colors=PLACE_COLORS)
        row[0].set_title(worded(f"{name},\ncoloured by class"))
        row[1].set_title(worded(f"{name},\ncoloured by {{background}}"))
    for above, below in axes.T:
        above.get_legend().remove()
        legend(below, "upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, fontsize=9, columnspacing=0.8)
    figure.suptitle("No penalty, one backbone cut in two" if method == BACKBONE else f"With the penalty {method}")
    return figure


def plot_map(
    points: np.ndarray,
    codes: pd.Series,
    names: pd.Series,
    ax: Axes | None = None,
    *,
    colors: Sequence[str] = CLASS_COLORS,
) -> Axes:
    """`points` (N, 2), coloured and marked by their `codes`; the `names` of the first ten, the others in grey."""
    ax = new_axis(ax)
    table = pd.DataFrame(points, columns=["x", "y"]).assign(code=codes.to_numpy())
    names = names.groupby(codes).first().head(len(MARKERS))
    palette, markers = (dict(zip(names.index, style, strict=False)) for style in (colors, MARKERS))
    look = {"x": "x", "y": "y", "s": 16, "linewidth": 0, "legend": False, "ax": ax}
    if len(others := table[~table["code"].isin(names.index)]):
        sns.scatterplot(others, color=COLORS["chance"], alpha=0.35, **look)
    marks = {"hue": "code", "palette": palette, "style": "code", "markers": markers}
    sns.scatterplot(table[table["code"].isin(names.index)], alpha=0.8, **marks, **look)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    return key(ax, dict(zip(names, colors, strict=False)), MARKERS, linestyle="none")


def principal_axes(x: np.ndarray) -> np.ndarray:
    """(N, D) -> (N, 2): the two directions of most variance, each pointing where most of its weight is positive."""
    centred = x - x.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    first = directions[:2] * np.sign(directions[:2].sum(axis=1, keepdims=True))
    return centred @ first.T


def watch(records: Iterator[dict], every: int = 50) -> pd.DataFrame:
    """Collect the records of a training run into a table; where somebody is looking, redraw the curves as they come."""
    if headless():
        return pd.DataFrame(records)
    from IPython.display import display

    rows, handle = [], display(display_id=True)
    for record in records:
        rows.append(record)
        if len(rows) % every == 0:
            ax = plot_head_curves(pd.DataFrame(rows))
            handle.update(ax.get_figure())
            plt.close(ax.get_figure())
    return pd.DataFrame(rows)
