"""A notebook that is opened too early says in one sentence what must run first, and shows no traceback."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.run import NEEDS, open_run

NOTEBOOKS = sorted(path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("notebook", NOTEBOOKS[1:])
def test_what_must_run_first_is_said(notebook, outputs):
    with pytest.raises(D3SError, match="which notebook 01 leaves") as caught:
        open_run("smoke", notebook)
    assert str(outputs / "smoke") in str(caught.value) and "PROFILE=smoke" in str(caught.value)


def test_what_is_there_is_not_asked_for_and_the_first_notebook_needs_nothing(outputs):
    assert open_run("smoke", NOTEBOOKS[0]).folder == outputs / "smoke"
    (outputs / "smoke").mkdir()
    (outputs / "smoke" / "manifest.parquet").touch()
    open_run("smoke", "04_disentanglement_training")
    with pytest.raises(D3SError, match="verified.csv, which notebook 02 leaves.*Run first: 02 04 .`make 04"):
        open_run("smoke", "05_disentanglement_probe")


def test_what_a_notebook_needs_is_left_by_those_that_make_runs_before_it():
    lines = dict(line.split(" :=") for line in (paths.ROOT / "Makefile").read_text().splitlines() if " :=" in line)
    for number, needed in NEEDS.items():
        before, waiting = set(), [number]
        while waiting:
            words = lines[f"BEFORE_{waiting.pop()}"].split()
            before |= {word for word in words if word.isdigit()}
            waiting += [word[9:-1] for word in words if word.startswith("$(BEFORE_")]
        assert {maker for _, maker in needed} <= before, number


def test_a_notebook_shows_the_sentence_and_no_traceback_and_fails():
    notebook = nbformat.read(paths.NOTEBOOKS / f"{NOTEBOOKS[-1]}.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:3]
    notebook.cells[0].source = 'profile, overrides = "smoke", ""'
    client = NotebookClient(notebook, timeout=600, startup_timeout=300, resources={"metadata": {"path": paths.ROOT}})
    with pytest.raises(CellExecutionError):
        client.execute()
    (shown,) = [output for cell in notebook.cells for output in cell.outputs if output.output_type == "error"]
    assert shown.ename == "D3SError" and "which notebook 01 leaves" in shown.evalue
    assert shown.traceback == [f"D3SError: {shown.evalue}"]
