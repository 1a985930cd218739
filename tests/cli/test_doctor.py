"""The doctor names what is missing with what to do about it, and is content where nothing is."""

from __future__ import annotations

import pytest

from d3s_utils.cli import doctor
from d3s_utils.cli.parser import main
from d3s_utils.ground import paths


def by_thing(findings):
    return {finding.thing: finding for finding in findings}


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of weights that has the generator and lacks the judge."""
    (tmp_path / "generator").mkdir()
    (tmp_path / "generator" / "model_index.json").write_text("{}")
    monkeypatch.setattr(paths, "POCKET_WEIGHTS", tmp_path)
    return tmp_path


def test_what_is_there_is_well_and_what_is_missing_has_a_mend(weights):
    findings = by_thing(doctor.examine("pocket"))
    assert not findings["generator"].fix and not findings["python"].fix and not findings["packages"].fix
    assert "git checkout" in findings["judge"].fix


def test_a_bad_profile_is_a_finding_and_not_a_crash():
    finding = by_thing(doctor.examine("pockt"))["profile"]
    assert "pocket" in finding.fix


def test_folders_of_photographs_are_looked_for(weights):
    findings = by_thing(doctor.examine("lab"))
    for thing in ("train photographs", "val photographs", "backgrounds"):
        assert "missing or empty" in findings[thing].value and "profile" in findings[thing].fix


def test_the_exit_status_says_whether_anything_needs_mending(weights, capsys):
    assert main(["doctor", "--profile", "pocket"]) == 1
    (weights / "judge").mkdir()
    (weights / "judge" / "judge.json").write_text("{}")
    well = all(not finding.fix for finding in doctor.examine("pocket"))
    assert main(["doctor", "--profile", "pocket"]) == (0 if well else 1)
    assert "->" in capsys.readouterr().out
