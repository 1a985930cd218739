"""An image's hash follows everything the image rests on: exactly what changed is drawn again, and the rest stays."""

import dataclasses
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_run import run_in, silent

from d3s_utils.generation import make, plan
from d3s_utils.generation.dataset import load_images, read_dataset
from d3s_utils.generation.world import natural_arrays, open_photos, open_world
from d3s_utils.ground import sources
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Generator


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A profile over folders: two classes of four photographs, two backgrounds of two pictures; nine images a shard."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    for number, name in enumerate([*(f"{split}/{dog}" for split in ("train", "val") for dog in ("pug", "poodle"))]):
        for i in range(4):
            paint(tmp_path / name / f"{i}.png", (60 * number, 60 * i, 0))
    for number, name in enumerate(("in snow", "on grass")):
        for i in range(2):
            paint(tmp_path / "scenes" / name / f"{i}.png", (0, 90 * i, 200 * number))
    (tmp_path / "mine.yaml").write_text(
        f"foregrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nbackgrounds: {tmp_path}/scenes\nclasses: all\n"
        "generator: {size: 16}\ndataset: {train_per_cell: 0, val_per_cell: 6, shard_size: 9}\ndevice: cpu\n"
    )
    return tmp_path


def paint(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)


class Brush:
    """In place of a diffusion model: paints the number of the call, and remembers which seeds it was given."""

    def __init__(self, monkeypatch):
        self.seeds, self.calls = [], 0
        monkeypatch.setattr(
            make, "load_generator", lambda profile: SimpleNamespace(flag=lambda images: [False] * len(images))
        )
        monkeypatch.setattr("d3s_utils.generation.shard.generate", self.generate)

    def generate(self, generator, guides, prompts, seeds, settings, masks):
        self.calls += 1
        self.seeds += seeds
        return np.full_like(guides, self.calls)

    def run(self, folders, more=""):
        """Manifest, the image_ids that were drawn, and the bytes of every image."""
        self.seeds.clear()
        run = run_in(folders / "run", load_profile(folders / "mine.yaml", more))
        manifest = make.generate_dataset(run, open_world(run.profile), report=silent)
        drawn = set(manifest["image_id"][manifest["seed"].isin(self.seeds)])
        held = read_dataset(run.path("dataset"), "val", ["image_id", "image", "guide", "nsfw"])
        assert list(held["image_id"]) == list(manifest["image_id"]) and held["nsfw"].eq(False).all()
        return manifest, drawn, held.set_index("image_id")


@pytest.fixture
def brush(monkeypatch):
    return Brush(monkeypatch)


@pytest.mark.parametrize(
    ("column", "file"), [("foreground_source", "val/pug/2.png"), ("background_source", "scenes/on grass/1.png")]
)
def test_a_picture_replaced_under_its_name_redraws_the_images_that_rest_on_it(folders, brush, column, file):
    before, drawn, held = brush.run(folders)
    assert drawn == set(before["image_id"]) and brush.run(folders)[1] == set()
    paint(folders / file, "white")
    after, drawn, now = brush.run(folders)
    rests = before[column] == file.removeprefix("scenes/")
    assert 0 < rests.sum() < len(before) and drawn == set(before["image_id"][rests])
    assert list(before["recipe_hash"] != after["recipe_hash"]) == list(rests)
    for name in before["image_id"]:
        assert (held["image"][name] == now["image"][name]) == (held["guide"][name] == now["guide"][name])
        assert (held["image"][name] == now["image"][name]) == (name not in drawn)
    images, _ = load_images(folders / "run" / "dataset", "val")
    shown = images[rests.to_numpy()]
    assert (shown > images[~rests.to_numpy()].max()).all(), "drawn later than all that stayed"


def test_a_picture_that_guides_do_not_show_redraws_nothing(folders, brush):
    brush.run(folders, "generator.guide=background")
    paint(folders / "val/pug/2.png", "white")
    assert brush.run(folders, "generator.guide=background")[1] == set()
    brush.run(folders, "generator.guide=foreground")
    paint(folders / "scenes/on grass/1.png", "white")
    assert brush.run(folders, "generator.guide=foreground")[1] == set()


def test_a_mask_replaced_redraws_the_images_that_are_cut_out_by_it(folders, brush):
    for dog in ("pug", "poodle"):
        for i in range(4):
            path = folders / "masks" / dog / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (40, 30), 255).save(path)
    more = f"generator.guide=mask generator.masks={folders}/masks"
    manifest, _, _ = brush.run(folders, more)
    Image.new("L", (40, 30), 100).save(folders / "masks" / "pug" / "1.png")
    assert brush.run(folders, more)[1] == set(manifest["image_id"][manifest["foreground_source"] == "val/pug/1.png"])


def test_a_file_touched_but_of_the_same_time_and_size_is_the_same(folders, brush):
    before, _, _ = brush.run(folders)
    file = folders / "val/pug/2.png"
    status = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert brush.run(folders)[1] == set()


def test_a_damaged_shard_is_drawn_whole(folders, brush):
    manifest, _, _ = brush.run(folders)
    shard = sorted((folders / "run" / "dataset" / "data").iterdir())[1]
    shard.write_bytes(shard.read_bytes()[:500])
    assert brush.run(folders)[1] == set(manifest["image_id"][9:18])


# What a hash depends on -----------------------------------------------------------------------------------------------


OTHER = {
    "size": 32, "steps": 7, "guidance": 2.0, "strength": 0.5, "scale": 0.6, "batch_size": 3, "dtype": "float32",
    "definition": False, "eta": 0.5, "mode": "text2img", "guide": "foreground", "safety": False, "compile": True,
}  # fmt: skip
FOUND_OTHERWISE = {"model", "revision"}, {"masks"}  # by generator_revision and the row; by the stamps of masks


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_of_the_generator_counts(name):
    profile = load_profile("smoke", "classes=2 dataset.train_per_cell=0 dataset.val_per_cell=1")
    changed = replace(profile, generator=replace(profile.generator, **{name: OTHER[name]}))
    one, other = (plan.build_manifest(own, open_world(own))["recipe_hash"] for own in (profile, changed))
    assert getattr(profile.generator, name) != OTHER[name] and not one.isin(other).any()


def test_no_setting_of_the_generator_is_forgotten():
    known = {field.name for field in dataclasses.fields(Generator)}
    assert known == set(OTHER).union(*FOUND_OTHERWISE), (
        "say in `drawn_with` whether an image depends on it, and here how"
    )


def test_what_else_counts_and_what_does_not():
    def hashes(more=""):
        profile = load_profile("smoke", f"classes=2 dataset.train_per_cell=0 dataset.val_per_cell=1 {more}")
        return plan.build_manifest(profile, open_world(profile))["recipe_hash"]

    first = hashes()
    for more in ("threads=1", "dataset.shard_size=7", "device=cpu", "natural.habit=0.5", "seed=3"):
        assert not hashes(more).isin(first).any(), more
    assert hashes("probes.seeds=5 realism.photos=3 evaluation.epochs=1").equals(first)
    assert hashes("dataset.val_per_cell=2").isin(first).sum() == len(first), (
        "more images change none of the earlier ones"
    )


def test_the_code_that_counts_is_the_code_that_draws(monkeypatch):
    """And neither the settings' schema nor what is written around the images."""
    named = []
    monkeypatch.setattr(sources, "digest_of", lambda names: named.extend(names) or "code")
    profile = load_profile("smoke", "dataset.train_per_cell=0 dataset.val_per_cell=1")
    plan.build_manifest(profile, open_world(profile))
    used = {name.removeprefix("d3s_utils.") for name in named}
    assert {"diffusion.draw", "diffusion.precision", "diffusion.load", "data.guides", "generation.guides"} <= used
    assert {"pocket.world", "pocket.foregrounds", "pocket.backgrounds"} <= used, "renders come from code"
    assert not used & {"ground.settings", "ground.profile", "generation.card", "generation.make", "generation.shards"}
    assert not any(name.startswith(("cli", "notebook", "figures", "evaluation")) for name in used)


# What is learnt from photographs --------------------------------------------------------------------------------------


def test_arrays_are_made_once_and_again_when_a_photograph_changes(folders, monkeypatch):
    loads = []

    def arrays(split):
        photos = open_photos(load_profile(folders / "mine.yaml"))
        load = photos.load
        monkeypatch.setattr(photos, "load", lambda ids: loads.append(split) or load(ids), raising=False)
        images, table = natural_arrays(folders / "run", photos, split)
        return images, table, photos.key_of(list(table["photo_id"]))

    (first, table, key), (again, _, same) = arrays("train"), arrays("train")
    assert len(first) == len(table) == 8 and np.array_equal(first, again) and key == same and loads == ["train"]
    paint(folders / "train/pug/0.png", "white")
    changed, _, other = arrays("train")
    assert (changed != first).any(axis=(1, 2, 3)).sum() == 1 and other != key and loads == ["train"] * 2
    arrays("val")
    assert len(list((folders / "run" / "cache").iterdir())) == 2, "the old pixels are gone"
    pd.testing.assert_frame_equal(arrays("train")[1], table)
    assert loads == ["train", "train", "val"]
