"""The readings of all probes as one matrix: a row per method, a column per direction."""

from __future__ import annotations

import pandas as pd

from d3s_utils.ground.claims import PAPER, row_of
from d3s_utils.notebook.summary.measured import Measured
from d3s_utils.probes.directions import DIRECTIONS, ERASED, LEAKS


def probe_matrix(run: Measured) -> dict | None:
    """Columns and rows of the matrix, as text and shades; None where no probe has read anything.

    Returns:
        `columns`: name, leak (whether nothing should be found there) and chance of each direction. `rows`: name, kind
        ("paper", "method" or "erased") and cells; a cell holds `linear` and `strongest` (accuracies in percent, as
        text), `probe` (which was strongest) and `shade`, the way from chance to 100 % in percent.
    """
    linear, leak = run.table("05_disentanglement_probe_directions"), run.table("05_disentanglement_probe_leak")
    if not {"method", "direction", "probe", "accuracy", "chance"} <= set(linear):
        return None
    linear = linear[linear["probe"] == "linear"]
    return {
        "columns": [_column(direction, linear) for direction in DIRECTIONS],
        "rows": [_papers_row(), *(_row(name, linear, leak) for name in linear["method"].unique())],
    }


def _column(direction, linear: pd.DataFrame) -> dict:
    rows = linear[linear["direction"] == direction.id]
    chance = f"{rows['chance'].iloc[0]:.0f} %" if len(rows) else ""
    return {"name": direction.name(), "leak": direction.id in LEAKS, "chance": chance, "id": direction.id}


def _papers_row() -> dict:
    cells = []
    for direction in DIRECTIONS:
        paper = PAPER[direction.id]
        shade = 100 * (paper.value - paper.chance) / (100 - paper.chance)
        cells.append({"linear": f"{paper.value:.1f}", "strongest": "", "probe": "", "shade": round(shade)})
    return {"name": "the paper, 1,000 classes", "kind": "paper", "cells": cells}


def _row(method: str, linear: pd.DataFrame, leak: pd.DataFrame) -> dict:
    cells = [_cell(row_of(linear, method=method, direction=d.id), _strongest(leak, method, d.id)) for d in DIRECTIONS]
    return {"name": method, "kind": "erased" if method.endswith(ERASED) else "method", "cells": cells}


def _strongest(leak: pd.DataFrame, method: str, direction: str) -> dict:
    return row_of(leak, method=method, direction=direction) if {"method", "direction"} <= set(leak) else {}


def _cell(linear: dict, strongest: dict) -> dict:
    row = strongest or linear
    if not row:
        return {"linear": "", "strongest": "", "probe": "", "shade": 0}
    shade = 100 * (row["accuracy"] - row["chance"]) / (100 - row["chance"]) if row["chance"] < 100 else 0
    return {
        "linear": f"{linear['accuracy']:.1f}" if linear else "",
        "strongest": f"{strongest['accuracy']:.1f}" if strongest else "",
        "probe": str(strongest.get("probe", "")),
        "shade": round(min(max(shade, 0), 100)),
    }
