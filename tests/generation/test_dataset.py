"""A dataset reads back what was written, byte for byte the same each time, here and in Hugging Face datasets."""

import numpy as np
import pandas as pd
import pytest
import yaml

from d3s_utils.generation.card import Terms, write_card
from d3s_utils.generation.dataset import load_guides, load_images, read_dataset
from d3s_utils.generation.shards import is_written, shard_path, shards, write_shard
from d3s_utils.ground.columns import MANIFEST
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for

CLASSES, BACKGROUNDS = ["teapot", "apple", "car"], ["on grass", "at night"]


@pytest.fixture(scope="module")
def manifest():
    """Three classes on two backgrounds, 12 train and 6 val rows."""
    cells = [
        (s, c, b, i) for s, n in (("train", 2), ("val", 1)) for c in range(3) for b in BACKGROUNDS for i in range(n)
    ]
    table = pd.DataFrame(cells, columns=["split", "label", "background", "index"])
    slugs = table["background"].str.replace(" ", "-")
    ids = [
        f"{s}-{c}-{b}-{i:04d}" for s, c, b, i in zip(table["split"], table["label"], slugs, table["index"], strict=True)
    ]
    words = {"prompt": "a photo", "foreground_source": "f", "background_source": "b", "generator": "pocket"}
    numbers = {"left": 1, "top": 2, "scale": 0.4, "guide_kind": "paste", "strength": 0.9, "steps": 25, "guidance": 5.0}
    table = table.assign(image_id=ids, class_name=[CLASSES[c] for c in table["label"]], **words, **numbers)
    table = table.assign(seed=2**62 + np.arange(len(table)), generator_revision="", recipe_hash=ids)
    return table[MANIFEST]


def pixels(shard, purpose):
    return np.stack([rng_for(purpose, name).integers(0, 256, (16, 16, 3), np.uint8) for name in shard.rows["image_id"]])


@pytest.fixture
def folder(tmp_path, manifest):
    for shard in shards(manifest, 5):
        write_shard(tmp_path, shard, pixels(shard, "image"), pixels(shard, "guide"))
    write_card(tmp_path, manifest, load_profile("smoke"), Terms("other", ("Images: ours.",)))
    return tmp_path


def test_shards_cover_the_manifest_in_order(manifest):
    cut = shards(manifest, 5)
    assert [shard.name for shard in cut] == [f"train-{i:05d}-of-00003" for i in range(3)] + [
        "val-00000-of-00002",
        "val-00001-of-00002",
    ]
    pd.testing.assert_frame_equal(pd.concat([shard.rows for shard in cut], ignore_index=True), manifest)
    assert max(len(shard.rows) for shard in cut) == 5
    assert cut[-1].classes == tuple(CLASSES) and cut[-1].backgrounds == tuple(BACKGROUNDS)


def test_the_dataset_reads_back_as_the_manifest(folder, manifest):
    again = pd.concat([read_dataset(folder, split) for split in ("train", "val")], ignore_index=True)
    pd.testing.assert_frame_equal(again, manifest, check_dtype=False)


def test_pixels_come_back_exactly(folder, manifest):
    images, table = load_images(folder, "train")
    assert images.shape == (12, 16, 16, 3) and images.dtype == np.uint8 and list(table.columns) == MANIFEST
    first = shards(manifest, 5)[0]
    assert np.array_equal(images[:5], pixels(first, "image"))
    assert np.array_equal(load_guides(folder, "train")[0][:5], pixels(first, "guide"))


def test_any_images_can_be_asked_for_in_any_order(folder):
    train, table = load_images(folder, "train")
    asked = [table["image_id"][7], "val-2-at-night-0000", table["image_id"][1]]
    images, rows = load_images(folder, asked)
    assert list(rows["image_id"]) == asked
    assert np.array_equal(images[[0, 2]], train[[7, 1]])
    assert len(load_images(folder, [])[0]) == 0
    with pytest.raises(D3SError, match="no image val-9-nowhere-0000"):
        load_images(folder, ["val-9-nowhere-0000"])


def test_the_same_shard_is_the_same_bytes(folder, manifest, tmp_path):
    for shard in shards(manifest, 5):
        again = write_shard(tmp_path / "again", shard, pixels(shard, "image"), pixels(shard, "guide"))
        assert again.read_bytes() == shard_path(folder, shard).read_bytes()


def test_a_shard_counts_only_whole_and_by_its_hashes(folder, manifest):
    shard, other = shards(manifest, 5)[0], shards(manifest.assign(recipe_hash="changed"), 5)[0]
    assert is_written(folder, shard) and not is_written(folder, other)
    path = shard_path(folder, shard)
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_written(folder, shard)
    path.unlink()
    assert not is_written(folder, shard)


def test_a_shard_that_does_not_match_its_rows_is_refused(folder, manifest):
    shard = shards(manifest, 5)[0]
    with pytest.raises(ValueError, match="5 rows, 4 images"):
        write_shard(folder, shard, pixels(shard, "image")[:4], pixels(shard, "guide"))


def test_an_incomplete_dataset_is_named(folder, tmp_path):
    with pytest.raises(D3SError, match="no train images; run notebook 01"):
        read_dataset(tmp_path / "empty", "train")
    (folder / "data" / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(D3SError, match="2 of the train shards"):
        read_dataset(folder, "train")
    (folder / "data" / "val-00000-of-00002.parquet").write_bytes(b"half")
    with pytest.raises(D3SError, match="val-00000-of-00002.parquet cannot be read"):
        load_images(folder, "val")


def test_shards_of_two_runs_do_not_mix(folder):
    (folder / "data" / "val-00000-of-00007.parquet").write_bytes(b"")
    with pytest.raises(D3SError, match="mixes val shards"):
        read_dataset(folder, "val")


def test_hugging_face_reads_the_files_and_the_folder(folder, tmp_path):
    from datasets import ClassLabel, Image, load_dataset

    files = [str(path) for path in sorted((folder / "data").glob("val-*"))]
    cache = str(tmp_path / "cache")
    by_files = load_dataset("parquet", data_files={"val": files}, split="val", cache_dir=cache)
    by_folder = load_dataset(str(folder), cache_dir=cache)
    assert set(by_folder) == {"train", "val"} and len(by_folder["train"]) == 12
    for dataset in (by_files, by_folder["val"]):
        assert isinstance(dataset.features["image"], Image) and isinstance(dataset.features["guide"], Image)
        assert dataset.features["label"] == ClassLabel(names=CLASSES)
        assert dataset.features["background"] == ClassLabel(names=BACKGROUNDS)
        assert set(dataset.column_names) == {"image", "guide", "nsfw", *MANIFEST}
    images, table = load_images(folder, "val")
    row = by_folder["val"][3]
    assert np.array_equal(np.asarray(row["image"]), images[3])
    assert row["seed"] == table["seed"][3]
    assert BACKGROUNDS[row["background"]] == table["background"][3]


def test_the_card_is_valid(folder):
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(folder / "README.md")
    assert card.data.pretty_name == "D3S (smoke)" and card.data.size_categories == ["n<1K"]
    header = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    assert [entry["split"] for entry in header["configs"][0]["data_files"]] == ["train", "val"]
    assert "{" not in card.text.replace("{name}", "")
