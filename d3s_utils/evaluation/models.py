"""The classifiers of a run, trained here or published, and what each of them says about each set of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.data.classes import class_table
from d3s_utils.data.sources import Photos
from d3s_utils.evaluation.classifiers import Classifier
from d3s_utils.evaluation.networks import NETWORKS
from d3s_utils.evaluation.predict import ImageSet, predictions_of
from d3s_utils.evaluation.published import GROUPS, find_row, known_rows, published_classifier
from d3s_utils.evaluation.sets import D3S, d3s_set, model_name, natural_set, other_habits, photographs, restaged
from d3s_utils.evaluation.small import TrainingSet, fit_or_load, training_history
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.parallel import side_by_side
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Evaluation


def models_of(evaluation: Evaluation) -> list[str]:
    """The zoo: the classifiers of a run, each once. They are those of `evaluation.models`, or all if it names none.

    Where `weights` is train they are small networks (rows of networks.yaml), else published rows (of zoo.csv), of
    which "original" and "newer" name whole groups, or models of timm.
    """
    if evaluation.weights == "train":
        return list(dict.fromkeys(evaluation.models or NETWORKS))
    rows, names = known_rows(evaluation), []
    for name in evaluation.models or rows:
        names += [row.model for row in rows.values() if row.group == name] if name in GROUPS else [name]
    return list(dict.fromkeys(names))


def evaluate(run: Run, photos: Photos, sets: Mapping[str, ImageSet]) -> pd.DataFrame:
    """All predictions of a run: the contract's columns, foreground_source, and the habit a model was trained with.

    Every model of the profile answers for every set. The first small network is trained with each other habit and with
    none as well, and then answers for its own held-out photographs and D3S. What has been trained
    (checkpoints/<model>.safetensors) and predicted before is not computed again.

    Published models are loaded one at a time. One whose weights cannot be had is named, with the reason, in
    tables/03_classifier_evaluation_models.csv, and the others go on.

    Args:
        photos: the run's own photographs.
        sets: see `sets.open_sets`.

    Raises:
        D3SError: not one of the published models could be had.
    """
    if run.profile.evaluation.weights == "pretrained":
        return _published(run, photos.habit, list(sets.values()))
    names = models_of(run.profile.evaluation)
    asked = [(name, photos.habit, list(sets.values())) for name in names]
    for habit in other_habits(run.profile, photos.habit):
        asked.append((names[0], habit, [natural_set(run, photos, habit), sets[D3S]]))
    classifiers = _all_trained(run, photos, [(name, habit) for name, habit, _ in asked])
    parts = [_rows(run, model, *rest) for model, (_, *rest) in zip(classifiers, asked, strict=True)]
    return pd.concat(parts, ignore_index=True)


def _published(run: Run, habit: float | None, sets: Sequence[ImageSet]) -> pd.DataFrame:
    """Predictions of the published models that can be had, and the table of all that were asked for."""
    parts, records, classes, settings = [], [], class_table(run.profile), run.profile.evaluation
    for name in models_of(settings):
        row = find_row(name, settings)
        record = {"model": name, "loader": row.loader, "source": row.source, "revision": "", "reason": ""}
        try:
            classifier = published_classifier(name, classes, settings, run.profile.device)
        except D3SError as error:
            record["reason"] = str(error)
        else:
            record["revision"] = classifier.revision
            parts.append(_rows(run, classifier, habit, sets))
        records.append(record)
        run.save_table("models", pd.DataFrame(records))
    if not parts:
        raise D3SError(f"evaluation.models: none of {len(records)} could be loaded; the first: {records[0]['reason']}")
    return pd.concat(parts, ignore_index=True)


def _rows(run: Run, classifier: Classifier, habit: float | None, sets: Sequence[ImageSet]) -> pd.DataFrame:
    """Predictions of a classifier that was trained with `habit` on `sets`."""
    rows = pd.concat([predictions_of(classifier, images, run.folder) for images in sets], ignore_index=True)
    return rows.assign(habit=np.nan if habit is None else habit)


def panel_predictions(run: Run, names: Sequence[str] = ()) -> pd.DataFrame:
    """What some models (none named: those of the evaluation) say of the generated val images, as `evaluate` has it."""
    settings, images, parts = run.profile.evaluation, d3s_set(run), []
    names = names or models_of(settings)
    if settings.weights == "pretrained":
        classes = class_table(run.profile)
        panel = (published_classifier(name, classes, settings, run.profile.device) for name in names)
    else:
        photos = open_photos(run.profile)
        panel = _all_trained(run, photos, [(name, photos.habit) for name in names])
    parts = [predictions_of(classifier, images, run.folder) for classifier in panel]
    return pd.concat(parts, ignore_index=True)


def _all_trained(run: Run, photos: Photos, asked: Sequence[tuple[str, float | None]]) -> list[Classifier]:
    """The small networks (name, habit) that are asked for, always on one thread each: sums depend on that."""
    return side_by_side(lambda one: trained(run, photos, *one), asked)


def trained(run: Run, photos: Photos, name: str, habit: float | None) -> Classifier:
    """The small network `name`, trained on the photographs with `habit`, or read from its checkpoint."""
    profile = run.profile

    def load() -> tuple[np.ndarray, np.ndarray]:
        images, table = photographs(run, photos, habit, "train")
        return images, table["label"].to_numpy()

    staged = restaged(profile, photos, habit)
    key = staged.key_of(list(staged.table("train")["photo_id"]))
    training_set = TrainingSet(key, load, len(class_table(profile)))
    path = checkpoint(run, model_name(name, habit, photos.habit))
    return fit_or_load(
        path, name, training_set, profile.evaluation, (profile.training_key, "zoo", name), profile.device
    )


def checkpoint(run: Run, model: str) -> Path:
    return run.path("checkpoints", f"{model}.safetensors")


def training_histories(run: Run) -> pd.DataFrame:
    """model, epoch, loss, accuracy (percent) of the run's models, as far as they were trained here."""
    names = models_of(run.profile.evaluation)
    parts = [training_history(checkpoint(run, name)).assign(model=name) for name in names]
    return pd.concat(parts, ignore_index=True)[["model", "epoch", "loss", "accuracy"]]


def zoo_of(predictions: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of the zoo: the models `names` (see `models_of`), each with the run's own habit."""
    return predictions[predictions["model"].isin(names)]


def across_habits(predictions: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the model `name`, with every habit that it was trained with."""
    return predictions[predictions["model"].str.partition("@")[0] == name]
