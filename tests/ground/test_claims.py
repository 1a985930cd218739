"""The ledger says what was measured, what was not, and never passes a simulation for the real thing."""

import pandas as pd
import pytest

from d3s_utils.ground import claims, columns, paths
from d3s_utils.ground.claims import PAPER, SOURCE, Mark, claim, claims_table, finding, merge_claims, row_of
from d3s_utils.ground.files import read_table, write_json, write_table


def test_a_number_of_the_paper_brings_its_reference_along():
    row = claim("fg_from_bg", measured=11.0, ci=(9.5, 12.5), n=1000, seeds=3, chance=10, met=True)
    assert row.reference == 2.4 and "abstract" in row.source and row.unit == "%"
    assert (row.measured, row.ci_low, row.ci_high, row.status) == (11.0, 9.5, 12.5, "met")


def test_a_variant_takes_the_reference_of_the_number_it_varies():
    assert claim("bg_from_bg/hsic", measured=99.0, met=True).reference == PAPER["bg_from_bg"].value


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"measured": 90.0, "met": True}, "met"),
        ({"measured": 90.0, "met": False}, "not met"),
        ({"measured": 90.0, "met": True, "simulated": True}, "simulated"),
        ({}, "not run"),
        ({"measured": float("nan"), "ci": (0, 100), "met": True}, "not run"),
    ],
)
def test_status_is_told_by_what_was_measured(how, status):
    row = claim("ours", "some claim of our own", **how)
    assert row.status == status
    assert (row.measured is None) == (status == "not run")


def test_a_measured_number_needs_a_verdict():
    with pytest.raises(ValueError, match="met=True"):
        claim("ours", measured=3.0)


def test_two_claims_of_one_name_are_refused():
    with pytest.raises(ValueError, match="fg_from_fg"):
        claims_table([claim("fg_from_fg"), claim("fg_from_fg")])


def test_the_table_has_the_columns_of_the_contract_first():
    table = claims_table([claim("ours", "text", measured=1.0, n=5, met=True), claim("fg_from_fg")])
    assert list(table.columns)[: len(columns.COLUMNS["claims"])] == columns.COLUMNS["claims"]
    assert table["n"].iloc[0] == 5 and pd.isna(table["n"].iloc[1]), "counts stay whole beside missing ones"


def test_merging_keeps_every_row_and_adds_what_nobody_measured(tmp_path):
    folder = tmp_path / "toy"
    rows = [
        claim("fg_from_fg/hsic", measured=95.5, n=40, met=True),
        claim("ours", "an idea, with a comma", why="no time"),
    ]
    write_table(folder / "claims" / "05_probe.csv", claims_table(rows))
    write_json(folder / "runtime" / "05_probe.json", {"seconds": 12.5})

    ledger = merge_claims(folder).set_index("id")

    assert list(ledger.reset_index().columns) == claims.COLUMNS
    assert ledger.loc["fg_from_fg/hsic", "measured"] == 95.5 and ledger.loc["fg_from_fg/hsic", "n"] == 40
    assert set(ledger.loc[["fg_from_fg/hsic", "ours"], "seconds"]) == {12.5}
    assert set(ledger["profile"]) == {"toy"}
    assert "fg_from_fg" not in ledger.index, "a measured variant covers the number"
    others = set(PAPER) - {"fg_from_fg"}
    assert others <= set(ledger.index) and set(ledger.loc[list(others), "status"]) == {"not run"}
    assert (ledger.loc[list(others), "why"] != "").all()


def test_merging_the_claims_of_a_run_without_any_lists_the_paper(tmp_path):
    assert set(merge_claims(tmp_path)["id"]) == set(PAPER)


ROW = {"accuracy": 94.0, "low": 92.0, "high": 96.0, "n": 50, "seeds": 3, "chance": 10.0}


@pytest.mark.parametrize(
    ("mark", "status", "why"),
    [
        (Mark("at least", 91), "met", ""),
        (Mark("at least", 97, source="the paper's"), "not met", "the mark is at least 97 %, the paper's"),
        (Mark("at least", 95), "undecided", "the interval holds both sides of the mark, at least 95 %, a target of"),
        (
            Mark("below", 92, "points"),
            "not met",
            "the mark is below 92 points, a target of this repository, set on 2026-11-23",
        ),
        (Mark("at most", 96), "met", ""),
        (
            Mark("above", 94, source="chance"),
            "undecided",
            "the interval holds both sides of the mark, above 94 %, chance",
        ),
    ],
)
def test_a_finding_is_held_against_its_mark_and_says_so(mark, status, why):
    row = finding("ours", f"as good as that, {mark}", ROW, "accuracy", mark)
    assert (row.status, row.measured, row.ci_low, row.ci_high) == (status, 94.0, 92.0, 96.0)
    assert (row.n, row.seeds, row.chance, row.unit) == (50, 3, 10.0, mark.unit)
    assert row.why.startswith(why) and bool(row.why) == bool(why) and str(mark) in row.claim


@pytest.mark.parametrize("row", [{}, {"accuracy": float("nan"), "low": float("nan"), "n": 0}])
def test_nothing_measured_is_a_finding_that_was_not_run(row):
    found = finding("ours", "an idea", row, "accuracy", Mark("at least", 93), simulated=True)
    assert found.status == "not run" and found.measured is None and found.why


def test_of_a_few_observations_nothing_is_said_and_without_an_interval_the_number_decides():
    few = finding("ours", "", ROW | {"n": 29}, "accuracy", Mark("at least", 91))
    assert few.status == "too few" and few.why.startswith("29 observations") and few.measured == 94.0
    row = {"accuracy": 94.0, "n": 50}
    assert [finding("a", "", row, "accuracy", Mark("at least", mark)).status for mark in (94, 95)] == ["met", "not met"]


def test_a_finding_on_simulated_votes_says_so():
    found = finding("accepted_share", "", ROW, "accuracy", Mark("at least", 85), simulated=True, why="nobody voted")
    assert (found.status, found.why, found.reference) == ("simulated", "nobody voted", 85.0)


def test_a_row_is_found_by_what_its_columns_say():
    table = pd.DataFrame({"model": ["a", "b"], "part": ["x", "x"], "points": [1.0, 2.0]})
    assert row_of(table, model="b", part="x")["points"] == 2 and row_of(table)["model"] == "a"
    assert row_of(table, model="c") == {}


def test_the_reference_cites_the_paper_for_what_the_paper_claims_and_for_nothing_else():
    ledger = read_table(paths.REFERENCE / "pocket" / "claims.csv")
    cited = ledger[ledger["source"].str.startswith(SOURCE)]
    assert set(cited["id"]) == set(PAPER) and len(ledger) <= 25
    assert ledger["reference"].notna().sum() == sum(paper.value is not None for paper in PAPER.values())
    assert ledger.loc[~ledger["id"].isin(PAPER), "reference"].isna().all()
