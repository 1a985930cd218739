"""Execute notebooks under a profile, those that have to run again, so that what looks finished is finished.

    python -m d3s_utils run 01 02 03 --if-changed --profile pocket --set "generator.strength=0.8"

A notebook runs under a hidden name and gets its own only at the very end, after its page, its runtime and the record of
what it rests on are written: killed at any moment, it leaves nothing that counts as done. A notebook that fails is kept
as `NN_name.failed.ipynb`, to be read. papermill alone does neither, and only warns about a mistyped parameter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from d3s_utils.ground import journal, paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_json, write_text
from d3s_utils.ground.profile import load_profile
from d3s_utils.ground.settings import Profile
from d3s_utils.notebook import fresh
from d3s_utils.notebook.circumstances import circumstances
from d3s_utils.notebook.formats import read_notebook
from d3s_utils.notebook.fresh import Files, shown
from d3s_utils.notebook.kernel import execute


def run_notebook(notebook: Path, profile: str, overrides: str = "") -> Path:
    """Execute `notebook` under `profile`, whether or not it has to run again, and return the finished copy.

    Raises:
        D3SError: for a profile that is not valid, a notebook without the two parameters, or a notebook that fails; then
            the copy with the failing cell lies beside as `.failed.ipynb`.
    """
    settings = load_profile(profile, overrides)
    files = Files(paths.outputs() / settings.name, _existing(notebook).stem)
    with one_at_a_time(files.folder):
        say(f"{files.name}: running under profile {settings.name}")
        _run(notebook, settings, {"profile": profile, "overrides": overrides})
    return files.finished


def run_stale(notebooks: Iterable[Path], profile: str, overrides: str = "") -> Path:
    """Execute those of `notebooks`, in order, that have to run again (see `fresh`); returns the folder of the run.

    Whoever else works in that folder at the same time shares the work: a notebook is looked at again when its turn
    comes.

    Raises:
        D3SError: as `run_notebook`, from the first that fails; those after it do not run.
    """
    settings = load_profile(profile, overrides)
    folder = paths.outputs() / settings.name
    for notebook in map(_existing, notebooks):
        if _is_settled(notebook, settings):
            continue
        with one_at_a_time(folder):
            reasons, record = fresh.compare(notebook, settings)
            if reasons:
                more = f" ({len(reasons) - 1} more: make why)" if len(reasons) > 1 else ""
                say(f"{notebook.stem}: running under profile {settings.name}, because {reasons[0]}{more}")
                _run(notebook, settings, {"profile": profile, "overrides": overrides})
            else:
                _renew(notebook, Files(folder, notebook.stem), record)
    return folder


def report_stale(folder: Path) -> Path:
    """Draw the page of the run in `folder` if anything that it shows has changed; returns the page."""
    if fresh.report_reasons(folder):
        from d3s_utils.notebook.report import report

        with one_at_a_time(folder):
            if fresh.report_reasons(folder):
                report(folder)
                fresh.keep_report(folder)
    return folder / "html" / "index.html"


def tell_why(notebooks: Iterable[Path], profile: str, overrides: str = "") -> None:
    """Say what has changed since each notebook last ran under `profile`, in a line each, or that nothing has."""
    settings = load_profile(profile, overrides)
    for notebook in map(_existing, notebooks):
        for reason in fresh.why(notebook, settings) or ["nothing has changed since its last run"]:
            say(f"{notebook.stem}: {reason}")


def find_notebook(name: str) -> Path:
    """The notebook that a number ("03") or a path means.

    Raises:
        D3SError: if there is none.
    """
    if name.endswith(".ipynb"):
        return _existing(Path(name))
    found = sorted(paths.NOTEBOOKS.glob(f"{name}_*.ipynb")) if name.isdigit() else []
    if len(found) != 1:
        known = ", ".join(sorted(path.stem[:2] for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")))
        raise D3SError(f"There is no notebook {name!r}; give a number ({known}) or the path of an .ipynb file.")
    return found[0]


def _existing(notebook: Path) -> Path:
    if not notebook.is_file():
        raise D3SError(f"There is no notebook {notebook}; give one of notebooks/*.ipynb.")
    return notebook


def _is_settled(notebook: Path, settings: Profile) -> bool:
    """Whether nothing at all is to be done for `notebook`, not even to its page or its record."""
    reasons, record = fresh.compare(notebook, settings)
    return not reasons and record == fresh.read_record(Files(paths.outputs() / settings.name, notebook.stem).record)


def _run(notebook: Path, settings: Profile, parameters: dict[str, str]) -> None:
    files = Files(paths.outputs() / settings.name, notebook.stem)
    before = fresh.look(notebook)
    files.clear()
    runtime = execute(notebook, parameters, files)
    notes = journal.read(files.journal)
    device = describe_device(settings.device)
    write_json(files.runtime, {"notebook": files.name, **runtime, "device": device, **circumstances()})
    write_page(files.part, files)
    files.drop_others(notes.outputs)
    fresh.keep(files, settings, before, notes)
    files.journal.unlink(missing_ok=True)
    os.replace(files.part, files.finished)
    say(f"{files.name}: done in {runtime['seconds']:.0f} s, at most {runtime['peak_memory_mb']:.0f} MB")


def _renew(notebook: Path, files: Files, record: dict) -> None:
    """Take over what has changed without a need to run: prose and comments, the look of pages, times of files."""
    kept = fresh.read_record(files.record)
    if kept is not None and kept["page"] != record["page"]:
        from d3s_utils.notebook.pages import take_text

        say(f"{files.name}: its prose has changed; drawing its page again")
        take_text(notebook, files.finished)
        write_page(files.finished, files)
    write_json(files.record, record)


@contextlib.contextmanager
def one_at_a_time(folder: Path, wait: bool = True) -> Iterator[None]:
    """Wait until no other notebook of this run is at work: two would fight over cores and files.

    Raises:
        D3SError: without `wait`, if another is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise D3SError(f"Another command works in {shown(folder)}; wait for it, or stop it.") from None
            say(f"waiting for another that works in {shown(folder)}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_page(executed: Path, files: Files) -> None:
    """An executed notebook as one page that opens offline, and links to the pages beside it."""
    from d3s_utils.notebook.pages import link_neighbours, notebook_page

    write_text(files.page, notebook_page(read_notebook(executed), files.name))
    link_neighbours(files.page.parent)


def describe_device(device: str) -> str:
    """What heavy cells run on: "cpu" or the name of the first GPU, asked of the driver; torch is slow to import."""
    tool = shutil.which("nvidia-smi")
    if device == "cpu" or device == "mps" or tool is None:
        return "cpu" if device == "auto" else device
    query = [tool, "--query-gpu=name", "--format=csv,noheader"]
    names = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return names[0].strip() if names else "cpu"


def say(text: str) -> None:
    print(text, flush=True)
