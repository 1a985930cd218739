"""The same run under other training seeds: images and votes stay, everything that is trained is drawn anew.

Each seed has a folder of its own, <outputs>/seeds/<seed>/<run>, which starts as a copy of the finished run; what rests
on the training seed then runs again in it, as `make all` decides. A killed command goes on where it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.profile import load_profile
from d3s_utils.notebook import execute


def run_seeds(profile: str, overrides: str, seeds: Iterable[int]) -> list[Path]:
    """The folders of the finished run and of its twins, one for each of `seeds`, run where they are not yet.

    Raises:
        D3SError: the run itself has not been finished, or one of `seeds` is its own.
    """
    settings = load_profile(profile, overrides)
    base, seeds = paths.outputs() / settings.name, list(seeds)
    if not (base / "claims.csv").is_file():
        raise D3SError(f"There is no finished run in {base}; `make all PROFILE={profile}` makes one.")
    if settings.training_seed in seeds:
        raise D3SError(f"--seeds: {settings.training_seed} is the run's own training seed; name others.")
    notebooks = sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    twins = []
    for seed in seeds:
        home = paths.outputs() / "seeds" / str(seed)
        twins.append(copied(base, home / base.name))
        with outputs_in(home):
            folder = execute.run_stale(notebooks, profile, f"{overrides} training_seed={seed}".strip())
            execute.report_stale(folder)
    return [base, *twins]


def copied(run: Path, twin: Path) -> Path:
    """`twin` as a copy of `run`, with the times of its files; a finished copy is left as it is."""
    if not twin.exists():
        part = twin.with_name(f".{twin.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(run, part)
        os.replace(part, twin)
    return twin


@contextmanager
def outputs_in(folder: Path) -> Iterator[None]:
    """Runs lie in `folder` meanwhile, in this process and in the kernels that it starts."""
    before = os.environ.get("D3S_OUTPUTS")
    os.environ["D3S_OUTPUTS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["D3S_OUTPUTS"]
        else:
            os.environ["D3S_OUTPUTS"] = before
