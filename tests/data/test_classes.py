"""The words are those of the paper, of WordNet, and of the folders a user has."""

from collections import Counter

import pandas as pd
import pytest

from d3s_utils.data import classes
from d3s_utils.data.classes import class_table
from d3s_utils.data.imagenet import imagenet_classes
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.words import BACKGROUNDS, CLASSES, HABITS, prompt, slug


@pytest.fixture
def folders(tmp_path):
    """A profile over a folder with two ImageNet classes and one of its own."""
    for name in ("n01443537", "n07742313", "my_dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
    (tmp_path / "mine.yaml").write_text(f"foregrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nclasses: all")
    return tmp_path / "mine.yaml"


def test_the_ten_backgrounds_are_the_papers():
    assert len(BACKGROUNDS) == 10
    assert BACKGROUNDS[0] == "on grass" and BACKGROUNDS[-1] == "in a cave"


def test_every_class_has_a_habit_of_its_own():
    assert list(HABITS) == list(CLASSES["class_name"])
    assert sorted(HABITS.values()) == sorted(BACKGROUNDS)


def test_the_pocket_ten_are_as_timm_has_them():
    known = imagenet_classes().set_index("wnid")
    for row in CLASSES.itertuples():
        assert tuple(known.loc[row.wnid, ["class_name", "imagenet_index", "definition"]]) == (
            row.class_name, row.imagenet_index, row.definition,
        )  # fmt: skip


def test_no_two_imagenet_classes_share_a_name():
    known = imagenet_classes()
    assert len(known) == 1000 and known["class_name"].is_unique and known["wnid"].is_unique
    assert list(known["imagenet_index"]) == list(range(1000))


def test_the_prompt_is_the_papers():
    assert prompt("teapot", "pot for brewing tea", "in snow") == "a photo of a teapot, pot for brewing tea, in snow"
    assert (
        prompt("teapot", None, "in snow") == prompt("teapot", float("nan"), "in snow") == "a photo of a teapot, in snow"
    )


def test_labels_are_positions_in_the_run():
    table = class_table(load_profile("pocket", "classes='[teapot, n01443537, DAISY]'"))
    assert list(table["label"]) == [0, 1, 2]
    assert list(table["class_name"]) == ["teapot", "goldfish", "daisy"]


def test_a_number_takes_the_first_classes():
    assert list(class_table(load_profile("pocket", "classes=3"))["class_name"]) == list(CLASSES["class_name"][:3])
    assert len(class_table(load_profile("pocket", "classes=all"))) == 10


def test_folders_are_classes_in_imagenets_order_then_ones_own(folders):
    table = class_table(load_profile(folders))
    assert list(table["class_name"]) == ["goldfish", "Granny Smith", "my dog"]
    assert list(table["imagenet_index"]) == [1, 948, -1]
    assert pd.isna(table["definition"][2])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("classes=[teapto]", "no class 'teapto' in the pocket world; did you mean teapot"),
        ("classes=[zebra]", "no class 'zebra' in the pocket world"),
        ("classes=[teapot,n04398044]", "listed twice"),
        ("classes=11", "the pocket world has 10 classes, not 11"),
    ],
)
def test_a_class_nobody_knows_is_named(said, words):
    with pytest.raises(D3SError, match=words):
        class_table(load_profile("pocket", said))


def test_a_missing_or_empty_folder_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_text(f"foregrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}")
    with pytest.raises(D3SError, match=r"foregrounds.train: there is no folder .*train"):
        class_table(load_profile(tmp_path / "mine.yaml"))
    (tmp_path / "train").mkdir()
    with pytest.raises(D3SError, match="has no class folders"):
        class_table(load_profile(tmp_path / "mine.yaml"))


def test_a_slug_is_fit_for_a_file_name():
    assert slug("in a cave") == slug("In_a cave") == "in-a-cave"


def test_imagenet9_has_the_published_counts():
    counts = Counter(classes.imagenet9().values())
    assert len(classes.imagenet9()) == 1000 and counts.pop(None) == 630
    assert counts == {
        "dog": 116, "bird": 52, "wheeled vehicle": 42, "reptile": 36, "carnivore": 35, "insect": 27,
        "musical instrument": 26, "primate": 20, "fish": 16,
    }  # fmt: skip


@pytest.mark.parametrize(
    "word, superclass",
    [
        ("golden retriever", "dog"), ("ostrich", "bird"), ("sports car", "wheeled vehicle"), ("goldfish", "fish"),
        ("triceratops", "reptile"), ("brown bear", "carnivore"), ("monarch", "insect"), ("gorilla", "primate"),
        ("violin", "musical instrument"), ("whippet", None), ("tabby", None), ("peacock", None), ("daisy", None),
    ],
)  # fmt: skip
def test_imagenet9_puts_a_class_where_one_would_look_for_it(word, superclass):
    table = imagenet_classes().set_index("class_name")
    assert classes.imagenet9()[table.loc[word, "imagenet_index"]] == superclass
