"""The dataset folder is a release: others' tools read it, its licence is said, and the authors' own layout comes in."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from d3s_utils.cli.authors import import_original
from d3s_utils.cli.parser import main
from d3s_utils.data.imagenet import imagenet_classes
from d3s_utils.generation import make, sums
from d3s_utils.generation.card import licences
from d3s_utils.generation.dataset import load_guides, load_images
from d3s_utils.generation.world import open_world
from d3s_utils.ground.columns import COLUMNS
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=4 dataset.shard_size=8 dataset.train_per_cell=1 "
    "dataset.val_per_cell=1 classes=2 natural.train_per_class=10 natural.val_per_class=10 device=cpu threads=1"
)


@pytest.fixture(scope="module")
def released(tiny_checkpoint, tmp_path_factory):
    profile = load_profile("smoke", f"generator.model={tiny_checkpoint} {SMALL}")
    run = Run(profile, "01_generation", tmp_path_factory.mktemp("release"))
    make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    return run.path("dataset")


def test_mlcroissant_validates_the_metadata_and_reads_the_images(released):
    import mlcroissant

    dataset = mlcroissant.Dataset(str(released / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert [records.id for records in dataset.metadata.record_sets] == ["train", "val"]
    records = list(dataset.records("val"))
    assert len(records) == 20
    first, images = records[0], load_images(released, "val")[0]
    assert first["val/image_id"].decode() == "val-n07742313-on-grass-0000" and first["val/label"] == 0
    assert np.array_equal(np.asarray(first["val/image"]), images[0])
    assert {name.partition("/")[2] for name in first} == set(COLUMNS["dataset"])


def test_every_file_of_a_release_has_a_sum(released):
    assert {"README.md", "croissant.json"} <= set(sums.read_sums(released)) and sums.problems(released) == []
    (released / "croissant.json").write_text("{}")
    assert sums.problems(released) == ["croissant.json has changed"]


def test_the_licence_of_the_pocket_world_is_ours_and_any_other_is_said_line_by_line():
    ours = licences("pocket", open_world(load_profile("pocket")))
    assert ours.licence == "apache-2.0" and ours.lines[1].startswith("Renders in the guides: made by this project")
    photos = SimpleNamespace(noun="photograph", origin="the folder train")
    backgrounds = SimpleNamespace(noun="background", origin="scenes")
    theirs = licences("CompVis/stable-diffusion-v1-4", SimpleNamespace(photos=photos, backgrounds=backgrounds))
    assert theirs.licence == "other" and len(theirs.lines) == 3
    assert "outputs of CompVis/stable-diffusion-v1-4; its licence binds" in theirs.lines[0]
    assert "drop the column `guide`" in theirs.lines[1] and "the folder train" in theirs.lines[1]
    assert "from scenes, under their own terms" in theirs.lines[2]


# The authors' own layout ----------------------------------------------------------------------------------------------


def write_original(root, split, entries):
    """Their metadata.json, and a PNG of two flat halves for every entry that has colours."""
    folder = root / split / "background-shift"
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, (index, background, colours) in enumerate(entries):
        name = f"{number}.png"
        listed.append(
            {"image": f"/their/disk/d3s/{split}/background-shift/{name}", "classIdx": index, "background": background}
        )
        if colours:
            both = Image.new("RGB", (1032, 516), "black")
            both.paste(Image.new("RGB", (512, 512), colours[0]), (2, 2))
            both.paste(Image.new("RGB", (512, 512), colours[1]), (518, 2))
            both.save(folder / name)
    (root / split / "metadata.json").write_text(json.dumps(listed))


def test_the_authors_images_come_in_with_labels_guides_and_sums(tmp_path):
    write_original(tmp_path / "theirs", "train", [(1, "grass", ("red", "blue")), (948, "cave", ("green", "white"))])
    write_original(tmp_path / "theirs", "val", [(948, "indoors", ("red", "blue")), (948, "indoors", ("lime", "navy"))])
    manifest, skipped = import_original(tmp_path / "theirs", tmp_path / "ours" / "dataset")
    assert skipped.empty and list(manifest.columns) == COLUMNS["manifest"]
    assert list(manifest["background"]) == ["on grass", "in a cave", "indoors", "indoors"]
    assert list(manifest["label"]) == [0, 1, 1, 1]
    assert list(manifest["image_id"])[2:] == ["val-n07742313-indoors-0000", "val-n07742313-indoors-0001"]
    images, rows = load_images(tmp_path / "ours" / "dataset", "train")
    assert images.shape == (2, 512, 512, 3) and (images[0] == (0, 0, 255)).all() and (images[1] == 255).all()
    assert (load_guides(tmp_path / "ours" / "dataset", "train")[0][0] == (255, 0, 0)).all()
    assert list(rows["class_name"]) == ["goldfish", "Granny Smith"]
    assert sums.problems(tmp_path / "ours" / "dataset") == []
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "ours" / "manifest.parquet"), manifest, check_dtype=False)


def test_what_cannot_be_read_is_named_and_the_rest_comes_in(tmp_path, capsys):
    bad = [
        (1, "grass", ("red", "blue")),
        (1, "snow", None),
        (1000, "snow", ("red", "blue")),
        (1, "Mars", ("red", "blue")),
    ]
    write_original(tmp_path / "theirs", "val", [*bad, (1, "sand", ("red", "blue")), (1, "rain", ("red", "blue"))])
    folder = tmp_path / "theirs" / "val" / "background-shift"
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:100])
    Image.new("RGB", (512, 512)).save(folder / "5.png")
    assert main(["import", str(tmp_path / "theirs"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "1 images, 5 left out" in said
    for reason in (
        "no such file",
        "classIdx 1000 is not 0 to 999",
        "none of the ten",
        "4.png: cannot be read",
        "is 512 x 512",
    ):
        assert reason in said


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "has no train/metadata.json or val/metadata.json"),
        ("{", "is no JSON"),
        ('{"0.png": {}}', "should be a list of objects"),
    ],
)
def test_what_is_no_dataset_of_the_authors_is_said(tmp_path, content, said):
    (tmp_path / "val").mkdir()
    if content:
        (tmp_path / "val" / "metadata.json").write_text(content)
    with pytest.raises(D3SError, match=said):
        import_original(tmp_path, tmp_path / "out")


def test_the_authors_words_for_backgrounds_are_the_last_ones():
    from d3s_utils.cli.authors import WORDS

    assert list(WORDS) == ["grass", "road", "forest", "water", "sand", "indoors", "snow", "rain", "night", "cave"]
    assert len(imagenet_classes()) == 1000
