"""make check: whatever chance explains passes; a changed finding, a missing file and a missing column are named."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from d3s_utils.cli.parser import main
from d3s_utils.ground import claims, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_bytes, write_json, write_table
from d3s_utils.ground.spread import Spread, read_spread
from d3s_utils.notebook import check, findings, spread
from d3s_utils.notebook.findings import Pair, compare_claims

REFERENCE = paths.REFERENCE / "pocket"


def ledger(measured: float | None, met: bool = True, id: str = "drop", **more) -> pd.DataFrame:
    return claims.claims_table([claims.claim(id, "accuracy lost", measured=measured, met=met, **more)])


def between(measured: float, half: float, **more) -> pd.DataFrame:
    return ledger(measured, ci=(measured - half, measured + half), n=1000, **more)


def seeds(**deviations: float) -> Spread:
    table = pd.DataFrame({"id": list(deviations), "seeds": 4, "sd": list(deviations.values())})
    return Spread(table.set_index("id"))


# Statistics -----------------------------------------------------------------------------------------------------------


def test_the_allowance_is_made_of_both_intervals_and_of_two_draws_of_the_training_seed():
    (before,), (after,) = ([row for _, row in between(value, 1.96).iterrows()] for value in (50.0, 55.0))
    assert Pair("drop", before, after, seeds(drop=0.0)).allowed() == pytest.approx(1.96 * 2**0.5, rel=1e-3)
    pair = Pair("drop", before, after, seeds(drop=1.0))
    assert pair.errors == pytest.approx([1.0, 1.0, 2**0.5], rel=1e-3)
    assert pair.allowed() > 1.96 * 2  # three degrees of freedom
    assert pair.allowed(118) > 1.5 * pair.allowed()


def test_only_the_side_of_an_interval_where_the_other_number_lies_counts():
    before, after = ledger(99.0, ci=(95.0, 99.5)), ledger(100.0, ci=(99.8, 100.0))
    pair = Pair("drop", before.iloc[0], after.iloc[0], None)
    assert findings.ndtri(0.975) * pair.errors == pytest.approx([0.2, 0.5, 0.0])


def test_more_training_seeds_allow_less():
    few, many = (Spread(seeds(drop=2.0).table.assign(seeds=n)) for n in (3, 30))
    before, after = between(50, 0.5).iloc[0], between(56, 0.5).iloc[0]
    assert Pair("drop", before, after, few).allowed(100) > 1.5 * Pair("drop", before, after, many).allowed(100)


def test_the_spread_of_a_claim_is_its_own_or_its_familys():
    spread = seeds(**{"leak/a": 0.1, "leak/b": 3.0, "other": 9.0})
    pooled = (0.1**2 / 2 + 3.0**2 / 2) ** 0.5
    assert spread.of("leak/a") == pytest.approx((pooled, 6))
    assert spread.of("leak/b") == pytest.approx((3.0, 6))
    assert spread.of("leak/new") == pytest.approx((pooled, 6))
    assert spread.of("unknown") == (0.0, np.inf)


@pytest.mark.parametrize(
    "after, said",
    [
        (between(43.0, 3.0), None),
        (between(45.2, 3.0), "outside"),  # by its intervals, yet less than five points from where it was
        (between(51.0, 3.0), "far off"),
        (between(41.0, 3.0, met=False), None),  # borderline: the number hardly moved
        (between(46.0, 3.0, met=False), "outside"),
        (between(50.0, 3.0, met=False), "met became not met"),
        (ledger(None), "not run"),
        (between(40.0, 3.0, id="another"), "missing"),
    ],
)
def test_a_finding_changes_when_more_than_chance_moves_it_and_something_said_of_it_is_no_longer_true(after, said):
    rows = [between(50.0, 3.0, id=f"steady/{number}") for number in range(20)]
    whole = lambda row: pd.concat([row, *rows])  # noqa: E731
    found = compare_claims(whole(between(40.0, 3.0)), whole(after), seeds(steady=0.0, drop=0.0))
    if said in (None, "outside", "missing"):
        assert not found.changed and bool(found.outside) == (said == "outside")
        assert found.missing == (["claim drop"] if said == "missing" else [])
    else:
        (line,) = found.changed
        assert line.startswith("drop: ") and said in line


@pytest.mark.parametrize(
    "before, after, chance, said",
    [(2.0, -2.0, None, "sign turned"), (12.0, 8.0, 10.0, "crossed the chance level 10"), (12.0, 15.0, 10.0, None)],
)
def test_a_difference_that_turns_and_a_leak_that_crosses_chance_are_changed_findings(before, after, chance, said):
    found = compare_claims(*(between(value, 0.5, chance=chance) for value in (before, after)), seeds(drop=0.0))
    assert len(found.changed) == (said is not None) and (said is None or said in found.changed[0])


def test_without_a_spread_a_share_without_interval_gets_the_widest_that_its_images_allow():
    found = compare_claims(ledger(1.0, n=1000), ledger(3.0, False, n=1000), None)
    assert found.changed == found.outside == [] and "spread" in found.notes[0]
    assert compare_claims(ledger(1.0, n=1000), ledger(12.0, False, n=1000), None).changed


def test_what_the_reference_did_not_measure_is_a_note():
    found = compare_claims(ledger(None), between(40.0, 3.0), seeds())
    assert not found.changed and found.notes == ["drop: 40 (37 to 43) met, not measured in the reference"]


# Planted faults, in the reference's own ledger ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept() -> pd.DataFrame:
    return read_table(REFERENCE / "claims.csv").set_index("id", drop=False)


def against_reference(kept: pd.DataFrame, run: pd.DataFrame) -> findings.Findings:
    return compare_claims(kept.reset_index(drop=True), run.reset_index(drop=True), read_spread(REFERENCE))


def moved(rows: pd.DataFrame, measured: np.ndarray, status: str | None = None) -> pd.DataFrame:
    """`rows` with other numbers, their intervals moved along."""
    shift = measured - rows["measured"]
    ends = {end: rows[end] + shift for end in ("ci_low", "ci_high")}
    return rows.assign(measured=measured, **ends, status=status or rows["status"])


def planted(kept: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([kept.drop(index=changed.index), changed])


def names(lines: list[str]) -> set[str]:
    return {line.partition(":")[0] for line in lines}


def test_a_run_that_differs_by_chance_supports_every_finding(kept):
    known, rng = read_spread(REFERENCE), np.random.default_rng(0)
    for _ in range(5):
        wide = ((kept["ci_high"] - kept["ci_low"]) / 3.92).fillna(0.0)
        trained = np.array([known.table["sd"].get(id, 0.0) if known else 0.0 for id in kept.index])
        shift = rng.normal(size=len(kept)) * np.hypot(wide, trained)
        found = against_reference(kept, moved(kept, kept["measured"] + shift))
        assert not found.changed and found.compared == kept["measured"].notna().sum()


def test_shuffled_labels_are_named(kept):
    ids = [id for id in kept.index if id.startswith(("fg_from_fg", "bg_from_bg", "spurious_foreground"))]
    found = against_reference(kept, planted(kept, moved(kept.loc[ids], np.full(len(ids), 10.0), "not met")))
    assert names(found.changed) == set(ids)


def test_a_penalty_that_does_nothing_is_named(kept):
    leaks = ["bg_from_fg", "fg_from_bg"]  # of the paper's method; without a penalty they are the backbone's
    table = read_table(REFERENCE / "tables" / "05_disentanglement_probe_directions.csv")
    free = table[(table["method"] == "backbone") & (table["probe"] == "linear")].set_index("direction")["accuracy"]
    found = against_reference(kept, planted(kept, moved(kept.loc[leaks], free[leaks].to_numpy(), "not met")))
    assert names(found.changed) == set(leaks)


def test_the_guide_of_another_image_is_named(kept):
    ids = ["guide/position"]
    found = against_reference(kept, planted(kept, moved(kept.loc[ids], np.array([0.01]), "not met")))
    assert names(found.changed) == set(ids)


def test_a_number_far_off_is_named_though_its_status_is_the_same(kept):
    row = kept.loc[["fg_from_bg"]]
    found = against_reference(kept, planted(kept, moved(row, np.array([80.0]))))
    assert names(found.changed) == {"fg_from_bg"} and "far off" in found.changed[0]


def test_a_number_whose_spread_nobody_measured_is_listed_and_not_judged():
    before, after = between(50.0, 1.0, id="new/one"), between(90.0, 1.0, id="new/one")
    found = compare_claims(before, after, seeds(drop=1.0))
    assert found.compared == 1 and not found.changed and "not judged" in found.outside[0]
    assert compare_claims(before, after, None).changed, "where no spread at all was measured intervals decide"


# Files ----------------------------------------------------------------------------------------------------------------


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame({"background": ["on grass", "in a cave", "at night"], **columns})


@pytest.fixture
def folders(tmp_path):
    """A run and a reference that agree in everything."""
    for name in ("run", "reference"):
        folder = tmp_path / name
        write_table(folder / "tables" / "03_x_drop.csv", table(accuracy=[90.0, 50.0, 70.0]))
        write_table(folder / "claims.csv", between(40.0, 3.0))
        write_table(folder / "runtime.csv", pd.DataFrame({"notebook": ["03_x"], "seconds": [1.0]}))
        write_bytes(folder / "figures" / "03_x_drop.png", b"png")
    write_table(tmp_path / "run" / "manifest.parquet", pd.DataFrame({"image_id": ["a"], "label": [1]}))
    return tmp_path / "run", tmp_path / "reference"


def change(folder, frame: pd.DataFrame, name: str = "03_x_drop") -> None:
    write_table(folder / "tables" / f"{name}.csv", frame)


def test_equal_folders_agree(folders):
    report = check.compare(*folders)
    assert not report.failed and report.findings.compared == 1
    assert next(report.lines()) == "1 numbers compared, 0 outside their tolerance, no finding changed"


def test_a_word_may_be_missing_in_a_row(folders):
    rows = table(accuracy=[90.0, 50.0, 70.0], order=["style first", None, None])
    for folder in folders:
        change(folder, rows)
    assert not check.compare(*folders).failed
    change(folders[0], rows.assign(order=["style first", None, "background first"]))
    assert "03_x_drop.csv: row at night/" in "".join(check.compare(*folders).missing)


def test_the_numbers_and_the_order_of_a_table_are_free(folders):
    change(folders[0], table(accuracy=[10.0, None, 30.0]).iloc[[2, 0, 1]])
    assert not check.compare(*folders).failed


def test_numbers_beyond_both_their_intervals_are_counted(folders):
    wide = {"low": [80.0, 30.0, 60.0], "high": [95.0, 70.0, 80.0]}
    change(folders[1], table(accuracy=[90.0, 50.0, 70.0], **wide))
    change(folders[0], table(accuracy=[90.0, 20.0, 70.0], low=[80, 10, 60], high=[95, 30, 80]))
    report = check.compare(*folders)
    assert not report.failed and any("1 of 3 numbers are beyond" in note for note in report.notes)


def test_missing_rows_are_named_and_new_ones_noted(folders):
    change(folders[0], table(accuracy=[90.0, 50.0, 70.0]).assign(background=["on grass", "at night", "in snow"]))
    report = check.compare(*folders)
    assert report.missing == ["tables/03_x_drop.csv: row in a cave"]
    assert "tables/03_x_drop.csv: row in snow is new" in report.notes


def test_single_images_and_whoever_voted_may_be_others(folders):
    for folder, id, who in zip(folders, ("a", "b"), ("simulated", "people"), strict=True):
        change(folder, pd.DataFrame({"image_id": [id], "fooled": [3]}), "03_x_failures")
        change(folder, table(accuracy=[1.0, 2.0, 3.0], source=who))
    assert not check.compare(*folders).failed


@pytest.mark.parametrize("name", ["tables/03_x_drop.csv", "figures/03_x_drop.png", "runtime.csv"])
def test_a_missing_file_is_named(folders, name):
    (folders[0] / name).unlink()
    assert check.compare(*folders).missing == [name]


@pytest.mark.parametrize("name, column", [("tables/03_x_drop.csv", "accuracy"), ("claims.csv", "ci_low")])
def test_a_missing_column_is_named_and_a_new_one_noted(folders, name, column):
    whole = read_table(folders[0] / name)
    write_table(folders[0] / name, whole.drop(columns=column).assign(extra=1))
    report = check.compare(*folders)
    assert report.failed and f"{name}: column {column}" in report.missing
    assert f"{name}: column extra is new" in report.notes


def test_without_a_run_or_a_reference_the_mend_is_named(tmp_path, folders):
    with pytest.raises(D3SError, match="make all PROFILE=absent"):
        check.compare(tmp_path / "absent", folders[1])
    with pytest.raises(D3SError, match="--update"):
        check.compare(folders[0], tmp_path / "absent")


def test_update_makes_the_run_the_reference_and_lists_what_it_does_not_keep(folders):
    run, reference = folders
    change(run, table(accuracy=[10.0, 20.0, 30.0]))
    change(reference, table(accuracy=[1.0, 1.0, 1.0]), "03_x_forgotten")
    change(run, pd.DataFrame({"image_id": np.arange(60_000)}), "03_x_large")
    (reference / "spread.csv").write_text("id,seeds,sd\n")
    assert check.update(run, reference) == ["tables/03_x_large.csv"]
    assert not check.compare(run, reference).failed
    assert not (reference / "tables" / "03_x_forgotten.csv").exists() and (reference / "spread.csv").exists()
    write_table(run / "manifest.parquet", pd.DataFrame({"image_id": ["a"]}))
    (run / "tables" / "03_x_large.csv").unlink()
    assert check.compare(run, reference).missing == ["manifest.parquet: column label", "tables/03_x_large.csv"]


# The spread and the command -------------------------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path):
    """Three finished runs of different training seeds."""
    folders = []
    for seed, value in enumerate((40.0, 41.0, 45.0)):
        folders.append(tmp_path / "runs" / f"seed{seed}" / "pocket")
        write_table(folders[-1] / "claims.csv", pd.concat([ledger(value), ledger(None, id="never")]))
        write_json(folders[-1] / "checkpoints" / "split_backbone.json", {"seed": seed})
    return folders


def test_the_spread_is_measured_and_says_how(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "REFERENCE", tmp_path)
    assert main(["check", "--profile", "pocket", "--spread", *map(str, runs)]) == 0
    (row,) = read_table(tmp_path / "pocket" / "spread.csv").to_dict("records")
    assert row == {"id": "drop", "seeds": 3, "mean": 42.0, "sd": pytest.approx(7**0.5, rel=1e-4), "min": 40, "max": 45}
    how = yaml.safe_load((tmp_path / "pocket" / "spread.yaml").read_text())
    assert [run["training_seed"] for run in how["runs"]] == [0, 1, 2]
    assert how["command"].endswith("--spread seed0/pocket seed1/pocket seed2/pocket") and how["date"] and how["machine"]
    assert read_spread(tmp_path / "pocket").of("drop") == pytest.approx((7**0.5, 2), rel=1e-4)


def test_runs_of_one_training_seed_or_unfinished_ones_are_no_spread(runs):
    with pytest.raises(D3SError, match="at least two"):
        spread.measure(runs[:1])
    shutil.copy(runs[0] / "checkpoints" / "split_backbone.json", runs[1] / "checkpoints")
    with pytest.raises(D3SError, match="differ in training_seed"):
        spread.measure(runs)
    (runs[2] / "claims.csv").unlink()
    with pytest.raises(D3SError, match="seed2"):
        spread.measure(runs)


def test_the_command_prints_what_changed_and_fails(folders, tmp_path, monkeypatch, capsys):
    run, reference = folders
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "kept")
    run.rename((tmp_path / "outputs").mkdir() or tmp_path / "outputs" / "smoke")
    reference.rename((tmp_path / "kept").mkdir() or tmp_path / "kept" / "smoke")
    assert main(["check", "--profile", "smoke"]) == 0
    write_table(tmp_path / "outputs" / "smoke" / "claims.csv", between(20.0, 3.0, met=False))
    assert main(["check", "--profile", "smoke"]) == 1
    said = capsys.readouterr().out
    assert "1 numbers compared, 1 outside their tolerance, 1 finding changed" in said
    assert "drop: 20 (17 to 23) not met, reference 40 (37 to 43) met; apart 20, allowed 4.24" in said
