"""The columns of every file a run leaves: the contract that others build on (percentages are 0-100 everywhere)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from d3s_utils.ground.errors import D3SError

MANIFEST = [
    *("image_id", "split", "label", "class_name", "background", "prompt", "seed"),
    *("foreground_source", "background_source", "left", "top", "scale"),
    *("guide_kind", "strength", "steps", "guidance", "generator", "generator_revision", "recipe_hash"),
]
# Which of them are numbers, as a dataset's files store them (there the background is one too); the others are words.
INTEGERS = ("label", "background", "seed", "left", "top", "steps")
FLOATS = ("scale", "strength", "guidance")
# The columns each file of a run has at least; percentages are 0-100 everywhere.
COLUMNS: dict[str, list[str]] = {
    "manifest": MANIFEST,
    "dataset": ["image", "guide", *MANIFEST, "nsfw"],
    "votes": ["image_id", "worker_id", "question", "answer", "source"],
    "verified": ["image_id", "rule", "accepted", "p_foreground", "p_background", "n_votes"],
    "predictions": ["image_id", "model", "dataset", "label", "background", "guess", "top5", "p_label", "p_guess"],
    "claims": [
        *("id", "claim", "source", "reference", "measured", "ci_low", "ci_high", "n", "seeds", "chance"),
        *("status", "why", "notebook", "profile", "seconds"),
    ],
    "runtime": ["notebook", "seconds", "peak_memory_mb", "device", "host_cores"],
}


def require_columns(table: pd.DataFrame, name: str, where: str | Path) -> pd.DataFrame:
    """Hand `table` back if it has every column of `COLUMNS[name]`.

    Raises:
        D3SError: naming `where` the table came from and the columns it lacks.
    """
    missing = [column for column in COLUMNS[name] if column not in table.columns]
    if missing:
        wanted = ", ".join(COLUMNS[name])
        raise D3SError(f"{where} lacks the column(s) {', '.join(missing)}; a {name} table has {wanted}.")
    return table
