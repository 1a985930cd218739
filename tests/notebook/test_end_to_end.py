"""The six notebooks as people run them: `make all PROFILE=smoke`, from nothing, twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import nbformat
import pandas as pd
import pytest

from d3s_utils.cli.parser import main
from d3s_utils.ground import paths
from d3s_utils.ground.claims import Status
from d3s_utils.ground.columns import require_columns
from d3s_utils.ground.files import read_table, read_tensors
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.run import open_run
from d3s_utils.notebook.fresh import read_record
from d3s_utils.verification.asking.desk import open_desk

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted(path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
PROFILE = load_profile("smoke")


@dataclass(frozen=True)
class Made:
    """What one `make all PROFILE=smoke` printed and left."""

    folder: Path
    printed: str


def make_all(outputs: Path, target: str = "all") -> Made:
    """Run make with this interpreter, so that the test needs no set-up of its own."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    command = ["make", target, "PROFILE=smoke", f"PYTHON={sys.executable}", "READY="]
    environment |= {"D3S_OUTPUTS": str(outputs), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=paths.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Made(outputs / "smoke", done.stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return make_all(tmp_path_factory.mktemp("first"))


def table(made: Made, name: str) -> pd.DataFrame:
    return require_columns(read_table(made.folder / name), Path(name).stem, name)


def test_there_are_six_notebooks_and_each_has_a_copy_a_page_and_a_runtime(made):
    assert len(NOTEBOOKS) == 6
    for name in NOTEBOOKS:
        assert (made.folder / "notebooks" / f"{name}.ipynb").is_file()
        assert (made.folder / "html" / f"{name}.html").is_file()
    runtimes = table(made, "runtime.csv")
    assert list(runtimes["notebook"]) == NOTEBOOKS
    assert (runtimes["peak_memory_mb"] < 4000).all() and (runtimes["seconds"] > 0).all()


def test_the_manifest_is_balanced_and_its_images_are_there(made):
    manifest = table(made, "manifest.parquet")
    per_cell = {"train": PROFILE.dataset.train_per_cell, "val": PROFILE.dataset.val_per_cell}
    sizes = manifest.groupby(["split", "class_name", "background"]).size()
    assert all((sizes[split] == size).all() and len(sizes[split]) == 100 for split, size in per_cell.items())
    assert manifest["image_id"].is_unique
    shards = sorted((made.folder / "dataset" / "data").glob("*.parquet"))
    assert all(re.fullmatch(r"(train|val)-\d{5}-of-\d{5}\.parquet", path.name) for path in shards)
    assert sum(len(pd.read_parquet(path, columns=["image_id"])) for path in shards) == len(manifest)


def test_the_dataset_loads_as_others_will_load_it(made, tmp_path):
    from datasets import ClassLabel, Image, load_dataset

    splits = load_dataset(str(made.folder / "dataset"), cache_dir=str(tmp_path))
    assert set(splits) >= {"train"} and sum(map(len, splits.values())) == len(table(made, "manifest.parquet"))
    features = splits["train"].features
    assert isinstance(features["image"], Image) and isinstance(features["guide"], Image)
    assert isinstance(features["label"], ClassLabel) and isinstance(features["background"], ClassLabel)
    assert splits["train"][0]["image"].size == (PROFILE.generator.size, PROFILE.generator.size)


def test_votes_and_predictions_keep_the_contract(made):
    votes, verified = table(made, "votes.csv"), table(made, "verified.csv")
    assert set(votes["source"]) == {"simulated"} and set(votes["answer"]) <= {"yes", "no"}
    assert set(votes["question"]) <= {"foreground", "background", "adult"}
    manifest = table(made, "manifest.parquet").set_index("image_id")
    assert set(manifest.loc[verified["image_id"].unique(), "split"]) == {"val"}
    predictions = table(made, "predictions.parquet")
    zoo, habits = PROFILE.evaluation.models, PROFILE.evaluation.habits
    assert {"natural", "d3s"} <= set(predictions["dataset"]) and set(zoo) < set(predictions["model"])
    assert predictions["model"].nunique() == len(zoo) + len(habits) + 1, "the zoo, a model for each habit, the control"
    assert not predictions.duplicated(["image_id", "model", "dataset"]).any()


def test_features_and_checkpoints_say_what_they_are(made):
    features = sorted((made.folder / "features").glob("*.safetensors"))
    assert {"plain", "backbone", "none", "wasserstein", "hsic", "wasserstein_normalised@backbone"} <= {
        path.stem for path in features
    }
    assert all({"fg", "bg", "all"} & set(read_tensors(path)) for path in features)
    checkpoints = sorted((made.folder / "checkpoints").glob("*.safetensors"))
    assert checkpoints and all(path.with_suffix(".json").is_file() for path in checkpoints)


def test_every_claim_has_a_status_and_every_paper_number_a_row(made):
    ledger = table(made, "claims.csv")
    assert set(ledger["status"]) <= set(get_args(Status)) and len(ledger) <= 25
    assert {82.9, 93.8, 2.4, 45.6} <= set(ledger["reference"].dropna())
    assert set(ledger["notebook"]) == set(NOTEBOOKS), "each notebook ends in the ledger"
    measured = ledger[ledger["measured"].notna() & (ledger["unit"] == "%")]
    assert measured[["ci_low", "ci_high"]].notna().all(axis=1).mean() > 0.5
    assert ledger[ledger["status"].isin(["not met", "undecided", "too few", "not run"])]["why"].notna().all(), (
        "a shortfall gives its reason"
    )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_leaves_tables_and_figures_that_say_nothing_of_today(name, made):
    figures = sorted((made.folder / "figures").glob(f"{name}_*.png"))
    assert figures and list((made.folder / "tables").glob(f"{name}_*.csv"))
    for path in figures:
        svg = path.with_suffix(".svg").read_text()
        assert "<svg" in svg and "dc:date" not in svg
    for path in (made.folder / "tables").glob(f"{name}_*.csv"):
        assert len(read_table(path)), f"{path.name} is empty"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_executed_notebook_shows_no_warnings_and_needs_no_scripts(name, made):
    notebook = nbformat.read(made.folder / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    streams = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Warning" not in streams, streams[:2000]
    assert not any("widget" in kind for output in outputs for kind in output.get("data", {}))
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "<script" not in (made.folder / "html" / f"{name}.html").read_text()


def test_nothing_half_done_is_left(made):
    names = [path.name for path in made.folder.rglob("*") if path.is_file()]
    assert not [name for name in names if ".part" in name or ".failed" in name or name.endswith(".tmp")]


def test_a_second_make_does_nothing(made):
    before = {path: path.stat().st_mtime_ns for path in made.folder.rglob("*") if path.is_file()}
    again = make_all(made.folder.parent)
    assert "running" not in again.printed and "up to date" in again.printed
    assert {path: path.stat().st_mtime_ns for path in made.folder.rglob("*") if path.is_file()} == before


def record(made: Made, number: str) -> dict:
    return read_record(next((made.folder / ".journal").glob(f"{number}_*.json")))


def test_what_a_notebook_rests_on_is_written_down(made):
    package = "repository:d3s_utils"
    wanted = {
        "01": {
            f"{package}/recipes/background.yaml",
            f"{package}/pocket/weights/generator",
            f"{package}/pocket/weights/judge",
        },
        "02": {"run:votes.csv", f"{package}/pocket/weights/judge"},
        "03": {"run:verified.csv", "run:manifest.parquet"},
        "04": {"run:manifest.parquet"},
        "05": {"run:verified.csv", "run:features/hsic.safetensors", f"{package}/pocket/weights/generator"},
        "06": {"run:verified.csv", "run:features/hsic.safetensors"},
    }
    for number, names in wanted.items():
        assert names | {f"{package}/figures/d3s.mplstyle"} <= set(record(made, number)["inputs"]), number


def test_the_makefile_has_the_order_right(made):
    """Whatever a notebook reads and others leave is left by those that make runs before it, and the last of them."""
    before = {"01": "", "02": "01", "03": "01 02", "04": "01 02", "05": "01 02 04", "06": "01 02 04"}
    left = {number: set(record(made, number)["outputs"]) for number in before}
    for number, earlier in before.items():
        for name in set(record(made, number)["inputs"]) - left[number]:
            makers = {other for other in before if name in left[other]}
            assert not makers or makers & set(earlier.split()), f"{number} reads {name}"


def test_files_that_were_only_touched_make_nothing_run(made):
    inputs = {name for path in (made.folder / ".journal").glob("0*.json") for name in read_record(path)["inputs"]}
    for name in inputs:
        path = made.folder / name.removeprefix("run:")
        if name.startswith("run:") and path.is_file():
            os.utime(path)
    said = make_all(made.folder.parent, "why").printed.splitlines()
    assert said == [f"{name}: nothing has changed since its last run" for name in NOTEBOOKS]
    assert "running" not in make_all(made.folder.parent).printed


def test_a_second_run_from_nothing_leaves_the_same_bytes(made, tmp_path):
    again = make_all(tmp_path / "outputs").folder
    patterns = ("tables/*.csv", "claims/*.csv", "*.parquet", "votes.csv", "verified.csv", "dataset/data/*.parquet",
                "features/*.safetensors", "figures/*.svg")  # fmt: skip
    compared = [path.relative_to(made.folder) for pattern in patterns for path in made.folder.glob(pattern)]
    assert len(compared) > 20
    differ = [str(name) for name in compared if (made.folder / name).read_bytes() != (again / name).read_bytes()]
    assert differ == []


def test_the_run_goes_by_peoples_votes_where_there_are_any(made, tmp_path, monkeypatch):
    """Three people vote on some images, one stops within a picture; nobody is called simulated then."""
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    shutil.copytree(made.folder, tmp_path / "smoke")
    run = open_run("smoke", "02_human_verification")
    desk = open_desk(run)
    for number, name in enumerate(("ann", "bea", "cy")):
        view = desk.more(desk.store.join(name))
        while view["item"] is not None and (name, view["number"], view["open"]) != ("cy", 9, "background"):
            answer = "no" if view["open"] == "adult" or (view["number"] + number) % 6 == 0 else "yes"
            view = desk.answer(name, view["item"], view["open"], answer, 2.0)
    desk.store.export(run.folder)
    before = (run.folder / "votes.csv").read_bytes()
    assert main(["run", str(paths.NOTEBOOKS / "02_human_verification.ipynb"), "--profile", "smoke"]) == 0
    assert (run.folder / "votes.csv").read_bytes() == before
    verified = read_table(run.folder / "verified.csv")
    assert set(verified["source"]) == {"local"} and verified["accepted"].any() and verified["n_votes"].max() == 3
    shares = read_table(run.folder / "tables" / "02_human_verification_acceptance.csv")
    assert (shares["n"] == (verified["n_votes"] > 0).sum() / 3).all(), "what nobody voted on yet is not called refused"
    claims = read_table(run.folder / "claims" / "02_human_verification.csv")
    assert "simulated" not in set(claims["status"])
    page = (run.folder / "html" / "02_human_verification.html").read_text()
    assert "Local annotators: 3 of them" in page
    cost = read_table(run.folder / "tables" / "02_human_verification_cost.csv")
    assert cost["hours"].iloc[0] > 0 and cost["workers"].iloc[0] == 3
    assert (made.folder / "tables" / "02_human_verification_rule_errors.csv").is_file()
    for kind in ("tables", "figures"):
        assert not list((run.folder / kind).glob("02_human_verification_rule_errors.*")), "of the simulated ones"
    assert list((run.folder / "tables").glob("01_generation_*")), "other notebooks' files stay"
