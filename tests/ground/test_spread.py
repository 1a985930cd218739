"""Intervals over images and training seeds: the two widths add in squares, and marks are held against the sum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d3s_utils.ground import paths
from d3s_utils.ground.claims import Mark, claim, claims_table, finding
from d3s_utils.ground.files import write_table
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run
from d3s_utils.ground.seeds import rng_for
from d3s_utils.ground.spread import Spread, read_spread, with_training_seeds


def spread_of(sd: float, seeds: int = 5, id: str = "leak") -> Spread:
    return Spread(pd.DataFrame({"id": [id], "seeds": [seeds], "sd": [sd]}).set_index("id"))


def ledger(value: float, half: float, mark: Mark, id: str = "leak") -> pd.DataFrame:
    return claims_table([finding(id, "", {"x": value, "low": value - half, "high": value + half}, "x", mark)])


@pytest.mark.parametrize("mark", [Mark("at least", 93), Mark("below", 0.45, "correlation"), Mark("above", 0, "points")])
def test_a_mark_is_read_as_it_was_written(mark):
    assert Mark.read(str(mark)) == mark
    assert Mark.read("") is None and Mark.read("nearly 3 %") is None


def test_two_widths_add_in_squares_and_that_of_the_seeds_is_kept():
    (row,) = with_training_seeds(ledger(40, 3, Mark("at most", 45.6)), spread_of(4 / 2.776)).to_dict("records")
    assert row["seed_half"] == pytest.approx(4, rel=1e-3)  # Student's t with four degrees of freedom
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((35, 45), rel=1e-3) and row["status"] == "met"


def test_a_finding_that_images_alone_decide_is_undecided_where_seeds_differ_by_more():
    (row,) = with_training_seeds(ledger(40, 3, Mark("at most", 45.6)), spread_of(3.0)).to_dict("records")
    assert row["status"] == "undecided" and "training seeds" in row["why"] and "at most 45.6 %" in row["why"]


def test_percentages_stay_within_their_range_and_rows_of_no_known_spread_as_they_are():
    (row,) = with_training_seeds(ledger(99.5, 0.4, Mark("at least", 93)), spread_of(2.0)).to_dict("records")
    assert row["ci_high"] == 100 and row["ci_low"] < 94.5
    other = ledger(40, 3, Mark("at most", 45.6), id="other")
    pd.testing.assert_frame_equal(with_training_seeds(other, spread_of(2.0)), other)
    assert with_training_seeds(other, None) is other
    pd.testing.assert_frame_equal(with_training_seeds(other, spread_of(2.0, seeds=2, id="other")), other)


def test_a_number_without_interval_gets_that_of_the_seeds_and_one_that_was_not_measured_none():
    rows = claims_table([claim("leak", measured=1.0, met=True, unit="points"), claim("leak/b")])
    first, second = with_training_seeds(rows, spread_of(1.0)).to_dict("records")
    assert (first["ci_low"], first["ci_high"]) == pytest.approx((1 - 2.776, 1 + 2.776), rel=1e-3)
    assert pd.isna(second["ci_low"]) and pd.isna(second["seed_half"])


def test_ninety_five_in_a_hundred_intervals_hold_the_expectation():
    """Planted: a truth of 50, images that add a deviation of 1, training seeds one of 2, known from five seeds."""
    rng, ids = rng_for("coverage"), [f"n{number}" for number in range(500)]
    deviation = [float(np.std(rng.normal(0, 2, 5), ddof=1)) for _ in ids]
    values = 50 + rng.normal(0, 1, 500) + rng.normal(0, 2, 500)
    rows = [
        finding(id, "", {"x": value, "low": value - 1.96, "high": value + 1.96}, "x", Mark("above", 0))
        for id, value in zip(ids, values, strict=True)
    ]
    known = Spread(pd.DataFrame({"id": ids, "seeds": 5, "sd": deviation}).set_index("id"))
    wide = with_training_seeds(claims_table(rows), known)
    narrow = (values - 1.96 <= 50) & (values + 1.96 >= 50)
    assert narrow.mean() < 0.75, "over images alone far too few do"
    held = (wide["ci_low"] <= 50) & (wide["ci_high"] >= 50)
    assert 0.93 <= held.mean() <= 0.99


def test_a_run_saves_the_wider_intervals_where_its_profile_has_a_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "reference")
    run = Run(load_profile("smoke"), "05_disentanglement_probe", tmp_path / "run")
    rows = ledger(40, 3, Mark("at most", 45.6))
    assert run.save_claims(rows)["ci_low"].tolist() == [37]
    assert run.over_seeds("leak").empty
    kept = tmp_path / "reference" / "smoke"
    write_table(kept / "spread.csv", spread_of(2.0).table.reset_index())
    write_table(kept / "seeds" / "05_disentanglement_probe_leak.csv", pd.DataFrame({"training_seed": [0, 1]}))
    assert read_spread(kept).half("leak") == pytest.approx(2 * 2.776, rel=1e-3)
    assert run.save_claims(rows)["ci_low"].iloc[0] < 35
    assert run.over_seeds("leak")["training_seed"].tolist() == [0, 1]
