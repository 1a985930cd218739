"""A part that ignores the background does not move with it, and families differ in nothing but what they should."""

import numpy as np
import pandas as pd
import pytest
from scenes import families, features, image_table

from d3s_utils.disentanglement.features import Features
from d3s_utils.generation.world import open_world
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for
from d3s_utils.probes.counterfactuals import (
    draw_families,
    family_table,
    mean_distance,
    moved_from,
    movement,
    movement_ratios,
)


def planted_families(families=8, foregrounds=3, backgrounds=4):
    grid = [(f, k, b) for f in range(families) for k in range(foregrounds) for b in range(backgrounds)]
    return pd.DataFrame(grid, columns=["family", "label", "background"])


def features_of(x):
    ids = np.arange(len(x)).astype(object)
    return Features(ids, x.astype(np.float32), x.astype(np.float32), ids, ids)


def one_hot(numbers):
    return np.eye(10)[numbers]


def test_what_ignores_the_background_does_not_move_with_it():
    families = planted_families()
    table = movement(one_hot(families["label"]), families)
    assert (table["background_changes"] == 0).all()
    assert np.allclose(table["foreground_changes"], 2**0.5)


def test_what_feels_both_alike_has_ratio_one_and_a_mixture_lies_between():
    families = planted_families()
    label, background = one_hot(families["label"]), one_hot(families["background"] + 5)
    noise = rng_for("reference").normal(size=(500, 10))
    parts = {"invariant": label, "indifferent": label + background, "faint": label + 0.3 * background}
    encoded = {name: features_of(x) for name, x in parts.items()}
    table = movement_ratios(encoded, dict.fromkeys(parts, features_of(noise)), families, seed=0)
    ratio = table[table["features"] == "fg"].set_index("method")["ratio"]
    assert ratio["invariant"] < 1e-6 and abs(ratio["indifferent"] - 1) < 0.1 and 0.2 < ratio["faint"] < 0.4
    assert ((table["low"] <= table["ratio"]) & (table["ratio"] <= table["high"])).all()


def test_mean_distance_of_two_points_is_their_distance():
    assert mean_distance(np.array([[[0.0, 0.0], [3.0, 4.0]]])) == pytest.approx(5)


@pytest.fixture(scope="module")
def profile():
    return load_profile("smoke", "probes.families=2 probes.foregrounds=3 natural.val_per_class=3")


def test_within_a_family_only_photograph_and_background_differ(profile):
    families = family_table(profile, open_world(profile))
    assert len(families) == 2 * 3 * 10 and families["image_id"].is_unique
    shared = families.groupby("family")[["seed", "background_source", "left", "top"]].nunique()
    assert (shared == 1).all(axis=None)
    assert (families.groupby("family")["label"].nunique() == 3).all()
    cells = families.groupby(["family", "label"])
    assert (cells["background"].nunique() == 10).all() and (cells["foreground_source"].nunique() == 1).all()
    assert families["prompt"].str.contains("a photo of a").all()


def test_counterfactuals_share_the_guide_and_are_made_once(profile, tmp_path, monkeypatch):
    calls = []

    def draw(generator, guides, prompts, seeds, settings, places):
        calls.append(len(guides))
        return 255 - guides

    monkeypatch.setattr("d3s_utils.probes.counterfactuals.load_generator", lambda profile: None)
    monkeypatch.setattr("d3s_utils.generation.shard.generate", draw)
    world = open_world(profile)
    families = family_table(profile, world)
    images, guides = draw_families(tmp_path, profile, families, world)
    assert images.shape == guides.shape == (60, 64, 64, 3)
    for _, row in families.groupby(["family", "label"]):
        assert (guides[row.index] == guides[row.index[0]]).all()
    again, _ = draw_families(tmp_path, profile, families, world)
    assert calls == [60] and np.array_equal(images, again)


def test_only_what_feels_the_background_moves():
    rows, known = families(), features(list(image_table()["image_id"]))
    encoded = known.pick(rows["image_id"])
    encoded.fg[:] = encoded.fg[:1]
    moved = moved_from(encoded, known, rows, (0, 2), "at night")
    assert list(moved["background"]) == list(rows["background"].unique()) and (moved["label"] == 2).all()
    assert (moved["fg"] == 0).all() and list(moved["bg"] == 0) == list(moved["start"])
    assert list(moved["start"]) == [False, True, False] and (moved.loc[~moved["start"], "bg"] > 0.3).all()
    first = moved_from(encoded, known, rows)
    assert (first["label"] == rows["label"].iloc[0]).all() and first["start"].iloc[0]
    pd.testing.assert_frame_equal(rows.loc[moved.index], moved[rows.columns])
    with pytest.raises(D3SError, match="no image of class 2"):
        moved_from(encoded, known, rows, (0, 2), "on the moon")
