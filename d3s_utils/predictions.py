"""What the classifiers of a run say about its images: one row per image, model and set of images.

Sets (column `dataset`): "d3s", all generated val images; "natural", held-out photographs with the run's habit;
"natural-uniform", every class equally often on every background; "natural-0.6" and the like, another habit.
`gaps.py` computes every number of notebook 03 from these rows; it needs no network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import softmax

from d3s_utils import tables
from d3s_utils.classifiers import Classifier, Lessons, fit_or_load, in_batches, training_history
from d3s_utils.dataset import load_images
from d3s_utils.errors import D3SError
from d3s_utils.parallel import ahead, side_by_side
from d3s_utils.photos import natural_arrays, open_photos
from d3s_utils.profile import recipe_hash
from d3s_utils.settings import Profile
from d3s_utils.taxonomy import BACKGROUNDS, class_table
from d3s_utils.zoo import find_row, models_of, published_classifier

if TYPE_CHECKING:
    from d3s_utils.runs import Run

CHUNK = 128  # images read at a time; the next ones are read while these are classified
UNIFORM = 1 / len(BACKGROUNDS)  # the habit of a class that has none


@dataclass(frozen=True)
class ImageSet:
    """Images to be classified.

    Attributes:
        table: image_id, label, background (None where unknown), foreground_source (the photograph an image rests on).
        load: image_ids to (N, S, S, 3) uint8.
        recipe: what the pictures depend on.
    """

    name: str
    table: pd.DataFrame
    load: Callable[[list[str]], np.ndarray]
    recipe: object


# The whole zoo --------------------------------------------------------------------------------------------------------


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


def other_habits(profile: Profile) -> list[float]:
    """The habits of the curve but the run's own, with none at all (`UNIFORM`) among them.

    Empty where photographs have the habits they have, or the weights come from elsewhere.
    """
    if own_habit(profile) is None or profile.evaluation.weights == "pretrained":
        return []
    return sorted({UNIFORM, *profile.evaluation.habits} - {profile.natural.habit})


def zoo_of(predictions: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """The rows of the zoo, every model with the run's own habit."""
    return predictions[predictions["model"].isin(models_of(profile))]


def upbringings_of(predictions: pd.DataFrame, profile: Profile) -> pd.DataFrame:
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

    lessons = Lessons(open_photos(profile, habit=habit).recipe, load, len(class_table(profile)))
    path = checkpoint(run, model_name(profile, name, habit))
    return fit_or_load(path, name, lessons, profile.evaluation, (profile.training_key, "zoo", name), profile.device)


def checkpoint(run: Run, model: str) -> Path:
    return run.path("checkpoints", f"{model}.safetensors")


# Names ----------------------------------------------------------------------------------------------------------------


def own_habit(profile: Profile) -> float | None:
    """The habit of the run's natural photographs; None where nobody staged them."""
    return profile.natural.habit if profile.foregrounds == "pocket" else None


def natural_name(profile: Profile, habit: float | None) -> str:
    """The name of the held-out photographs with `habit`."""
    if habit is None or habit == profile.natural.habit:
        return "natural"
    return "natural-uniform" if habit == UNIFORM else f"natural-{habit:g}"


def model_name(profile: Profile, name: str, habit: float | None) -> str:
    """`name`; or "resnet@0.6", "resnet@uniform" for one that grew up with another habit than the run's."""
    return name + natural_name(profile, habit).removeprefix("natural").replace("-", "@")


# Sets of images -------------------------------------------------------------------------------------------------------


def natural_set(run: Run, habit: float | None) -> ImageSet:
    """Held-out photographs with `habit`."""
    photos = open_photos(run.profile, habit=habit)
    table = photos.table("val").rename(columns={"photo_id": "image_id"})
    table = table.assign(foreground_source=table["image_id"])

    @functools.cache
    def shelf() -> pd.Series:
        images, _ = photographs(run, habit, "val")
        return pd.Series(list(images), index=table["image_id"])

    def load(image_ids: list[str]) -> np.ndarray:
        return photos.load(image_ids) if habit is None else np.stack(shelf()[image_ids].to_list())

    return ImageSet(natural_name(run.profile, habit), table, load, photos.recipe)


def photographs(run: Run, habit: float | None, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """All photographs of a split with `habit`, (N, S, S, 3) uint8, and their table (see `Photos.table`).

    A scene whose background is the same under both habits is the same picture, so only the others are rendered again.
    """
    images, table = natural_arrays(run, open_photos(run.profile), split)
    if habit == own_habit(run.profile):
        return images, table
    photos = open_photos(run.profile, habit=habit)
    staged = photos.table(split)
    moved = (staged[["photo_id", "background"]] != table[["photo_id", "background"]]).any(axis=1).to_numpy()
    images = images.copy()
    images[moved] = photos.load(list(staged.loc[moved, "photo_id"]))
    return images, staged


def d3s_set(run: Run) -> ImageSet:
    """The generated val images."""
    path = run.folder / "manifest.parquet"
    manifest = tables.require_columns(tables.read_table(path), "manifest", path)
    table = manifest[manifest["split"] == "val"].reset_index(drop=True)

    def load(image_ids: list[str]) -> np.ndarray:
        return load_images(run.folder / "dataset", image_ids)[0]

    return ImageSet("d3s", table, load, list(table["recipe_hash"]))


# Predictions ----------------------------------------------------------------------------------------------------------


def _predict_once(run: Run, classifier: Classifier, images: ImageSet) -> pd.DataFrame:
    """`predict`, kept under cache/ by the recipes of the classifier and of the images."""
    name = recipe_hash("predictions", classifier.name, classifier.recipe, images.name, images.recipe)
    path = run.path("cache", f"predictions-{name}.parquet")
    if not path.is_file():
        tables.write_table(path, predict(classifier, images))
    return tables.read_table(path)


def predict(classifier: Classifier, images: ImageSet) -> pd.DataFrame:
    """One row per image: the columns of predictions.parquet (see `read_logits`) and foreground_source."""
    ids = list(images.table["image_id"])
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    batches = chain.from_iterable(map(in_batches, ahead(images.load, chunks)))
    logits = np.concatenate([classifier.scores(prepared) for prepared in ahead(classifier.prepare, batches)])
    answers = read_logits(logits, images.table["label"].to_numpy())
    columns = images.table[["image_id", "label", "background", "foreground_source"]].reset_index(drop=True)
    rows = pd.concat([columns, answers], axis=1).assign(model=classifier.name, dataset=images.name)
    return rows[[*tables.COLUMNS["predictions"], "foreground_source"]]


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
