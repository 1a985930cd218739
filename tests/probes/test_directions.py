"""A probe finds what is there and only that; erasure blinds the linear one; every seed is its own."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Probes
from d3s_utils.probes.directions import ERASED, LEAKS, head_guesses, summarise, with_erased
from d3s_utils.probes.protocol import probe
from d3s_utils.probes.readers import Schedule, fit_readers, standardised

CLASSES, BACKGROUNDS, N = 5, 4, 1200
SETTINGS = Probes(seeds=2, hidden=32, steps=120, trees=60)


def dataset():
    """Images in balanced cells; every fourth is val; three images share a source photograph."""
    label, background = np.arange(N) % CLASSES, (np.arange(N) // CLASSES) % BACKGROUNDS
    split = np.where((np.arange(N) // 20) % 4 == 3, "val", "train")
    ids = np.array([f"image-{i}" for i in range(N)], dtype=object)
    return pd.DataFrame(
        {
            "image_id": ids,
            "split": split,
            "label": label,
            "background_index": background,
            "foreground_source": np.arange(N) // 3,
        }
    )


def features_of(images, fg_knows, bg_knows, width=16):
    """Features that name the given columns, in noise."""
    rng = rng_for("probe features", str(fg_knows), str(bg_knows))

    def part(columns):
        x = rng.normal(size=(N, width))
        for i, column in enumerate(columns):
            x[:, 8 * i : 8 * i + 5] += 6 * np.eye(5)[images[column]]
        return x.astype(np.float32)

    ids = images["image_id"].to_numpy()
    return Features(
        ids, part(fg_knows), part(bg_knows), images["label"].to_numpy(), images["background_index"].to_numpy() * 0
    )


@pytest.fixture(scope="module")
def table():
    images = dataset()
    features = {
        "clean": features_of(images, ["label"], ["background_index"]),
        "leaky": features_of(images, ["label", "background_index"], ["background_index", "label"]),
    }
    guesses = probe(with_erased(features, images), images, SETTINGS, seed=0)
    summary = summarise(guesses, images, seed=0)
    return summary.set_index(["method", "probe", "direction"])["accuracy"], summary, guesses


def test_probe_finds_what_a_part_should_know(table):
    accuracy = table[0]
    assert accuracy["clean", "linear", "fg_from_fg"] > 97 and accuracy["clean", "linear", "bg_from_bg"] > 97


@pytest.mark.parametrize("kind", ["linear", "mlp", "svm", "forest"])
def test_every_kind_finds_a_leak_where_there_is_one_and_none_elsewhere(table, kind):
    accuracy = table[0]
    assert abs(accuracy["clean", kind, "bg_from_fg"] - 100 / BACKGROUNDS) < 8
    assert abs(accuracy["clean", kind, "fg_from_bg"] - 100 / CLASSES) < 8
    assert accuracy["leaky", kind, "bg_from_fg"] > 97 and accuracy["leaky", kind, "fg_from_bg"] > 97


def test_erasure_blinds_the_linear_probe_and_keeps_what_belongs(table):
    accuracy = table[0]
    assert accuracy["leaky" + ERASED, "linear", "bg_from_fg"] < 100 / BACKGROUNDS + 8
    assert accuracy["leaky" + ERASED, "linear", "fg_from_bg"] < 100 / CLASSES + 8
    assert accuracy["leaky" + ERASED, "linear", "fg_from_fg"] > 95


def test_every_image_is_guessed_once_per_seed_and_training_images_never(table):
    _, summary, guesses = table
    counts = guesses.groupby(["method", "probe", "direction", "seed"])["image_id"].agg(["size", "nunique"])
    assert (counts["size"] == counts["nunique"]).all() and counts["size"].nunique() == 1
    train = set(dataset().query("split == 'train'")["image_id"])
    assert not train & set(guesses["image_id"])
    assert (summary["seeds"] == np.where(summary["probe"] == "svm", 1, SETTINGS.seeds)).all(), "nothing random in it"
    asked = summary.groupby(["method", "direction"])["probe"].agg(set)
    for (method, direction), kinds in asked.items():
        few = {"linear", "svm"} if method.endswith(ERASED) else {"linear", "mlp", "svm", "forest"}
        assert kinds == (few if direction in LEAKS else {"linear"})


def test_intervals_hold_the_accuracy(table):
    summary = table[1]
    assert (summary["low"] <= summary["accuracy"]).all() and (summary["accuracy"] <= summary["high"]).all()


def test_only_a_nonlinear_probe_reads_a_parity():
    rng = rng_for("parity")
    bits = rng.integers(0, 2, size=(2000, 2))
    x = torch.from_numpy(
        standardised((bits + 0.1 * rng.normal(size=(2000, 2))).astype(np.float32), np.ones(2000, bool))
    )
    labels, rows = torch.from_numpy(bits.sum(1) % 2), torch.arange(1000)[None]

    def accuracy(hidden):
        readers = fit_readers(x[None], labels, rows, [(0,)], Schedule(hidden, steps=200, lr=0.03))
        return 100 * float((readers.guesses(x[None, 1000:])[0, 0] == labels[1000:]).float().mean())

    assert accuracy(None) < 80 and accuracy(32) > 97


def test_a_methods_result_does_not_depend_on_the_company_it_keeps():
    images = dataset()
    clean, leaky = (
        features_of(images, ["label"], ["background_index"]),
        features_of(images, ["label", "background_index"], ["background_index", "label"]),
    )
    alone = probe({"clean": clean}, images, SETTINGS, seed=0)
    together = probe({"leaky": leaky, "clean": clean}, images, SETTINGS, seed=0)
    order = ["probe", "direction", "seed", "image_id"]
    same = together[together["method"] == "clean"].sort_values(order, ignore_index=True)
    alone = alone.sort_values(order, ignore_index=True)
    assert (alone["guess"] == same["guess"]).mean() > 0.999  # sums may round otherwise


def test_standardising_uses_the_training_rows_alone_and_survives_a_constant():
    x = np.array([[0.0, 5.0], [2.0, 5.0], [100.0, 7.0]])
    z = standardised(x, np.array([True, True, False]))
    assert z[:2, 0].tolist() == [-1, 1] and z[2, 0] == 99 and z[:, 1].tolist() == [0, 0, 0]


def test_joint_heads_stand_beside_the_probes():
    images = dataset()
    rows = summarise(
        head_guesses({"clean": features_of(images, ["label"], ["background_index"])}, images), images, seed=0
    )
    accuracy = rows.set_index("direction")["accuracy"]
    assert accuracy["fg_from_fg"] == 100 and accuracy["bg_from_bg"] < 40
    assert set(rows["probe"]) == {"joint head"}


def test_methods_of_other_widths_are_read_as_if_they_were_alone():
    images, settings = dataset(), Probes(seeds=2, steps=20, hidden=16, trees=5)
    own = features_of(images, ["label"], ["background_index"])
    narrow = replace(own, fg=own.fg[:, :6], bg=own.bg[:, :5])
    both = probe({"narrow": narrow, "own": own}, images, settings, seed=0)
    alone = probe({"own": own}, images, settings, seed=0)
    assert set(both["method"]) == {"narrow", "own"}
    order = ["probe", "direction", "seed", "image_id"]
    mine = both[both["method"] == "own"].sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(mine, alone.sort_values(order, ignore_index=True))
