"""Say whether a run supports the findings of the committed reference.

    python -m d3s_utils check --profile pocket                  compare; exit status 1 if a finding changed
    python -m d3s_utils check --profile pocket --update         make this run the reference
    python -m d3s_utils check --profile pocket --spread RUN...  measure the spread over training seeds from runs

`findings.py` says when a finding has changed. Files, their columns and the rows of the tables (by their words; tables
of single images aside) must be there. The numbers in the tables are counted and not judged: what matters of them is in
the ledger.

`make seeds` makes runs that differ in the training seed alone and measures their spread.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_bytes, write_table
from d3s_utils.ground.spread import read_spread
from d3s_utils.notebook.findings import Findings, compare_claims

LARGEST = 200_000  # bytes; larger tables and figures stay out of the repository
SHOWN = 5  # rows named per table
UNCOMPARED = {"source", "device", "profile", "probe"}  # words that may differ: who voted, where, and who read best


@dataclass
class Report:
    """What a comparison found, a line each."""

    findings: Findings
    missing: list[str] = field(default_factory=list)  # files, columns, rows and claims
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.findings.changed or self.missing)

    def lines(self) -> Iterator[str]:
        found = self.findings
        outside = len(found.outside) + len(found.changed)
        changed = f"{len(found.changed) or 'no'} finding{'s' * (len(found.changed) > 1)} changed"
        missing = f", {len(self.missing)} missing" if self.missing else ""
        yield f"{found.compared} numbers compared, {outside} outside their tolerance, {changed}{missing}"
        for title, lines in (
            ("changed", found.changed),
            ("missing", self.missing),
            ("outside their tolerance, the finding stands", found.outside),
            ("besides", self.notes),
        ):
            yield from [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def compare(run: Path, reference: Path) -> Report:
    """Whether the findings, files and columns of `reference` are those of `run`.

    Raises:
        D3SError: if one of the two is not there.
    """
    for folder, mend in ((run, f"make all PROFILE={run.name}"), (reference, "make a reference with --update")):
        if not (folder / "claims.csv").is_file():
            raise D3SError(f"There is no {folder}/claims.csv to compare; {mend}.")
    old, new = (read_table(folder / "claims.csv") for folder in (reference, run))
    whole = set(old.columns) <= set(new.columns)  # else the missing column is named among the files
    report = Report(compare_claims(old, new, read_spread(reference)) if whole else Findings())
    report.missing += report.findings.missing
    report.notes += report.findings.notes
    compare_files(run, reference, report)
    return report


def compare_files(run: Path, reference: Path, report: Report) -> None:
    """Add to `report` every file, column and row that is missing or new."""
    wanted = {f"tables/{path.name}": header(path) for path in sorted((reference / "tables").glob("*.csv"))}
    wanted |= {name: header(reference / name) for name in ("claims.csv", "runtime.csv") if (reference / name).is_file()}
    if (reference / "files.csv").is_file():
        listed = read_table(reference / "files.csv").groupby("file", sort=False)["column"]
        wanted |= {name: list(columns.dropna()) for name, columns in listed}
    wanted |= {f"figures/{path.name}": [] for path in sorted((reference / "figures").glob("*.png"))}
    counted = np.zeros(2, int)
    for name, columns in wanted.items():
        if not (run / name).is_file():
            report.missing.append(name)
            continue
        own = header(run / name) if columns else []
        report.missing += [f"{name}: column {column}" for column in columns if column not in own]
        report.notes += [f"{name}: column {column} is new" for column in own if column not in columns]
        if name.startswith("tables/") and (reference / name).is_file() and set(columns) <= set(own):
            counted += compare_rows(name, *(read_table(folder / name) for folder in (reference, run)), report)
    if counted[0]:
        report.notes.append(
            f"tables: {counted[1]} of {counted[0]} numbers are beyond both their intervals (not judged)"
        )


def header(path: Path) -> list[str]:
    """The columns of a table, read without its rows."""
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_schema

        return read_schema(path).names
    return list(pd.read_csv(path, nrows=0).columns)


def compare_rows(name: str, reference: pd.DataFrame, run: pd.DataFrame, report: Report) -> tuple[int, int]:
    """Add missing and new rows; returns how many numbers with an interval there are, and how many are beyond both."""
    if "image_id" in reference.columns:  # single images, which may be others
        return 0, 0
    keys = [column for column in reference.columns if is_word(reference[column]) and column not in UNCOMPARED]
    old, new = keyed(reference, keys), keyed(run, keys)
    if keys:
        report.missing += named(name, old.index.difference(new.index, sort=False))
        report.notes += [f"{line} is new" for line in named(name, new.index.difference(old.index, sort=False))]
    both = old.index.intersection(new.index)
    return beyond_intervals(old.loc[both], new.loc[both])


def is_word(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column)  # which bools are


def keyed(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """`table` indexed by its words and a count that tells repeated ones apart."""
    words = table[keys].astype(object).fillna("").astype(str) if keys else None
    words = pd.Series("", table.index) if words is None else words.agg("/".join, axis=1)
    return table.set_index(pd.MultiIndex.from_arrays([words, words.groupby(words).cumcount()]))


def named(table: str, rows: pd.MultiIndex) -> list[str]:
    more = [f"{table}: {len(rows) - SHOWN} rows more"] if len(rows) > SHOWN else []
    return [f"{table}: row {words}{f' ({count + 1})' if count else ''}" for words, count in rows[:SHOWN]] + more


def beyond_intervals(reference: pd.DataFrame, run: pd.DataFrame) -> tuple[int, int]:
    """Of two tables with the same rows: numbers within `low` and `high`, and those that the intervals part."""
    if not {"low", "high"} <= set(reference.columns) & set(run.columns) or reference.empty:
        return 0, 0
    (old_low, old_high), (low, high) = (table[["low", "high"]].to_numpy(dtype=float).T for table in (reference, run))
    for column in reference.columns:
        if column in ("low", "high", "n") or is_word(reference[column]) or is_word(run[column]):
            continue
        old, new = (table[column].to_numpy(dtype=float) for table in (reference, run))
        if ((old_low <= old) & (old <= old_high) | np.isnan(old)).all():
            towards = np.where(new > old, np.hypot(old_high - old, new - low), np.hypot(old - old_low, high - new))
            return len(old), int((np.abs(new - old) > towards).sum())
    return 0, 0


# The command ----------------------------------------------------------------------------------------------------------


def update(run: Path, reference: Path) -> list[str]:
    """Make the tables, PNG figures, ledger and runtimes of `run` the reference; returns what was too large to keep.

    files.csv lists the columns of the tables that are not kept.
    """
    if not (run / "claims.csv").is_file():
        raise D3SError(f"There is no finished run in {run}; `make all PROFILE={run.name}` makes one.")
    left_out = []
    for folder, pattern in (("tables", "*.csv"), ("figures", "*.png")):
        shutil.rmtree(reference / folder, ignore_errors=True)
        for path in sorted((run / folder).glob(pattern)):
            if path.stat().st_size > LARGEST * (10 if folder == "figures" else 1):
                left_out.append(f"{folder}/{path.name}")
            else:
                write_bytes(reference / folder / path.name, path.read_bytes())
    for name in ("claims.csv", "runtime.csv"):
        write_bytes(reference / name, (run / name).read_bytes())
    write_table(reference / "files.csv", list_files(run, left_out))
    return left_out


def list_files(run: Path, left_out: list[str]) -> pd.DataFrame:
    """file, column of the tables of `run` that a reference does not keep; a large figure has no column."""
    kept = ("claims.csv", "runtime.csv")
    top = sorted(path.name for path in run.glob("*") if path.suffix in (".csv", ".parquet") and path.name not in kept)
    rows = [
        (name, column)
        for name in [*top, *left_out]
        for column in (header(run / name) if name.endswith((".csv", ".parquet")) else [None])
    ]
    return pd.DataFrame(rows, columns=["file", "column"])
