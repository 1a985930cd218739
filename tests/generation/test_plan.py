"""The manifest is complete, balanced and free of leaks, and each row depends on its own place alone."""

import runpy

import numpy as np
import pytest
from PIL import Image

from d3s_utils.generation.guides import guide_for, guides_for
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import seed_for
from d3s_utils.ground.squares import patch_side

OWN = ["image_id", "prompt", "seed", "foreground_source", "background_source", "left", "top"]


ENOUGH = "natural.val_per_class=20"  # as many val photographs of a class as it has images


@pytest.fixture(scope="module")
def profile():
    return load_profile("smoke", f"{ENOUGH} dataset.train_per_cell=3 dataset.val_per_cell=2")


def plan(more=""):
    profile = load_profile("smoke", f"{ENOUGH} dataset.train_per_cell=3 dataset.val_per_cell=2 {more}")
    return build_manifest(profile, open_world(profile))


@pytest.fixture(scope="module")
def manifest():
    return plan()


def test_every_cell_has_its_images(manifest):
    assert list(manifest.columns) == COLUMNS["manifest"]
    counts = manifest.groupby(["split", "class_name", "background"]).size()
    assert len(counts) == 2 * 10 * 10
    assert (counts["train"] == 3).all() and (counts["val"] == 2).all()
    assert manifest["image_id"].is_unique and manifest["seed"].is_unique and manifest["recipe_hash"].is_unique
    assert not manifest.isna().any().any()


def test_an_image_id_says_what_it_is(manifest):
    row = manifest[manifest["image_id"] == "val-n04398044-in-a-cave-0001"].iloc[0]
    assert (row["split"], row["class_name"], row["background"], row["label"]) == ("val", "teapot", "in a cave", 9)
    assert row["prompt"] == "a photo of a teapot, pot for brewing tea; usually has a spout and handle, in a cave"
    assert row["seed"] == seed_for(0, "val", "n04398044", "in a cave", 1)


def test_val_guides_show_photographs_train_never_used(profile, manifest):
    world = open_world(profile)
    photos, backgrounds = world.photos, world.backgrounds
    for split in ("train", "val"):
        rows = manifest[manifest["split"] == split]
        table = photos.table(split).set_index("photo_id")
        assert list(table.loc[rows["foreground_source"], "class_name"]) == list(rows["class_name"])
        scenes = backgrounds.table(split).set_index("background_id")
        assert list(scenes.loc[rows["background_source"], "background"]) == list(rows["background"])
    for column in ("foreground_source", "background_source"):
        used = manifest.groupby("split")[column].agg(set)
        assert not used["train"] & used["val"]


def test_no_photograph_is_used_twice_before_all_were_used_once(manifest):
    rows = manifest[manifest["split"] == "val"]  # 20 images and 20 photographs of each class
    assert rows["foreground_source"].is_unique
    assert rows.groupby("background")["background_source"].nunique().min() == 20


def test_more_images_change_none_of_the_earlier_ones(profile, manifest):
    more = plan("dataset.train_per_cell=5")
    again = more.set_index("image_id").loc[manifest["image_id"]].reset_index()
    assert again[OWN].equals(manifest[OWN])


def test_another_seed_is_another_dataset_with_the_same_cells(manifest):
    other = plan("seed=1")
    assert list(other["image_id"]) == list(manifest["image_id"])
    assert not (other["seed"] == manifest["seed"]).any()


def test_placements_stay_inside_and_are_varied(profile, manifest):
    free = profile.generator.size - patch_side(profile.generator.size, profile.generator.scale)
    for column in ("left", "top"):
        assert manifest[column].between(0, free).all() and manifest[column].nunique() > free / 2


def test_without_train_images_there_is_only_val():
    assert set(plan("dataset.train_per_cell=0")["split"]) == {"val"}


def test_a_guide_is_its_photograph_on_its_background(profile, manifest):
    world = open_world(profile)
    photos, backgrounds = world.photos, world.backgrounds
    rows = manifest.sample(5, random_state=0)
    guides = guides_for(rows, photos, backgrounds)
    assert guides.shape == (5, 64, 64, 3)
    row = rows.iloc[3]
    assert np.array_equal(np.asarray(guide_for(row, photos, backgrounds)), guides[3])
    side, left, top = patch_side(64, row["scale"]), row["left"], row["top"]
    photo = photos.picture(row["foreground_source"]).resize((side, side), Image.Resampling.BICUBIC)
    assert np.array_equal(guides[3][top : top + side, left : left + side], np.asarray(photo))
    outside = np.ones((64, 64), bool)
    outside[top : top + side, left : left + side] = False
    background = np.asarray(backgrounds.picture(row["background_source"]))
    assert np.array_equal(guides[3][outside], background[outside])


def test_folders_make_a_manifest_too(tmp_path):
    for folder in ("train/my_dog", "val/my_dog", "places/on grass", "places/on the moon"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (50, 40)).save(tmp_path / folder / f"{i}.jpg")
    (tmp_path / "mine.yaml").write_text(
        f"extends: smoke\nforegrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\n"
        f"backgrounds: {tmp_path}/places\nclasses: all\n"
    )
    profile = load_profile(tmp_path / "mine.yaml")
    manifest = build_manifest(profile, open_world(profile))
    assert list(manifest["background"].unique()) == ["on grass", "on the moon"]
    assert manifest["image_id"][0] == "train-my-dog-on-grass-0000"
    assert manifest["prompt"][0] == "a photo of a my dog, on grass"


def test_the_papers_120_000_rows_are_balanced_exactly(tmp_path):
    """1000 classes x 10 backgrounds x (10 + 2), no photograph of one split in the other, every image its own seed."""
    scale = runpy.run_path(str(paths.ROOT / "benchmarks" / "scale.py"))
    profile = scale["paper_profile"](tmp_path)
    manifest = build_manifest(profile, scale["listed_world"](profile))
    cells = manifest.groupby(["split", "class_name", "background"]).size()
    assert len(manifest) == 120_000 and len(cells) == 20_000
    assert set(cells["train"]) == {10} and set(cells["val"]) == {2}
    assert manifest["image_id"].is_unique and manifest["seed"].is_unique
    assert (manifest["foreground_source"].str.partition("/")[0] == manifest["split"]).all()
    uses = manifest.groupby(["split", "label"])["foreground_source"].agg(lambda names: names.value_counts().max())
    assert (uses == 1).all(), "100 photographs for 100 images: none is used twice"
