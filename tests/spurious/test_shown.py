"""The pictures behind the dial."""

import pytest
import scenes

from d3s_utils.spurious.shown import SEEN, TEST, dial_examples
from d3s_utils.spurious.task import pairing


@pytest.mark.parametrize("at, agreeing", [(0.5, 3), (1.0, 6)])
def test_training_images_agree_as_often_as_the_dial_says(at, agreeing):
    images = scenes.image_table(16)
    guesses = scenes.dial_guesses(images).query("features == 'all'")
    shown = dial_examples(images, guesses, at, 0, columns=6)
    training, tied = shown[shown["kind"] == SEEN], pairing(3, 3, 0, "spurious", 0)
    assert len(training) == 6 and training["agrees"].sum() == agreeing
    assert (training["agrees"] == (training["background_index"] == tied[training["label"]])).all()
    assert (training["split"] == "train").all() and training["label"].nunique() == 3


def test_test_images_break_the_pairing_and_carry_the_guess():
    images = scenes.image_table(16)
    guesses = scenes.dial_guesses(images).query("features == 'all'")
    tied = pairing(3, 3, 0, "spurious", 0)
    for at, right in ((0.5, True), (1.0, False)):
        test = dial_examples(images, guesses, at, 0).query("kind == @TEST")
        assert len(test) == 8 and ((test["guess"] == test["label"]) == right).all()
        assert (test["split"] == "val").all() and (test["background_index"] != tied[test["label"]]).all()
    assert TEST == "test"
