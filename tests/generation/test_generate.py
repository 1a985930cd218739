"""Several workers make the dataset that one would have made."""

import os
import subprocess

import pytest
import torch

from d3s_utils.cli.parser import main
from d3s_utils.generation import make, shard
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.sums import NAME, problems
from d3s_utils.generation.world import open_world
from d3s_utils.ground import paths
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import Run

SMALL = (
    "generator.size=32 generator.dtype=float32 generator.steps=4 dataset.shard_size=4 dataset.train_per_cell=0 "
    "dataset.val_per_cell=1 classes=2 natural.train_per_class=4 natural.val_per_class=4 device=cpu threads=1"
)


@pytest.fixture(scope="module")
def overrides(tiny_checkpoint):
    return f"generator.model={tiny_checkpoint} {SMALL}"


@pytest.fixture(scope="module")
def alone(overrides, tmp_path_factory):
    """The sums of a dataset that one worker made."""
    torch.set_num_threads(1)
    run = Run(load_profile("smoke", overrides), "01_generation", tmp_path_factory.mktemp("alone"))
    make.generate_dataset(run, open_world(run.profile), report=lambda line: None)
    return (run.folder / "dataset" / NAME).read_text()


def test_workers_in_any_order_end_in_the_same_sums(overrides, alone, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    options = ["generate", "--profile", "smoke", "--set", overrides, "--of", "3"]
    folder = tmp_path / "smoke" / "dataset"
    for worker in ("2", "0"):
        assert main([*options, "--shard", worker]) == 0
        assert "other workers are missing still" in capsys.readouterr().out
        assert not (folder / NAME).exists() and not (folder / "README.md").exists()
    assert main([*options, "--shard", "1"]) == 0
    assert capsys.readouterr().out.strip().endswith("20 images planned, complete")
    assert (folder / NAME).read_text() == alone and problems(folder) == []


def test_a_worker_that_died_is_started_again(overrides, alone, tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    folder, options = (
        tmp_path / "smoke" / "dataset",
        ["generate", "--profile", "smoke", "--set", overrides, "--of", "2"],
    )
    assert main([*options, "--shard", "0"]) == main([*options, "--shard", "1"]) == 0
    lost = sorted((folder / "data").iterdir())[1]
    lost.unlink()
    (folder / NAME).unlink()
    assert main([*options, "--shard", "1"]) == 0
    assert lost.is_file() and (folder / NAME).read_text() == alone


def test_sums_are_of_the_planned_shards_alone(overrides, alone, tmp_path, monkeypatch):
    """What an older plan left in the folder is no part of the dataset that several workers complete."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    folder, options = tmp_path / "smoke" / "dataset", ["generate", "--profile", "smoke", "--set"]
    assert main([*options, f"{overrides} dataset.shard_size=7"]) == 0
    assert main([*options, overrides, "--of", "2"]) == main([*options, overrides, "--of", "2", "--shard", "1"]) == 0
    assert (folder / NAME).read_text() == alone and problems(folder) == []


def test_sums_do_not_outlive_a_shard_another_worker_lost(overrides, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    folder, options = (
        tmp_path / "smoke" / "dataset",
        ["generate", "--profile", "smoke", "--set", overrides, "--of", "2"],
    )
    assert main([*options, "--shard", "0"]) == main([*options, "--shard", "1"]) == 0
    sorted((folder / "data").iterdir())[1].unlink()  # of worker 1
    capsys.readouterr()
    assert main([*options, "--shard", "0"]) == 0
    assert "other workers are missing still" in capsys.readouterr().out and not (folder / NAME).exists()


def test_workers_with_other_settings_stop_each_other(overrides, tmp_path, monkeypatch, capsys):
    """While worker 0 draws its second shard, someone starts a worker with another seed."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    draw, drawn = shard.generate_shard, []

    def interrupted(*given):
        drawn.append(draw(*given))
        if len(drawn) == 1:
            other = Run(load_profile("smoke", f"{overrides} seed=1"), "01_generation", tmp_path / "smoke")
            other.save(build_manifest(other.profile, open_world(other.profile)), "manifest.parquet")
        return drawn[-1]

    monkeypatch.setattr("d3s_utils.generation.make.generate_shard", interrupted)
    assert main(["generate", "--profile", "smoke", "--set", overrides, "--of", "2"]) == 1
    assert "start every one with the same --profile and --set" in capsys.readouterr().err
    assert len(drawn) == 1 and drawn[0].is_file()


def test_a_worker_out_of_range_is_refused(capsys):
    assert main(["generate", "--shard", "4", "--of", "4"]) == 1
    assert "workers are numbered 0 to 3" in capsys.readouterr().err


def test_the_job_script_hands_on_its_place_in_the_array(tmp_path):
    """With a stand-in for Python that prints its arguments, one a line."""
    program = tmp_path / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    array = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "8"}
    command = ["bash", str(paths.ROOT / "slurm" / "generate.sh"), "lab", "seed=1 classes=2"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | array, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[1:] == [
        *("d3s_utils", "generate", "--profile", "lab", "--set", "seed=1 classes=2", "--shard", "3", "--of", "8")
    ]
