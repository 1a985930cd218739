"""What notebook 06 claims: the paper's comparison, whose baseline is named, and nothing that only measures loudness."""

import pandas as pd
import pytest

from d3s_utils.disentanglement.features import features_path
from d3s_utils.disentanglement.models import BACKBONE, PLAIN
from d3s_utils.probes.directions import ERASED
from d3s_utils.spurious.findings import at_full, baseline_of, dial_readers, gains, headline, methods_of, steadiest
from d3s_utils.spurious.task import reader_name


def summary_of(**accuracies):
    """A summary at full correlation: (features, side) and accuracy of each method."""
    rows = [
        (method, features, side, accuracy)
        for method, own in accuracies.items()
        for (features, side), accuracy in own.items()
    ]
    table = pd.DataFrame(rows, columns=["method", "features", "side", "accuracy"])
    return table.assign(low=table["accuracy"] - 1, high=table["accuracy"] + 1, n=900, correlation=1.0)


GOOD = {("fg", "agreeing"): 97.0, ("fg", "disagreeing"): 95.0}
BAD = {("fg", "agreeing"): 97.0, ("fg", "disagreeing"): 91.0}


def gained(low=50.0, high=65.0):
    return pd.DataFrame(
        [("hsic", PLAIN, 62.0, low, high, 900)], columns=["method", "baseline", "gain", "low", "high", "n"]
    )


def test_the_papers_comparison_and_the_best_method_are_the_claims():
    gain, best = headline(summary_of(wasserstein=BAD, hsic=GOOD), gained(), "hsic")
    assert (gain.id, best.id, gain.status, best.status) == ("spurious_gain", "spurious_foreground", "met", "met")
    assert gain.claim == "foreground features (hsic) beat all features of plain, disagreeing images"
    assert (gain.measured, gain.ci_low, gain.ci_high, gain.n, gain.unit) == (62.0, 50.0, 65.0, 900, "points")
    assert gain.source.startswith("D3S paper") and best.source == "this repository"
    assert (best.measured, best.ci_low, best.n, best.unit) == (95.0, 94.0, 900, "%") and "hsic" in best.claim


def test_a_claim_beyond_its_mark_is_not_met_and_one_around_it_undecided():
    gain, best = headline(summary_of(hsic=BAD), gained(low=-0.1), "hsic")
    assert (gain.status, best.status) == ("undecided", "not met")
    assert "at least 93 %" in best.why and "D3S paper" in gain.why


def test_what_no_image_could_show_was_not_run():
    full = summary_of(hsic=GOOD)
    one_side = headline(full[full["side"] == "agreeing"], gained().head(0), "hsic")
    assert [claim.status for claim in one_side] == ["not run"] * 2 and one_side[0].measured is None


def test_the_steadiest_method_leads_the_dial():
    worse = GOOD | {("fg", "disagreeing"): 50.0}
    full = summary_of(none=worse, hsic=GOOD, **{"hsic" + ERASED: GOOD | {("fg", "disagreeing"): 99.0}})
    assert steadiest(full) == "hsic"
    assert dial_readers("hsic")[0] == ("hsic", "fg") and ("hsic", "all") in dial_readers("hsic")
    assert len(dial_readers("none")) == len(set(dial_readers("none"))) == 4
    assert dial_readers("hsic", PLAIN)[-1] == (PLAIN, "all")
    assert reader_name("hsic", "bg", "country") == "hsic, country features"


def test_the_baseline_is_the_plain_network_where_its_features_lie(tmp_path):
    assert methods_of(tmp_path, ("none", "hsic")) == [BACKBONE, "none", "hsic"]
    path = features_path(tmp_path, PLAIN)
    path.parent.mkdir()
    path.touch()
    assert methods_of(tmp_path, ("none",)) == [PLAIN, BACKBONE, "none"]
    full = summary_of(hsic=GOOD)
    assert baseline_of(full) == BACKBONE and baseline_of(pd.concat([full, full.assign(method=PLAIN)])) == PLAIN


def test_all_features_of_a_network_with_parts_are_no_result_at_full_correlation():
    everything = GOOD | {("all", "disagreeing"): 20.0}
    full = summary_of(plain={("all", "disagreeing"): 30.0}, backbone=everything, hsic=everything)
    shown = at_full(pd.concat([full, full.assign(correlation=0.5)]))
    assert set(shown["correlation"]) == {1.0}
    assert set(shown.loc[shown["features"] == "all", "method"]) == {PLAIN}
    without = at_full(full[full["method"] != PLAIN])
    assert set(without.loc[without["features"] == "all", "method"]) == {BACKBONE}


def test_the_gain_over_the_baseline_is_that_of_the_disagreeing_images_alone():
    images = pd.DataFrame(
        {"image_id": [f"image-{i}" for i in range(40)], "foreground_source": [i // 2 for i in range(40)]}
    )

    def said(method, features, right, agrees):
        """Guesses of which the first `right` are right."""
        rows = images[["image_id"]].assign(method=method, features=features, agrees=agrees, label=0, correlation=1.0)
        return rows.assign(guess=[int(i >= right) for i in range(40)])

    cases = [("hsic", "fg", 36, False), (PLAIN, "all", 12, False), ("hsic", "fg", 0, True), (PLAIN, "all", 40, True)]
    guesses = pd.concat([said(*case) for case in cases])
    guesses = pd.concat([guesses, guesses.assign(correlation=0.5, guess=0)], ignore_index=True)
    (row,) = gains(guesses, images, seed=0).to_dict("records")
    assert (row["method"], row["baseline"], row["correlation"], row["n"]) == ("hsic", PLAIN, 1.0, 40)
    assert row["gain"] == pytest.approx(60) and 30 < row["low"] < 60 < row["high"] < 90
    assert gains(guesses[guesses["method"] == "hsic"], images, seed=0).empty
