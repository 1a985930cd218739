"""A result is kept under its key and never counts as the result of another."""

import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.ground.cached import Chunks, Tensors, cached, digest, is_kept

MADE = {
    ".parquet": lambda: pd.DataFrame({"image_id": ["a", "b"], "p": [0.25, 1 / 3]}),
    ".safetensors": lambda: Tensors({"weight": torch.arange(3.0)}, {"seed": 7}),
    ".npy": lambda: Chunks((3, 2), np.uint8, iter([np.ones((2, 2), np.uint8), np.zeros((1, 2), np.uint8)])),
}


def plain(value):
    if isinstance(value, pd.DataFrame):
        return value.to_dict("list")
    if isinstance(value, Tensors):
        return {name: tensor.tolist() for name, tensor in value.tensors.items()}, value.about
    return np.asarray(value).tolist()


@pytest.fixture(params=MADE)
def kept(request, tmp_path):
    """Keeps a value of one kind under a key; returns what came back and how often it was made."""
    path, calls = tmp_path / "deep" / f"result{request.param}", []

    def keep(key):
        value = cached(path, key, lambda: calls.append(key) or MADE[request.param]())
        return plain(value), len(calls)

    keep.path = path
    return keep


def test_what_is_kept_is_not_made_again_and_comes_back_the_same(kept):
    (first, once), (second, still_once) = kept(["seed", 1]), kept(["seed", 1])
    assert first == second and (once, still_once) == (1, 1)


def test_another_key_is_another_result(kept):
    assert [kept(key)[1] for key in (1, 2, 2)] == [1, 2, 2]


def test_a_damaged_file_is_made_again(kept):
    whole, _ = kept("key")
    for file in kept.path.parent.iterdir():
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert kept("key") == (whole, 2)


def test_a_file_without_a_key_is_no_result(tmp_path):
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "t.parquet")
    assert not is_kept(tmp_path / "t.parquet", "key")
    assert list(cached(tmp_path / "t.parquet", "key", lambda: pd.DataFrame({"x": [2]}))["x"]) == [2]
    assert is_kept(tmp_path / "t.parquet", "key") and not is_kept(tmp_path / "t.parquet", "other")


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError):
        cached(tmp_path / "t.parquet", "key", lambda: 1 / 0)
    with pytest.raises(ValueError, match="1 rows came, 3 were announced"):
        cached(tmp_path / "a.npy", "key", lambda: Chunks((3,), np.uint8, [np.zeros(1, np.uint8)]))
    assert list(tmp_path.iterdir()) == []


def test_a_large_array_is_mapped(tmp_path):
    array = cached(tmp_path / "a.npy", "key", MADE[".npy"])
    assert isinstance(array, np.memmap) and not array.flags.writeable


def test_a_digest_follows_values_and_not_how_they_are_written():
    assert digest({"a": 1, "b": (2, 3)}) == digest({"b": [2, 3], "a": 1}) != digest({"a": 1, "b": (3, 2)})
