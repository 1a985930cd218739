"""The dial changes the pairing and nothing else; a head falls for the background only if its features show it."""

import numpy as np
import pandas as pd
import pytest

from d3s_utils.disentanglement.features import Features
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.settings import Spurious
from d3s_utils.probes.directions import ERASED
from d3s_utils.spurious.task import (
    dial_readers,
    headline,
    pairing,
    reader_name,
    scaled,
    spurious_task,
    steadiest,
    summarise,
    training_rows,
)

CLASSES, BACKGROUNDS, PER_CELL = 6, 7, 8


def dataset():
    cells = [
        (split, k, b)
        for split in ("train", "val")
        for k in range(CLASSES)
        for b in range(BACKGROUNDS)
        for _ in range(PER_CELL)
    ]
    images = pd.DataFrame(cells, columns=["split", "label", "background_index"])
    return images.assign(image_id=[f"image-{i}" for i in images.index], foreground_source=images.index // 2)


def features_of(images):
    """Foreground features know the class, background features the background; both are loud."""
    rng = rng_for("spurious features")

    def part(column, width, loudness):
        x = rng.normal(size=(len(images), width))
        x[:, :8] += loudness * np.eye(8)[images[column]]
        return x.astype(np.float32)

    ids = images["image_id"].to_numpy(dtype=object)
    none = np.zeros(len(images), int)
    return Features(ids, part("label", 12, 5), part("background_index", 12, 15), none, none)


@pytest.mark.parametrize("correlation", [0.5, 0.75, 1.0])
def test_the_dial_sets_the_share_of_agreeing_images_and_never_their_number(correlation):
    images = dataset().query("split == 'train'").reset_index(drop=True)
    tied = pairing(CLASSES, BACKGROUNDS, "test")
    rows = training_rows(images, tied, correlation, "test")
    chosen = images.loc[rows]
    assert len(rows) == len(set(rows)) == CLASSES * PER_CELL
    assert np.mean(chosen["background_index"] == tied[chosen["label"]]) == correlation
    assert (chosen.groupby("label").size() == PER_CELL).all()


def test_a_pairing_is_one_to_one_and_the_background_left_over_is_never_used():
    tied = pairing(CLASSES, BACKGROUNDS, "test")
    assert len(set(tied)) == CLASSES
    images = dataset().query("split == 'train'").reset_index(drop=True)
    left_over = set(range(BACKGROUNDS)) - set(tied)
    assert not left_over & set(images.loc[training_rows(images, tied, 0.5, "test"), "background_index"])


def test_more_classes_than_backgrounds_share_them_evenly():
    assert np.bincount(pairing(20, 10, "test")).tolist() == [2] * 10


def test_a_head_on_everything_falls_for_the_background_and_one_on_the_foreground_does_not():
    images = dataset()
    settings = Spurious(permutations=2, correlations=(0.5, 1.0))
    guesses = spurious_task({"planted": features_of(images)}, images, settings, seed=0)
    table = summarise(guesses, images, seed=0).set_index(["features", "correlation", "side"])
    assert table.loc[("all", 1.0, "agreeing"), "accuracy"] > 97
    assert table.loc[("all", 1.0, "disagreeing"), "accuracy"] < 70
    assert table.loc[("fg", 1.0, "disagreeing"), "accuracy"] > 88
    assert table.loc[("all", 0.5, "disagreeing"), "accuracy"] > table.loc[("all", 1.0, "disagreeing"), "accuracy"] + 10
    assert (table["worst"] <= table["accuracy"] + 1e-9).all()
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()


def test_only_test_images_on_tied_backgrounds_are_asked_about():
    images = dataset()
    guesses = spurious_task(
        {"planted": features_of(images)}, images, Spurious(permutations=3, correlations=(1.0,)), seed=0
    )
    assert set(guesses["image_id"]) <= set(images.query("split == 'val'")["image_id"])
    per_permutation = guesses[guesses["features"] == "fg"].groupby("permutation")["image_id"].nunique()
    assert (per_permutation == CLASSES * CLASSES * PER_CELL).all()
    assert guesses.groupby("permutation")["agrees"].mean().round(6).nunique() == 1


def test_an_empty_cell_is_said_in_one_sentence():
    images = dataset().query("split == 'train' and label != background_index").reset_index(drop=True)
    with pytest.raises(D3SError, match="train_per_cell"):
        training_rows(images, np.arange(CLASSES), 1.0, "test")


def test_scaling_keeps_how_loud_each_feature_is_against_the_others():
    x = np.array([[0.0, 0.0], [2.0, 20.0], [9.0, 9.0]], dtype=np.float32)
    z = scaled(x, np.array([True, True, False]))
    assert z[:2].mean() == pytest.approx(0) and z[:2].std() == pytest.approx(1)
    assert np.ptp(z[:2, 1]) == pytest.approx(10 * np.ptp(z[:2, 0]))


# --- the ledger ---


def summary_of(**accuracies):
    """A summary at full correlation: (features, side) and accuracy of each method."""
    rows = [
        (method, features, side, accuracy)
        for method, own in accuracies.items()
        for (features, side), accuracy in own.items()
    ]
    table = pd.DataFrame(rows, columns=["method", "features", "side", "accuracy"])
    return table.assign(low=table["accuracy"] - 1, high=table["accuracy"] + 1, n=900, correlation=1.0)


GOOD = {("fg", "agreeing"): 97.0, ("fg", "disagreeing"): 93.0, ("all", "disagreeing"): 24.9}
BAD = {("fg", "agreeing"): 97.0, ("fg", "disagreeing"): 92.9, ("all", "disagreeing"): 25.0}


def test_each_method_has_three_claims_and_an_erased_one_the_first_of_them():
    full = summary_of(hsic=GOOD)
    found = {claim.id: claim for claim in headline(pd.concat([full, full.assign(method="hsic" + ERASED)]))}
    ids = ["spurious_foreground/hsic", "spurious_gap/hsic", "spurious_all/hsic", "spurious_foreground/hsic + LEACE"]
    assert list(found) == ids
    away, gap = found["spurious_foreground/hsic"], found["spurious_gap/hsic"]
    assert (away.measured, away.ci_low, away.ci_high, away.n, away.unit) == (93.0, 92.0, 94.0, 900, "%")
    assert (gap.measured, gap.ci_low, gap.n, gap.unit) == (4.0, None, 900, "points")
    assert gap.claim == "what foreground features of hsic lose where the background misleads, at most 4 points"
    assert found["spurious_all/hsic"].claim == "all features of hsic fall for the background, below 25 %"


def test_a_claim_is_met_on_its_mark_and_not_beyond_it():
    assert {claim.status for claim in headline(summary_of(hsic=GOOD))} == {"met"}
    missed = headline(summary_of(hsic=BAD))
    assert [claim.status for claim in missed] == ["not met"] * 3
    assert "at least 93 %" in missed[0].why and "at most 4 points" in missed[1].why and "below 25 %" in missed[2].why


def test_what_no_image_could_show_was_not_run():
    full = summary_of(hsic=GOOD)
    one_side = headline(full[full["side"] == "agreeing"])
    assert [claim.status for claim in one_side] == ["not run"] * 3 and one_side[0].measured is None
    assert headline(full.head(0)) == []


def test_the_steadiest_method_leads_the_dial():
    worse = GOOD | {("fg", "disagreeing"): 50.0}
    full = summary_of(none=worse, hsic=GOOD, **{"hsic" + ERASED: GOOD | {("fg", "disagreeing"): 99.0}})
    assert steadiest(full) == "hsic"
    assert dial_readers("hsic")[0] == ("hsic", "fg") and ("hsic", "all") in dial_readers("hsic")
    assert len(dial_readers("none")) == len(set(dial_readers("none"))) == 4
    assert reader_name("hsic", "bg", "country") == "hsic, country features"
