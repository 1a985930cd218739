"""Distances between sets of images agree with what was planted: same is near, other is far, copies are dull."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import planted_rows, planted_samples

from d3s_utils.generation import distances
from d3s_utils.generation.spaces import FeatureSpace
from d3s_utils.generation.world import open_photos
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for


def test_the_frechet_distance_of_two_gaussians_is_known():
    rng = rng_for("frechet")
    near, far = rng.normal(size=(4000, 3)), rng.normal(size=(4000, 3)) + [2.0, 0, 0]
    assert distances.frechet(near, far) == pytest.approx(4.0, abs=0.2)


def test_the_same_photographs_are_near_and_others_far():
    rng = rng_for("realism")
    reference = rng.normal(size=(300, 4)).astype(np.float32)
    sets = {
        "held out": rng.normal(size=(100, 4)).astype(np.float32),
        "images": (rng.normal(size=(120, 4)) + 0.7).astype(np.float32),
        "guides": (rng.normal(size=(120, 4)) + 2).astype(np.float32),
    }
    table = distances.compare_sets(sets, reference, "planted", seed=0, baseline="guides").set_index(["metric", "set"])
    assert (table["n"] == 100).all() and (table["features"] == "planted").all()
    for metric in ("FID", "KID"):
        held, images, guides = (table.loc[metric, name] for name in sets)
        assert held["high"] < images["low"] < images["high"] < guides["low"], metric
        assert images["gap_low"] > 0 and guides["gap"] == 0, metric
    again = distances.compare_sets(sets, reference, "planted", seed=0, baseline="guides")
    pd.testing.assert_frame_equal(again, table.reset_index()[again.columns])


def test_sets_of_different_sizes_are_cut_at_random():
    """Photographs come class by class: the first of them would all be of a few classes."""
    rng = rng_for("classes")
    photographs = np.repeat(np.arange(10.0), 40)[:, None] + rng.normal(size=(400, 3))
    table = distances.compare_sets({"same": photographs, "few": photographs[::4]}, photographs, "planted", seed=0)
    fid = table[table["metric"] == "FID"].set_index("set")["distance"]
    assert (table["n"] == 100).all() and fid["same"] < 1


def test_copies_are_not_diverse():
    rows = planted_rows()
    rng = rng_for("diversity")
    varied = rng.normal(size=(40, 8))
    copies = np.repeat(varied[::10], 10, axis=0)  # ten times the same within each cell
    sets = {"photographs": (varied, rows.assign(background=None)), "copies": (copies, rows)}
    table = distances.diversity_table(sets, "planted", seed=0).set_index(["set", "within"])["distance"]
    assert ("photographs", "cell") not in table.index, "without backgrounds there are no cells"
    assert table["photographs", "class"] == pytest.approx(100) and table["copies", "cell"] == pytest.approx(0)
    assert 20 < table["copies", "class"] < 100


def test_what_was_computed_is_kept_until_images_or_space_change(tmp_path, monkeypatch):
    seen = []
    space = FeatureSpace("means", lambda images: seen.append(len(images)) or images.mean((1, 2)), "means")
    samples = planted_samples()
    photos = open_photos(load_profile("smoke", "natural.train_per_class=2 natural.val_per_class=2 generator.size=16"))

    def measure(space=space, samples=samples):
        reference, _ = distances.photo_features(tmp_path, space, photos, "train", 12, seed=0)
        found = distances.sample_features(tmp_path, space, samples)
        features = {name: values for name, (values, _) in found.items()}
        return distances.realism_table(tmp_path, features, reference, space.name, 0, baseline="guides")

    first = measure()
    assert seen == [12, 40, 40]
    with monkeypatch.context() as patched:
        patched.setattr(distances, "DISTANCES", {"FID": lambda *_: pytest.fail("the table was there already")})
        pd.testing.assert_frame_equal(measure(), first)
    assert seen == [12, 40, 40]
    measure(samples=replace(samples, rows=samples.rows.assign(recipe_hash="new")))
    assert seen == [12, 40, 40, 40, 40], "the photographs are the same"
    measure(replace(space, key="other weights"))
    assert seen[5:] == [12, 40, 40]
