"""Running a notebook: what looks finished is finished, what failed says why, and two never run at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from d3s_utils.cli.parser import main
from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook import execute as run

PARAMETERS = 'profile: str = "pocket"  # a profile\noverrides: str = ""  # single keys'


def toy(folder: Path, *cells: str, parameters: str = PARAMETERS, name: str = "07_toy") -> Path:
    """A notebook with a heading, a parameters cell and `cells`."""
    new = nbformat.v4
    tagged = new.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    code = [new.new_code_cell(cell) for cell in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = new.new_notebook(cells=[new.new_markdown_cell("# A toy"), tagged, *code], metadata=kernel)
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "my outputs"))
    return tmp_path / "my outputs" / "smoke"


def visible(folder: Path) -> list[str]:
    """The files below `folder`, hidden ones and those in hidden folders apart."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def background(notebook: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "d3s_utils", "run", str(notebook), "--profile", "smoke"]
    return subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(path: Path, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def test_a_finished_notebook_leaves_its_copy_its_page_and_its_runtime(outputs, tmp_path):
    (tmp_path / "seen").mkdir()
    look = f'open("{tmp_path}/seen/parameters", "w").write(profile + "|" + overrides)'
    notebook = toy(tmp_path, look, "ballast = bytearray(400_000_000); import time; time.sleep(1)")
    holding = "ballast = b'1' * 700_000_000; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as another:
        another.stdout.readline()
        assert main(["run", str(notebook), "--profile", "smoke", "--set", "seed=3"]) == 0
        another.communicate(b"\n")
    assert (tmp_path / "seen" / "parameters").read_text() == "smoke|seed=3"
    assert visible(outputs) == ["html/07_toy.html", "notebooks/07_toy.ipynb", "runtime/07_toy.json"]
    runtime = json.loads((outputs / "runtime" / "07_toy.json").read_text())
    assert runtime["notebook"] == "07_toy" and runtime["host_cores"] == os.cpu_count() and runtime["seconds"] > 1
    assert 400 < runtime["peak_memory_mb"] < 700, "the kernel's memory, and no other's"
    assert not list((outputs / "notebooks").glob(".*.part*"))


def test_a_failing_notebook_is_kept_under_another_name_and_says_where_it_failed(outputs, tmp_path, capfd):
    notebook = toy(tmp_path, "1 + 1")
    assert main(["run", str(notebook), "--profile", "smoke"]) == 0
    notebook = toy(tmp_path, "1 / 0")
    assert main(["run", str(notebook), "--profile", "smoke"]) == 1
    assert visible(outputs) == ["notebooks/07_toy.failed.ipynb"], "the earlier success is gone, the failure is there"
    message = capfd.readouterr().err
    assert "ZeroDivisionError in cell 3" in message and "07_toy.failed.ipynb" in message


def test_a_users_mistake_is_one_sentence_without_traceback(outputs, tmp_path, capfd):
    raising = "from d3s_utils.ground.errors import D3SError\n"
    raising += 'raise D3SError("the folder photos is empty; put pictures into it.")'
    assert main(["run", str(toy(tmp_path, raising)), "--profile", "smoke"]) == 1
    assert capfd.readouterr().err == "error: 07_toy: the folder photos is empty; put pictures into it.\n"


def test_an_unknown_parameter_is_an_error_before_anything_runs(outputs, tmp_path, capfd):
    notebook = toy(tmp_path, f'open("{tmp_path}/ran", "w")', parameters='profil: str = "pocket"\noverrides: str = ""')
    assert main(["run", str(notebook), "--profile", "smoke"]) == 1
    assert "has no parameter profile; it declares profil, overrides" in capfd.readouterr().err
    assert not (tmp_path / "ran").exists() and visible(outputs) == []


@pytest.mark.parametrize("arguments", [["--profile", "pockt"], ["--profile", "smoke", "--set", "generator.strenght=1"]])
def test_a_bad_profile_ends_before_the_kernel_starts(arguments, outputs, tmp_path, capfd):
    assert main(["run", str(toy(tmp_path, "1")), *arguments]) == 1
    message = capfd.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert visible(tmp_path) == ["07_toy.ipynb"]


def test_a_missing_notebook_is_named(outputs, tmp_path):
    with pytest.raises(D3SError, match="no notebook .*08_none"):
        run.run_notebook(tmp_path / "08_none.ipynb", "smoke")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "kill"])
def test_a_killed_run_leaves_nothing_that_looks_finished_and_no_kernel(how, outputs, tmp_path):
    pid = tmp_path / "pid"
    notebook = toy(tmp_path, f'import os, time\nopen("{pid}", "w").write(str(os.getpid()))\ntime.sleep(120)')
    runner = background(notebook)
    wait_for(pid)
    runner.send_signal(how)
    assert runner.wait(60) != 0
    assert [name for name in visible(outputs) if "failed" not in name] == []
    end = time.monotonic() + 60
    while psutil.pid_exists(int(pid.read_text())) and time.monotonic() < end:
        time.sleep(0.1)
    assert not psutil.pid_exists(int(pid.read_text())), "the kernel outlived its runner"
    assert main(["run", str(toy(tmp_path, "1")), "--profile", "smoke"]) == 0
    assert "notebooks/07_toy.ipynb" in visible(outputs) and not list(outputs.rglob("*.part*"))


def test_two_notebooks_of_one_run_take_turns(outputs, tmp_path):
    code = 'import time\nopen("{0}", "a").write("in ")\ntime.sleep(1.5)\nopen("{0}", "a").write("out ")'
    notebooks = [toy(tmp_path, code.format(tmp_path / "turns"), name=name) for name in ("07_toy", "08_toy")]
    runners = [background(path) for path in notebooks]
    assert [runner.wait(300) for runner in runners] == [0, 0]
    assert (tmp_path / "turns").read_text() == "in out in out "


def test_what_a_kernel_reads_and_leaves_decides_when_it_runs_again(outputs, tmp_path, capfd):
    (tmp_path / "read.csv").write_text("x\n1\n")
    (tmp_path / "my profile.yaml").write_text("extends: smoke\n")
    outputs = outputs.with_name("my profile")
    code = (
        "from d3s_utils.ground.files import read_table, write_table",
        f'write_table("{outputs}/tables/07_toy_x.csv", read_table("{tmp_path}/read.csv"))',
    )
    arguments = ["run", str(toy(tmp_path, *code)), "--profile", str(tmp_path / "my profile.yaml"), "--if-changed"]
    assert main(arguments) == 0 and "07_toy: running" in capfd.readouterr().out
    assert main(arguments) == 0 and "running" not in capfd.readouterr().out
    (tmp_path / "read.csv").write_text("x\n2\n")
    assert main(arguments) == 0 and f"because {tmp_path}/read.csv has changed" in capfd.readouterr().out
    (outputs / "tables" / "07_toy_x.csv").unlink()
    assert main([*arguments, "--why"]) == 0
    assert capfd.readouterr().out == f"07_toy: {outputs}/tables/07_toy_x.csv is missing\n"


def test_a_notebook_is_named_by_number_or_path():
    assert run.find_notebook("03").name == "03_classifier_evaluation.ipynb"
    with pytest.raises(D3SError, match="no notebook '3'; give a number .01, 02.* or the path"):
        run.find_notebook("3")


def test_the_runner_starts_without_the_heavy_libraries():
    heavy = ("torch", "matplotlib", "timm", "pandas", "numpy", "papermill")
    code = f"import sys, d3s_utils.notebook.execute; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
