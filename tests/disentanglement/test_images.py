"""Pictures are resized once and stay on disk; backgrounds are numbered as the manifest names them."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from d3s_utils.disentanglement.images import image_table, stored_images, verified_images
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_table


def test_stored_images_are_resized_once_and_stay_on_disk(tmp_path, pixels):
    asked = []

    def load(ids):
        asked.extend(ids)
        return pixels[[int(name) for name in ids]]

    path = tmp_path / "cache" / "d3s.npy"
    first = stored_images(path, list("01234"), load, 16, ["key"])
    again = stored_images(path, list("01234"), load, 16, ["key"])
    assert asked == list("01234") and first.shape == (5, 16, 16, 3) and torch.equal(first, again)
    wanted = torch.from_numpy(pixels[:5]).float().reshape(5, 16, 2, 16, 2, 3).mean((2, 4))
    assert (first.float() - wanted).abs().mean() < 8  # antialiased, so nearly the mean of four pixels
    assert len(stored_images(path, list("0123"), load, 16, ["key"])) == 4
    stored_images(path, list("0123"), load, 16, ["another key"])
    assert len(asked) == 13


def test_backgrounds_are_numbered_in_the_order_of_the_manifest():
    manifest = pd.DataFrame({"background": ["on grass", "at night", "on grass", "in a cave"]})
    assert image_table(manifest)["background_index"].tolist() == [0, 1, 0, 2]


def test_verified_images_are_all_of_training_and_the_accepted_of_validation(tmp_path):
    ids, split = ["train-0", "val-0", "val-1"], ["train", "val", "val"]
    manifest = pd.DataFrame({"image_id": ids, "split": split, "background": ["on grass", "at night", "at night"]})
    write_table(tmp_path / "manifest.parquet", manifest)
    votes = pd.DataFrame({"image_id": ids[1:], "rule": "majority", "accepted": [False, True]})
    write_table(tmp_path / "verified.csv", votes)
    assert verified_images(tmp_path, "majority")["image_id"].tolist() == ["train-0", "val-1"]
    write_table(tmp_path / "verified.csv", votes.assign(accepted=False))
    with pytest.raises(D3SError, match="No validation image was accepted by majority"):
        verified_images(tmp_path, "majority")


def test_keys_change_with_what_they_stand_for_and_with_nothing_else(data):
    def with_hash(row):
        images = data.images.copy()
        images.loc[row, "recipe_hash"] = "another picture"
        return replace(data, images=images)

    learned, shown = with_hash(0), with_hash(35)  # a training image, a validation image
    assert learned.train_key != data.train_key and learned.d3s_key != data.d3s_key
    assert shown.train_key == data.train_key and shown.d3s_key != data.d3s_key
    other = replace(data, natural_key="other photographs")
    assert other.train_key != data.train_key and other.d3s_key == data.d3s_key
