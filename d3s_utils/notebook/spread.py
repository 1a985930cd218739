"""Measure how far the numbers of the ledger move when everything that is trained is drawn anew.

From finished runs that differ in `training_seed` alone; kept beside the reference: spread.csv holds one row per claim,
seeds/ some tables of all runs, and spread.yaml says how they were measured.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_table, write_text
from d3s_utils.notebook.circumstances import machine as processor

# Tables of every run that figures and sentences show beside the reader's own run.
DIRECTIONS = "05_disentanglement_probe_directions"
KEPT = ("04_disentanglement_training_heads", DIRECTIONS, "05_disentanglement_probe_leak")


def measure(runs: Sequence[Path]) -> pd.DataFrame:
    """id, seeds, mean, sd, min, max of every claim that all of `runs` measured.

    Raises:
        D3SError: fewer than two runs, a run that is not finished, or two of the same training seed.
    """
    if len(runs) < 2:
        raise D3SError(
            "A spread needs at least two runs of different training seeds; three more than the reference do."
        )
    unfinished = [str(run) for run in runs if not (run / "claims.csv").is_file()]
    if unfinished:
        raise D3SError(f"There is no claims.csv in {', '.join(unfinished)}; name folders of finished runs.")
    known = [seed for seed in map(training_seed, runs) if seed is not None]
    if len(set(known)) < len(known):
        raise D3SError(f"Two runs were trained with the same seed ({known}); runs must differ in training_seed.")
    ledgers = [pd.concat([read_table(run / "claims.csv").set_index("id")["measured"], readings(run)]) for run in runs]
    values = pd.concat(ledgers, axis=1, join="inner").dropna().astype(float)
    rows = {"seeds": len(runs), "mean": values.mean(axis=1), "sd": values.std(axis=1, ddof=1)}
    return pd.DataFrame(rows | {"min": values.min(axis=1), "max": values.max(axis=1)}).rename_axis("id").reset_index()


def readings(run: Path) -> pd.Series:
    """What every probe reads of every method, by ids of the families of the paper's four numbers; empty without it."""
    path = run / "tables" / f"{DIRECTIONS}.csv"
    table = read_table(path) if path.is_file() else pd.DataFrame(columns=["direction", "method", "probe", "accuracy"])
    ids = table["direction"] + "/" + table["method"] + ", " + table["probe"]
    return pd.Series(table["accuracy"].to_numpy(float), ids)


def training_seed(run: Path) -> int | None:
    """`seed` plus `training_seed` of a run, as the card of its backbone says; None where there is no such card."""
    card = run / "checkpoints" / "split_backbone.json"
    return json.loads(card.read_text(encoding="utf-8")).get("seed") if card.is_file() else None


def tables_of(runs: Sequence[Path], name: str) -> pd.DataFrame:
    """tables/<name>.csv of all `runs`, one under the other, with the column `training_seed`."""
    parts = [read_table(run / "tables" / f"{name}.csv").assign(training_seed=training_seed(run)) for run in runs]
    return pd.concat(parts, ignore_index=True)


def record(runs: Sequence[Path], reference: Path) -> pd.DataFrame:
    """Measure the spread of `runs` and keep it, with how it was measured, in the folder `reference`."""
    runs = [Path(run).expanduser().resolve() for run in runs]
    table = measure(runs)
    parent = Path(os.path.commonpath(runs))
    names = [run.relative_to(parent).as_posix() for run in runs]
    how = {
        "command": f"python -m d3s_utils check --profile {reference.name} --spread {' '.join(names)}",
        "profile": reference.name,
        "runs": [{"folder": name, "training_seed": training_seed(run)} for name, run in zip(names, runs, strict=True)],
        "date": date.today().isoformat(),
        "machine": machine(),
    }
    write_table(reference / "spread.csv", table)
    for name in KEPT:
        if all((run / "tables" / f"{name}.csv").is_file() for run in runs):
            write_table(reference / "seeds" / f"{name}.csv", tables_of(runs, name))
    text = yaml.safe_dump(how, sort_keys=False, allow_unicode=True, width=120)
    write_text(reference / "spread.yaml", f"# How spread.csv was measured.\n{text}")
    return table


def machine() -> str:
    """The processor, its cores and the version of torch."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}, torch {version('torch')}"
