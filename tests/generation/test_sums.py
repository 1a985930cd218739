"""A dataset says whether it is whole: SHA256SUMS, in the format of sha256sum."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from d3s_utils.cli.parser import main
from d3s_utils.generation import sums
from d3s_utils.generation.card import licences, write_card
from d3s_utils.generation.plan import build_manifest
from d3s_utils.generation.shards import shards, write_shard
from d3s_utils.generation.world import open_world
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A dataset of 20 grey images in three shards, and its sums."""
    profile = load_profile(
        "smoke",
        "generator.size=16 dataset.shard_size=8 dataset.train_per_cell=0 dataset.val_per_cell=1 classes=2 "
        "natural.train_per_class=2 natural.val_per_class=2",
    )
    folder, world = tmp_path_factory.mktemp("data") / "dataset", open_world(profile)
    manifest = build_manifest(profile, world)
    for shard in shards(manifest, profile.dataset.shard_size):
        grey = np.full((len(shard.rows), 16, 16, 3), 90, np.uint8)
        write_shard(folder, shard, grey, grey)
    write_card(folder, manifest, profile, licences("pocket", world))
    sums.write_sums(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(whole, tmp_path / "dataset")


def test_a_whole_dataset_has_no_problem(folder, capsys):
    assert sums.problems(folder) == []
    assert main(["verify", str(folder)]) == 0
    assert capsys.readouterr().out.strip().endswith("whole, 4 files")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_reads_the_sums(folder):
    subprocess.run(["sha256sum", "--check", "--quiet", sums.NAME], cwd=folder, check=True)


def test_sums_written_by_sha256sum_itself_are_read(folder):
    """Its binary lines have a star, and some tools write capitals."""
    sums_file = folder / sums.NAME
    lines = [line.split("  ") for line in sums_file.read_text().splitlines()]
    sums_file.write_text("".join(f"{digest.upper()} *{name}\n" for digest, name in lines))
    assert sums.problems(folder) == []


def test_whatever_is_amiss_is_named(folder, capsys):
    first, second, third = sorted((folder / "data").iterdir())
    first.write_bytes(first.read_bytes() + b"x")
    second.unlink()
    shutil.copy(third, folder / "data" / "val-00003-of-00004.parquet")
    assert sums.problems(folder) == [
        "data/val-00001-of-00003.parquet is missing",
        "data/val-00000-of-00003.parquet has changed",
        "data/val-00003-of-00004.parquet has no sum",
    ]
    assert main(["verify", str(folder)]) == 1
    assert "is missing\n" in capsys.readouterr().out


def test_sums_that_hold_over_shards_that_do_not_are_no_excuse(folder):
    first, second, _ = sorted((folder / "data").iterdir())
    shutil.copy(first, second)
    sums.write_sums(folder)
    twice = pd.read_parquet(first)["image_id"]
    assert sums.problems(folder) == [f"val holds {name} twice" for name in twice]


def test_without_sums_the_mend_is_named(folder, capsys):
    (folder / sums.NAME).write_text("short  README.md\n")
    with pytest.raises(D3SError, match="line 1 is no sum and file name; run notebook 01 again"):
        sums.problems(folder)
    (folder / sums.NAME).unlink()
    assert main(["verify", str(folder)]) == 1
    assert "notebook 01 writes it when the dataset is complete" in capsys.readouterr().err
