"""Rows say exactly what the scores say; names and pictures of a set follow its habit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from d3s_utils.evaluation import sets
from d3s_utils.evaluation.classifiers import Classifier
from d3s_utils.evaluation.predict import _predict_once, evaluate, predict, read_logits
from d3s_utils.evaluation.sets import ImageSet
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run


@pytest.fixture
def run(tmp_path) -> Run:
    profile = load_profile("smoke", "classes=3 natural.train_per_class=12 natural.val_per_class=6")
    return Run(profile, "03_classifier_evaluation", tmp_path)


def test_scores_are_read_as_guess_rank_and_confidence():
    logits = np.log(np.array([[0.4, 0.3, 0.1, 0.08, 0.07, 0.05], [0.05, 0.3, 0.1, 0.08, 0.07, 0.4]], np.float32))
    rows = read_logits(logits, np.array([5, 5]))
    assert list(rows["guess"]) == [0, 5]
    assert list(rows["top5"]) == [False, True]  # last of six, and first
    assert rows["p_label"].to_list() == pytest.approx([0.05, 0.4], abs=1e-6)
    assert rows["p_guess"].to_list() == pytest.approx([0.4, 0.4], abs=1e-6)


def test_of_five_classes_the_label_is_always_among_the_best_five():
    assert read_logits(np.arange(10, dtype=np.float32).reshape(2, 5), np.array([0, 4]))["top5"].all()


class Brightness(Classifier):
    """Guesses class 1 for bright images."""

    def prepare(self, images):
        return images.mean((1, 2, 3)).astype(np.float32)

    def scores(self, bright):
        return np.stack([128 - bright, bright - 128], axis=1)


def test_predictions_keep_the_order_of_the_table_over_several_chunks(monkeypatch):
    monkeypatch.setattr("d3s_utils.evaluation.predict.CHUNK", 3)
    level = np.array([0, 255, 255, 0, 255, 0, 0], np.uint8)
    table = pd.DataFrame({
        "image_id": [f"image-{i}" for i in range(7)], "label": 1, "background": "in snow", "foreground_source": "one",
    })  # fmt: skip

    def load(ids):
        assert len(ids) <= 3
        return np.stack([np.full((2, 2, 3), level[int(name.removeprefix("image-"))]) for name in ids])

    rows = predict(Brightness("bright", None, "recipe"), ImageSet("d3s", table, load, "recipe"))
    assert list(rows.columns) == [*COLUMNS["predictions"], "foreground_source"]
    assert list(rows["guess"]) == list(level // 255) and list(rows["image_id"]) == list(table["image_id"])
    assert set(rows["model"]) == {"bright"} and set(rows["dataset"]) == {"d3s"}


def test_predictions_are_made_once(run):
    table = pd.DataFrame({"image_id": ["a"], "label": [1], "background": ["x"], "foreground_source": ["a"]})
    black = ImageSet("d3s", table, lambda ids: np.zeros((1, 2, 2, 3), np.uint8), "black")
    model = Brightness("bright", None, "recipe")
    first = _predict_once(run, model, black)
    gone = ImageSet("d3s", table, lambda ids: pytest.fail("predicted again"), "black")
    pd.testing.assert_frame_equal(first, _predict_once(run, model, gone))


@pytest.mark.parametrize(
    ("habit", "images", "model"),
    [
        (0.8, "natural", "resnet"),
        (0.95, "natural-0.95", "resnet@0.95"),
        (0.1, "natural-uniform", "resnet@uniform"),
        (None, "natural", "resnet"),
    ],
)
def test_names_tell_the_habit_where_it_is_not_the_runs_own(run, habit, images, model):
    assert sets.natural_name(run.profile, habit) == images
    assert sets.model_name(run.profile, "resnet", habit) == model


def test_the_zoo_grows_up_by_the_training_seed(run, monkeypatch):
    keys = []
    monkeypatch.setattr(predictions, "fit_or_load", lambda path, name, lessons, settings, key, device: keys.append(key))
    for training_seed in (0, 2):
        predictions._trained(replace(run, profile=replace(run.profile, training_seed=training_seed)), "resnet", 0.8)
    assert keys == [(0, "zoo", "resnet"), (2, "zoo", "resnet")]


@pytest.mark.parametrize("habit", [0.8, 0.6, 0.1])
def test_photographs_of_another_habit_are_what_rendering_all_of_them_would_give(run, habit):
    images, table = sets.photographs(run, habit, "train")
    photos = open_photos(run.profile, habit=habit)
    pd.testing.assert_frame_equal(table, photos.table("train"))
    assert np.array_equal(images, photos.load(list(table["photo_id"])))


def test_a_natural_set_hands_out_the_photographs_asked_for(run):
    natural = sets.natural_set(run, 0.1)
    ids = list(natural.table["image_id"])[4:1:-1]
    assert np.array_equal(natural.load(ids), open_photos(run.profile, habit=0.1).load(ids))
    assert list(natural.table["foreground_source"]) == list(natural.table["image_id"])


def test_published_models_that_cannot_be_had_are_named_and_the_others_go_on(tmp_path, monkeypatch):
    def published(name, classes, profile):
        if name == "flava":
            raise D3SError("The weights of flava are nowhere.")
        return Brightness(name, None, name, revision="abc")

    profile = load_profile(
        "smoke", "classes=2 evaluation.weights=pretrained evaluation.models=[resnet50,flava,densenet121]"
    )
    run = Run(profile, "03_classifier_evaluation", tmp_path)
    table = pd.DataFrame({"image_id": ["a", "b"], "label": [0, 1], "background": None, "foreground_source": ["a", "b"]})
    images = ImageSet("natural", table, lambda ids: np.zeros((len(ids), 2, 2, 3), np.uint8), "recipe")
    monkeypatch.setattr("d3s_utils.evaluation.predict.published_classifier", published)
    monkeypatch.setattr("d3s_utils.evaluation.predict.natural_set", lambda run, habit: images)
    monkeypatch.setattr("d3s_utils.evaluation.predict.d3s_set", lambda run: images)
    rows = evaluate(run)
    assert set(rows["model"]) == {"resnet50", "densenet121"}
    models = pd.read_csv(tmp_path / "tables" / "03_classifier_evaluation_models.csv", keep_default_na=False).set_index(
        "model"
    )
    assert models.loc["flava", "reason"] == "The weights of flava are nowhere."
    assert list(models["revision"]) == ["abc", "", "abc"] and models.loc["flava", "loader"] == "flava"

    alone = replace(profile, evaluation=replace(profile.evaluation, models=("flava",)))
    with pytest.raises(D3SError, match="none of 1 could be loaded.*nowhere"):
        evaluate(Run(alone, "03_classifier_evaluation", tmp_path))
