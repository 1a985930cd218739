"""Execute one notebook under a profile, so that what looks finished is finished.

    python -m d3s_utils run notebooks/01_generation.ipynb --profile pocket --set "generator.strength=0.8"

A notebook runs under a hidden name and gets its own only at the very end, after its page and its runtime are written:
killed at any moment, it leaves no file that make would take for done. A notebook that fails is kept as
`NN_name.failed.ipynb`, to be read. papermill alone does neither, and only warns about a mistyped parameter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_json, write_text
from d3s_utils.ground.profile import load_profile, to_yaml

# jsonschema would build the grammar of international URLs at import: two seconds, for a check nothing here asks for.
sys.modules.setdefault("rfc3987_syntax", None)

SAMPLE_SECONDS = 0.25  # between two looks at the kernel's memory
MTIME_STEP = 2.0  # seconds, the coarsest that file systems tell times in


@dataclass(frozen=True)
class Files:
    """What running one notebook leaves in the folder of its run."""

    folder: Path
    name: str  # such as "01_generation"

    @property
    def finished(self) -> Path:
        return self.folder / "notebooks" / f"{self.name}.ipynb"

    @property
    def failed(self) -> Path:
        return self.finished.with_suffix(".failed.ipynb")

    @property
    def part(self) -> Path:
        return self.finished.with_name(f".{self.name}.part.ipynb")

    @property
    def page(self) -> Path:
        return self.folder / "html" / f"{self.name}.html"

    @property
    def runtime(self) -> Path:
        return self.folder / "runtime" / f"{self.name}.json"

    def clear(self) -> None:
        """Remove what an earlier attempt left, so that nothing old stands beside the tables of this one."""
        for path in (self.finished, self.failed, self.part, self.page, self.runtime):
            path.unlink(missing_ok=True)

    def drop_older(self, moment: float) -> None:
        """Remove tables and figures that this notebook left before `moment` and has not written again since.

        They are those of other votes or settings, and the report would show them as if they were of this run.
        """
        for kind in ("tables", "figures"):
            for path in (self.folder / kind).glob(f"{self.name}_*"):
                if path.stat().st_mtime < moment - MTIME_STEP:
                    path.unlink(missing_ok=True)


def run_notebook(notebook: Path, profile: str, overrides: str = "") -> Path:
    """Execute `notebook` under `profile` and return the finished copy.

    Raises:
        D3SError: for a profile that is not valid, a notebook without the two parameters, or a notebook that fails; then
            the copy with the failing cell lies beside as `.failed.ipynb`.
    """
    settings = load_profile(profile, overrides)
    if not notebook.is_file():
        raise D3SError(f"There is no notebook {notebook}; give one of notebooks/*.ipynb.")
    files = Files(paths.outputs() / settings.name, notebook.stem)
    with one_at_a_time(files.folder):
        files.clear()
        say(f"{files.name}: running under profile {settings.name}")
        begun = time.time()
        runtime = execute(notebook, {"profile": profile, "overrides": overrides}, files)
        write_json(files.runtime, {"notebook": files.name, **runtime, "device": describe_device(settings.device)})
        write_page(files)
        files.drop_older(begun)
        os.replace(files.part, files.finished)
    say(f"{files.name}: done in {runtime['seconds']:.0f} s, at most {runtime['peak_memory_mb']:.0f} MB")
    return files.finished


def execute(notebook: Path, parameters: dict[str, str], files: Files) -> dict[str, float]:
    """Run every cell of `notebook` into `files.part`. Returns seconds, peak_memory_mb and host_cores.

    Raises:
        D3SError: for an unknown parameter or a cell that fails.
    """
    import papermill

    check_parameters(notebook, parameters)
    files.part.parent.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=_import_nbconvert, daemon=True).start()  # while the kernel works
    start = time.perf_counter()
    try:
        with quiet_kernel() as config, watched_memory() as memory:
            papermill.execute_notebook(
                notebook,
                files.part,
                parameters,
                kernel_name="python3",
                start_timeout=300,  # a busy machine is slow, not broken
                cwd=paths.ROOT,
                progress_bar=False,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                config=config,
                extra_arguments=["--IPKernelApp.log_level=50"],  # it calls its own shutdown an error
            )
    except papermill.PapermillExecutionError as error:
        os.replace(files.part, files.failed)
        raise D3SError(explain(error, files)) from None
    except Exception as error:  # the kernel died, or could not start
        if files.part.exists():
            os.replace(files.part, files.failed)
        kind = type(error).__name__
        raise D3SError(
            f"{files.name}: the kernel stopped ({kind}: {error}); if memory ran out, lower generator.batch_size."
        ) from error
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "peak_memory_mb": round(max(memory), 1), "host_cores": os.cpu_count()}


def check_parameters(notebook: Path, given: dict[str, str]) -> None:
    """Raise D3SError unless the parameters cell of `notebook` declares every name in `given`."""
    from papermill import inspect_notebook

    try:
        declared = inspect_notebook(notebook)
    except ValueError as error:
        raise D3SError(f"{notebook.name} names no kernel ({error}); its kernelspec must be python3.") from error
    unknown = [name for name in given if name not in declared]
    if unknown:
        known = ", ".join(declared) or "none: no cell is tagged `parameters`"
        raise D3SError(f"{notebook.name} has no parameter {', '.join(unknown)}; it declares {known}.")


def explain(error: Exception, files: Files) -> str:
    """One sentence for a D3SError raised in the notebook; for anything else the end of its traceback as well."""
    if error.ename == "D3SError":
        return f"{files.name}: {error.evalue}"
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    tail = "\n".join(text.splitlines()[-25:])
    return f"{tail}\n{files.name}: {error.ename} in cell {error.exec_count}; the whole of it is in {files.failed}."


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other notebook of this run is at work: with `make -j2` two would fight over cores and files."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def quiet_kernel() -> Iterator[object]:
    """A kernel configuration with local sockets: no port races between parallel runs, no warning about encryption."""
    from traitlets.config import Config

    folder = tempfile.mkdtemp(prefix="d3s-")  # short and absolute: macOS allows a socket 104 characters
    config = Config()
    for manager in (config.AsyncKernelManager, config.KernelManager):
        manager.transport = "ipc"
        manager.ip = f"{folder}/k"
    try:
        yield config
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def watched_memory() -> Iterator[list[float]]:
    """A list that grows by one sample at a time: the resident memory, in MB, of all children together."""
    import psutil

    samples, finished = [0.0], threading.Event()

    def watch() -> None:
        while not finished.wait(SAMPLE_SECONDS):
            samples.append(sum(map(_resident, psutil.Process().children(recursive=True))) / 1e6)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        finished.set()
        watcher.join()


def _resident(process) -> int:
    """Bytes, 0 for a process that has just ended."""
    import psutil

    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def write_page(files: Files) -> None:
    """The executed notebook as one page that opens offline."""
    import nbformat

    from d3s_utils.notebook.pages import notebook_page

    write_text(files.page, notebook_page(nbformat.read(files.part, as_version=4), files.name))


def _import_nbconvert() -> None:
    with contextlib.suppress(ImportError):
        import nbconvert.exporters  # noqa: F401


def write_settings(profile: str, overrides: str = "") -> Path:
    """Write the resolved profile to <run>/.settings.yaml if it differs from what lies there.

    Its time is what make looks at: it changes when a setting changes, by whatever way, and at no other time.
    """
    settings = load_profile(profile, overrides)
    path = paths.outputs() / settings.name / ".settings.yaml"
    text = to_yaml(settings)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return path


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
