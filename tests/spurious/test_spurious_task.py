"""The dial changes the pairing and nothing else; a head falls for the background only if its features show it."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.disentanglement.features import Features
from d3s_utils.disentanglement.models import PLAIN
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Spurious
from d3s_utils.spurious.parts import equalled, heard, scaled, with_erased
from d3s_utils.spurious.task import loudness, pairing, spurious_task, summarise, training_rows

CLASSES, BACKGROUNDS, PER_CELL = 6, 7, 8


def dataset():
    cells = [
        (split, k, b)
        for split in ("train", "val")
        for k in range(CLASSES)
        for b in range(BACKGROUNDS)
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
    tied = pairing(CLASSES, BACKGROUNDS, "test")
    rows = training_rows(images, tied, correlation, "test")
    chosen = images.loc[rows]
    assert len(rows) == len(set(rows)) == CLASSES * PER_CELL
    assert np.mean(chosen["background_index"] == tied[chosen["label"]]) == correlation
    assert (chosen.groupby("label").size() == PER_CELL).all()


def test_a_pairing_is_one_to_one_and_the_background_left_over_is_never_used():
    tied = pairing(CLASSES, BACKGROUNDS, "test")
    assert len(set(tied)) == CLASSES
    images = dataset().query("split == 'train'").reset_index(drop=True)
    left_over = set(range(BACKGROUNDS)) - set(tied)
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
    images = dataset().query("split == 'train' and label != background_index").reset_index(drop=True)
    with pytest.raises(D3SError, match="train_per_cell"):
        training_rows(images, np.arange(CLASSES), 1.0, "test")


def test_scaling_keeps_how_loud_each_feature_is_against_the_others():
    x = np.array([[0.0, 0.0], [2.0, 20.0], [9.0, 9.0]], dtype=np.float32)
    z = scaled(x, np.array([True, True, False]))
    assert z[:2].mean() == pytest.approx(0) and z[:2].std() == pytest.approx(1)
    assert np.ptp(z[:2, 1]) == pytest.approx(10 * np.ptp(z[:2, 0]))


def part(images, column, noise, key):
    """Features that show a label in so much noise, all labels alike."""
    x = noise * rng_for(key).normal(size=(len(images), 8))
    x[:, :8] += np.eye(8)[images[column]]
    return x.astype(np.float32)


def planted(images, fg, bg):
    none = np.zeros(len(images), int)
    return Features(images["image_id"].to_numpy(dtype=object), fg, bg, none, none)


def test_both_parts_are_equally_loud_however_loud_and_wide_they_were():
    rng = rng_for("loud")
    fit = np.arange(60) < 40
    own = Features(np.arange(60), rng.normal(3, 1, (60, 5)), 50 * rng.normal(size=(60, 20)), None, None)
    both = heard("hsic", own, "all", fit)
    fg, bg = both[fit, :5].var(axis=0).sum(), both[fit, 5:].var(axis=0).sum()
    assert fg == pytest.approx(bg, rel=1e-4) and np.abs(both[fit].mean(axis=0)).max() < 1e-4
    louder = heard("hsic", own, "all", fit, 10.0)
    assert louder[fit, 5:].var(axis=0).sum() == pytest.approx(100 * louder[fit, :5].var(axis=0).sum(), rel=1e-4)
    assert equalled(own.bg, fit)[fit].var(axis=0).sum() == pytest.approx(1)
    one_piece = heard(PLAIN, own, "all", fit, 10.0)
    assert np.allclose(one_piece, scaled(own.all, fit)), "a plain network has no part to be made louder"


def test_a_head_on_both_parts_follows_the_louder_one():
    images = dataset()
    fg, bg = (part(images, column, 0.05, column) for column in ("label", "background_index"))
    settings = Spurious(permutations=3, loudness=(0.1, 0.5, 1.0, 2.0, 10.0))
    features = {"planted": planted(images, fg, 40 * bg), PLAIN: planted(images, fg, bg)}
    table = loudness(features, images, settings, seed=0).query("side == 'disagreeing'")
    assert set(table["method"]) == {"planted"}, "a plain network has no knob"
    accuracy = table.set_index("loudness")["accuracy"]
    assert accuracy.is_monotonic_decreasing and accuracy[0.1] > 95 and accuracy[10.0] < 5
    assert accuracy[10.0] + 10 < accuracy[1.0] < accuracy[0.1] - 10


def test_perfect_foreground_features_do_not_mind_and_empty_ones_read_chance():
    images = dataset()
    perfect = planted(images, part(images, "label", 0, "fg"), part(images, "background_index", 0, "bg"))
    empty = planted(images, rng_for("empty").normal(size=(len(images), 8)).astype(np.float32), perfect.bg)
    settings = Spurious(permutations=4, correlations=(1.0,))
    guesses = spurious_task({"perfect": perfect, "empty": empty}, images, settings, seed=0, kinds=("fg",))
    accuracy = summarise(guesses, images, seed=0).set_index(["method", "side"])["accuracy"]
    assert (accuracy["perfect"] == 100).all()
    assert accuracy["empty", "disagreeing"] == pytest.approx(100 / CLASSES, abs=5)


def test_a_plain_network_is_read_whole_and_never_erased():
    images = dataset()
    both = with_erased(dict.fromkeys([PLAIN, "none"], features_of(images)), images)
    assert list(both) == [PLAIN, "none", "none + LEACE"]
    guesses = spurious_task(both, images, Spurious(permutations=1, correlations=(1.0,)), seed=0)
    read = set(zip(guesses["method"], guesses["features"], strict=True))
    assert (PLAIN, "all") in read and (PLAIN, "fg") not in read and ("none", "fg") in read
