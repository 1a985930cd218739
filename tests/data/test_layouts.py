"""Photographs are found however they lie: folders, a flat folder with a list, the devkit, a Hugging Face dataset."""

import numpy as np
import pytest
from PIL import Image

from d3s_utils.data.classes import class_table
from d3s_utils.data.imagenet import wnid_by_word
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile

GOLDFISH, APPLE = "n01443537", "n07742313"
COLOURS = {GOLDFISH: (255, 140, 0), APPLE: (80, 200, 60)}


def paint(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path, format="PNG")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Train folders of two classes, and six validation pictures all in one folder: goldfish are the odd ones."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    for wnid, colour in COLOURS.items():
        for i in range(3):
            paint(tmp_path / "train" / wnid / f"{i}.JPEG", colour)
    for number in range(1, 7):
        paint(tmp_path / "val" / f"ILSVRC2012_val_{number:08d}.JPEG", COLOURS[GOLDFISH if number % 2 else APPLE])
    return tmp_path


def open_flat(place, labels):
    profile = f"foregrounds: {{train: {place}/train, val: {place}/val, val_labels: {labels}}}\nclasses: all\n"
    (place / "flat.yaml").write_text(profile)
    return open_photos(load_profile(place / "flat.yaml"))


def list_as_csv(place):
    rows = [(GOLDFISH if n % 2 else APPLE, f"ILSVRC2012_val_{n:08d}.JPEG") for n in range(1, 7)]
    (place / "val.csv").write_text("wnid,file\n" + "".join(f"{wnid},{file}\n" for wnid, file in rows))
    return place / "val.csv"


def write_devkit(place):
    """The development kit numbers classes its own way: here 2 is the goldfish, 1 the apple, 3 a family of them."""
    from scipy.io import savemat

    kind = np.dtype([("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")])
    rows = [(1, APPLE, "Granny Smith", 0), (2, GOLDFISH, "goldfish", 0), (3, "n00000000", "thing", 2)]
    (place / "devkit" / "data").mkdir(parents=True)
    savemat(place / "devkit" / "data" / "meta.mat", {"synsets": np.array(rows, kind)})
    truth = place / "devkit" / "data" / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("2\n1\n2\n1\n2\n1\n")
    return place / "devkit"


@pytest.mark.parametrize("listing", [list_as_csv, write_devkit])
def test_a_flat_folder_has_the_classes_its_list_says(listing, place):
    photos = open_flat(place, listing(place))
    table = photos.table("val")
    assert list(table["class_name"]) == ["goldfish"] * 3 + ["Granny Smith"] * 3
    for name, rows in table.groupby("class_name", sort=False):
        colour = COLOURS[GOLDFISH if name == "goldfish" else APPLE]
        assert (photos.load(list(rows["photo_id"])) == colour).all()


def test_a_missing_picture_leaves_the_devkit_in_step(place):
    """Answers belong to the numbers in the names, not to the order of what is there."""
    labels = write_devkit(place)
    (place / "val" / "ILSVRC2012_val_00000001.JPEG").unlink()
    table = open_flat(place, labels).table("val")
    assert list(table["class_name"]) == ["goldfish"] * 2 + ["Granny Smith"] * 3


def test_a_picture_the_devkit_does_not_know_is_named(place):
    labels = write_devkit(place)
    paint(place / "val" / "holiday.png", "red")
    with pytest.raises(D3SError, match=r"foregrounds.val_labels: .*holiday.png is none of the 6 pictures"):
        open_flat(place, labels).table("val")


FIRST = "ILSVRC2012_val_00000001.JPEG"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("class,picture\nn1,a\n", r"has the columns class, picture; it needs wnid and file"),
        (f"wnid,file\n{GOLDFISH},\n", r"row 2 lacks a wnid or a file"),
        (f"wnid,file\n{GOLDFISH},a.JPEG\n", r"lists a.JPEG, which is not in .*val \(1 such\)"),
        (f"wnid,file\n{GOLDFISH},{FIRST}\n", rf"val.csv has no picture of {APPLE}"),
        (f"wnid,file\n{GOLDFISH},{FIRST}\n{APPLE},{FIRST}\n", rf"lists {FIRST} twice"),
    ],
)
def test_a_list_that_is_wrong_says_where(rows, says, place):
    (place / "val.csv").write_text(rows)
    with pytest.raises(D3SError, match=says):
        open_flat(place, place / "val.csv").table("val")


def test_a_list_that_is_not_there_is_named(place):
    with pytest.raises(D3SError, match=r"foregrounds.val_labels: there is no .*nowhere.csv"):
        open_flat(place, place / "nowhere.csv").table("val")
    (place / "empty").mkdir()
    with pytest.raises(D3SError, match=r"there is no .*ground_truth.txt; give the unpacked ILSVRC2012_devkit_t12"):
        open_flat(place, place / "empty").table("val")


def test_a_flat_folder_without_a_list_is_told_of_it(place):
    (place / "flat.yaml").write_text(f"foregrounds: {{train: {place}/val, val: {place}/train}}\nclasses: all\n")
    with pytest.raises(D3SError, match=r"Pictures all in one folder need foregrounds.train_labels"):
        class_table(load_profile(place / "flat.yaml"))


def test_training_pictures_may_lie_flat_as_well(place):
    labels = list_as_csv(place)
    text = f"foregrounds: {{train: {place}/val, train_labels: {labels}, val: {place}/train}}\nclasses: all\n"
    (place / "flat.yaml").write_text(text)
    photos = open_photos(load_profile(place / "flat.yaml"))
    assert list(photos.table("train")["class_name"]) == ["goldfish"] * 3 + ["Granny Smith"] * 3


# Hugging Face datasets ------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(place, monkeypatch):
    """An imagefolder with ImageNet's words for one class and the user's own for another."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(place / "hub"))
    for split in ("train", "validation"):
        for name, colour in (("goldfish, Carassius auratus", "orange"), ("my_dog", "brown")):
            for i in range(3):
                paint(place / "pets" / split / name / f"{i}.png", colour)
    (place / "pets.yaml").write_text(f"foregrounds: {{dataset: {place}/pets}}\nclasses: all\n")
    return place / "pets.yaml"


def test_a_dataset_gives_its_photographs(dataset):
    profile = load_profile(dataset)
    classes, photos = class_table(profile), open_photos(profile)
    assert classes[["class_name", "wnid", "imagenet_index"]].values.tolist() == [
        ["goldfish", GOLDFISH, 1],
        ["my dog", "my_dog", -1],
    ]
    table = photos.table("val")
    assert list(table["label"]) == [0, 0, 0, 1, 1, 1] and table["photo_id"].is_unique
    assert tuple(photos.load([table["photo_id"].iloc[-1]])[0, 0, 0]) == (165, 42, 42)


def test_a_broken_picture_in_a_dataset_is_left_out(dataset):
    (dataset.parent / "pets" / "train" / "my_dog" / "1.png").write_bytes(b"")
    photos = open_photos(load_profile(dataset))
    assert len(photos.table("train")) == 5
    assert list(photos.skipped()["reason"]) == ["is empty"]


def test_a_word_for_two_classes_names_neither():
    words = wnid_by_word()
    assert "crane" not in words and words["crane bird"] == "n02012849" and words["goldfish"] == GOLDFISH


def test_a_dataset_that_cannot_be_read_is_named(dataset):
    profile = load_profile(dataset, f"foregrounds='{{dataset: {dataset.parent}/pets, label: kind}}'")
    with pytest.raises(
        D3SError, match=r"has no ClassLabel column 'kind'; it has image \(Image\), label \(ClassLabel\)"
    ):
        open_photos(profile)
    with pytest.raises(D3SError, match="split test cannot be loaded"):
        open_photos(load_profile(dataset, f"foregrounds='{{dataset: {dataset.parent}/pets, train: test}}'"))
