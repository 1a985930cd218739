"""Features come back as they were kept, and rows are picked in the order asked."""

import numpy as np
import pytest

from d3s_utils.disentanglement.features import Features, as_tensors, features_path, read_all
from d3s_utils.ground.cached import cached
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_metadata, read_tensors
from d3s_utils.ground.seeds import rng_for


def some_features(n=30):
    rng = rng_for("features")
    arrays = (rng.normal(size=(n, 5)), rng.normal(size=(n, 3)))
    ids = np.array([f"val-{i}" for i in range(n)], dtype=object)
    return Features(ids, *(array.astype(np.float32) for array in arrays), np.arange(n) % 4, np.arange(n) % 3)


def kept(folder, method):
    """Some features, in the file of a run."""
    features = some_features()
    cached(features_path(folder, method), "key", lambda: as_tensors(features, method))
    return features


def test_what_is_kept_comes_back(tmp_path):
    written = kept(tmp_path, "hsic")
    read = read_all(tmp_path, ["hsic"])["hsic"]
    for name in ("image_id", "fg", "bg", "fg_guess", "bg_guess", "all"):
        assert np.array_equal(getattr(read, name), getattr(written, name))


def test_a_file_holds_the_three_kinds_and_the_image_ids_as_the_contract_says(tmp_path):
    kept(tmp_path, "none")
    path = features_path(tmp_path, "none")
    tensors = read_tensors(path)
    assert tensors["fg"].shape == (30, 5) and tensors["bg"].shape == (30, 3) and tensors["all"].shape == (30, 8)
    assert len(read_metadata(path)["about"]["image_ids"]) == 30


def test_pick_gives_rows_in_the_order_asked_and_names_a_missing_image():
    features = some_features()
    assert features.pick(["val-7", "val-2"]).fg[0].tolist() == features.fg[7].tolist()
    with pytest.raises(D3SError, match="val-99"):
        features.pick(["val-2", "val-99"])
