"""The ledger: every number of the paper beside ours, with interval, chance level and an honest status.

A notebook ends in `run.save_claims(claims_table(headline(...)))`; `headline`, a function of its room, gives a list of
`finding`s. `merge_claims` joins what all notebooks left.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from d3s_utils.ground.files import read_table

Status = Literal["met", "not met", "undecided", "simulated", "too few", "not run"]
FEW = 30  # observations; of fewer nothing is said
UNEXPLAINED = {"not met": "the measured value misses the target", "not run": "this profile has no such measurement"}
SOURCE = "D3S paper (arXiv 2211.10370)"
OURS = "a target of this repository"
COMPARISONS = {"at least": operator.ge, "at most": operator.le, "above": operator.gt, "below": operator.lt}


@dataclass(frozen=True)
class Reference:
    """One number as the paper prints it."""

    value: float | None  # None: the paper says it in words
    unit: str
    where: str  # in the paper
    claim: str  # what it says, in one line
    notebook: str  # where this repository measures it
    chance: float | None = None  # what guessing would reach in the paper's setting


# `fg_from_bg` reads: the foreground class, predicted from background features (fg<-bg in the design).
PAPER: dict[str, Reference] = {
    "dataset_images": Reference(
        120_000, "images", "abstract", "images of the whole dataset, 1000 classes on 10 backgrounds", "01_generation"
    ),
    "accepted_share": Reference(
        85.0,
        "%",
        "abstract: more than 17 000 of the 20 000",
        "share of the validation images accepted, foreground alone: seen by all annotators, or named by some model",
        "03_classifier_evaluation",
    ),
    "zoo_drop": Reference(
        None, "points", "abstract", "accuracy that classifiers lose on D3S, mean of the zoo", "03_classifier_evaluation"
    ),
    "spurious_gain": Reference(
        None,
        "points",
        "abstract",
        "foreground features beat those of a plain network where the background misleads",
        "06_spurious_correlation",
    ),
    "fg_from_fg": Reference(
        82.9, "%", "abstract", "foreground class read from foreground features", "05_disentanglement_probe", 0.1
    ),
    "bg_from_bg": Reference(
        93.8, "%", "abstract", "background read from background features", "05_disentanglement_probe", 10.0
    ),
    "fg_from_bg": Reference(
        2.4, "%", "abstract", "foreground class read from background features", "05_disentanglement_probe", 0.1
    ),
    "bg_from_fg": Reference(
        45.6, "%", "abstract", "background read from foreground features", "05_disentanglement_probe", 10.0
    ),
}


@dataclass(frozen=True)
class Claim:
    """One row of the ledger; the fields are the columns of claims.csv, in order. Percentages are 0-100."""

    id: str
    claim: str
    source: str = ""
    reference: float | None = None
    measured: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    seeds: int | None = None
    chance: float | None = None
    status: Status = "not run"
    why: str = ""
    notebook: str = ""
    profile: str = ""
    seconds: float | None = None
    unit: str = "%"
    mark: str = ""  # what the number has to reach, in words


COLUMNS = list(Claim.__dataclass_fields__)


def claim(
    id: str, text: str = "", *, met: bool | Status | None = None, simulated: bool = False, **columns: object
) -> Claim:
    """One row of the ledger.

    An `id` of `PAPER` brings its text, source, reference and unit along. A variant of such a number says so with a
    suffix: "fg_from_bg/hsic" takes the reference of "fg_from_bg".

    Args:
        met: whether the measured number bears the claim out, or a status; needed wherever something was measured.
        simulated: the number rests on simulated annotators, so it speaks for the machinery and not for people.
        columns: of `Claim`: `measured` and `ci`, our number and its 95 % interval (None or NaN: not run); `n` and
            `seeds`, the observations and repetitions behind it; `chance`, what guessing reaches here; `why`, the reason
            for a status other than met; `source`, `reference` and `unit`, where the paper has no such number.

    Raises:
        ValueError: a measured number without a verdict.
    """
    paper, measured, ci = PAPER.get(id.split("/")[0]), columns.pop("measured", None), columns.pop("ci", None)
    ran = measured is not None and not math.isnan(measured)
    if ran and met is None and not simulated:
        raise ValueError(f"claim {id!r} was measured ({measured}): say met=True, met=False or simulated=True")
    status = _status(ran, met, simulated)
    given = {name: value for name, value in columns.items() if value is not None and value != ""}
    why = given.pop("why", "") or UNEXPLAINED.get(status, "")
    if not ran:
        given = {name: value for name, value in given.items() if name not in ("n", "seeds")}
    theirs = {"claim": id, "source": "this repository"}
    if paper:
        source = f"{SOURCE}, {paper.where}"
        theirs = {"claim": paper.claim, "source": source, "reference": paper.value, "unit": paper.unit}
    row = replace(Claim(id, **theirs), status=status, why=why, **given)
    row = replace(row, claim=text) if text else row
    low, high = (float(end) for end in ci) if ran and ci is not None else (None, None)
    return replace(row, measured=float(measured), ci_low=low, ci_high=high) if ran else row


def _status(ran: bool, met: bool | Status | None, simulated: bool) -> Status:
    if not ran:
        return "not run"
    if simulated:
        return "simulated"
    return met if isinstance(met, str) else "met" if met else "not met"


@dataclass(frozen=True)
class Mark:
    """What a number has to reach for a claim to hold: `Mark("at least", 93)`, `Mark("above", 0, "points")`.

    A claim is met, or not met, where the whole 95 % interval is on one side of the mark; else it is undecided.

    Attributes:
        word: a key of `COMPARISONS`.
        unit: of `value` and of the number that is held against it.
        source: where the mark comes from.
    """

    word: Literal["at least", "at most", "above", "below"]
    value: float
    unit: str = "%"
    source: str = OURS

    def __str__(self) -> str:
        return f"{self.word} {self.value:g} {self.unit}"

    def reached(self, number: float) -> bool:
        return bool(COMPARISONS[self.word](number, self.value))

    def judge(self, found: Mapping[str, float], value: str) -> tuple[Status, str]:
        """The status of what was found, and the reason where that is not "met".

        Args:
            found: the number in `value`; where there are such its interval in `low` and `high`, and its `n`.
        """
        if found.get("n", FEW) < FEW:
            return "too few", f"{int(found['n'])} observations; the mark is {self}, {self.source}"
        sides = {self.reached(found[name]) for name in (value, "low", "high") if name in found}
        if len(sides) == 2:
            return "undecided", f"the interval holds both sides of the mark, {self}, {self.source}"
        return ("met", "") if sides == {True} else ("not met", f"the mark is {self}, {self.source}")


def finding(id: str, text: str, row: Mapping, value: str, mark: Mark, **more: object) -> Claim:
    """A measured number held against its mark, as a row of the ledger: the one form in which every room reports.

    Args:
        id, text: see `claim`; the text may end in the mark's own words, f"..., {mark}".
        row: what was measured, such as a row of a table (see `row_of`): the number in the column `value`, its 95 %
            interval in `low` and `high`, and where there are such `n`, `seeds` and `chance`. An empty row, or no number
            in it, means that nothing was measured.
        more: further keywords of `claim`, such as simulated=True, or a `why` that holds whatever was found.
    """
    columns = (value, "low", "high", "n", "seeds", "chance")
    found = {name: row[name] for name in columns if not pd.isna(row.get(name))}
    more = {"unit": mark.unit, "chance": found.get("chance"), "mark": str(mark)} | more
    if value not in found:
        return claim(id, text, **more)
    status, why = mark.judge(found, value)
    interval = (found["low"], found["high"]) if "low" in found else None
    counts = {name: int(found[name]) for name in ("n", "seeds") if name in found}
    more = {"why": "" if more.get("simulated") else why} | more
    return claim(id, text, measured=found[value], ci=interval, met=status, **counts, **more)


def row_of(table: pd.DataFrame, **where: object) -> dict:
    """The first row of `table` in which the columns named in `where` say so; {} if there is none."""
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    return table.iloc[0].to_dict() if len(table) else {}


def claims_table(claims: list[Claim]) -> pd.DataFrame:
    """The ledger's rows as a table with the columns of claims.csv; counts stay whole numbers where some are missing.

    Raises:
        ValueError: two claims of one id.
    """
    table = pd.DataFrame([asdict(row) for row in claims], columns=COLUMNS)
    twice = table.loc[table["id"].duplicated(), "id"]
    if len(twice):
        raise ValueError(f"two claims are called {twice.iloc[0]!r}; give a variant a suffix, such as 'fg_from_bg/hsic'")
    numbers = ["reference", "measured", "ci_low", "ci_high", "chance", "seconds"]
    return table.astype(dict.fromkeys(["n", "seeds"], "Int64") | dict.fromkeys(numbers, "float64"))


def merge_claims(folder: Path) -> pd.DataFrame:
    """The ledger of the run in `folder`: the rows of claims/*.csv in the order of the notebooks.

    The notebook, the profile and the seconds (from runtime/<notebook>.json) are filled in here, so that the files of
    the single notebooks stay byte-identical from run to run. Numbers of the paper that no notebook measured end the
    table as "not run".
    """
    parts = [_notebook_claims(path) for path in sorted((folder / "claims").glob("*.csv"))]
    covered = {id.split("/")[0] for part in parts for id in part["id"]}
    missing = [
        replace(claim(id, why=f"{paper.notebook} left no such row"), notebook=paper.notebook, profile=folder.name)
        for id, paper in PAPER.items()
        if id not in covered
    ]
    parts = [part for part in [*parts, claims_table(missing)] if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else claims_table([])


def _notebook_claims(path: Path) -> pd.DataFrame:
    """One notebook's rows, with what the notebook itself does not write."""
    folder, notebook = path.parent.parent, path.stem
    rows = read_table(path).reindex(columns=COLUMNS)
    text = ["id", "claim", "source", "status", "why", "unit", "mark"]
    rows = rows.astype(dict.fromkeys(["n", "seeds"], "Int64"))
    rows[text] = rows[text].fillna("").astype(str)
    runtime = folder / "runtime" / f"{notebook}.json"
    seconds = json.loads(runtime.read_text()).get("seconds") if runtime.is_file() else None
    return rows.assign(notebook=notebook, profile=folder.name, seconds=pd.Series(seconds, rows.index, dtype="float64"))
