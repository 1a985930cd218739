"""Alpha and kappa are the textbooks'."""

import numpy as np
import pytest
from ballots import SLIPPERY, seen_images

from d3s_utils.verification.agreement import agreement_table, fleiss_kappa, krippendorff_alpha
from d3s_utils.verification.simulated import simulate_votes


def test_alpha_is_one_for_perfect_agreement_and_zero_for_chance():
    assert krippendorff_alpha(np.array([[5, 0], [0, 5], [5, 0]])) == 1
    coins = np.random.default_rng(0).binomial(5, 0.5, 2000)
    assert abs(krippendorff_alpha(np.stack([coins, 5 - coins], 1))) < 0.03
    assert np.isnan(krippendorff_alpha(np.array([[5, 0], [4, 0]]))), "nobody ever said no"
    assert np.isnan(krippendorff_alpha(np.array([[1, 0], [0, 1]]))), "nobody met anybody"


def test_alpha_lies_in_its_interval_and_a_rare_answer_keeps_pairs_agreeing():
    votes = simulate_votes(seen_images([0.9] * 9 + [0.1], 0.95, n=200), SLIPPERY, seed=1)
    table = agreement_table(votes, key=(1,)).set_index("question")
    assert (table["low"] <= table["alpha"]).all() and (table["alpha"] <= table["high"]).all()
    assert table.loc["foreground", "alpha"] > 3 * table.loc["background", "alpha"], "nothing to agree on but slips"
    assert table.loc["adult", "pairs_agree"] > 95 > 100 * table.loc["adult", "alpha"]


def test_fleiss_kappa_is_that_of_his_paper():
    """Fleiss (1971), as worked through in textbooks: 10 subjects, 14 raters, 5 categories, kappa 0.210."""
    counts = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    assert fleiss_kappa(counts) == pytest.approx(0.20993, abs=1e-5)
    assert np.isnan(fleiss_kappa(np.array([[5, 0], [5, 0]])))
    assert fleiss_kappa(np.array([[5, 0], [0, 5], [3, 1]])) == 1.0, "an image with another number of votes is left out"
