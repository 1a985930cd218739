"""Whether the probes were trained for long enough: their accuracy over steps and over the width of the hidden layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.settings import Probes
from d3s_utils.probes.asking import Lesson, ask
from d3s_utils.probes.directions import DIRECTIONS, LEAKS, summarise
from d3s_utils.probes.protocol import difference

HALVINGS = 3  # the curve begins at an eighth of the steps
NARROWER = 4  # and has a second one, of an MLP so many times narrower
BY = ("method", "direction", "probe", "hidden", "steps")


def strength(
    features: dict[str, Features],
    images: pd.DataFrame,
    guesses: pd.DataFrame,
    settings: Probes,
    seed: int,
    device: str = "cpu",
) -> pd.DataFrame:
    """Accuracy of both leaks over steps, doubled from point to point; each point is a training of its own.

    Args:
        features: by method, without LEACE.
        guesses: rows of `protocol.probe`, which end the curves of the linear probe and of the full width.

    Returns:
        method, direction, probe ("linear" or "mlp"), hidden (0 for a linear probe), steps, accuracy, low, high, n,
        seeds, seed_range, chance; where a curve of the protocol's own probes ends, also what the last doubling adds:
        added, added_low, added_high (points, image by image).
    """
    few = replace(settings, seeds=1)
    narrow = max(1, settings.hidden // NARROWER)
    steps = sorted({max(1, settings.steps >> halving) for halving in range(HALVINGS + 1)})
    points = [("linear", 0, s) for s in steps[:-1]] + [("mlp", settings.hidden, s) for s in steps[:-1]]
    points += [("mlp", narrow, s) for s in steps if narrow < settings.hidden]
    found, added = {point: _point(features, images, point, few, seed, device) for point in points}, []
    for kind, hidden in (("linear", 0), ("mlp", settings.hidden)):
        own = guesses["direction"].isin(LEAKS) & (guesses["probe"] == kind) & guesses["method"].isin(list(features))
        last = guesses[own].assign(hidden=hidden, steps=settings.steps)
        found[kind, hidden, settings.steps] = last
        if len(steps) > 1:
            more = difference(last, found[kind, hidden, steps[-2]], images, seed)
            added.append(more.assign(probe=kind, hidden=hidden, steps=settings.steps))
    curve = summarise(pd.concat(found.values(), ignore_index=True), images, seed, by=BY)
    if added:
        names = {"points": "added", "low": "added_low", "high": "added_high"}
        curve = curve.merge(pd.concat(added).drop(columns="n").rename(columns=names), on=list(BY), how="left")
    return curve.sort_values(list(BY), kind="stable").reset_index(drop=True)


def _point(features, images: pd.DataFrame, point: tuple, settings: Probes, seed: int, device: str) -> pd.DataFrame:
    kind, hidden, steps = point
    train = (images["split"] == "train").to_numpy()
    asked = [(method, each, kind) for method in features for each in DIRECTIONS if each.id in LEAKS]
    own = replace(settings, steps=steps, hidden=hidden or settings.hidden)
    lesson = Lesson([np.flatnonzero(train)] * settings.seeds, train, ~train)
    return ask(features, images, asked, lesson, own, seed, device).assign(hidden=hidden, steps=steps)


def last_doubling(curve: pd.DataFrame) -> pd.DataFrame:
    """What the last doubling of the steps adds for each method, direction and probe (of full width), in points.

    Args:
        curve: `strength`.

    Returns:
        method, direction, probe, added, added_low, added_high (95 %).
    """
    columns = ["method", "direction", "probe", "added", "added_low", "added_high"]
    return curve.reindex(columns=columns).dropna().reset_index(drop=True)
