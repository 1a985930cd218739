"""Whether the probes were trained for long enough: their accuracy over steps and over the width of the hidden layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.settings import Probes
from d3s_utils.probes.asking import Lesson, ask
from d3s_utils.probes.directions import DIRECTIONS, LEAKS, summarise

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
        seeds, seed_range, chance.
    """
    few = replace(settings, seeds=1)
    narrow = max(1, settings.hidden // NARROWER)
    steps = sorted({max(1, settings.steps >> halving) for halving in range(HALVINGS + 1)})
    points = [("linear", 0, s) for s in steps[:-1]] + [("mlp", settings.hidden, s) for s in steps[:-1]]
    points += [("mlp", narrow, s) for s in steps if narrow < settings.hidden]
    found = [_point(features, images, point, few, seed, device) for point in points]
    for kind, hidden in (("linear", 0), ("mlp", settings.hidden)):
        own = guesses["direction"].isin(LEAKS) & (guesses["probe"] == kind) & guesses["method"].isin(list(features))
        found.append(guesses[own].assign(hidden=hidden, steps=settings.steps))
    curve = summarise(pd.concat(found, ignore_index=True), images, seed, by=BY)
    return curve.sort_values(list(BY), kind="stable").reset_index(drop=True)


def _point(features, images: pd.DataFrame, point: tuple, settings: Probes, seed: int, device: str) -> pd.DataFrame:
    kind, hidden, steps = point
    train = (images["split"] == "train").to_numpy()
    asked = [(method, each, kind) for method in features for each in DIRECTIONS if each.id in LEAKS]
    own = replace(settings, steps=steps, hidden=hidden or settings.hidden)
    lesson = Lesson([np.flatnonzero(train)] * settings.seeds, train, ~train)
    return ask(features, images, asked, lesson, own, seed, device).assign(hidden=hidden, steps=steps)


def last_doubling(curve: pd.DataFrame, probes: Iterable[str] = ("linear", "mlp")) -> pd.DataFrame:
    """What the last doubling of the steps adds for each method, direction and probe (of full width), in points.

    Args:
        curve: `strength`.

    Returns:
        method, direction, probe, added.
    """
    rows = []
    for (method, direction, probe), own in curve.groupby(["method", "direction", "probe"], sort=False):
        last = own[own["hidden"] == own["hidden"].max()].sort_values("steps")["accuracy"].to_numpy()
        if probe in probes and len(last) > 1:
            rows.append((method, direction, probe, last[-1] - last[-2]))
    return pd.DataFrame(rows, columns=["method", "direction", "probe", "added"])
