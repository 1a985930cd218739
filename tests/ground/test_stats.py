"""Intervals cover what they should, on data where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.stats import (
    accuracy_by,
    cluster_bootstrap,
    cluster_gap_ci,
    cluster_mean_ci,
    share_by,
    wilson,
    with_wilson,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (829, 1000)])
def test_wilson_is_the_textbook_interval(hits, n):
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert np.allclose(wilson(hits, n), (100 * expected.low, 100 * expected.high))


def test_wilson_takes_arrays_and_knows_nothing_of_nothing():
    low, high = wilson([0, 5], [0, 10])
    assert (low[0], high[0]) == (0, 100)
    assert low[1] < 50 < high[1]


def test_accuracy_is_counted_per_group():
    predictions = pd.DataFrame(
        {"background": ["snow"] * 4 + ["rain"] * 2, "label": [1] * 6, "guess": [1, 1, 1, 0, 0, 0]}
    )
    table = accuracy_by(predictions, "background").set_index("background")
    assert list(table.columns) == ["accuracy", "low", "high", "n"]
    assert table.loc["snow", "accuracy"] == 75 and table.loc["rain", "accuracy"] == 0
    assert table.loc["snow", "n"] == 4
    everything = accuracy_by(predictions)
    assert everything["accuracy"].item() == 50 and list(everything.columns) == ["accuracy", "low", "high", "n"]


def clustered(groups, size, key):
    """Values that depend on their cluster alone: `size` copies of each of `groups` draws."""
    values = rng_for(key).normal(size=groups)
    return np.repeat(values, size), np.repeat(np.arange(groups), size)


def test_copies_of_an_image_do_not_narrow_the_interval():
    once, clusters = clustered(50, 1, "a")
    copied, copied_clusters = clustered(50, 20, "a")
    alone = cluster_mean_ci(once, clusters, ("x",))
    together = cluster_mean_ci(copied, copied_clusters, ("x",))
    assert np.allclose(alone, together)


def test_the_interval_covers_the_truth_about_19_times_in_20():
    hits = 0
    for trial in range(200):
        values, clusters = clustered(40, 3, ("trial", trial))
        low, high = cluster_mean_ci(values, clusters, ("cover", trial), n=300)
        hits += low <= 0 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_fast_interval_agrees_with_the_general_one():
    values, clusters = clustered(60, 4, "b")
    table = pd.DataFrame({"value": values, "source": clusters})
    general = cluster_bootstrap(table, lambda t: t["value"].mean(), "source", ("g",), n=600)
    fast = cluster_mean_ci(values, clusters, ("f",), n=3000)
    assert np.allclose(general, fast, atol=0.06)


def test_a_statistic_may_be_an_array():
    table = pd.DataFrame({"a": [0.0, 1, 2, 3], "b": [5.0, 5, 5, 5], "source": [0, 0, 1, 2]})
    low, high = cluster_bootstrap(table, lambda t: t[["a", "b"]].mean().to_numpy(), "source", ("k",), n=50)
    assert low.shape == high.shape == (2,)
    assert low[1] == high[1] == 5 and low[0] < high[0]


def test_a_paired_gap_is_sharper_than_an_unpaired_one():
    values, clusters = clustered(50, 2, "c")
    paired = cluster_gap_ci(values + 1, clusters, values, clusters, ("p",))
    unpaired = cluster_gap_ci(values + 1, clusters, values, clusters + 1000, ("u",))
    assert np.allclose(paired, 1)
    assert unpaired[0] < 1 < unpaired[1] and unpaired[1] - unpaired[0] > 0.3


def test_an_interval_depends_on_its_key_alone():
    values, clusters = clustered(30, 2, "d")
    assert cluster_mean_ci(values, clusters, ("k", 1)) == cluster_mean_ci(values, clusters, ("k", 1))
    assert cluster_mean_ci(values, clusters, ("k", 1)) != cluster_mean_ci(values, clusters, ("k", 2))


def test_clusters_may_have_names():
    assert cluster_mean_ci([0, 100, 100], ["a", "b", "b"], ("n",))[1] == 100


def test_nothing_has_no_interval():
    assert np.isnan(cluster_mean_ci([], [], ("empty",))).all()


def test_a_share_of_nothing_is_unknown():
    table = with_wilson(pd.DataFrame({"who": ["a", "b"], "hits": [3, 0], "n": [4, 0]}), "right")
    assert list(table.columns) == ["who", "right", "low", "high", "n"]
    assert table["right"].iloc[0] == 75 and np.isnan(table["right"].iloc[1])
    assert (table["low"].iloc[1], table["high"].iloc[1]) == (0, 100)


def test_shares_come_in_the_order_of_their_groups_or_sorted():
    hits = pd.DataFrame({"rule": ["z", "a", "z"], "hit": [True, True, False]})
    assert share_by(hits, "right", "rule")["right"].tolist() == [50, 100]
    assert share_by(hits, "right", "rule", sort=True)["rule"].tolist() == ["a", "z"]
    assert share_by(hits, "right")["n"].item() == 3
