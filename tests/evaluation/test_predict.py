"""Rows say exactly what the scores say, and are made once."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.evaluation.classifiers import Classifier
from d3s_utils.evaluation.predict import ImageSet, predict, predictions_of, read_logits
from d3s_utils.ground.columns import COLUMNS


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

    rows = predict(Brightness("bright", None, "key"), ImageSet("d3s", table, load, "key"))
    assert list(rows.columns) == [*COLUMNS["predictions"], "foreground_source"]
    assert list(rows["guess"]) == list(level // 255) and list(rows["image_id"]) == list(table["image_id"])
    assert set(rows["model"]) == {"bright"} and set(rows["dataset"]) == {"d3s"}


def one_image(name, key, load):
    table = pd.DataFrame({"image_id": ["a"], "label": [1], "background": ["x"], "foreground_source": ["a"]})
    return ImageSet(name, table, load, key)


def black(image_ids):
    return np.zeros((len(image_ids), 2, 2, 3), np.uint8)


def test_predictions_are_made_once(tmp_path):
    model = Brightness("bright", None, "key")
    first = predictions_of(model, one_image("d3s", "black", black), tmp_path)
    gone = one_image("d3s", "black", lambda ids: pytest.fail("predicted again"))
    pd.testing.assert_frame_equal(first, predictions_of(model, gone, tmp_path))


@pytest.mark.parametrize("change", ["classifier", "images", "code"])
def test_predictions_are_made_again_when_something_they_rest_on_changes(tmp_path, monkeypatch, change):
    model, images = Brightness("mine/bright", None, "key"), one_image("d3s", "black", black)
    assert predictions_of(model, images, tmp_path)["guess"].item() == 0
    if change == "classifier":
        model = Brightness("mine/bright", None, "other key")
    elif change == "code":
        monkeypatch.setattr("d3s_utils.evaluation.predict.code_of", lambda *things: "edited")
    white = one_image("d3s", "white" if change == "images" else "black", lambda ids: black(ids) + 255)
    assert predictions_of(model, white, tmp_path)["guess"].item() == 1
