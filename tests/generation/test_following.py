"""Objects that follow their guides are told from those that do not, and colour from class."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import CLASSES, PlantedJudge, planted_samples

from d3s_utils.generation import following
from d3s_utils.ground.seeds import rng_for


@pytest.mark.parametrize("follow", [True, False])
def test_an_object_follows_its_guide_or_not(follow):
    followed = following.compare_guides(PlantedJudge(), planted_samples(follow)).assign(strength=0.5)
    rates = following.follow_rates(followed, 0).set_index("quantity").loc["position"]
    assert rates["low"] <= rates["correlation"] <= rates["high"] and rates["n"] == 40
    assert rates["correlation"] > 0.99 if follow else abs(rates["correlation"]) < 0.4


def test_the_guide_itself_is_followed_in_everything():
    samples = planted_samples()
    guides = samples.guides // 2 + rng_for("pixels").integers(0, 60, (40, 20, 20, 3)).astype(np.uint8)
    followed = following.compare_guides(PlantedJudge(), replace(samples, images=guides, guides=guides))
    assert (following.follow_rates(followed.assign(strength=0.0), 0)["correlation"] > 0.99).all()


def test_colour_counts_within_classes_only():
    """Every teapot green and every car red follows from the class, not from the guide."""
    samples = planted_samples()
    images = np.zeros((40, 20, 20, 3), np.uint8)
    noise = rng_for("noise").integers(0, 20, (40, 1, 1, 3))
    images[:] = noise + 100 * samples.rows["class_name"].map(CLASSES.index).to_numpy()[:, None, None, None]
    guides = images - noise.astype(np.uint8) + rng_for("other noise").integers(0, 20, (40, 1, 1, 3)).astype(np.uint8)
    followed = following.compare_guides(PlantedJudge(), replace(samples, images=images, guides=guides))
    assert np.corrcoef(followed["red"], followed["guide_red"])[0, 1] > 0.9
    rates = following.follow_rates(followed.assign(strength=0.5), 0).set_index("quantity")
    assert abs(rates.loc["colour", "correlation"]) < 0.35


def test_a_sweep_begins_with_the_guides_and_is_looked_at_once(tmp_path):
    samples, judge = planted_samples(), PlantedJudge()
    sweep = {0.5: samples.images, 0.9: planted_samples(follow=False).images}
    followed = following.follow_sweep(tmp_path, judge, samples, sweep)
    assert list(followed["strength"].unique()) == [0.0, 0.5, 0.9] and judge.asked == 120
    pd.testing.assert_frame_equal(following.follow_sweep(tmp_path, judge, samples, sweep), followed)
    assert judge.asked == 120
    rates = following.follow_rates(followed, 0).set_index(["strength", "quantity"])["correlation"]
    assert rates[0.0, "position"] > 0.99 and rates[0.5, "position"] > 0.99 > rates[0.9, "position"]


def test_without_a_judge_nothing_is_claimed(tmp_path):
    samples = planted_samples()
    for _ in range(2):
        followed = following.follow_guides(tmp_path, None, samples, 0.9)
        assert followed.empty and following.follow_rates(followed, 0).empty


def test_the_correlation_interval_is_the_textbooks():
    rng = rng_for("correlation")
    x = rng.normal(size=(400, 1))
    y = 0.6 * x + 0.8 * rng.normal(size=(400, 1))
    value, low, high = following.correlation(x, y, np.arange(400), ("test",))
    assert value == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1])
    fisher = np.tanh(np.arctanh(value) + np.array([-1.96, 1.96]) / np.sqrt(397))
    assert (low, high) == pytest.approx(tuple(fisher), abs=0.03)


def test_clusters_widen_the_interval():
    rng = rng_for("clusters")
    x = np.repeat(rng.normal(size=(20, 1)), 20, axis=0)
    y = x + np.repeat(rng.normal(size=(20, 1)), 20, axis=0)
    width = lambda clusters: np.subtract(*following.correlation(x, y, clusters, ("test",))[:0:-1])  # noqa: E731
    assert width(np.repeat(np.arange(20), 20)) > 2 * width(np.arange(400))


def test_a_square_at_the_edge_stays_inside():
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image[0, :4, :4] = 100
    assert following.region_colors(image, np.array([[0.0, 0.0]]), 4).tolist() == [[100, 100, 100]]
    assert following.region_colors(image, np.array([[1.0, 1.0]]), 4).tolist() == [[0, 0, 0]]
