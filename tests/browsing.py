"""A browser and JupyterLab for tests: the system's chromium through playwright, offline, and a server of its own.

`D3S_SCREENSHOTS=DIR` keeps pictures of what the browser showed.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # offline
PATIENCE = 600  # seconds that a condition may take: only what never comes fails, on a busy machine too
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@contextmanager
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def new_page(browser, **context):
    context = browser.new_context(**context)
    context.set_default_timeout(PATIENCE * 1000)
    return context.new_page()


def until(condition, what):
    """What `condition` says, once that is something."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.05)
    return found


def keep(page, name):
    if os.environ.get("D3S_SCREENSHOTS"):
        page.wait_for_timeout(300)
        page.screenshot(path=Path(os.environ["D3S_SCREENSHOTS"]) / f"{name}.png")


@contextmanager
def jupyterlab(folder, cells, **environment):
    """The address of JupyterLab with one notebook, shown.ipynb; it ends with its kernels.

    Args:
        folder: an empty one of its own.
        cells: of the notebook, code.
        environment: further variables.
    """
    own = {name: folder / name.lower() for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    own["JUPYTERLAB_SETTINGS_DIR"] = folder / "settings"
    settings = {
        own["JUPYTER_CONFIG_DIR"] / "labconfig" / "page_config.json": {  # which asks the internet, and the user
            "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
        },
        own["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings": {
            "windowingMode": "none"  # cells out of sight stay in the page
        },
    }
    for path, content in settings.items():
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)), metadata=KERNEL)
    (folder / "lab").mkdir()
    nbformat.write(notebook, folder / "lab" / "shown.ipynb")
    variables = {**os.environ, **{name: str(path) for name, path in own.items()}, "JUPYTER_PREFER_ENV_PATH": "1"}
    options = [
        *("--no-browser", "--ServerApp.port=0", "--LabApp.expose_app_in_browser=True", "--IdentityProvider.token="),
        f"--ServerApp.root_dir={folder / 'lab'}",
    ]
    with open(folder / "lab.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", "--allow-root", *options]
        server = subprocess.Popen(command, stderr=log, env={**variables, **environment})
    try:
        yield until(lambda: _address(server, own["JUPYTER_RUNTIME_DIR"]), "JupyterLab's address")
    finally:
        server.kill()  # its kernel ends with it
        server.wait()


def _address(server, runtime):
    """Where the server listens, if it does by now."""
    assert server.poll() is None, "JupyterLab stopped"
    for file in runtime.glob("jpserver-*.json"):
        try:
            url = json.loads(file.read_text())["url"].replace("localhost", "127.0.0.1")
            urllib.request.urlopen(f"{url}api", timeout=PATIENCE).close()
            return url
        except (OSError, ValueError):  # not yet; a file half written
            pass
    return None


def run_all(browser, address, width=1300):
    """The page of the notebook, all of whose cells have been asked to run."""
    page = new_page(browser, viewport={"width": width, "height": 1000})
    page.goto(f"{address}lab/tree/shown.ipynb?reset")
    kernel = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(f"{kernel}?.status === 'idle' && jupyterapp.shell.currentWidget.sessionContext.isReady")
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    return page
