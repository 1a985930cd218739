"""JupyterLab under `make jupyter`: Run All and save leave in notebooks/ the bytes that git has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager
from traitlets.config.loader import PyFileConfigLoader

from d3s_utils.ground import paths

NAMES = sorted(path.name for path in paths.NOTEBOOKS.glob("*.ipynb"))
CONFIGURATION = paths.PACKAGE / "notebook" / "jupyter"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def manager(tmp_path):
    """What writes files for JupyterLab, with our configuration, in a copy of notebooks/."""
    shutil.copytree(paths.NOTEBOOKS, tmp_path, dirs_exist_ok=True)
    config = PyFileConfigLoader("jupyter_server_config.py", str(CONFIGURATION)).load_config()
    return FileContentsManager(root_dir=str(tmp_path), config=config)


def run_all(notebook: dict) -> None:
    """What JupyterLab makes of an open notebook when all of it has run."""
    notebook["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    notebook["metadata"]["language_info"] |= {"version": "3.11.7", "file_extension": ".py"}
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] |= {"trusted": True, "scrolled": True, "execution": {"iopub.status.busy": "2026"}}
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            cell["outputs"] = [nbformat.v4.new_output("stream", text="a line\n")]


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_notebook_is_the_one_git_has(name, manager, tmp_path):
    model = manager.get(name)
    run_all(model["content"])
    manager.save({"type": "notebook", "format": "json", "content": json.loads(json.dumps(model["content"]))}, name)
    assert (tmp_path / name).read_bytes() == (paths.NOTEBOOKS / name).read_bytes()


def test_what_a_person_wrote_is_saved(manager, tmp_path):
    model = manager.get(NAMES[0])
    model["content"]["cells"][1]["source"] += "\n# more"
    model["content"]["cells"].append(nbformat.v4.new_code_cell("x", metadata={"tags": ["mine"]}))
    manager.save({"type": "notebook", "content": model["content"]}, NAMES[0])
    saved = nbformat.read(tmp_path / NAMES[0], as_version=4)
    assert saved.cells[1].source.endswith("# more") and saved.cells[-1].metadata == {"tags": ["mine"]}


def test_other_files_are_saved_as_they_are(manager, tmp_path):
    manager.save({"type": "file", "format": "text", "content": "{}"}, "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "{}"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_run_all_and_save_in_jupyterlab(tmp_path):
    """The real thing, with a notebook of two cells in the form that ours have."""
    from playwright.sync_api import sync_playwright

    path = write_toy(tmp_path / "notebooks")
    before = path.read_bytes()
    with jupyterlab(tmp_path) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport={"width": 1300, "height": 1000}).new_page()
        page.set_default_timeout(180_000)
        page.goto(f"{url}lab/tree/toy.ipynb?reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.click()
        page.get_by_text("Run", exact=True).first.click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.locator(".jp-OutputArea-output", has_text="42").wait_for()
        time_before = path.stat().st_mtime_ns
        page.keyboard.press("Control+s")
        wait_until(lambda: path.stat().st_mtime_ns != time_before)
        browser.close()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.name != ".ipynb_checkpoints"] == ["toy.ipynb"]


def write_toy(folder: Path) -> Path:
    folder.mkdir()
    own = nbformat.read(paths.NOTEBOOKS / NAMES[0], as_version=4)
    cells = [nbformat.v4.new_markdown_cell("# A toy, with an ä"), nbformat.v4.new_code_cell("6 * 7")]
    path = folder / "toy.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=own.metadata), path)
    return path


class jupyterlab:
    """JupyterLab as the Makefile starts it, in a folder of its own; its address."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> str:
        own = {f"JUPYTER_{kind}_DIR": str(self.folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        environment = {**os.environ, **own, "JUPYTER_CONFIG_PATH": str(CONFIGURATION), "JUPYTER_PREFER_ENV_PATH": "1"}
        options = ["--allow-root", "--no-browser", "--ServerApp.port=0", "--IdentityProvider.token="]
        command = [sys.executable, "-m", "jupyterlab", *options, f"--notebook-dir={self.folder / 'notebooks'}"]
        self.server = subprocess.Popen(command, cwd=paths.ROOT, stderr=subprocess.DEVNULL, env=environment)
        runtime, found = Path(own["JUPYTER_RUNTIME_DIR"]), []
        wait_until(lambda: found.extend(map(address, runtime.glob("jpserver-*.json"))) or any(found))
        return next(filter(None, found))

    def __exit__(self, *_) -> None:
        self.server.terminate()
        self.server.wait(timeout=120)


def address(file: Path) -> str | None:
    """Where the server listens, if it does."""
    try:
        url = json.loads(file.read_text())["url"].replace("localhost", "127.0.0.1")
        urllib.request.urlopen(f"{url}api", timeout=5).close()
    except (OSError, ValueError):
        return None
    return url


def wait_until(holds, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
