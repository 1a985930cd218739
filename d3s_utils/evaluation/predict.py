"""What a classifier says about a set of images: one row per image, kept as long as neither of the two changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from d3s_utils.evaluation.classifiers import Classifier, in_batches
from d3s_utils.ground.cached import cached
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.parallel import ahead
from d3s_utils.ground.sources import code_of

CHUNK = 128  # images read at a time; the next ones are read while these are classified


@dataclass(frozen=True)
class ImageSet:
    """Images to be classified.

    Attributes:
        name: the word for them in the column `dataset`.
        table: image_id, label, background (None where unknown), foreground_source (the photograph an image rests on).
        load: image_ids to (N, S, S, 3) uint8.
        key: everything that the pictures and the table depend on.
    """

    name: str
    table: pd.DataFrame
    load: Callable[[list[str]], np.ndarray]
    key: object


def predictions_of(classifier: Classifier, images: ImageSet, folder: Path) -> pd.DataFrame:
    """What `predict` says, kept in `folder`/cache as long as classifier, images and the code of `predict` stay."""
    name = f"predictions-{classifier.name}-{images.name}.parquet".replace("/", "_")
    key = (classifier.key, images.key, code_of(__name__))
    return cached(folder / "cache" / name, key, lambda: predict(classifier, images))


def predict(classifier: Classifier, images: ImageSet) -> pd.DataFrame:
    """One row per image: the columns of predictions.parquet (see `read_logits`) and foreground_source."""
    ids = list(images.table["image_id"])
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    batches = chain.from_iterable(map(in_batches, ahead(images.load, chunks)))
    logits = np.concatenate([classifier.scores(prepared) for prepared in ahead(classifier.prepare, batches)])
    answers = read_logits(logits, images.table["label"].to_numpy())
    columns = images.table[["image_id", "label", "background", "foreground_source"]].reset_index(drop=True)
    rows = pd.concat([columns, answers], axis=1).assign(model=classifier.name, dataset=images.name)
    return rows[[*COLUMNS["predictions"], "foreground_source"]]


def read_logits(logits: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """What scores (N, K) say about images whose labels are `labels` (N,).

    Returns:
        guess (the best class), top5 (whether the label is among the five best; of five classes or fewer, always),
        p_label and p_guess (softmax, 0-1).
    """
    p = softmax(logits.astype(np.float64), axis=1)
    rows, guess = np.arange(len(p)), logits.argmax(1)
    better = (logits > logits[rows, labels][:, None]).sum(1)
    return pd.DataFrame({"guess": guess, "top5": better < 5, "p_label": p[rows, labels], "p_guess": p[rows, guess]})
