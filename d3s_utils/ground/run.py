"""One run of one notebook: where its tables, figures and claims go, and nothing else."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from d3s_utils.ground import paths
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_figure, write_table, write_text
from d3s_utils.ground.profile import load_profile, to_yaml
from d3s_utils.ground.settings import Profile
from d3s_utils.ground.spread import read_spread, with_training_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Run:
    """A notebook at work under a profile. Every file it leaves lies in `folder` (design, section 5)."""

    profile: Profile
    notebook: str  # such as "01_generation"
    folder: Path

    def path(self, *parts: str) -> Path:
        """A file of this run, its folder made."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save_table(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Write `table` to tables/<notebook>_<name>.csv and hand it back."""
        return self.save(table, "tables", f"{self.notebook}_{name}.csv")

    def save(self, table: pd.DataFrame, *parts: str) -> pd.DataFrame:
        """Write `table` (CSV or Parquet by suffix, atomically) with the resolved profile beside it; hand it back."""
        path = self.path(*parts)
        write_table(path, table)
        write_text(path.parent / "profile.yaml", to_yaml(self.profile))
        return table

    def save_figure(self, name: str, drawn: Axes | Figure) -> Figure:
        """Write figures/<notebook>_<name>.png and .svg (no timestamps); it comes back closed, to be shown once."""
        figure = drawn.get_figure(root=True)
        write_figure(self.path("figures", f"{self.notebook}_{name}"), figure)
        return figure

    def over_seeds(self, name: str) -> pd.DataFrame:
        """The table `name` of this notebook in every run behind the measured spread, with the column `training_seed`.

        Without rows where `make seeds` has not been run under this profile.
        """
        path = paths.REFERENCE / self.profile.name / "seeds" / f"{self.notebook}_{name}.csv"
        return read_table(path) if path.is_file() else pd.DataFrame({"training_seed": []})

    def save_claims(self, claims: pd.DataFrame) -> pd.DataFrame:
        """Write this notebook's rows of the ledger to claims/<notebook>.csv; `report` joins them into claims.csv.

        Where the spread over training seeds was measured under this profile, it becomes part of their intervals.
        """
        spread = read_spread(paths.REFERENCE / self.profile.name)
        return self.save(with_training_seeds(claims, spread), "claims", f"{self.notebook}.csv")


# What a notebook reads and which one leaves it, by their numbers; asked for where a notebook begins.
IMAGES, VERDICTS, FEATURES = ("manifest.parquet", "01"), ("verified.csv", "02"), ("features/backbone.safetensors", "04")
NEEDS = {
    "02": (IMAGES,),
    "03": (IMAGES, VERDICTS),
    "04": (IMAGES,),
    "05": (IMAGES, VERDICTS, FEATURES),
    "06": (IMAGES, VERDICTS, FEATURES),
}


def open_run(profile: str, notebook: str, overrides: str = "") -> Run:
    """Open the run `profile` (a name or a YAML file) for `notebook`.

    `overrides` holds single keys: "generator.strength=0.8 dataset.val_per_cell=4". Sets the CPU threads, because sums
    depend on them. In a notebook a `D3SError` is from now on shown as the sentence it is, without a traceback.

    Raises:
        D3SError: what the notebook reads is not there yet.
    """
    import torch

    say_errors_in_a_sentence()
    settings = load_profile(profile, overrides)
    torch.set_num_threads(settings.threads)
    run = Run(settings, notebook, paths.outputs() / settings.name)
    missing = [(file, maker) for file, maker in NEEDS.get(notebook[:2], ()) if not (run.folder / file).is_file()]
    if missing:
        first = " ".join(maker for _, maker in missing)
        raise D3SError(
            f"{notebook} reads {missing[0][0]}, which notebook {missing[0][1]} leaves, and {run.folder} has none. Run "
            f"first: {first} (`make {missing[-1][1]} PROFILE={profile}` runs all that is missing)."
        )
    return run


def say_errors_in_a_sentence() -> None:
    """In a notebook, show a `D3SError` as its message alone; the cell still fails. Elsewhere nothing happens."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None

    def say(shell, kind, error, trace, tb_offset=None) -> list[str]:
        shell._showtraceback(kind, error, sentence := [f"{kind.__name__}: {error}"])
        return sentence

    if shell is not None and hasattr(shell, "_showtraceback"):
        shell.set_custom_exc((D3SError,), say)


def headless() -> bool:
    """True where nobody can move a slider: under make and in tests (`D3S_HEADLESS=1`)."""
    return os.environ.get("D3S_HEADLESS", "") not in ("", "0")
