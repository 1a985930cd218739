"""Distances between sets of images agree with what was planted: same is near, other is far, copies are dull."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import planted_rows, planted_samples

from d3s_utils.generation import distances
from d3s_utils.generation.distances import HELD_OUT, WITH_HABIT
from d3s_utils.generation.spaces import FeatureSpace, open_features
from d3s_utils.generation.world import NO_HABIT, open_photos, reference_name, without_habit
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


def test_the_kernel_distance_is_the_one_others_compute():
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    rng = rng_for("kernel")
    images, reference = rng.normal(size=(60, 5)).astype(np.float32), rng.normal(0.5, 1, (60, 5)).astype(np.float32)
    theirs = KernelInceptionDistance(distances._Passthrough(5), subsets=1, subset_size=60)
    theirs.update(torch.from_numpy(reference).double(), real=True)
    theirs.update(torch.from_numpy(images).double(), real=False)
    assert distances.kernel(images, reference) == pytest.approx(float(theirs.compute()[0]), rel=1e-9)


def test_intervals_know_that_the_reference_is_a_sample_too():
    """A small reference is drawn again and again; the interval holds the distance of very large sets as it should."""
    rng = rng_for("coverage")
    means = np.array([0.6, 0.0, 0.0])
    large = rng.normal(size=(3000, 3)) + means, rng.normal(size=(3000, 3))
    truth, held, fixed = distances.kernel(*large), 0, 0
    for _ in range(60):
        images, reference = rng.normal(size=(150, 3)) + means, rng.normal(size=(50, 3))
        values = distances._kernel_redrawn(images, reference, 0)
        _, low, high = distances._bootstrap(values)
        held += low <= truth <= high
        drawn = rng.multinomial(150, np.full(150, 1 / 150), size=300).astype(float)
        alone = distances._kernel_of_draws(images, reference, drawn, np.ones((300, 50)))
        fixed += np.percentile(alone, 2.5) <= truth <= np.percentile(alone, 97.5)
    assert held >= 52 and fixed < held - 5, (held, fixed)


def test_an_image_drawn_twice_is_no_pair_of_images():
    rng = rng_for("twice")
    images, reference = rng.normal(size=(80, 3)), rng.normal(size=(80, 3))
    values = distances._kernel_redrawn(images, reference, 0)
    error = values[1:].std() / np.sqrt(len(values) - 1)
    assert abs(values[1:].mean() - values[0]) < 5 * error, "the draws lie around the distance itself"


def test_renders_without_habit_score_the_floor_and_habit_alone_does_not(tmp_path):
    profile = load_profile("smoke", "natural.train_per_class=20 natural.val_per_class=20")
    photos = open_photos(profile)
    alike, space = without_habit(profile, photos), open_features(profile.realism, "cpu")
    reference, shown = distances.photo_features(tmp_path, space, alike, "train", 200, seed=0)
    floor, _ = distances.photo_features(tmp_path, space, alike, "val", 200, seed=0)
    natural = distances.photo_features(tmp_path, space, photos, "val", 200, seed=0)
    assert shown["background"].value_counts(normalize=True).max() < 0.2 and natural[1]["background"].nunique() > 1
    features = distances.with_floor({HELD_OUT: natural, "guides": natural}, floor)
    assert list(features) == [HELD_OUT, "guides", WITH_HABIT]
    table = distances.compare_sets(features, reference, space.name, seed=0).set_index(["metric", "set"])
    assert table.loc[("KID", HELD_OUT), "low"] < 0, "the same pictures, as far as anybody can tell"
    assert table.loc[("KID", HELD_OUT), "distance"] < table.loc[("KID", WITH_HABIT), "distance"]
    assert table.loc[("FID", HELD_OUT), "high"] < table.loc[("FID", WITH_HABIT), "low"]


def test_where_nobody_can_stage_pictures_natural_images_are_the_floor():
    photos = open_photos(load_profile("smoke"), habit=NO_HABIT)
    assert without_habit(None, photos) is photos and reference_name(photos) == "natural images without habit"
    assert reference_name(open_photos(load_profile("smoke"))) == "natural images"
    natural = (np.ones((3, 2)), None)
    assert list(distances.with_floor({HELD_OUT: natural, "D3S": natural}, natural[0])) == [HELD_OUT, "D3S"]


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
        fails = distances.Distance(lambda *_: pytest.fail("the table was there already"), distances._jackknife)
        patched.setattr(distances, "DISTANCES", {"FID": fails})
        pd.testing.assert_frame_equal(measure(), first)
    assert seen == [12, 40, 40]
    measure(samples=replace(samples, rows=samples.rows.assign(recipe_hash="new")))
    assert seen == [12, 40, 40, 40, 40], "the photographs are the same"
    measure(replace(space, key="other weights"))
    assert seen[5:] == [12, 40, 40]
