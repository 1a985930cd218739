"""Figures of notebook 04: the two streams, how training went, and maps of what features know."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3s_utils.disentanglement.features import Features
from d3s_utils.disentanglement.models import BACKBONE
from d3s_utils.figures.shapes import COLORS, image_grid, interval_dots, legend_below, new_axis, panel, worded
from d3s_utils.ground.run import headless
from d3s_utils.ground.seeds import rng_for

PART_COLORS = {"label": COLORS["foreground"], "background": COLORS["background"]}
PART_NAMES = {"label": "class, from foreground features", "background": "{background}, from {background} features"}
SMOOTH = 20  # steps a curve is averaged over


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
    titles += [""] * (len(pictures) - len(titles))
    return image_grid(pictures, titles, len(above), row_titles=["D3S", "natural"], side=1.35)


def plot_head_curves(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Accuracy of the heads on the batches they learn from, as far as they learn, a running mean of 20 steps."""
    ax = new_axis(ax)
    steps = history.dropna(subset=["label_accuracy"])
    for name, color in PART_COLORS.items():
        if f"{name}_accuracy" not in steps:
            continue  # a plain network learns the class alone
        curve = steps[f"{name}_accuracy"].rolling(SMOOTH, min_periods=1).mean()
        ax.plot(steps["step"], curve, color=color, label=worded(PART_NAMES[name]))
    ax.set(xlabel="step", ylabel="accuracy on training batches (%)", ylim=(0, 102))
    ax.set_title("The heads while learning")
    ax.legend(loc="lower right")
    return ax


def plot_penalty_curves(history: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What the penalty still sees on either side of the split, each in its own unit; a running mean of 20 steps."""
    ax = new_axis(ax)
    steps = history.dropna(subset=["fg_penalty"]) if "fg_penalty" in history else history.iloc[:0]
    sides = (("fg_penalty", "{background} in foreground features"), ("bg_penalty", "class in {background} features"))
    for (column, label), color in zip(sides, PART_COLORS.values(), strict=True):
        if len(steps):
            curve = steps[column].rolling(SMOOTH, min_periods=1).mean()
            ax.plot(steps["step"], curve, color=color, label=worded(label))
    ax.axhline(0, color=COLORS["chance"], linewidth=1)
    ax.set(xlabel="step", ylabel="dependence seen")
    return ax


def draw_training(histories: dict[str, pd.DataFrame]) -> Figure:
    """One column per penalty: the heads' accuracy above, the dependence the penalty sees below."""
    figure, axes = panel(len(histories), 2, width=3.6, height=2.9)
    axes = axes.reshape(2, len(histories))
    for column, (method, history) in enumerate(histories.items()):
        plot_head_curves(history, axes[0, column]).set(title=method, xlabel="", ylim=(50, 102))
        plot_penalty_curves(history, axes[1, column])
        for row in range(2):
            if column:
                axes[row, column].set_ylabel("")
            if axes[row, column].get_legend():
                axes[row, column].get_legend().remove()
    for row in range(2):
        handles = axes[row, -1].get_legend_handles_labels()
        axes[row, 0].legend(*handles, loc="lower right" if row == 0 else "upper right", fontsize=8)
    return figure


def plot_head_accuracy(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Both heads on validation images they never saw, one row per method; bars are 95 % intervals.

    Args:
        table: method, head ("label" or "background"), accuracy, low, high.
    """
    ax = new_axis(ax, height=1.2 + 0.45 * table["method"].nunique())
    for shift, (head, color) in zip((-0.13, 0.13), PART_COLORS.items(), strict=True):
        rows = table[table["head"] == head]
        interval_dots(rows, "method", ax=ax, color=color, label=worded(PART_NAMES[head]), shift=shift)
    ax.set(xlabel="accuracy of the jointly trained head (%)", xlim=(min(80, table["low"].min() - 2), 100.5))
    ax.set_title("What each part still knows of its own")
    return legend_below(ax, 2)


def draw_maps(features: Features, images: pd.DataFrame, method: str) -> Figure:
    """Both parts on their two main axes (PCA), each coloured once by class and once by background.

    A part that does its duty shows islands in one column and confetti in the other.

    Args:
        images: label, class_name, background_index and background of each row of `features`.
        method: whose features these are.
    """
    figure, axes = panel(2, 2, width=4.4, height=3.9)
    parts = {"foreground features": features.fg, "{background} features": features.bg}
    for (name, part), (left, right) in zip(parts.items(), axes.reshape(2, 2), strict=True):
        points = principal_axes(part)
        plot_map(points, images["label"], images["class_name"], left)
        plot_map(points, images["background_index"], images["background"], right)
        left.set_title(worded(f"{name},\ncoloured by class"))
        right.set_title(worded(f"{name},\ncoloured by {{background}}"))
    for ax in axes[2:]:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)}
        ax.legend(**place, ncols=3, fontsize=8, markerscale=2, columnspacing=0.8)
    figure.suptitle("No penalty, one backbone cut in two" if method == BACKBONE else f"With the penalty {method}")
    return figure


def plot_map(points: np.ndarray, codes: pd.Series, names: pd.Series, ax: Axes | None = None) -> Axes:
    """`points` (N, 2), coloured by their `codes`; in the legend stand the `names` of the first ten."""
    ax = new_axis(ax)
    for code, name in names.groupby(codes).first().head(10).items():
        chosen = points[(codes == code).to_numpy()]
        ax.scatter(*chosen.T, s=9, color=plt.get_cmap("tab10")(code), label=name, linewidth=0, alpha=0.8)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    return ax


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
