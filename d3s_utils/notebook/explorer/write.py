"""The explorer of a run: html/explore.html, and html/explore/ with its data and sheets of small images."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from d3s_utils.ground import paths
from d3s_utils.ground.columns import MANIFEST
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_text
from d3s_utils.ground.pages import render
from d3s_utils.notebook.explorer import rows as tables
from d3s_utils.notebook.explorer.sheets import write_sheets
from d3s_utils.notebook.pages import TEMPLATES, style

FOLDER = "explore"
PAGE = "explore.html"
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_explorer(folder: Path) -> dict | None:
    """Write the explorer of the run in `folder`.

    Returns:
        `shown` and `total` images and whether they are `sampled`, as text; None where the dataset is not whole yet.
    """
    manifest = _manifest(folder)
    if manifest is None:
        return None
    chosen = tables.sample(manifest)
    try:
        sheets = write_sheets(folder / "dataset", chosen, folder / "html" / FOLDER)
    except (D3SError, LookupError, OSError):
        return None
    data = explorer_data(folder, manifest, chosen, sheets)
    write_text(folder / "html" / FOLDER / "data.js", as_script(data))
    page = render(
        TEMPLATES / PAGE,
        run=folder.name,
        script=(TEMPLATES / "explore.js").read_text(encoding="utf-8"),
        more_css=style("explore.css"),
    )
    write_text(folder / "html" / PAGE, page)
    return {"shown": f"{len(chosen):,}", "total": f"{len(manifest):,}", "sampled": len(chosen) < len(manifest)}


def explorer_data(folder: Path, manifest: pd.DataFrame, chosen: pd.DataFrame, sheets: dict) -> dict:
    """Everything the page shows, as plain values; columns are lists with an entry per image.

    Args:
        manifest: of the whole run.
        chosen: the rows that are shown.
        sheets: see `sheets.write_sheets`.
    """
    ids = list(chosen["image_id"])
    predicted = tables.predictions(folder)
    names = tables.names_of(manifest, predicted["guess"].unique())
    verified = tables.verdicts(folder, ids)
    backgrounds, splits = ([str(name) for name in manifest[column].unique()] for column in ("background", "split"))
    return {
        "run": folder.name,
        "total": len(manifest),
        "command": command(folder.name),
        "sheets": sheets,
        "classes": names.classes,
        "guesses": names.guesses,
        "backgrounds": backgrounds,
        "splits": splits,
        "id": ids,
        "split": [splits.index(name) for name in chosen["split"]],
        "label": [names.number_of[int(label)] for label in chosen["label"]],
        "background": [backgrounds.index(name) for name in chosen["background"]],
        "prompt": [str(prompt) for prompt in chosen["prompt"]],
        "seed": [str(seed) for seed in chosen["seed"]],  # a script would round it
        "foreground": [str(name) for name in chosen["foreground_source"]],
        "strength": [float(strength) for strength in chosen["strength"]],
        **verified,
        "votes": tables.votes(folder, ids, verified["source"]),
        "models": tables.guesses(predicted, ids, names),
    }


def as_script(data: dict) -> str:
    """`data` as a script that a page from disk may load; no text in it can end the script or become markup."""
    said = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign, escaped in ESCAPES.items():
        said = said.replace(sign, escaped)
    return f"(window.D3S_RUNS ??= []).push({said});\n"


def command(run: str) -> str:
    """What draws an image of the run `run` again; IMAGE stands for its id."""
    profile = run if (paths.PROFILES / f"{run}.yaml").is_file() else f"{run}.yaml"
    return f".venv/bin/python -m d3s_utils regenerate IMAGE --profile {profile}"


def _manifest(folder: Path) -> pd.DataFrame | None:
    """The run's manifest; None where there is none with every column, or no dataset."""
    import pyarrow.parquet

    path = folder / "manifest.parquet"
    if not path.is_file() or not (folder / "dataset" / "data").is_dir():
        return None
    if not set(MANIFEST) <= set(pyarrow.parquet.read_schema(path).names):
        return None
    table = pd.read_parquet(path, columns=MANIFEST)
    return table if len(table) else None
