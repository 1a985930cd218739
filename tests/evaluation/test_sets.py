"""Names and pictures of a set follow its habit; a further set is one row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from d3s_utils.evaluation import sets
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run


@pytest.fixture
def run(tmp_path) -> Run:
    profile = load_profile("smoke", "classes=3 natural.train_per_class=12 natural.val_per_class=6")
    return Run(profile, "03_classifier_evaluation", tmp_path)


@pytest.mark.parametrize(
    ("habit", "images", "model"),
    [
        (0.8, "natural", "resnet"),
        (0.95, "natural-0.95", "resnet@0.95"),
        (0.1, "natural-uniform", "resnet@uniform"),
        (None, "natural", "resnet"),
    ],
)
def test_names_tell_the_habit_where_it_is_not_the_runs_own(habit, images, model):
    own = 0.8 if habit else None
    assert sets.set_name(habit, own) == images
    assert sets.model_name("resnet", habit, own) == model


@pytest.mark.parametrize("habit", [0.8, 0.6, 0.1])
def test_photographs_of_another_habit_are_what_rendering_all_of_them_would_give(run, habit):
    images, table = sets.photographs(run, open_photos(run.profile), habit, "train")
    photos = open_photos(run.profile, habit=habit)
    pd.testing.assert_frame_equal(table, photos.table("train"))
    assert np.array_equal(images, photos.load(list(table["photo_id"])))


def test_a_natural_set_hands_out_the_photographs_asked_for(run):
    natural = sets.natural_set(run, open_photos(run.profile), 0.1)
    ids = list(natural.table["image_id"])[4:1:-1]
    assert np.array_equal(natural.load(ids), open_photos(run.profile, habit=0.1).load(ids))
    assert list(natural.table["foreground_source"]) == list(natural.table["image_id"])


def test_a_second_set_of_photographs_is_one_row(run, monkeypatch):
    """Whatever keeps the contract of photographs can be opened beside the run's own."""
    row = sets.SetRow("photographs taken anew", lambda run, photos: sets.held_out("anew", second, second.load))
    second = open_photos(replace(run.profile, seed=1))
    monkeypatch.setattr("d3s_utils.evaluation.sets.SETS", sets.SETS | {"anew": row})
    monkeypatch.setattr("d3s_utils.evaluation.sets.d3s_set", lambda run: None)
    opened = sets.open_sets(run, open_photos(run.profile))
    assert list(opened) == ["natural", "natural-uniform", "anew"], "and what a run does not have is left out"
    assert opened["anew"].load(list(opened["anew"].table["image_id"])).shape == (18, 64, 64, 3)
    assert opened["anew"].key != opened["natural"].key
