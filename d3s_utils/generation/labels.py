"""Are the labels that were asked for there? An independent judge says so, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.generation.samples import Samples
from d3s_utils.ground.cached import cached
from d3s_utils.ground.sources import code_of
from d3s_utils.ground.stats import share_by
from d3s_utils.pocket.judge import Judge

QUESTIONS = ("foreground", "background", "both")


def judge_labels(folder: Path, judge: Judge | None, samples: Samples) -> pd.DataFrame:
    """`compare_labels` for samples of the run in `folder`, kept in its cache."""
    path, code = Path(folder) / "cache" / "labels.parquet", code_of(compare_labels, beside=[Samples.__module__])
    key = [judge and judge.key, samples.hashes, code]
    return cached(path, key, lambda: compare_labels(judge, samples.images, samples.rows))


def compare_labels(judge: Judge | None, images: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """Whether the judge names the labels that were asked for.

    Args:
        images: (N, S, S, 3) uint8, in the order of `rows` (of the manifest).

    Returns:
        One row per image: image_id, class_name, background, foreground_source; `foreground_guess` and
        `background_guess`, names; `foreground_right`, `background_right`, `both_right`, bool. No rows without a judge.
    """
    table = rows[["image_id", "class_name", "background", "foreground_source"]].reset_index(drop=True)
    if judge is None:
        table, foreground, background = table.iloc[:0], [], []
    else:
        seen = judge.judge(images)
        foreground = np.asarray(judge.classes)[seen.foreground.argmax(1)]
        background = np.asarray(judge.backgrounds)[seen.background.argmax(1)]
    table = table.assign(foreground_guess=foreground, background_guess=background)
    table["foreground_right"] = table["foreground_guess"] == table["class_name"]
    table["background_right"] = table["background_guess"] == table["background"]
    table["both_right"] = table["foreground_right"] & table["background_right"]
    return table


def label_rates(judged: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """How often the asked labels are there, by `columns` (none: over all images).

    Returns:
        `columns`, `question` (foreground, background, both), `rate`, `low`, `high` (percent, 95 % Wilson), `n`.
    """
    parts = [
        share_by(judged.assign(hit=judged[f"{question}_right"], question=question), "rate", *columns, "question")
        for question in QUESTIONS
    ]
    return pd.concat(parts, ignore_index=True)
