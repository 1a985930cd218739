"""Does a zero-shot model find the asked class and background in an image? These are columns to filter by, no votes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import softmax

from d3s_utils.data.classes import class_table
from d3s_utils.evaluation.loaders import HERE, ZERO_SHOT
from d3s_utils.evaluation.published import find_row, published_classifier
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.settings import Profile

COLUMNS = ["image_id", "clip_foreground", "clip_background"]
BACKGROUND_PROMPTS = HERE / "templates_backgrounds.txt"


def clip_agreement(profile: Profile, images: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """How probable the zero-shot model `realism.clip` finds the asked class among the run's classes, and the asked
    background among the run's backgrounds.

    Args:
        images: (N, S, S, 3) uint8, in the order of `rows` (of the manifest).

    Returns:
        image_id, clip_foreground, clip_background (0-1); no rows where `realism.clip` names no model.

    Raises:
        D3SError: the model is not zero-shot, or its weights cannot be had.
    """
    name = profile.realism.clip
    if name is None:
        return pd.DataFrame(columns=COLUMNS)
    if find_row(name, profile.evaluation).loader not in ZERO_SHOT:
        raise D3SError(
            f"realism.clip: {name} is no zero-shot model; name one that is loaded by {' or '.join(ZERO_SHOT)}."
        )
    backgrounds = list(rows["background"].unique())
    background_table = pd.DataFrame({"class_name": backgrounds, "imagenet_index": -1})
    of_backgrounds = replace(profile.evaluation, templates=str(BACKGROUND_PROMPTS))
    asked = {
        "clip_foreground": (class_table(profile), profile.evaluation, rows["label"].to_numpy(int)),
        "clip_background": (background_table, of_backgrounds, rows["background"].map(backgrounds.index).to_numpy(int)),
    }
    table = pd.DataFrame({"image_id": rows["image_id"].to_numpy()})
    for column, (words, settings, wanted) in asked.items():
        scores = published_classifier(name, words, settings, profile.device).logits(images)
        p = softmax(scores.astype(np.float64), axis=1)
        table[column] = p[np.arange(len(p)), wanted]
    return table
