"""An independent judge finds the labels that were planted, and is asked about an image once."""

from dataclasses import replace

import pandas as pd
import pytest
from planted import PlantedJudge, planted_samples

from d3s_utils.generation import labels


@pytest.fixture
def samples():
    return planted_samples()


def test_the_judge_is_asked_for_both_labels(samples):
    samples.images[:5, 0, 0, 0] = 1  # five teapots turn into cars
    judged = labels.compare_labels(PlantedJudge(), samples.images, samples.rows)
    rates = labels.label_rates(judged).set_index("question")
    assert rates["rate"].to_dict() == {"foreground": 87.5, "background": 100.0, "both": 87.5}
    assert (rates["low"] < rates["rate"]).all() and (rates["n"] == 40).all()
    by_class = labels.label_rates(judged, "class_name").set_index(["class_name", "question"])["rate"]
    assert by_class["teapot", "both"] == 75 and by_class["car", "both"] == 100


def test_answers_are_kept_as_long_as_judge_and_images_stay(samples, tmp_path):
    judge = PlantedJudge()
    first = labels.judge_labels(tmp_path, judge, samples)
    pd.testing.assert_frame_equal(labels.judge_labels(tmp_path, judge, samples), first)
    assert judge.asked == 40
    rows = samples.rows.assign(recipe_hash=["new", *samples.rows["recipe_hash"][1:]])
    labels.judge_labels(tmp_path, judge, replace(samples, rows=rows))
    assert judge.asked == 80
    judge.key = "trained again"
    labels.judge_labels(tmp_path, judge, replace(samples, rows=rows))
    assert judge.asked == 120


def test_without_a_judge_nothing_is_claimed(samples, tmp_path):
    for _ in range(2):
        judged = labels.judge_labels(tmp_path, None, samples)
        assert judged.empty and labels.label_rates(judged).empty
