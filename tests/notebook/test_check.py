"""make check: agreement within the tolerances passes, anything else is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d3s_utils.cli.parser import main
from d3s_utils.ground import claims, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_bytes, write_table
from d3s_utils.notebook import check


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame({"background": ["on grass", "in a cave", "at night"], **columns})


def ledger(measured: float, met: bool = True, **more) -> pd.DataFrame:
    return claims.claims_table([claims.claim("drop", "accuracy lost", measured=measured, met=met, **more)])


@pytest.fixture
def folders(tmp_path):
    """A run and a reference that agree in everything."""
    for name in ("run", "reference"):
        write_table(tmp_path / name / "tables" / "03_x_drop.csv", table(accuracy=[90.0, 50.0, 70.0]))
        write_table(tmp_path / name / "claims.csv", ledger(40.0))
        write_bytes(tmp_path / name / "figures" / "03_x_drop.png", b"png")
    return tmp_path / "run", tmp_path / "reference"


def change(folder, frame: pd.DataFrame, name: str = "03_x_drop") -> None:
    write_table(folder / "tables" / f"{name}.csv", frame)


def test_equal_folders_agree(folders):
    assert check.compare(*folders) == []


@pytest.mark.parametrize("accuracy, agrees", [(55.9, True), (56.1, False), (44.1, True), (43.9, False), (None, False)])
def test_percentages_agree_within_six_points(folders, accuracy, agrees):
    change(folders[0], table(accuracy=[90.0, accuracy, 70.0]))
    differences = check.compare(*folders)
    assert (differences == []) == agrees
    assert agrees or "accuracy of in a cave" in differences[0]


def test_shares_agree_within_six_hundredths():
    assert check.allowance(np.array([0.2, 0.9]), None) == pytest.approx(0.06)


def test_a_row_without_words_is_named_by_its_number(folders):
    for folder, values in zip(folders, ([1.0, 20.0], [1.0, 2.0]), strict=True):
        change(folder, pd.DataFrame({"accuracy": values}))
    (difference,) = check.compare(*folders)
    assert "accuracy of row 1 is 20, reference 2" in difference
    change(folders[0], pd.DataFrame({"accuracy": [1.0]}))
    (difference,) = check.compare(*folders)
    assert "missing: row 1" in difference


def test_the_order_of_rows_does_not_matter_and_missing_rows_are_named(folders):
    shuffled = table(accuracy=[90.0, 50.0, 70.0]).iloc[[2, 0, 1]]
    change(folders[0], shuffled)
    assert check.compare(*folders) == []
    change(folders[0], shuffled.iloc[:2])
    (difference,) = check.compare(*folders)
    assert "missing: in a cave" in difference


def test_repeated_keys_are_matched_in_order(folders):
    for folder, second in zip(folders, (60.0, 80.0), strict=True):
        change(folder, pd.DataFrame({"model": ["a", "a"], "accuracy": [50.0, second]}), "03_x_curve")
    (difference,) = check.compare(*folders)
    assert "accuracy of a is 60, reference 80" in difference


def test_a_new_or_missing_column_is_a_difference(folders):
    change(folders[0], table(accuracy=[90.0, 50.0, 70.0], extra=[1, 2, 3]))
    assert "new: ['extra']" in check.compare(*folders)[0]
    change(folders[0], table())
    assert "missing: ['accuracy']" in check.compare(*folders)[0]


def test_a_number_with_an_interval_agrees_inside_the_widened_interval(folders):
    wide = {"low": [80.0, 30.0, 60.0], "high": [95.0, 70.0, 80.0]}
    change(folders[1], table(accuracy=[90.0, 50.0, 70.0], **wide))
    change(folders[0], table(accuracy=[90.0, 74.0, 70.0], **wide))
    assert check.compare(*folders) == []
    change(folders[0], table(accuracy=[90.0, 77.0, 70.0], **wide))
    assert len(check.compare(*folders)) == 1


def test_an_interval_excuses_only_the_number_it_belongs_to(folders):
    wide = {"low": [40.0, 40.0, 40.0], "high": [60.0, 60.0, 60.0]}
    change(folders[1], table(natural=[90.0] * 3, gap=[50.0] * 3, **wide))
    change(folders[0], table(natural=[70.0] * 3, gap=[59.0] * 3, **wide))
    assert all("natural" in line for line in check.compare(*folders)) and len(check.compare(*folders)) == 3


@pytest.mark.parametrize("name", ["tables/03_x_drop.csv", "figures/03_x_drop.png"])
def test_what_is_missing_is_named(folders, name):
    (folders[0] / name).unlink()
    assert check.compare(*folders) == [f"{name}: missing"]


def test_tolerances_can_be_stated_by_column_and_table(folders):
    run, reference = folders
    change(run, table(accuracy=[80.0, 50.0, 70.0]))
    assert check.compare(run, reference) != []
    for text in (
        "columns: {accuracy: 11}",
        "default: 11",
        "columns: {accuracy: {relative: 0.2}}",
        "tables: {03_x_*: {columns: {accuracy: ignore}}}",
        "tables: {03_x_drop: {rows: any}}",
    ):
        (reference / "tolerances.yaml").write_text(text)
        assert check.compare(run, reference) == [], text
    (reference / "tolerances.yaml").write_text("column: {accuracy: 11}")
    with pytest.raises(D3SError, match="column"):
        check.compare(run, reference)


@pytest.mark.parametrize(
    "new, differs",
    [
        (ledger(44.0), False),
        (ledger(50.0), True),
        (ledger(44.0, met=False), False),  # borderline: the number hardly moved
        (ledger(50.0, met=False), True),
        (claims.claims_table([claims.claim("drop", "accuracy lost")]), True),
        (claims.claims_table([claims.claim("other", "another", measured=40.0, met=True)]), True),
    ],
    ids=["close", "far", "borderline", "failed", "not run", "another claim"],
)
def test_claims_agree_when_their_numbers_do(folders, new, differs):
    write_table(folders[0] / "claims.csv", new)
    assert bool(check.compare(*folders)) == differs


def test_without_a_run_or_a_reference_the_mend_is_named(tmp_path, folders):
    with pytest.raises(D3SError, match="make all PROFILE=absent"):
        check.compare(tmp_path / "absent", folders[1])
    with pytest.raises(D3SError, match="--update"):
        check.compare(folders[0], tmp_path / "absent")


def test_update_makes_the_run_the_reference(tmp_path, folders):
    run, reference = folders
    write_table(run / "runtime.csv", pd.DataFrame({"notebook": ["03_x"], "seconds": [1.0]}))
    change(run, table(accuracy=[10.0, 20.0, 30.0]))
    change(reference, table(accuracy=[1.0, 1.0, 1.0]), "03_x_forgotten")
    change(run, pd.DataFrame({"image_id": np.arange(60_000)}), "03_x_large")
    (reference / "tolerances.yaml").write_text("default: 7")
    assert check.update(run, reference) == ["tables/03_x_large.csv"]
    assert check.compare(run, reference) == []
    assert not (reference / "tables" / "03_x_forgotten.csv").exists()
    assert (reference / "tolerances.yaml").read_text() == "default: 7"


def test_the_command_prints_what_differs_and_fails(folders, tmp_path, monkeypatch, capsys):
    run, reference = folders
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "kept")
    run.rename((tmp_path / "outputs").mkdir() or tmp_path / "outputs" / "smoke")
    reference.rename((tmp_path / "kept").mkdir() or tmp_path / "kept" / "smoke")
    assert main(["check", "--profile", "smoke"]) == 0
    change(tmp_path / "outputs" / "smoke", table(accuracy=[0.0, 50.0, 70.0]))
    assert main(["check", "--profile", "smoke"]) == 1
    assert "accuracy of on grass is 0, reference 90, allowed 6" in capsys.readouterr().out
