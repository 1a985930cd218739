"""The strongest probe finds what is planted, no more and no less; controls and empty features read chance."""

import numpy as np
import pandas as pd
import pytest
from planted_probes import CELLS, features_of, images_of, leaking, noise, rings

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Probes
from d3s_utils.probes import protocol
from d3s_utils.probes.directions import DIRECTIONS, ERASED, summarise
from d3s_utils.probes.estimators import folds_by_source, sampled

SETTINGS = Probes(seeds=1, hidden=128, steps=250, trees=40)
KNOWN = {direction.id: direction for direction in DIRECTIONS}
CHANCE = 100 / CELLS


def chosen_as(kind, methods=("planted",), directions=("bg_from_fg",)):
    rows = [(method, direction, kind) for method in methods for direction in directions]
    return pd.DataFrame(rows, columns=["method", "direction", "probe"])


@pytest.fixture
def only_one_leak(monkeypatch):
    """The background alone is asked of foreground features, by all four kinds."""
    asked = lambda methods: [(m, KNOWN["bg_from_fg"], kind) for m in methods for kind in protocol.KINDS]  # noqa: E731
    monkeypatch.setattr(protocol, "questions", asked)


def read(features, images, seed=0):
    """The strongest probe's row of every method, and all accuracies."""
    chosen = protocol.strongest(protocol.probe_held_out(features, images, SETTINGS, seed))
    guesses = protocol.probe(features, images, SETTINGS, seed)
    table = protocol.leaks(guesses, chosen, images, seed).set_index("method")
    return table, summarise(guesses, images, seed).set_index(["method", "probe"])["accuracy"]


def test_planted_leaks_are_read_within_three_points_whatever_the_method_is_called(only_one_leak):
    images = images_of(per_cell=36, val=9)
    planted = {f"wasserstein@{share}": leaking(images, share) for share in (0.2, 0.5, 0.8)}
    table, _ = read({name: features_of(images, x) for name, (x, _) in planted.items()}, images)
    val = (images["split"] == "val").to_numpy()
    for name, (_, right) in planted.items():
        there = 100 * right[val].mean()
        assert abs(table.loc[name, "accuracy"] - there) < 3, (name, there, table.loc[name, "probe"])
    assert np.allclose(table["share"], 100 * (table["accuracy"] - 10) / 90)
    assert table["bits"].is_monotonic_increasing and table["bits"].iloc[0] > 0


def test_a_label_on_rings_is_found_by_the_nonlinear_probes_and_not_by_the_linear_one(only_one_leak):
    images = images_of()
    table, accuracy = read({"rings": features_of(images, rings(images))}, images)
    assert accuracy["rings", "linear"] < CHANCE + 8
    assert accuracy["rings", "mlp"] > 50 and accuracy["rings", "svm"] > 50
    assert table.loc["rings", "probe"] != "linear" and table.loc["rings", "accuracy"] > 50


def test_the_strongest_is_chosen_by_its_accuracy_and_of_equal_ones_the_first():
    rows = [("a", "bg_from_fg", "svm", 1, 1), ("a", "bg_from_fg", "linear", 1, 1), ("a", "bg_from_fg", "mlp", 1, 0)]
    rows += [("b@c", "bg_from_fg", "linear", 1, 0), ("b@c", "bg_from_fg", "forest", 1, 1)]
    held = pd.DataFrame(rows, columns=["method", "direction", "probe", "label", "guess"])
    chosen = protocol.strongest(held).set_index("method")
    assert chosen["probe"].to_dict() == {"a": "linear", "b@c": "forest"}
    assert (chosen["held_out"] == 100).all()


def test_the_choice_sees_no_validation_image_and_no_source_twice(only_one_leak, monkeypatch):
    images, lessons = images_of(), []
    monkeypatch.setattr(protocol, "ask", lambda f, i, q, lesson, *rest: lessons.append(lesson))
    protocol.probe_held_out({"planted": None}, images, SETTINGS, seed=0)
    [lesson] = lessons
    learned, asked = images.iloc[lesson.rows[0]], images[lesson.asked]
    assert set(learned["split"]) == set(asked["split"]) == {"train"}
    assert not set(learned["foreground_source"]) & set(asked["foreground_source"])
    assert 0.2 < len(asked) / (len(asked) + len(learned)) < 0.3
    assert lesson.steps(SETTINGS) == pytest.approx(0.75 * SETTINGS.steps, rel=0.05)


# --- bits ---


def guesses_of(label, guess, seed=0):
    return pd.DataFrame({"label": label, "guess": guess, "seed": seed})


def test_bits_of_a_perfect_and_of_a_blind_guess():
    label = np.arange(800) % 8
    assert protocol.bits(guesses_of(label, label)) == pytest.approx(3, abs=0.02)
    blind = [protocol.bits(guesses_of(label, rng_for("blind", s).integers(8, size=800))) for s in range(20)]
    assert min(blind) >= 0 and np.mean(blind) < 0.01, "uncorrected it would be 0.044"
    assert protocol.bits(guesses_of(label, 0 * label)) == 0


def test_bits_of_a_known_channel():
    rng, n = rng_for("channel"), 40_000
    label = rng.integers(4, size=n)
    guess = np.where(rng.random(n) < 0.6, label, rng.integers(4, size=n))
    right, wrong = 0.7, 0.1
    there = 2 + right * np.log2(right) + 3 * wrong * np.log2(wrong)
    assert protocol.bits(guesses_of(label, guess)) == pytest.approx(there, abs=0.02)


# --- control labels ---


@pytest.mark.parametrize(("kind", "seeds", "least"), [("linear", 100, 93), ("svm", 20, 19)])
def test_control_labels_read_chance_within_their_interval_in_nineteen_of_twenty_seeds(kind, seeds, least):
    images, few = images_of(per_cell=10, val=4), Probes(seeds=1, steps=40)
    features = {"planted": features_of(images, leaking(images, 0.9)[0])}
    rows = pd.concat(protocol.probe_controls(features, images, chosen_as(kind), few, seed) for seed in range(seeds))
    held = (rows["low"] <= rows["chance"]) & (rows["chance"] <= rows["high"])
    assert held.sum() >= least and abs(rows["accuracy"].mean() - CHANCE) < 1.5
    assert rows["memorised"].mean() > CHANCE + 5 and set(rows["chance"]) == {CHANCE}


def test_control_labels_are_random_and_one_for_all_images_of_a_source():
    images = images_of()
    random = protocol.relabelled(images, seed=0)
    assert (random.groupby("foreground_source")[["label", "background_index"]].nunique() == 1).all(axis=None)
    assert abs((random["label"] == images["label"]).mean() - 0.1) < 0.05
    assert not protocol.relabelled(images, seed=1)["label"].equals(random["label"])


# --- unseen images ---


def unseen_reading(features, images, kind, seed):
    guesses = protocol.probe_unseen(features, images, chosen_as(kind), Probes(seeds=1, steps=60), seed)
    assert sorted(guesses["image_id"]) == sorted(images["image_id"][images["split"] == "val"]), "each is asked once"
    return 100 * (guesses["guess"] == guesses["label"]).mean()


@pytest.mark.parametrize("kind", ["linear", "svm"])
def test_perfect_disentanglement_reads_chance_on_unseen_images(kind):
    images = images_of(per_cell=11, val=9)
    readings = [
        unseen_reading({"planted": features_of(images, noise(images, seed))}, images, kind, seed) for seed in range(6)
    ]
    assert abs(np.mean(readings) - CHANCE) < 1.2, readings


def test_folds_that_differ_in_their_cells_would_read_less_than_chance(monkeypatch):
    def unlike(images, folds, key):
        codes, names = pd.factorize(images["background_index"].astype(str) + images["foreground_source"])
        return (codes % 2 + images["background_index"].to_numpy()) % folds

    images = images_of(per_cell=11, val=9)
    monkeypatch.setattr(protocol, "folds_by_source", unlike)
    assert unseen_reading({"planted": features_of(images, noise(images))}, images, "linear", 0) < CHANCE - 3


def test_a_leak_is_found_on_unseen_images_too():
    images = images_of(per_cell=15, val=12)
    assert unseen_reading({"planted": features_of(images, leaking(images, 0.9)[0])}, images, "linear", 0) > 80


def test_folds_keep_sources_together_and_cells_alike():
    images = images_of(per_cell=10, val=0)
    fold = folds_by_source(images, 5, ("test",))
    assert (pd.Series(fold).groupby(images["foreground_source"].to_numpy()).nunique() == 1).all()
    cells = pd.crosstab(fold, [images["label"], images["background_index"]])
    assert cells.shape == (5, CELLS**2) and (cells - 2).abs().to_numpy().mean() < 1
    assert np.ptp(np.bincount(fold)) <= 0.1 * len(images)
    assert not (fold == folds_by_source(images, 5, ("other",))).all()


def test_folds_of_a_tiny_run_are_alike_in_their_classes():
    images = images_of(per_cell=1, val=0)
    fold = folds_by_source(images, 4, ("test",))
    assert set(fold) == {0, 1, 2, 3}


def test_a_sample_is_drawn_only_where_there_are_more():
    rows = np.arange(10)
    assert (sampled(rows, 10, ("a",)) == rows).all()
    some = sampled(rows, 4, ("a",))
    assert len(set(some)) == 4 and set(some) < set(rows)


# --- comparisons ---


def test_a_difference_is_taken_image_by_image_and_of_what_both_answered():
    images = images_of()
    ids = images["image_id"][images["split"] == "val"].to_numpy()
    constants = {"method": "m@x", "direction": "bg_from_fg", "seed": 0, "label": 1, "guess": 1}
    rows = pd.DataFrame({"image_id": ids}).assign(**constants)
    half = rows.assign(guess=np.arange(len(rows)) % 2)
    extra = rows.assign(method="other" + ERASED)
    [row] = protocol.difference(pd.concat([rows, extra]), half, images, 0).to_dict("records")
    assert row["method"] == "m@x" and row["points"] == 50 and row["low"] < 50 < row["high"] and row["n"] == len(ids)
    both = protocol.on_both(rows.assign(probe="svm"), half.assign(probe="svm"), images, 0).set_index("learned")
    assert both["accuracy"].to_dict() == {"training images": 100, "unseen images": 50}


def test_only_leaks_without_erasure_are_read_again():
    chosen = chosen_as("svm", ["a@b", "a@b" + ERASED], ["bg_from_fg", "fg_from_fg"])
    assert protocol.leak_questions(chosen) == [("a@b", KNOWN["bg_from_fg"], "svm")]
