"""The pocket world: what a scene depends on, and that its ground truth is true."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.ground.words import BACKGROUNDS, CLASSES, HABITS
from d3s_utils.pocket import world

NAMES = list(CLASSES["class_name"])


def table(count: int = 1) -> pd.DataFrame:
    """Every class on every background, `count` times, each scene its own draw."""
    rows = [(f"{i}/{c}/{b}", c, b) for i in range(count) for c in NAMES for b in BACKGROUNDS]
    return pd.DataFrame(rows, columns=["scene_id", "class_name", "background"])


@pytest.fixture(scope="module")
def rendered() -> world.Rendered:
    return world.render(table())


def test_the_same_scene_has_the_same_bytes_whatever_its_company(rendered):
    shuffled = table().sample(frac=1, random_state=3).head(17)
    again = world.render(shuffled)
    assert (again.rgb == rendered.rgb[shuffled.index]).all()
    assert (again.mask == rendered.mask[shuffled.index]).all()


def test_another_scene_id_is_another_picture():
    two = pd.DataFrame({"scene_id": ["a", "b"], "class_name": "teapot", "background": "indoors"})
    pictures = world.render(two).rgb.astype(int)
    assert np.abs(pictures[0] - pictures[1]).mean() > 10


def test_only_the_object_its_shadow_and_its_reflection_differ_from_the_clean_background(rendered):
    far = rendered.mask == 0
    dry = (rendered.factors["background"] != "in water").to_numpy()
    difference = np.abs(rendered.rgb.astype(int) - rendered.clean.astype(int)).max(-1)
    assert (rendered.rgb.astype(int) <= rendered.clean.astype(int) + 1)[
        far & dry[:, None, None]
    ].all()  # shadows darken
    assert difference[rendered.mask > 200].mean() > 25  # the object is seen


def test_every_object_is_in_the_frame_and_mostly_visible(rendered):
    share = (rendered.mask > 127).mean((1, 2))
    assert share.min() > 0.02 and share.max() < 0.45
    assert rendered.factors["visible"].min() > 0.5
    border = np.concatenate([rendered.mask[:, 0], rendered.mask[:, -1]], axis=1)
    assert (border > 127).mean() < 0.01


def test_the_centre_is_the_centre_of_the_mask(rendered):
    rows, columns = np.mgrid[:64, :64] + 0.5
    weight = rendered.mask / rendered.mask.sum((1, 2), keepdims=True)
    measured = np.stack([(weight * columns).sum((1, 2)), (weight * rows).sum((1, 2))], axis=1) / 64
    assert np.abs(measured - rendered.factors[["centre_x", "centre_y"]].to_numpy()).max() < 0.005


def test_the_same_scene_on_another_background_keeps_its_object():
    pair = pd.DataFrame({"scene_id": "s", "class_name": "monarch", "background": ["in snow", "at night"]})
    masks = world.render(pair).mask.astype(int)
    assert np.abs(masks[0] - masks[1]).max() <= 1


@pytest.mark.parametrize("size", [32, 128])
def test_other_sizes_show_the_same_scene(size):
    row = pd.DataFrame({"scene_id": ["s"], "class_name": "sports car", "background": "in sand"})
    small, large = world.render(row).factors.iloc[0], world.render(row, size=size).factors.iloc[0]
    assert abs(small["centre_x"] - large["centre_x"]) < 0.03 and abs(small["centre_y"] - large["centre_y"]) < 0.03


@pytest.mark.parametrize("habit", [0.1, 0.8])
def test_the_habit_is_kept_as_often_as_asked(habit):
    scenes = world.natural_scenes(0, "train", NAMES, 200, habit)
    share = (scenes["background"] == scenes["class_name"].map(HABITS)).mean()
    assert abs(share - habit) < 0.03
    assert scenes["background"].nunique() == 10


def test_train_and_val_share_no_scene():
    train, val = (set(world.natural_scenes(0, split, NAMES, 50, 0.8)["scene_id"]) for split in ("train", "val"))
    assert not train & val


def test_no_scenes_is_no_error():
    assert world.render(table().head(0)).rgb.shape == (0, 64, 64, 3)
