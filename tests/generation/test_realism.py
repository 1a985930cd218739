"""Realism measures agree with what was planted: same is near, other is far, copies are dull, followers follow."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from d3s_utils.generation import distances, following, labels, spaces
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.seeds import rng_for

CLASSES, PLACES = ["teapot", "car"], ["on grass", "at night"]


class PlantedJudge:
    """Reads the class from red and the background from green of the first pixel, and finds the bluest pixel."""

    classes, backgrounds = CLASSES, PLACES

    def judge(self, images):
        one_hot = np.eye(2, dtype=np.float32)
        return SimpleNamespace(foreground=one_hot[images[:, 0, 0, 0]], background=one_hot[images[:, 0, 0, 1]])

    def locate(self, images, labels):
        side = images.shape[1]
        brightest = images[..., 2].reshape(len(images), -1).argmax(1)
        return (np.stack([brightest % side, brightest // side], axis=1) + 0.5) / side


@pytest.fixture
def manifest():
    """Ten images per cell, 20 pixels wide, with photographs of half their side pasted anywhere."""
    cells = [(c, b, i) for c in (0, 1) for b in (0, 1) for i in range(10)]
    rows = pd.DataFrame(
        {
            "image_id": [f"val-{c}-{b}-{i}" for c, b, i in cells],
            "split": "val",
            "class_name": [CLASSES[c] for c, _, _ in cells],
            "background": [PLACES[b] for _, b, _ in cells],
            "foreground_source": [f"photo-{c}-{i}" for c, _, i in cells],
            "scale": 0.5,
        }
    )
    corners = rng_for("corners").integers(0, 11, (len(rows), 2))
    return rows.assign(left=corners[:, 0], top=corners[:, 1])


def drawn(manifest, follow=True):
    """Images that obey: labels in the corner, one bright pixel in the middle of the pasted photograph (or anywhere)."""
    images = np.zeros((len(manifest), 20, 20, 3), np.uint8)
    images[:, 0, 0, 0] = manifest["class_name"].map(CLASSES.index)
    images[:, 0, 0, 1] = manifest["background"].map(PLACES.index)
    places = manifest[["left", "top"]].to_numpy() + 5
    if not follow:
        places = rng_for("elsewhere").integers(1, 20, places.shape)
    images[np.arange(len(images)), places[:, 1], places[:, 0]] = 200
    return images


def test_the_judge_is_asked_for_both_labels(manifest):
    images = drawn(manifest)
    images[:5, 0, 0, 0] = 1  # five teapots turn into cars
    judged = labels.judge_labels(PlantedJudge(), images, manifest)
    rates = labels.label_rates(judged).set_index("question")
    assert rates["rate"].to_dict() == {"foreground": 87.5, "background": 100.0, "both": 87.5}
    assert (rates["low"] < rates["rate"]).all() and (rates["n"] == 40).all()
    by_class = labels.label_rates(judged, "class_name").set_index(["class_name", "question"])["rate"]
    assert by_class["teapot", "both"] == 75 and by_class["car", "both"] == 100


def test_a_measured_row_feeds_the_ledger(manifest):
    rates = labels.label_rates(labels.judge_labels(PlantedJudge(), drawn(manifest), manifest))
    row = labels.measured(rates, "rate", question="both")
    assert row["measured"] == 100 and row["ci"] == pytest.approx((91.2, 100), abs=0.1) and row["n"] == 40
    assert labels.measured(rates, "rate", question="adult") == {"measured": None}


def test_without_a_judge_nothing_is_claimed(manifest):
    images = drawn(manifest)
    followed = following.follow_guides(None, images, images, manifest, 0.9)
    assert followed.empty and labels.label_rates(followed).empty
    assert following.follow_rates(followed, 0).empty


@pytest.mark.parametrize("follow", [True, False])
def test_an_object_follows_its_guide_or_not(manifest, follow):
    followed = following.follow_guides(PlantedJudge(), drawn(manifest, follow), drawn(manifest), manifest, 0.5)
    rates = following.follow_rates(followed, 0).set_index("quantity").loc["position"]
    assert rates["low"] <= rates["correlation"] <= rates["high"] and rates["n"] == 40
    assert rates["correlation"] > 0.99 if follow else abs(rates["correlation"]) < 0.4


def test_the_guide_itself_is_followed_in_everything(manifest):
    guides = drawn(manifest) // 2 + rng_for("pixels").integers(0, 60, (40, 20, 20, 3)).astype(np.uint8)
    judge = SimpleNamespace(classes=CLASSES, backgrounds=PLACES, locate=PlantedJudge().locate)
    judge.judge = lambda images: PlantedJudge().judge(images % 2)
    rates = following.follow_rates(following.follow_guides(judge, guides, guides, manifest, 0.0), 0)
    assert (rates["correlation"] > 0.99).all()


def test_colour_counts_within_classes_only(manifest):
    """Every teapot green and every car red follows from the class, not from the guide."""
    images = np.zeros((40, 20, 20, 3), np.uint8)
    noise = rng_for("noise").integers(0, 20, (40, 1, 1, 3))
    images[:] = noise + 100 * manifest["class_name"].map(CLASSES.index).to_numpy()[:, None, None, None]
    guides = images - noise.astype(np.uint8) + rng_for("other noise").integers(0, 20, (40, 1, 1, 3)).astype(np.uint8)
    judge = SimpleNamespace(**{**vars(PlantedJudge), "classes": CLASSES, "backgrounds": PLACES})
    judge.judge = lambda images: PlantedJudge().judge(images % 2)
    judge.locate = PlantedJudge().locate
    followed = following.follow_guides(judge, images, guides, manifest, 0.5)
    assert np.corrcoef(followed["red"], followed["guide_red"])[0, 1] > 0.9
    rates = following.follow_rates(followed, 0).set_index("quantity")
    assert abs(rates.loc["colour", "correlation"]) < 0.35


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
    table = distances.realism_table(sets, reference, "planted", seed=0, baseline="guides").set_index(["metric", "set"])
    assert (table["n"] == 100).all() and (table["features"] == "planted").all()
    for metric in ("FID", "KID"):
        held, images, guides = (table.loc[metric, name] for name in sets)
        assert held["high"] < images["low"] < images["high"] < guides["low"], metric
        assert images["gap_low"] > 0 and guides["gap"] == 0, metric
    again = distances.realism_table(sets, reference, "planted", seed=0, baseline="guides")
    pd.testing.assert_frame_equal(again, table.reset_index()[again.columns])


def test_sets_of_different_sizes_are_cut_at_random():
    """Photographs come class by class: the first of them would all be of a few classes."""
    rng = rng_for("classes")
    photographs = np.repeat(np.arange(10.0), 40)[:, None] + rng.normal(size=(400, 3))
    table = distances.realism_table({"same": photographs, "few": photographs[::4]}, photographs, "planted", seed=0)
    fid = table[table["metric"] == "FID"].set_index("set")["distance"]
    assert (table["n"] == 100).all() and fid["same"] < 1


def test_copies_are_not_diverse(manifest):
    rng = rng_for("diversity")
    varied = rng.normal(size=(40, 8))
    copies = np.repeat(varied[::10], 10, axis=0)  # ten times the same within each cell
    sets = {"photographs": (varied, manifest.assign(background=None)), "copies": (copies, manifest)}
    table = distances.diversity_table(sets, "planted", seed=0).set_index(["set", "within"])["distance"]
    assert ("photographs", "cell") not in table.index, "without backgrounds there are no cells"
    assert table["photographs", "class"] == pytest.approx(100) and table["copies", "cell"] == pytest.approx(0)
    assert 20 < table["copies", "class"] < 100


def test_an_unknown_feature_space_is_named():
    with pytest.raises(D3SError, match="resnet5000"):
        spaces.open_features(load_profile("smoke", "realism.features=resnet5000"))


def test_the_judge_keeps_silent_about_what_it_never_learnt(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split / "bird").mkdir(parents=True)
    (tmp_path / "birds.yaml").write_text(
        f"extends: smoke\nforegrounds: {{train: {tmp_path}/train, val: {tmp_path}/val}}\nclasses: all\n"
    )
    profile = load_profile(tmp_path / "birds.yaml")
    assert spaces.open_judge(profile) is None
    assert spaces.open_features(profile).name == "pocket judge", "its features serve any picture, under its name"
    assert spaces.open_judge(load_profile("smoke")) is not None
