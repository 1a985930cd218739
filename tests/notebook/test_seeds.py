"""Twins of a run under other training seeds: copied once, run where they must, and measured together."""

import os

import pandas as pd
import pytest

from d3s_utils.cli.parser import main
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook import execute, seeds, spread


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A finished run, and what is asked of `run_stale`: where, and with which overrides."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    (tmp_path / "smoke").mkdir()
    (tmp_path / "smoke" / "claims.csv").write_text("id,measured\nleak,40.0\n")
    asked = []

    def run_stale(notebooks, profile, overrides):
        asked.append((os.environ["D3S_OUTPUTS"], overrides, len(notebooks)))
        folder = paths.outputs() / "smoke"
        seed = int(overrides.rpartition("=")[2])
        (folder / "claims.csv").write_text(f"id,measured\nleak,{40.0 + seed}\n")
        return folder

    monkeypatch.setattr(execute, "run_stale", run_stale)
    monkeypatch.setattr(execute, "report_stale", lambda folder: folder)
    return asked


def test_each_seed_runs_in_a_copy_of_its_own_and_the_run_stays_as_it_was(ran, tmp_path):
    folders = seeds.run_seeds("smoke", "probes.steps=5", [1, 2])
    assert folders == [tmp_path / "smoke", tmp_path / "seeds/1/smoke", tmp_path / "seeds/2/smoke"]
    assert [own[1] for own in ran] == ["probes.steps=5 training_seed=1", "probes.steps=5 training_seed=2"]
    assert {own[0] for own in ran} == {str(tmp_path / "seeds/1"), str(tmp_path / "seeds/2")} and ran[0][2] == 6
    assert (tmp_path / "smoke" / "claims.csv").read_text().endswith("40.0\n")
    assert os.environ["D3S_OUTPUTS"] == str(tmp_path)


def test_a_killed_copy_is_made_again_and_a_finished_one_goes_on(ran, tmp_path):
    half = tmp_path / "seeds/1/.smoke.part"
    half.mkdir(parents=True)
    (half / "rubbish").write_text("")
    seeds.run_seeds("smoke", "", [1])
    assert not half.exists() and not (tmp_path / "seeds/1/smoke/rubbish").exists()
    (tmp_path / "seeds/1/smoke/trained").write_text("")
    seeds.run_seeds("smoke", "", [1])
    assert (tmp_path / "seeds/1/smoke/trained").is_file()


def test_the_command_measures_the_spread_of_all_of_them(ran, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(spread, "training_seed", lambda run: None)
    assert main(["seeds", "1", "2", "3", "--profile", "smoke"]) == 0
    table = pd.read_csv(tmp_path / "reference" / "smoke" / "spread.csv")
    assert table["seeds"].tolist() == [4] and table["mean"].tolist() == [41.5]
    assert "4 runs" in capsys.readouterr().out


def test_without_a_finished_run_or_with_its_own_seed_it_says_what_to_do(ran, tmp_path):
    with pytest.raises(D3SError, match="0 is the run's own"):
        seeds.run_seeds("smoke", "", [0, 1])
    (tmp_path / "smoke" / "claims.csv").unlink()
    with pytest.raises(D3SError, match="make all PROFILE=smoke"):
        seeds.run_seeds("smoke", "", [1])
