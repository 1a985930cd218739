"""Features come back as they were written, and LEACE leaves a linear reader nothing."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.disentanglement.features import Features, features_path, image_table, read_all, write_features
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_metadata, read_tensors
from d3s_utils.ground.seeds import rng_for
from d3s_utils.probes.erasure import erase, leace


def some_features(n=30):
    rng = rng_for("features")
    arrays = (rng.normal(size=(n, 5)), rng.normal(size=(n, 3)))
    ids = np.array([f"val-{i}" for i in range(n)], dtype=object)
    return Features(ids, *(array.astype(np.float32) for array in arrays), np.arange(n) % 4, np.arange(n) % 3)


def test_what_is_written_comes_back(tmp_path):
    written = some_features()
    write_features(features_path(tmp_path, "hsic"), written, "hsic")
    read = read_all(tmp_path, ["hsic"])["hsic"]
    for name in ("image_id", "fg", "bg", "fg_guess", "bg_guess", "all"):
        assert np.array_equal(getattr(read, name), getattr(written, name))


def test_a_file_holds_the_three_kinds_and_the_image_ids_as_the_contract_says(tmp_path):
    path = write_features(features_path(tmp_path, "none"), some_features(), "none")
    tensors = read_tensors(path)
    assert tensors["fg"].shape == (30, 5) and tensors["bg"].shape == (30, 3) and tensors["all"].shape == (30, 8)
    assert len(read_metadata(path)["image_ids"]) == 30


def test_pick_gives_rows_in_the_order_asked_and_names_a_missing_image():
    features = some_features()
    assert features.pick(["val-7", "val-2"]).fg[0].tolist() == features.fg[7].tolist()
    with pytest.raises(D3SError, match="val-99"):
        features.pick(["val-2", "val-99"])


def test_places_are_numbered_in_the_order_of_the_manifest():
    manifest = pd.DataFrame({"background": ["on grass", "at night", "on grass", "in a cave"]})
    assert image_table(manifest)["background_index"].tolist() == [0, 1, 0, 2]


def test_after_erasure_the_class_means_are_equal_and_little_else_has_moved():
    rng = rng_for("leace")
    labels = np.arange(400) % 4
    x = (rng.normal(size=(400, 16)) + 3 * np.eye(4, 16)[labels]).astype(np.float32)
    fit = np.ones(400, bool)
    erased = leace(x, labels, fit)
    means = np.stack([erased[labels == k].mean(axis=0) for k in range(4)])
    assert np.ptp(means, axis=0).max() < 0.05
    assert np.allclose(erased[:, 8:], x[:, 8:], atol=0.6)


def test_erasure_takes_the_background_from_the_foreground_part_and_the_class_from_the_other():
    n = 400
    labels, places = np.arange(n) % 4, (np.arange(n) // 4) % 5
    noise = rng_for("erase").normal(size=(n, 20)).astype(np.float32)
    both = np.concatenate([np.eye(4)[labels], np.eye(5)[places]], axis=1).astype(np.float32)
    x = np.concatenate([both * 4, noise * 0.1], axis=1)
    images = pd.DataFrame({"label": labels, "background_index": places})
    erased = erase(Features(np.arange(n).astype(object), x, x, labels, places), images, np.arange(n) < 300)
    assert np.std([erased.fg[places == p, 4:9].mean() for p in range(5)]) < 0.05
    assert np.abs(erased.fg[:, :4] - x[:, :4]).mean() < 0.1, "the class stays in the foreground part"
    assert np.abs(erased.bg[:, 4:9] - x[:, 4:9]).mean() < 0.1, "the background stays in the background part"
