"""The ledger holds the paper's four numbers and four findings, and each of them can fail."""

import pandas as pd
import pytest

from d3s_utils.ground.claims import PAPER, claims_table
from d3s_utils.probes.directions import DIRECTIONS, ERASED, LEAKS
from d3s_utils.probes.findings import headline, papers_mark

GOOD = {"fg_from_fg": 95.0, "bg_from_bg": 99.0, "bg_from_fg": 40.0, "fg_from_bg": 10.5}
BAD = {"fg_from_fg": 82.0, "bg_from_bg": 92.0, "bg_from_fg": 48.0, "fg_from_bg": 14.0}


def spread(table, value):
    return table.assign(low=table[value] - 1, high=table[value] + 1, n=942, seeds=2, chance=10.0)


def summary_of(accuracy, methods=("wasserstein", "hsic@backbone")):
    rows = [(m, p, d.id, accuracy[d.id]) for m in methods for p in ("linear", "svm") for d in DIRECTIONS]
    return spread(pd.DataFrame(rows, columns=["method", "probe", "direction", "accuracy"]), "accuracy")


def leak_of(**largest):
    rows = [(m, d, "mlp", a) for m, a in largest.items() for d, a in ((LEAKS[0], a), (LEAKS[1], a - 5))]
    table = spread(pd.DataFrame(rows, columns=["method", "direction", "probe", "accuracy"]), "accuracy")
    return table.assign(share=(table["accuracy"] - 10) / 0.9, bits=1.0)


def points_of(points, method="hsic@backbone"):
    table = pd.DataFrame({"method": [method, method], "direction": LEAKS, "points": [points, points - 3]})
    return spread(table, "points").drop(columns="chance")


def controls_of(held):
    table = pd.DataFrame({"method": "m", "direction": "bg_from_fg", "accuracy": [10.0] * held + [15.0] * (10 - held)})
    return spread(table, "accuracy")


def ledger(summary=None, leak=None, controls=None, nonlinear=12.0, unseen=1.0):
    summary = summary_of(GOOD) if summary is None else summary
    leak = (
        leak_of(backbone=97.0, wasserstein=60.0, **{"hsic@backbone": 30.0, "none" + ERASED: 11.0})
        if leak is None
        else leak
    )
    differences = {"nonlinear": points_of(nonlinear), "unseen": points_of(unseen)}
    controls = controls_of(10) if controls is None else controls
    found = headline(summary, leak, controls, differences, "wasserstein")
    claims_table(found)
    return {claim.id: claim for claim in found}


def test_the_papers_four_numbers_are_those_of_linear_probes_on_its_own_method():
    found = ledger()
    assert len(found) == 8 and set(GOOD) < set(found)
    claim = found["bg_from_fg"]
    assert claim.claim == "background from foreground features: wasserstein, linear probe"
    assert (claim.reference, claim.measured, claim.ci_low, claim.ci_high) == (45.6, 40.0, 39.0, 41.0)
    assert (claim.n, claim.seeds, claim.chance, claim.unit) == (942, 2, 10.0, "%")
    assert not set(GOOD) & set(ledger(summary_of(GOOD, ["hsic@backbone"])))


def test_the_papers_number_is_the_mark_where_chance_is_the_papers():
    assert papers_mark("bg_from_fg", 10).value == PAPER["bg_from_fg"].value
    assert papers_mark("fg_from_bg", 0.1).value == PAPER["fg_from_bg"].value
    carried = papers_mark("fg_from_bg", 10)
    assert carried.value == pytest.approx(12.1) and "2.4 %" in carried.source


def test_each_of_the_papers_numbers_can_be_met_and_missed():
    assert {ledger()[id].status for id in GOOD} == {"met"}
    missed = ledger(summary_of(BAD))
    assert {missed[id].status for id in BAD} == {"not met"} and "D3S paper" in missed["fg_from_bg"].why


def test_the_method_that_leaks_least_is_named_by_its_larger_leak_and_held_against_no_penalty():
    claim = ledger()["least_leak"]
    assert "hsic@backbone (mlp probe)" in claim.claim and claim.status == "met"
    assert claim.measured == pytest.approx(20 / 0.9) and claim.ci_low == pytest.approx(19 / 0.9)
    failed = ledger(leak=leak_of(backbone=20.0, hsic=21.5))["least_leak"]
    assert failed.status == "undecided" and "backbone" in failed.claim
    assert "least_leak" not in ledger(leak=leak_of(hsic=30.0))


def test_what_the_linear_probe_misses_has_to_lie_above_zero_with_its_interval():
    claim = ledger()["beyond_linear"]
    assert (claim.measured, claim.unit, claim.status) == (12.0, "points", "met")
    assert ledger(nonlinear=0.5)["beyond_linear"].status == "undecided"
    assert ledger(nonlinear=-2.0)["beyond_linear"].status == "not met"


def test_controls_have_to_read_chance():
    assert (ledger()["controls_at_chance"].measured, ledger()["controls_at_chance"].status) == (100.0, "met")
    failed = ledger(controls=controls_of(7))["controls_at_chance"]
    assert failed.status == "not met" and failed.measured == 70.0 and failed.n == 10


def test_a_leak_that_grows_on_unseen_images_was_hidden():
    assert ledger()["unseen_as_seen"].status == "met"
    assert ledger(unseen=20.0)["unseen_as_seen"].status == "not met"


def test_where_nothing_was_read_nothing_is_claimed():
    empty = points_of(1.0).head(0)
    nothing = {"nonlinear": empty, "unseen": empty}
    tables = [table.head(0) for table in (summary_of(GOOD), leak_of(a=1.0), controls_of(1))]
    assert headline(*tables, nothing, "wasserstein") == []
