"""The ledger as rows of text, each with what it is sorted and filtered by: the paper's numbers first, then findings."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from d3s_utils.ground.claims import PAPER, SOURCE
from d3s_utils.notebook.summary.measured import text
from d3s_utils.notebook.summary.numbers import number, short

MARK = re.compile(r"(?:the mark is |, |\()((?:at least|at most|above|below) -?[\d.,]+ ?(?:%|points|correlation|FID)?)")


def ledger_rows(ledger: pd.DataFrame, folder: Path) -> list[dict]:
    """Rows of claims.csv as the page shows them.

    Args:
        folder: of the run; claims of a notebook that has a page there link to it.
    """
    rows = ledger.to_dict("records")
    order = {"paper": 0, "finding": 1}
    shown = [ledger_row(row, folder) for row in rows]
    return sorted(shown, key=lambda row: (order[row["kind"]], row["notebook"]))


def ledger_row(row: dict, folder: Path) -> dict:
    """One claim: texts for every column, and under `sort` what a column is sorted by."""
    unit, paper = text(row.get("unit")), PAPER.get(row["id"].split("/")[0])
    plain_unit = unit if unit == "%" else ""
    low, high = (short(row[name], unit) if pd.notna(row[name]) else "" for name in ("ci_low", "ci_high"))
    here = number(row["chance"], plain_unit)
    page = folder / "html" / f"{row['notebook']}.html"
    there = number(paper.chance, "%") if paper and paper.chance is not None else ""
    return {
        **{name: text(row[name]) for name in ("id", "claim", "source", "status", "notebook")},
        "kind": "paper" if paper else "finding",
        "paper": number(row["reference"], unit) or ("in words" if paper else ""),
        "measured": number(row["measured"], unit),
        "interval": f"{low} to {high}" if low and high else "",
        "mark": mark_of(row),
        "chance_there": there,
        "chance_here": here,
        "n": f"{int(row['n']):,}" if pd.notna(row["n"]) else "",
        "why": "" if text(row["why"]).startswith("the mark is ") else text(row["why"]),
        "source": text(row["source"]) if text(row["source"]) not in ("", "this repository") else "",
        "page": page.name if page.is_file() else None,
        "sort": {
            name: None if pd.isna(value) else float(value)
            for name, value in (
                ("measured", row["measured"]), ("paper", row["reference"]), ("chance_here", row["chance"]),
                ("chance_there", paper.chance if paper else None), ("n", row["n"]),
            )
        },
    }  # fmt: skip


def mark_of(row: dict) -> str:
    """What the number has to reach for the claim to hold, in words; "" where the ledger does not say.

    Ledgers of before have no column `mark`; theirs stands in the reason of the status or at the end of the claim.
    """
    if text(row.get("mark")):
        return text(row["mark"])
    found = [match for name in ("why", "claim") if (match := MARK.search(text(row[name])))]
    return found[0].group(1).strip() if found else ""


def is_papers(source: str) -> bool:
    """Whether a claim's source is the paper."""
    return source.startswith(SOURCE)


def lead(ledger: pd.DataFrame) -> str:
    """The ledger in one sentence."""
    measured = ledger[ledger["measured"].notna()]
    if not len(measured):
        return "No claim has been measured yet."
    count = ledger["status"].value_counts()
    parts = [f"{number} {status}" for status, number in count.items()]
    return f"{len(ledger)} claims: {', '.join(parts)}."
