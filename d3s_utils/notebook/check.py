"""Compare a run with the committed reference, within stated tolerances, and say what differs.

    python -m d3s_utils check --profile pocket            compare; exit status 1 if anything differs
    python -m d3s_utils check --profile pocket --update   make this run the reference

Sums in another order, another processor or another number of threads end in slightly other images and networks, so
numbers are compared within the tolerances of outputs/reference/<run>/tolerances.yaml:

    columns:                      # allowed difference by column, in the units of the column
      accuracy: 6
      loss: {relative: 0.3}       # a fraction of the reference
    tables:                       # the same, for one table
      04_disentanglement_training_curves: {rows: any, columns: {accuracy: 15}}
      03_classifier_evaluation_failures: {rows: any}
    claims: {zoo_drop: 10}        # by id; "ignore" skips

`rows: any` compares the columns alone, for tables of single images. A number inside an interval (columns low and high)
agrees when it lies inside the reference's interval widened by the tolerance; low and high follow it. Columns not named
have `default`: 6 in columns of percentages, 0.06 where no number exceeds 1.5.
"""

from __future__ import annotations

import fnmatch
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import read_table, write_bytes

POINTS = 6.0  # percentage points
SHARE = 0.06
LARGEST = 200_000  # bytes; larger tables and figures stay out of the repository
INTERVAL = ("low", "high")
SHOWN = 5  # differing cells named per column
UNCOMPARED = {"seconds", "profile"}  # columns that may be anything


@dataclass(frozen=True)
class Tolerances:
    """The content of tolerances.yaml; every part may be missing."""

    default: float | dict | None = None
    columns: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    claims: dict = field(default_factory=dict)

    def of_table(self, name: str) -> dict:
        """Settings of the table `name`; the first pattern that fits wins."""
        return next((rules for pattern, rules in self.tables.items() if fnmatch.fnmatch(name, pattern)), {})

    def of_column(self, table: str, column: str) -> float | dict | str | None:
        return self.of_table(table).get("columns", {}).get(column, self.columns.get(column, self.default))


def read_tolerances(reference: Path) -> Tolerances:
    """Raises D3SError for an unknown key, so that a slip cannot loosen the comparison unseen."""
    path = reference / "tolerances.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}
    try:
        return Tolerances(**given)
    except TypeError:
        raise D3SError(
            f"{path} may have the keys default, columns, tables and claims, not {', '.join(given)}."
        ) from None


def compare(run: Path, reference: Path) -> list[str]:
    """One line for every difference between the tables, figures and claims of `run` and of `reference`.

    Raises:
        D3SError: if one of the two is not there.
    """
    for folder, mend in ((run, f"make all PROFILE={run.name}"), (reference, "make a reference with --update")):
        if not (folder / "claims.csv").is_file():
            raise D3SError(f"There is no {folder}/claims.csv to compare; {mend}.")
    tolerances = read_tolerances(reference)
    differences = []
    for path in sorted((reference / "tables").glob("*.csv")):
        other = run / "tables" / path.name
        if other.is_file():
            differences += compare_tables(path.stem, read_table(path), read_table(other), tolerances)
        else:
            differences.append(f"tables/{path.name}: missing")
    for path in sorted((reference / "figures").glob("*.png")):
        if not (run / "figures" / path.name).is_file():
            differences.append(f"figures/{path.name}: missing")
    ledgers = (read_table(folder / "claims.csv") for folder in (reference, run))
    return differences + compare_claims(*ledgers, tolerances)


def compare_tables(name: str, reference: pd.DataFrame, run: pd.DataFrame, tolerances: Tolerances) -> list[str]:
    """The differences between two versions of one table, rows matched by their words."""
    missing, extra = (sorted(set(a.columns) - set(b.columns)) for a, b in ((reference, run), (run, reference)))
    if missing or extra:
        return [f"{name}: columns differ (missing: {missing or 'none'}; new: {extra or 'none'})"]
    if tolerances.of_table(name).get("rows") == "any":
        return []
    keys = [column for column in reference.columns if not is_number(reference[column]) and column not in UNCOMPARED]
    keys = [column for column in keys if tolerances.of_column(name, column) != "ignore"]
    old, new = keyed(reference, keys), keyed(run, keys)
    if not old.index.sort_values().equals(new.index.sort_values()):
        gone, come = show(old.index.difference(new.index)), show(new.index.difference(old.index))
        return [f"{name}: rows differ ({len(old)} in the reference, {len(new)} here; missing: {gone}; new: {come})"]
    new = new.loc[old.index]
    skipped = {*keys, *UNCOMPARED, *(INTERVAL if set(INTERVAL) <= set(reference.columns) else ())}
    numbers = [column for column in reference.columns if column not in skipped]
    return [line for column in numbers for line in compare_column(name, column, old, new, tolerances)]


def keyed(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """`table` indexed by the columns `keys` and a count that tells repeated ones apart."""
    words = table[keys].astype(str)
    count = words.groupby(keys, sort=False).cumcount() if keys else pd.Series(range(len(table)), table.index)
    return table.set_index(pd.MultiIndex.from_arrays([*(words[key] for key in keys), count], names=[*keys, "#"]))


def compare_column(
    name: str, column: str, reference: pd.DataFrame, run: pd.DataFrame, tolerances: Tolerances
) -> list[str]:
    """The cells of one column of numbers that lie too far apart, at most `SHOWN` by name and the rest counted."""
    rule = tolerances.of_column(name, column)
    if rule == "ignore":
        return []
    old, new = (pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float) for table in (reference, run))
    allowed = allowance(old, rule)
    low, high = spans(reference, old) if column != "n" else (old, old)
    off = ~((new >= low - allowed) & (new <= high + allowed) | np.isnan(old) & np.isnan(new))
    if not off.any():
        return []
    lines = [
        f"{name}: {column} of {row_name(reference.index[row])} is {new[row]:.4g}, "
        f"reference {old[row]:.4g}, allowed {allowed[row]:.3g}"
        for row in np.flatnonzero(off)[:SHOWN]
    ]
    return lines + ([f"{name}: {column} differs in {off.sum()} rows of {len(off)}"] if off.sum() > SHOWN else [])


def row_name(key: tuple | int) -> str:
    """A row of a `keyed` table in words; one without words by its number."""
    words = key[:-1] if isinstance(key, tuple) else ()  # pandas makes a plain index of a single level
    return "/".join(map(str, words)) or f"row {key}"


def spans(reference: pd.DataFrame, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of each value where the table has one around it, else the value itself twice."""
    if not set(INTERVAL) <= set(reference.columns):
        return values, values
    low, high = (reference[name].to_numpy(dtype=float) for name in INTERVAL)
    inside = (low <= values) & (values <= high)  # else the interval is that of another column
    return np.where(inside, low, values), np.where(inside, high, values)


def allowance(reference: np.ndarray, rule: float | dict | None) -> np.ndarray:
    """How far each number of a column may be off. A rule is a number, {relative: share} or both in one mapping."""
    if isinstance(rule, dict):
        return rule.get("absolute", 0.0) + rule.get("relative", 0.0) * np.abs(reference)
    if rule is None:
        largest = np.nanmax(np.abs(reference), initial=0.0)
        rule = POINTS if largest > 1.5 else SHARE
    return np.full(len(reference), float(rule))


def compare_claims(reference: pd.DataFrame, run: pd.DataFrame, tolerances: Tolerances) -> list[str]:
    """Claims that came, went, moved too far, or changed their status by more than a borderline difference."""
    old, new = reference.set_index("id"), run.set_index("id")
    differences = [f"claim {id}: missing" for id in old.index.difference(new.index)]
    differences += [f"claim {id}: not in the reference" for id in new.index.difference(old.index)]
    for id in old.index.intersection(new.index, sort=False):
        rule = tolerances.claims.get(id, tolerances.claims.get(str(id).split("/")[0]))
        before, after = old.loc[id], new.loc[id]
        if rule == "ignore":
            continue
        ran = pd.notna(before["measured"]), pd.notna(after["measured"])
        if ran[0] != ran[1] or (not ran[0] and before["status"] != after["status"]):
            differences.append(f"claim {id}: {after['status']}, reference {before['status']}")
        elif ran[0] and not close(before, after, rule):
            differences.append(
                f"claim {id}: {after['measured']:.4g} ({after['status']}), "
                f"reference {before['measured']:.4g} ({before['status']})"
            )
    return differences


def close(reference: pd.Series, run: pd.Series, rule: float | dict | None) -> bool:
    """Whether a claim's number is as close as `rule` asks; by default `POINTS` in percent and a quarter otherwise."""
    if rule is None and reference.get("unit") != "%":
        rule = {"relative": 0.25}
    allowed = allowance(np.array([reference["measured"]], dtype=float), POINTS if rule is None else rule)[0]
    return abs(run["measured"] - reference["measured"]) <= allowed


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def show(index: pd.Index) -> str:
    names = [row_name(key) for key in index[:SHOWN]]
    return ", ".join(names) + (", ..." if len(index) > SHOWN else "") or "none"


def update(run: Path, reference: Path) -> list[str]:
    """Make the tables, PNG figures, ledger and runtimes of `run` the reference; returns what was too large to keep."""
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
    return left_out
