"""Every cell of a notebook in a kernel of its own, through papermill, watched for time and memory."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.notebook.formats import spare_grammar
from d3s_utils.notebook.fresh import Files

spare_grammar()

SAMPLE_SECONDS = 0.25  # between two looks at the kernel's memory


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
        with noting(files.journal), quiet_kernel() as config, watched_memory() as memory:
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
def noting(journal: Path) -> Iterator[None]:
    """Let the kernels started meanwhile note in `journal` what they read and leave."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    os.environ["D3S_JOURNAL"] = str(journal)
    try:
        yield
    finally:
        del os.environ["D3S_JOURNAL"]


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
    """A list that grows by one sample at a time: the resident memory, in MB, of all children started from now on."""
    import psutil

    samples, finished = [0.0], threading.Event()
    earlier = set(psutil.Process().children(recursive=True))

    def watch() -> None:
        while not finished.wait(SAMPLE_SECONDS):
            children = set(psutil.Process().children(recursive=True)) - earlier
            samples.append(sum(map(_resident, children)) / 1e6)

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


def _import_nbconvert() -> None:
    with contextlib.suppress(ImportError):
        import nbconvert.exporters  # noqa: F401
