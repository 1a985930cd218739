"""Photographs come out upright, RGB and in place, wherever they come from; what is missing or broken is named."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from d3s_utils.errors import D3SError
from d3s_utils.photos import natural_arrays, open_backgrounds, open_photos, read_picture
from d3s_utils.pocket.world import render, render_clean
from d3s_utils.profile import load_profile
from d3s_utils.taxonomy import BACKGROUNDS, HABITS

TINY = "natural.train_per_class=6 natural.val_per_class=3"


def paint(path, colour="red", size=(40, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


@pytest.fixture
def folders(tmp_path):
    """A profile over folders: two classes (goldfish and my dog), two backgrounds."""
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
        table = open_photos(profile, habit=habit, key="test").table("train")
        usual = (table["background"] == table["class_name"].map(HABITS)).mean()
        assert abs(usual - habit) < 0.03


def test_a_pocket_photograph_is_the_same_alone_or_among_others():
    photos = open_photos(load_profile("smoke", TINY))
    ids = list(photos.table("val")["photo_id"][:4])
    images = photos.load(ids)
    assert images.shape == (4, 64, 64, 3) and images.dtype == np.uint8
    assert np.array_equal(np.asarray(photos.picture(ids[2])), images[2])
    assert np.array_equal(photos.load(ids[::-1]), images[::-1])
    assert photos.masks(ids).shape == (4, 64, 64)


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


def test_arrays_are_computed_once(folders):
    photos = open_photos(load_profile(folders / "mine.yaml"))
    images, table = natural_arrays(folders / "run", photos, "train")
    assert len(images) == len(table) == 10
    (cached,) = (folders / "run" / "cache").iterdir()
    stamp = cached.stat().st_mtime_ns
    again, _ = natural_arrays(folders / "run", photos, "train")
    assert cached.stat().st_mtime_ns == stamp and np.array_equal(images, again)
    natural_arrays(folders / "run", photos, "val")
    assert len(list((folders / "run" / "cache").iterdir())) == 2


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb(mode, tmp_path):
    grey = Image.new("L", (20, 10), 255)
    picture = Image.fromarray(np.full((10, 20), 65535, np.uint16)) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    picture.save(path)
    read = read_picture(path)
    assert read.mode == "RGB" and read.size == (20, 10)
    assert read.getpixel((5, 5)) == (255, 255, 255)


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees
    paint(tmp_path / "turned.jpg", size=(40, 30), exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (30, 40)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_an_unreadable_picture_is_named(content, folders):
    path = folders / "train" / "n01443537" / "3.JPEG"
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    photos = open_photos(load_profile(folders / "mine.yaml"))
    with pytest.raises(D3SError, match=r"n01443537/3.JPEG cannot be read as a picture .*; replace or remove"):
        natural_arrays(folders / "run", photos, "train")
    assert not (folders / "run" / "cache").exists(), "nothing half-done is kept"


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
    with pytest.raises(D3SError, match="no photograph atlantis"):
        open_photos(load_profile("smoke", TINY)).load(["atlantis"])
