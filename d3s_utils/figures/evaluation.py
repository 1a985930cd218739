"""Figures of notebook 03. Bars and dots carry 95 % intervals; accuracies are in percent, gaps in points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from d3s_utils.evaluation.decomposition import PARTS
from d3s_utils.evaluation.gaps import ZOO_MEAN
from d3s_utils.evaluation.predict import ImageSet
from d3s_utils.evaluation.sets import D3S, NATURAL, SETS, UNIFORM
from d3s_utils.figures.shapes import (
    COLORS,
    MOST,
    bands,
    chance_line,
    dots,
    heatmap,
    image_grid,
    legend,
    legend_below,
    name_points,
    new_axis,
    nothing,
    worded,
    zoom,
)
from d3s_utils.ground.seeds import rng_for
from d3s_utils.verification.rules import RULES

CURVES = {
    NATURAL: (SETS[NATURAL].shows, COLORS["natural"]),
    D3S: (SETS[D3S].shows, COLORS["d3s"]),
    f"{D3S}, unusual": ("D3S, unusual {backgrounds}", COLORS["uniform"]),
}
SET_COLORS = dict.fromkeys(SETS, COLORS["guide"]) | {UNIFORM: COLORS["natural"], D3S: COLORS["d3s"]}
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
    "background": COLORS["uniform"],
    "labels": COLORS["verified"],
    D3S: COLORS["d3s"],
}


def draw_two_kinds(natural: ImageSet, d3s: ImageSet, key: Sequence[object], columns: int = 10) -> Figure:
    """A picture of each of the first classes, drawn by `key`: natural images above, D3S below."""
    pictures, titles = [], []
    for images in (natural, d3s):
        mixed = images.table.sample(frac=1, random_state=rng_for(*key, "examples"))
        chosen = mixed.groupby("label").head(1).sort_values("label").head(columns)
        pictures += list(images.load(list(chosen["image_id"])))
        titles += ["\n".join(filter(pd.notna, [row.class_name, row.background])) for row in chosen.itertuples()]
    return image_grid(pictures, titles, len(pictures) // 2, row_titles=["natural", "D3S"])


def plot_training(histories: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Accuracy on the augmented natural training images, epoch by epoch, one line per model, named at its end."""
    models = list(histories["model"].unique())
    ax = new_axis(ax, height=max(4.2, 1.2 + 0.19 * len(models)))
    look = {
        "hue": "model",
        "style": "model",
        "dashes": (["", (4, 1.5), (1, 1)] * len(models))[: len(models)],
        "palette": _own(models),
    }
    sns.lineplot(histories, x="epoch", y="accuracy", ax=ax, estimator=None, alpha=0.8, legend=False, **look)
    ax.set(xlabel="epoch", ylabel="accuracy while training (%)", title="The zoo learns its natural images")
    ax.set_ylim(min(90, histories["accuracy"].min() - 3), 101)
    ax.xaxis.get_major_locator().set_params(integer=True)
    last = histories.groupby("model", sort=False).tail(1)
    return name_points(ax, last["epoch"].to_numpy(), last["accuracy"].to_numpy(), list(last["model"]))


def _own(models: Sequence[str]) -> dict[str, str]:
    """A colour of the house for each model, in turn; ink for the mean of all."""
    return {name: COLORS["ink"] if name == ZOO_MEAN else f"C{number % 8}" for number, name in enumerate(models)}


def plot_natural_against_d3s(gaps: pd.DataFrame, accuracies: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """One dot per model, natural images across, D3S up; on the dashed line nothing would be lost.

    Args:
        gaps: see `gaps.gap_table`.
        accuracies: see `gaps.accuracy_table` by model and dataset, for the whiskers.
    """
    ax = new_axis(ax, height=max(5.2, 1.2 + 0.19 * len(gaps)))
    ends = accuracies.pivot(index="model", columns="dataset", values=["low", "high"]).loc[gaps["model"]]
    colors = list(_own(gaps["model"]).values())
    sns.scatterplot(gaps, x="natural", y="d3s", hue="model", palette=colors, s=60, legend=False, ax=ax, zorder=3)
    whiskers = {"color": colors, "alpha": 0.35, "linewidth": 4}
    ax.hlines(gaps["d3s"], ends["low", "natural"], ends["high", "natural"], **whiskers)
    ax.vlines(gaps["natural"], ends["low", "d3s"], ends["high", "d3s"], **whiskers)
    ax.axline((0, 0), slope=1, color=COLORS["chance"], linestyle=(0, (4, 3)), linewidth=1.4, zorder=1)
    low, high = (
        5 * np.floor(ends["low", "natural"].min() / 5) - 5,
        min(100, 5 * np.ceil(ends["high", "natural"].max() / 5)),
    )
    ax.set(xlim=(low, high), ylim=(0, 100), title="At home and elsewhere (dashes: no loss)")
    ax.set(
        xlabel=f"accuracy on held-out natural images (%), from {low:.0f} to {high:.0f}", ylabel="accuracy on D3S (%)"
    )
    return name_points(ax, gaps["natural"].to_numpy(), gaps["d3s"].to_numpy(), list(gaps["model"]))


def plot_gaps(gaps: pd.DataFrame, ax: Axes | None = None, *, target: float | None = None) -> Axes:
    """Points lost from natural images to D3S, the greatest loss on top; `target` is drawn as a line."""
    rows = gaps.sort_values("gap", ascending=False, kind="stable")
    rows = rows.assign(model=[f"{row.model}  {row.gap:.1f}" for row in rows.itertuples()])
    ax = dots(rows, "model", "gap", ax=ax, palette=COLORS["d3s"])
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
    rows = table[table["dataset"].isin(SETS) & table["background"].isin(order)]
    rows = rows.set_index("background").loc[order].reset_index()
    rows["dataset"] = [SETS[name].shows for name in rows["dataset"]]
    palette = {SETS[name].shows: color for name, color in SET_COLORS.items()}
    ax = dots(rows, "background", hue="dataset", palette=palette, ax=ax)
    ax.set(xlabel="accuracy, mean of the zoo (%)", xlim=(0, 100))
    ax.set_title(worded("Some {backgrounds} are harder than others"))
    return legend_below(ax)


def plot_class_gaps(gaps: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Each class on natural images and on D3S (mean of the zoo), the greatest loss on top.

    The bar at D3S is the 95 % interval of the loss.
    """
    rows = gaps.sort_values("gap", ascending=False, kind="stable")
    lost = rows.assign(low=rows["natural"] - rows["high"], high=rows["natural"] - rows["low"], accuracy=rows["d3s"])
    kept = rows.assign(low=rows["natural"], high=rows["natural"], accuracy=rows["natural"])
    palette = {"natural images": COLORS["natural"], "D3S, with the interval of the loss": COLORS["d3s"]}
    table = pd.concat([side.assign(shown=name) for name, side in zip(palette, (kept, lost), strict=True)])
    ax = dots(table, "class_name", hue="shown", palette=palette, ax=ax)
    ax.set(xlabel="accuracy, mean of the zoo (%)", xlim=(0, 101))
    ax.set_title(worded("Which classes rest on their {background}?"))
    return legend_below(ax)


def plot_cells(cells: pd.DataFrame, usual: pd.Series, ax: Axes | None = None) -> Axes:
    """Accuracy per class and background; a frame marks the background a class usually has.

    Args:
        cells: accuracies, class names by backgrounds.
        usual: class name to background; may be empty.
    """
    ax = heatmap(cells, ax=ax, label="accuracy on D3S, mean of the zoo (%)")
    framed = len(usual) and len(cells) <= MOST
    for position, name in enumerate(cells.index if framed else ()):
        if usual.get(name) in cells.columns:
            corner = (cells.columns.get_loc(usual[name]), position)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=COLORS["d3s"], linewidth=2.5))
    ax.set_title("At home (framed) and elsewhere" if framed else worded("Every class on every {background}"))
    return ax


def plot_confusion(counts: pd.DataFrame, ax: Axes | None = None, *, title: str, xlabel: str = "guess") -> Axes:
    """Percent of each row's guesses, rows as they come; colours spread the small shares."""
    norm = PowerNorm(0.5, 0, max(1.0, np.nanmax(counts.to_numpy())))
    ax = heatmap(counts, ax=ax, norm=norm, label="share of the guesses (%)")
    rows = worded("{background} shown") if counts.index.name == "background" else "class shown"
    ax.set(title=title, xlabel=xlabel, ylabel=", ".join(filter(None, [rows, ax.get_ylabel()])))
    return ax


def plot_background_pull(pull: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How many of the mistakes name the class that lives on the background shown."""
    if pull.empty:
        return nothing(ax, "nobody knows where these photographs were taken, so no class has a home")
    ax = dots(pull, "model", "share", ax=ax, palette=COLORS["background"])
    chance_line(ax, pull["chance"].iloc[0], axis="x")
    ax.set(xlabel="mistakes that name the class at home there (%)", xlim=(0, 100))
    ax.set_title(worded("Do mistakes follow the {background}?"))
    return ax


def plot_habit_curve(curve: pd.DataFrame, ax: Axes | None = None, *, model: str = "") -> Axes:
    """Accuracy against the habit a model was trained with; bands are 95 % intervals.

    Args:
        curve: see `gaps.habit_curve`.
    """
    names = {images: worded(label) for images, (label, _) in CURVES.items()}
    palette = {names[images]: color for images, (_, color) in CURVES.items()}
    ax = bands(
        curve.assign(images=curve["images"].map(names)), "habit", "accuracy", hue="images", palette=palette, ax=ax
    )
    ax.set(xlabel=worded("how often a class is on its usual {background} while training"), ylabel="accuracy (%)")
    ax.set(ylim=(0, 100), xticks=sorted(curve["habit"].unique()))
    ax.set_title(f"What a habit costs {f'({model})' if model else ''}".strip())
    return legend(ax, "lower left")


def plot_decomposition(parts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A waterfall from natural images down to D3S: what the style, the background and wrong labels take away.

    Args:
        parts: see `decomposition.of_order`, the rows of one model and one order.
    """
    ax = new_axis(ax)
    rows = parts.reset_index(drop=True)
    drop, points = rows["part"].isin(PARTS), rows["points"].fillna(0)
    after = points.iloc[0] - points.where(drop, 0).cumsum()  # the level a part leaves behind
    top = after.where(drop, points)
    ax.bar(rows.index, points, 0.62, top.where(drop, 0), color=[PART_COLORS[part] for part in rows["part"]])
    spread = np.clip([rows["points"] - rows["low"], rows["high"] - rows["points"]], 0, None)
    spread = np.where(drop, spread[::-1], spread)
    ax.errorbar(rows.index, top, yerr=spread, color=COLORS["ink"], linewidth=1.6, fmt="none")
    ax.hlines(after[:-1], rows.index[:-1] + 0.31, rows.index[1:] - 0.31, color=COLORS["chance"], linewidth=1)
    high = np.maximum(top + np.nan_to_num(spread[1]), top + points.where(drop, 0))
    for x, (row, loss) in enumerate(zip(rows.itertuples(), drop, strict=True)):
        text = f"{0.0 - round(row.points, 1):+.1f}" if loss else f"{row.points:.1f}"
        text = text if np.isfinite(row.points) else "not known"
        ax.annotate(text, (x, high[x]), (0, 4), textcoords="offset points", ha="center")
    ax.set_xticks(rows.index, [worded(PART_NAMES[part]).replace(" ", "\n") for part in rows["part"]])
    ax.set(ylabel="accuracy (%)", ylim=(0, 105), title="Where the accuracy goes (mean of the zoo, both orders)")
    ax.grid(False, axis="x")
    return ax


def plot_two_by_two(cells: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """A line for natural images and one for generated ones, from habit to none; parallel lines do not interact.

    Args:
        cells: see `decomposition.two_by_two`, the rows of one model.
    """
    if cells["accuracy"].isna().any():
        return nothing(ax, worded("nobody knows the {background} of these natural images, so the four do not exist"))
    palette = {"natural images": COLORS["natural"], "generated images": COLORS["d3s"]}
    rows = cells.assign(style=cells["style"] + " images", side=cells["background"].eq("uniform").astype(int))
    ax = bands(rows, "side", "accuracy", hue="style", palette=palette, ax=new_axis(ax, width=5.6))
    ax.set_xticks(range(2), [worded("{background} as usual for the class"), worded("any {background} alike")])
    ax.set(xlim=(-0.3, 1.3), ylim=(0, 102), ylabel="accuracy, mean of the zoo (%)", xlabel="")
    ax.set_title(worded("Style and {background}, each alone and both"))
    return legend(ax, "lower left")


def plot_rules(table: pd.DataFrame, ax: Axes | None = None, *, voters: str = "") -> Axes:
    """Zoo accuracy on the images that each acceptance rule keeps; the number kept stands beside the rule."""
    titles = {name: rule.title for name, rule in RULES.items()}
    rows = table.assign(name=[f"{titles.get(row.rule, row.rule)}, n = {row.n}" for row in table.itertuples()])
    ax = dots(rows, "name", ax=ax, palette=COLORS["verified"])
    ax.set_xlabel("accuracy on D3S, mean of the zoo (%)")
    ax.set_title("Does the rule of acceptance matter?" + (f"\nvotes of {voters}" if voters else ""))
    return zoom(ax, rows)


AUDIT_PARTS = {
    "candidate": "no model is right: all asked about",
    "audit": "some model is right: a sample",
    "presumed": "some model is right: not in the sample",
}


def plot_audit(table: pd.DataFrame, ax: Axes | None = None, *, voters: str = "") -> Axes:
    """Share of images whose labels are refused, by why they are asked about; 95 % Wilson intervals.

    Args:
        table: see `verdict_errors.audit`.
    """
    names = [f"{AUDIT_PARTS[row.part]}\n{row.share:.0f} % of the images" for row in table.itertuples()]
    ax = new_axis(ax, height=2.6)
    dots(table.assign(name=names), "name", "error", ax=ax, palette=COLORS["verified"])
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
