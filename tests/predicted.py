"""Planted predictions: photographs and D3S images of two classes, of which as many are named rightly as was planted."""

import numpy as np
import pandas as pd

HOME = {0: "in snow", 1: "in sand"}


def images(
    dataset: str, label: int, background: str, right: list[bool], model: str = "a", start: int = 0
) -> pd.DataFrame:
    """One row per entry of `right`; a wrong guess is the other class."""
    ids = [f"{dataset}-{label}-{background}-{start + i}" for i in range(len(right))]
    guess = np.where(right, label, 1 - label)
    columns = {"image_id": ids, "foreground_source": ids, "guess": guess, "p_guess": 0.9, "p_label": 0.5, "top5": True}
    return pd.DataFrame(columns).assign(model=model, dataset=dataset, label=label, background=background, habit=0.8)


def share(percent: int, n: int = 100) -> list[bool]:
    return [i < percent * n // 100 for i in range(n)]


def world(at_home: int, away: int, natural: int = 90, refused: int = 0, model: str = "a") -> pd.DataFrame:
    """Photographs 80 % at home; D3S half at home and half away, and `refused` images each that are all misread."""
    parts = []
    for label, home in HOME.items():
        other = HOME[1 - label]
        parts += [images("natural", label, home, share(natural, 80), model)]
        parts += [images("natural", label, other, share(natural, 20), model)]
        parts += [images("d3s", label, home, share(at_home), model), images("d3s", label, other, share(away), model)]
        parts += [images("d3s", label, other, [False] * refused, model, start=1000)]
    return pd.concat(parts, ignore_index=True)


def accepted(predictions: pd.DataFrame) -> list[str]:
    ids = predictions["image_id"]
    return list(ids[ids.str.rpartition("-")[2].astype(int) < 1000])
