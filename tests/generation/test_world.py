"""Photographs come out upright, RGB and in place, wherever they come from; what is missing or broken is named."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from d3s_utils.generation.world import natural_arrays, open_backgrounds, open_photos, open_world
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.words import BACKGROUNDS, HABITS
from d3s_utils.pocket.world import render, render_clean

TINY = "natural.train_per_class=6 natural.val_per_class=3"


def paint(path, colour="red", size=(40, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A profile over folders: two classes (goldfish and my dog), two backgrounds."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    for split in ("train", "val"):
        for i in range(5):
            paint(tmp_path / split / "n01443537" / f"{i}.JPEG", "orange")
            paint(tmp_path / split / "my_dog" / f"{i}.png", "brown")
    paint(tmp_path / "places" / "in_a_cave" / "a.jpg", "black")
    paint(tmp_path / "places" / "on grass" / "b.jpg", "green")
    (tmp_path / "mine.yaml").write_text(
        f"foregrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nbackgrounds: {tmp_path}/places\nclasses: all\n"
    )
    return tmp_path


def test_the_pocket_world_has_the_photographs_asked_for():
    photos = open_photos(load_profile("smoke", TINY))
    train, val = photos.table("train"), photos.table("val")
    assert list(train.columns) == ["photo_id", "label", "class_name", "background"]
    assert (len(train), len(val)) == (60, 30)
    assert not set(train["photo_id"]) & set(val["photo_id"])


def test_a_habit_is_kept_as_often_as_it_says():
    profile = load_profile("pocket")
    for habit in (0.1, 0.8):
        table = open_photos(profile, habit=habit).table("train")
        usual = (table["background"] == table["class_name"].map(HABITS)).mean()
        assert abs(usual - habit) < 0.03


def test_a_pocket_photograph_is_the_same_alone_or_among_others():
    photos = open_photos(load_profile("smoke", TINY))
    ids = list(photos.table("val")["photo_id"][:4])
    images = photos.load(ids)
    assert images.shape == (4, 64, 64, 3) and images.dtype == np.uint8
    assert np.array_equal(np.asarray(photos.picture(ids[2])), images[2])
    assert np.array_equal(photos.load(ids[::-1]), images[::-1])
    assert [mask.size for mask in photos.masks(ids)] == [(64, 64)] * 4


def test_pocket_backgrounds_are_apart_by_split_and_varied():
    backgrounds = open_backgrounds(load_profile("smoke"))
    train, val = backgrounds.table("train"), backgrounds.table("val")
    assert backgrounds.names == BACKGROUNDS
    assert not set(train["background_id"]) & set(val["background_id"])
    snow = list(train.loc[train["background"] == "in snow", "background_id"][:2])
    one, two = list(backgrounds.pictures(snow))
    assert not np.array_equal(np.asarray(one), np.asarray(two))
    assert np.array_equal(np.asarray(backgrounds.picture(snow[1])), np.asarray(two))


def test_an_empty_place_is_a_scene_without_its_object():
    scenes = pd.DataFrame(
        {"scene_id": ["a", "b"], "class_name": ["teapot", "daisy"], "background": ["in water", "in snow"]}
    )
    assert np.array_equal(render_clean(scenes), render(scenes).clean)


def test_folders_give_their_photographs(folders):
    photos = open_photos(load_profile(folders / "mine.yaml"))
    table = photos.table("val")
    assert list(table["class_name"]) == ["goldfish"] * 5 + ["my dog"] * 5
    assert table["background"].isna().all() and photos.habit is None
    images = photos.load(["val/my_dog/0.png", "val/n01443537/1.JPEG"])
    assert images.shape == (2, 64, 64, 3)
    assert tuple(images[0, 0, 0]) == (165, 42, 42)


def test_too_many_photographs_are_sampled_the_same_way_each_time(folders):
    profile = load_profile(folders / "mine.yaml", "natural.train_per_class=2")
    one, two = (open_photos(profile).table("train") for _ in range(2))
    assert len(one) == 4 and one.equals(two)


def test_background_folders_keep_the_papers_order(folders):
    backgrounds = open_backgrounds(load_profile(folders / "mine.yaml"))
    assert backgrounds.names == ("on grass", "in a cave")
    assert list(backgrounds.table("val")["background_id"]) == ["on grass/b.jpg", "in_a_cave/a.jpg"]
    assert backgrounds.picture("in_a_cave/a.jpg").getpixel((0, 0)) == (0, 0, 0)


def test_a_broken_picture_is_left_out_by_name_and_another_taken(folders):
    """Three are asked for of five: one that is empty is replaced by another of its class."""
    profile = load_profile(folders / "mine.yaml", "natural.train_per_class=3")
    before = open_photos(profile).table("train")
    spoilt = before["photo_id"].iloc[0]
    (folders / spoilt).write_bytes(b"")
    photos = open_photos(profile)
    after = photos.table("train")
    assert len(after) == len(before) == 6 and spoilt not in set(after["photo_id"])
    assert photos.skipped().values.tolist() == [["foregrounds", spoilt, "is empty"]]
    assert natural_arrays(folders / "run", photos, "train")[0].shape == (6, 64, 64, 3)


def test_a_class_left_without_pictures_is_an_error(folders):
    for file in (folders / "val" / "my_dog").iterdir():
        file.write_text("not a picture")
    words = r"foregrounds.val: no picture of my dog in .*val can be used \(5 tried; my_dog/0.png is text"
    with pytest.raises(D3SError, match=words):
        open_photos(load_profile(folders / "mine.yaml")).table("val")


def test_backgrounds_leave_broken_pictures_out_too(folders):
    (folders / "places" / "on grass" / "c.jpg").write_bytes(b"")
    backgrounds = open_backgrounds(load_profile(folders / "mine.yaml"))
    assert list(backgrounds.table("val")["background_id"]) == ["on grass/b.jpg", "in_a_cave/a.jpg"]
    assert backgrounds.skipped().values.tolist() == [["backgrounds", "on grass/c.jpg", "is empty"]]
    (folders / "places" / "on grass" / "b.jpg").write_bytes(b"GIF")
    with pytest.raises(D3SError, match=r"backgrounds: no picture in .*on grass can be used \(on grass/b.jpg is"):
        open_backgrounds(load_profile(folders / "mine.yaml"))


def test_an_empty_class_folder_is_named(folders):
    for file in (folders / "val" / "my_dog").iterdir():
        file.unlink()
    (folders / "val" / "my_dog" / "notes.txt").write_text("no picture")
    with pytest.raises(D3SError, match=r"foregrounds.val: the folder .*my_dog has no pictures"):
        open_photos(load_profile(folders / "mine.yaml")).table("val")


def test_a_missing_class_folder_is_named(folders):
    (folders / "train" / "cat").mkdir()
    with pytest.raises(D3SError, match=r"foregrounds.val: there is no folder .*val/cat"):
        open_photos(load_profile(folders / "mine.yaml")).table("val")


def test_missing_and_empty_background_folders_are_named(folders):
    with pytest.raises(D3SError, match=r"backgrounds: there is no folder .*nowhere"):
        open_backgrounds(load_profile(folders / "mine.yaml", f"backgrounds={folders}/nowhere"))
    (folders / "places" / "in snow").mkdir()
    with pytest.raises(D3SError, match=r"backgrounds: the folder .*in snow has no pictures"):
        open_backgrounds(load_profile(folders / "mine.yaml"))
    (folders / "bare").mkdir()
    with pytest.raises(D3SError, match="bare has no folders"):
        open_backgrounds(load_profile(folders / "mine.yaml", f"backgrounds={folders}/bare"))


def test_two_folders_for_one_background_are_refused(folders):
    paint(folders / "places" / "on_grass" / "c.jpg")
    with pytest.raises(D3SError, match="mean the same background"):
        open_backgrounds(load_profile(folders / "mine.yaml"))


def test_train_and_val_cannot_share_their_photographs(folders):
    profile = load_profile(
        folders / "mine.yaml", f"foregrounds='{{train: {folders}/train, val: {folders}/val/../train}}'"
    )
    with pytest.raises(D3SError, match="train and val are the same folder"):
        open_photos(profile)


def test_folders_have_no_habit_to_set(folders):
    with pytest.raises(D3SError, match="only be set in the pocket world"):
        open_photos(load_profile(folders / "mine.yaml"), habit=0.95)


def test_an_unknown_photograph_is_named():
    with pytest.raises(D3SError, match="no render atlantis"):
        open_photos(load_profile("smoke", TINY)).load(["atlantis"])


def test_a_run_names_what_it_left_out(folders, tiny_checkpoint):
    from d3s_utils.generation.make import generate_dataset
    from d3s_utils.ground.run import Run

    (folders / "train" / "my_dog" / "2.png").write_bytes(b"")
    sets = f"generator.model={tiny_checkpoint} generator.size=32 generator.steps=4 dataset.train_per_cell=1"
    profile = load_profile(folders / "mine.yaml", f"{sets} dataset.val_per_cell=1 device=cpu")
    run, said = Run(profile, "01_generation", folders / "run"), []
    generate_dataset(run, open_world(run.profile), report=said.append)
    assert (folders / "run" / "skipped.csv").read_text() == (
        "source,file,reason\nforegrounds,train/my_dog/2.png,is empty\n"
    )
    assert said[0] == "1 picture(s) cannot be used and are left out: see skipped.csv"
