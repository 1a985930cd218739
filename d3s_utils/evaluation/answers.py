"""What single classifiers say of single pictures: their five best classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from d3s_utils.data.classes import class_table
from d3s_utils.data.sources import Photos
from d3s_utils.evaluation.classifiers import Classifier
from d3s_utils.evaluation.models import trained
from d3s_utils.evaluation.published import published_classifier
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.run import Run


def open_classifiers(run: Run, photos: Photos, names: Sequence[str]) -> dict[str, Classifier]:
    """Models of the run's zoo by name, from their checkpoints where they were trained here (see `evaluate`).

    Args:
        photos: the run's own photographs.
        names: of `models_of`.
    """
    settings = run.profile.evaluation
    if settings.weights == "pretrained":
        classes = class_table(run.profile)
        return {name: published_classifier(name, classes, settings, run.profile.device) for name in names}
    opened = side_by_side(lambda name: trained(run, photos, name, photos.habit), names)  # on one thread each, as then
    return dict(zip(names, opened, strict=True))


def best_guesses(logits: np.ndarray, names: Sequence[str], count: int = 5) -> pd.DataFrame:
    """The `count` classes with the highest scores.

    Args:
        logits: (K,) scores of one picture.
        names: class names by label.

    Returns:
        label, class_name, p (softmax over all classes, 0-1), the best first.
    """
    p = softmax(np.asarray(logits, np.float64))
    order = np.argsort(-p, kind="stable")[:count]
    return pd.DataFrame({"label": order, "class_name": [names[label] for label in order], "p": p[order]})
