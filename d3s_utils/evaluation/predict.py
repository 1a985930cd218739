"""What the classifiers of a run say about its images: one row per image, model and set of images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from d3s_utils.data.classes import class_table
from d3s_utils.evaluation.classifiers import Classifier, in_batches
from d3s_utils.evaluation.published import find_row, models_of, published_classifier
from d3s_utils.evaluation.sets import (
    UNIFORM,
    ImageSet,
    d3s_set,
    model_name,
    natural_set,
    other_habits,
    own_habit,
    photographs,
)
from d3s_utils.evaluation.small import TrainingSet, fit_or_load, training_history
from d3s_utils.generation.world import natural_arrays, open_photos
from d3s_utils.ground.cached import digest
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_table
from d3s_utils.ground.parallel import ahead, side_by_side
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Profile

CHUNK = 128  # images read at a time; the next ones are read while these are classified


def evaluate(run: Run) -> pd.DataFrame:
    """All predictions of a run: the contract's columns, foreground_source, and the habit a model grew up with.

    Every model of the profile meets its own held-out photographs, those without habit, and D3S. The first model is also
    grown up with each other habit and with none, and meets its own photographs and D3S. Trains what has not been
    trained (checkpoints/<model>.safetensors) and predicts what has not been predicted.

    Published models are loaded one at a time. One whose weights cannot be had is named, with the reason, in
    tables/03_classifier_evaluation_models.csv, and the others go on.

    Raises:
        D3SError: of published models not one could be had.
    """
    profile, habit, generated = run.profile, own_habit(run.profile), d3s_set(run)
    elsewhere = [] if habit in (None, UNIFORM) else [natural_set(run, UNIFORM)]
    sets = [natural_set(run, habit), *elsewhere, generated]
    if profile.evaluation.weights == "pretrained":
        return _published(run, habit, sets)
    first, *_ = profile.evaluation.models
    asked = [(name, habit, sets) for name in profile.evaluation.models]
    asked += [(first, other, [natural_set(run, other), generated]) for other in other_habits(profile)]
    natural_arrays(run, open_photos(run.profile), "train")  # rendered once, before two trainings ask for it
    classifiers = side_by_side(lambda one: _trained(run, *one), [(name, grown) for name, grown, _ in asked])
    parts = [_predictions(run, model, *rest) for model, (_, *rest) in zip(classifiers, asked, strict=True)]
    return pd.concat(parts, ignore_index=True)


def _published(run: Run, habit: float | None, sets: list[ImageSet]) -> pd.DataFrame:
    """Predictions of the published models that can be had, and the table of all that were asked for."""
    parts, records, classes = [], [], class_table(run.profile)
    for name in models_of(run.profile):
        row = find_row(name, run.profile.evaluation)
        record = {"model": name, "loader": row.loader, "source": row.source, "revision": "", "reason": ""}
        try:
            classifier = published_classifier(name, classes, run.profile)
        except D3SError as error:
            record["reason"] = str(error)
        else:
            record["revision"] = classifier.revision
            parts.append(_predictions(run, classifier, habit, sets))
        records.append(record)
        run.save_table("models", pd.DataFrame(records))
    if not parts:
        raise D3SError(f"evaluation.models: none of {len(records)} could be loaded; the first: {records[0]['reason']}")
    return pd.concat(parts, ignore_index=True)


def panel_predictions(run: Run, names: Sequence[str]) -> pd.DataFrame:
    """What the models `names` say of the generated val images: the rows that `evaluate` has for them, made once."""
    profile, parts = run.profile, []
    for name in names:
        if profile.evaluation.weights == "pretrained":
            classifier = published_classifier(name, class_table(profile), profile)
        else:
            classifier = _trained(run, name, own_habit(profile))
        parts.append(_predict_once(run, classifier, d3s_set(run)))
    return pd.concat(parts, ignore_index=True)


def zoo_of(predictions: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """The rows of the zoo, every model with the run's own habit."""
    return predictions[predictions["model"].isin(models_of(profile))]


def first_model_rows(predictions: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """The rows of the first model, with every habit it grew up with."""
    name = models_of(profile)[0]
    names = {model_name(profile, name, habit) for habit in [own_habit(profile), *other_habits(profile)]}
    return predictions[predictions["model"].isin(names)]


def training_histories(run: Run, models: Sequence[str]) -> pd.DataFrame:
    """model, epoch, loss, accuracy (percent) of the models trained here."""
    parts = [training_history(checkpoint(run, model)).assign(model=model) for model in models]
    return pd.concat(parts, ignore_index=True)[["model", "epoch", "loss", "accuracy"]]


def _predictions(run: Run, classifier: Classifier, habit: float | None, sets: list[ImageSet]) -> pd.DataFrame:
    """Predictions of a classifier that grew up with `habit` on `sets`."""
    rows = pd.concat([_predict_once(run, classifier, images) for images in sets], ignore_index=True)
    return rows.assign(habit=np.nan if habit is None else habit)


def _trained(run: Run, name: str, habit: float | None) -> Classifier:
    """The model `name`, trained on the photographs with `habit`."""
    profile = run.profile

    def load() -> tuple[np.ndarray, np.ndarray]:
        images, table = photographs(run, habit, "train")
        return images, table["label"].to_numpy()

    photos = open_photos(profile, habit=habit)
    key = photos.key_of(list(photos.table("train")["photo_id"]))
    training_set = TrainingSet(key, load, len(class_table(profile)))
    path = checkpoint(run, model_name(profile, name, habit))
    return fit_or_load(
        path, name, training_set, profile.evaluation, (profile.training_key, "zoo", name), profile.device
    )


def checkpoint(run: Run, model: str) -> Path:
    return run.path("checkpoints", f"{model}.safetensors")


def _predict_once(run: Run, classifier: Classifier, images: ImageSet) -> pd.DataFrame:
    """`predict`, kept under cache/ by the recipes of the classifier and of the images."""
    name = digest("predictions", classifier.name, classifier.key, images.name, images.key)
    path = run.path("cache", f"predictions-{name}.parquet")
    if not path.is_file():
        write_table(path, predict(classifier, images))
    return read_table(path)


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
