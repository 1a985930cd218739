"""Every classifier of a run answers for every set; what was trained and predicted once is not computed again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from d3s_utils.evaluation.classifiers import Classifier
from d3s_utils.evaluation.models import across_habits, evaluate, models_of, panel_predictions, zoo_of
from d3s_utils.evaluation.networks import NETWORKS
from d3s_utils.evaluation.predict import ImageSet
from d3s_utils.evaluation.sets import open_sets
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run
from d3s_utils.ground.settings import Evaluation


def test_models_of_a_profile_replace_groups_by_their_models():
    settings = load_profile(
        "pocket", "evaluation.weights=pretrained evaluation.models=[original,resnet18.tv_in1k,resnet50]"
    ).evaluation
    names = models_of(settings)
    assert len(names) == 35 and names[-1] == "resnet18.tv_in1k" and names.count("resnet50") == 1


def test_where_no_models_are_named_all_rows_are_the_zoo(monkeypatch):
    monkeypatch.setitem(NETWORKS.rows, "new", NETWORKS["resnet"])
    assert models_of(Evaluation()) == [*NETWORKS] and models_of(Evaluation())[-1] == "new"
    assert {"resnet50", "flava"} <= set(models_of(Evaluation(weights="pretrained")))


def test_rows_of_a_model_are_found_with_and_without_its_habits():
    rows = pd.DataFrame({"model": ["vit", "vit@0.6", "vit@uniform", "resnet", "vitamin"]})
    assert list(across_habits(rows, "vit")["model"]) == ["vit", "vit@0.6", "vit@uniform"]
    assert list(zoo_of(rows, ["vit", "resnet"])["model"]) == ["vit", "resnet"]


class Pixel(Classifier):
    """Guesses class 1 for images whose first pixel is bright."""

    def prepare(self, images):
        return images[:, 0, 0, 0].astype(np.float32)

    def scores(self, bright):
        return np.stack([128 - bright, bright - 128], axis=1)


def test_an_unchanged_model_is_neither_trained_nor_asked_twice(tmp_path, monkeypatch):
    options = (
        "classes=2 natural.train_per_class=4 natural.val_per_class=2 evaluation.models=[mixer] evaluation.habits=[]"
    )
    run = Run(load_profile("smoke", options), "03_classifier_evaluation", tmp_path)
    table = pd.DataFrame({"image_id": ["a", "b"], "label": [0, 1], "background": "in snow", "foreground_source": "a"})
    d3s = ImageSet("d3s", table, lambda ids: np.zeros((len(ids), 64, 64, 3), np.uint8), "d3s")
    monkeypatch.setattr("d3s_utils.evaluation.sets.d3s_set", lambda run: d3s)
    monkeypatch.setattr("d3s_utils.evaluation.models.d3s_set", lambda run: d3s)
    photos = open_photos(run.profile)
    rows = evaluate(run, photos, open_sets(run, photos))
    assert rows.groupby("model", sort=False)["dataset"].unique().map(list).to_dict() == {
        "mixer": ["natural", "natural-uniform", "d3s"],
        "mixer@uniform": ["natural-uniform", "d3s"],
    }
    monkeypatch.setattr("d3s_utils.evaluation.predict.predict", lambda *args: pytest.fail("predicted again"))
    monkeypatch.setattr("d3s_utils.evaluation.models.photographs", lambda *args: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(evaluate(run, photos, open_sets(run, photos)), rows)
    panel = panel_predictions(run)
    assert list(panel["guess"]) == list(rows.query("model == 'mixer' and dataset == 'd3s'")["guess"])


def test_published_models_that_cannot_be_had_are_named_and_the_others_go_on(tmp_path, monkeypatch):
    def published(name, classes, settings, device):
        if name == "flava":
            raise D3SError("The weights of flava are nowhere.")
        return Pixel(name, None, name, revision="abc")

    profile = load_profile(
        "smoke", "classes=2 evaluation.weights=pretrained evaluation.models=[resnet50,flava,densenet121]"
    )
    run = Run(profile, "03_classifier_evaluation", tmp_path)
    table = pd.DataFrame({"image_id": ["a", "b"], "label": [0, 1], "background": None, "foreground_source": ["a", "b"]})
    images = ImageSet("natural", table, lambda ids: np.zeros((len(ids), 2, 2, 3), np.uint8), "key")
    monkeypatch.setattr("d3s_utils.evaluation.models.published_classifier", published)
    photos = open_photos(profile)
    rows = evaluate(run, photos, {"natural": images})
    assert set(rows["model"]) == {"resnet50", "densenet121"}
    models = pd.read_csv(tmp_path / "tables" / "03_classifier_evaluation_models.csv", keep_default_na=False).set_index(
        "model"
    )
    assert models.loc["flava", "reason"] == "The weights of flava are nowhere."
    assert list(models["revision"]) == ["abc", "", "abc"] and models.loc["flava", "loader"] == "flava"

    alone = replace(profile, evaluation=replace(profile.evaluation, models=("flava",)))
    with pytest.raises(D3SError, match="none of 1 could be loaded.*nowhere"):
        evaluate(Run(alone, "03_classifier_evaluation", tmp_path), photos, {"natural": images})
