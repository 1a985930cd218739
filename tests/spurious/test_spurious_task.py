"""The dial changes the pairing and nothing else; a head falls for the background only if its features show it."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Spurious
from d3s_utils.spurious.task import pairing, scaled, spurious_task, summarise, training_rows

CLASSES, PLACES, PER_CELL = 6, 7, 8


def dataset():
    cells = [
        (split, k, b)
        for split in ("train", "val")
        for k in range(CLASSES)
        for b in range(PLACES)
        for _ in range(PER_CELL)
    ]
    images = pd.DataFrame(cells, columns=["split", "label", "background_index"])
    return images.assign(image_id=[f"image-{i}" for i in images.index], foreground_source=images.index // 2)


def features_of(images):
    """Foreground features know the class, background features the background; both are loud."""
    rng = rng_for("spurious features")

    def part(column, width, loudness):
        x = rng.normal(size=(len(images), width))
        x[:, :8] += loudness * np.eye(8)[images[column]]
        return x.astype(np.float32)

    ids = images["image_id"].to_numpy(dtype=object)
    none = np.zeros(len(images), int)
    return Features(ids, part("label", 12, 5), part("background_index", 12, 15), none, none)


@pytest.mark.parametrize("correlation", [0.5, 0.75, 1.0])
def test_the_dial_sets_the_share_of_agreeing_images_and_never_their_number(correlation):
    images = dataset().query("split == 'train'").reset_index(drop=True)
    tied = pairing(CLASSES, PLACES, "test")
    rows = training_rows(images, tied, correlation, "test")
    chosen = images.loc[rows]
    assert len(rows) == len(set(rows)) == CLASSES * PER_CELL
    assert np.mean(chosen["background_index"] == tied[chosen["label"]]) == correlation
    assert (chosen.groupby("label").size() == PER_CELL).all()


def test_a_pairing_is_one_to_one_and_the_background_left_over_is_never_used():
    tied = pairing(CLASSES, PLACES, "test")
    assert len(set(tied)) == CLASSES
    images = dataset().query("split == 'train'").reset_index(drop=True)
    left_over = set(range(PLACES)) - set(tied)
    assert not left_over & set(images.loc[training_rows(images, tied, 0.5, "test"), "background_index"])


def test_more_classes_than_backgrounds_share_them_evenly():
    assert np.bincount(pairing(20, 10, "test")).tolist() == [2] * 10


def test_a_head_on_everything_falls_for_the_background_and_one_on_the_foreground_does_not():
    images = dataset()
    settings = Spurious(permutations=2, correlations=(0.5, 1.0))
    guesses = spurious_task({"planted": features_of(images)}, images, settings, seed=0)
    table = summarise(guesses, images, seed=0).set_index(["features", "correlation", "side"])
    assert table.loc[("all", 1.0, "agreeing"), "accuracy"] > 97
    assert table.loc[("all", 1.0, "disagreeing"), "accuracy"] < 70
    assert table.loc[("fg", 1.0, "disagreeing"), "accuracy"] > 88
    assert table.loc[("all", 0.5, "disagreeing"), "accuracy"] > table.loc[("all", 1.0, "disagreeing"), "accuracy"] + 10
    assert (table["worst"] <= table["accuracy"] + 1e-9).all()
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()


def test_only_test_images_on_tied_backgrounds_are_asked_about():
    images = dataset()
    guesses = spurious_task(
        {"planted": features_of(images)}, images, Spurious(permutations=3, correlations=(1.0,)), seed=0
    )
    assert set(guesses["image_id"]) <= set(images.query("split == 'val'")["image_id"])
    per_permutation = guesses[guesses["features"] == "fg"].groupby("permutation")["image_id"].nunique()
    assert (per_permutation == CLASSES * CLASSES * PER_CELL).all()
    assert guesses.groupby("permutation")["agrees"].mean().round(6).nunique() == 1


def test_an_empty_cell_is_said_in_one_sentence():
    images = dataset().query("split == 'train' and label != place").reset_index(drop=True)
    with pytest.raises(D3SError, match="train_per_cell"):
        training_rows(images, np.arange(CLASSES), 1.0, "test")


def test_scaling_keeps_how_loud_each_feature_is_against_the_others():
    x = np.array([[0.0, 0.0], [2.0, 20.0], [9.0, 9.0]], dtype=np.float32)
    z = scaled(x, np.array([True, True, False]))
    assert z[:2].mean() == pytest.approx(0) and z[:2].std() == pytest.approx(1)
    assert np.ptp(z[:2, 1]) == pytest.approx(10 * np.ptp(z[:2, 0]))
