"""The curve of the probes ends where the protocol stands, and says whether longer training would find more."""

import numpy as np
import pytest
from planted_probes import features_of, images_of, leaking, rings

from d3s_utils.ground.settings import Probes
from d3s_utils.probes.directions import LEAKS, summarise
from d3s_utils.probes.protocol import probe
from d3s_utils.probes.strength import last_doubling, strength

SETTINGS = Probes(seeds=1, hidden=64, steps=160, trees=5, sample=300)


@pytest.fixture(scope="module")
def curve():
    images = images_of(per_cell=14, val=4)
    features = {
        "written@backbone": features_of(images, leaking(images, 0.9)[0]),
        "rings": features_of(images, rings(images, width=2)),
    }
    guesses = probe(features, images, SETTINGS, seed=0)
    return strength(features, images, guesses, SETTINGS, seed=0), summarise(guesses, images, seed=0)


def test_steps_double_up_to_those_of_the_protocol_for_both_widths_and_the_linear_probe(curve):
    shapes = curve[0].groupby(["probe", "hidden"])["steps"].unique().map(sorted).to_dict()
    assert shapes == {kind: [20, 40, 80, 160] for kind in (("linear", 0), ("mlp", 16), ("mlp", 64))}
    assert len(curve[0]) == 3 * 4 * 2 * len(LEAKS)


def test_the_curve_ends_in_the_protocols_own_number(curve):
    table, summary = curve
    keys = ["method", "direction", "probe"]
    last = table[(table["steps"] == 160) & table["hidden"].isin([0, 64])].set_index(keys)["accuracy"]
    own = summary.set_index(keys)["accuracy"]
    assert len(last) == 8 and np.allclose(last, own.loc[last.index])


def test_the_curve_of_a_planted_leak_is_flat_at_its_end_for_every_probe(curve):
    added = last_doubling(curve[0]).set_index(["method", "direction", "probe"])["added"]
    assert added["written@backbone", "bg_from_fg"].max() <= 1
    assert added["rings", "bg_from_fg", "linear"] < 5
    rising = curve[0].query("method == 'rings' and direction == 'bg_from_fg' and hidden == 64").set_index("steps")
    assert rising["accuracy"][160] > rising["accuracy"][20] + 10, "an MLP stopped early finds less"


def test_what_the_last_doubling_adds_is_the_difference_of_the_last_two_points_with_its_interval(curve):
    table = curve[0]
    for row in last_doubling(table).to_dict("records"):
        hidden = {"linear": 0, "mlp": 64}[row["probe"]]
        own = table[
            (table[["method", "direction", "probe"]] == [row[k] for k in ("method", "direction", "probe")]).all(1)
        ]
        points = own[own["hidden"] == hidden].set_index("steps")["accuracy"]
        assert row["added"] == pytest.approx(points[160] - points[80], abs=1e-6)
        assert row["added_low"] <= row["added"] <= row["added_high"]
    assert len(last_doubling(table)) == 2 * 2 * len(LEAKS), "of full width alone"


def test_a_probe_of_one_step_and_one_unit_has_a_curve_of_one_point():
    images = images_of(per_cell=3, val=1)
    features, tiny = {"m": features_of(images, leaking(images, 0.9)[0])}, Probes(1, hidden=1, steps=1, trees=1)
    table = strength(features, images, probe(features, images, tiny, 0), tiny, 0)
    assert set(table["steps"]) == {1} and last_doubling(table).empty
