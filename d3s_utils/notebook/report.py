"""What a run found, on one page: claims.csv, runtime.csv and html/index.html, from the files its notebooks left.

python -m d3s_utils report --profile pocket
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pandas as pd

from d3s_utils.ground import paths
from d3s_utils.ground.claims import Status, merge_claims
from d3s_utils.ground.columns import COLUMNS, require_columns
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_table, write_text
from d3s_utils.ground.pages import render
from d3s_utils.notebook.pages import TEMPLATES, notebook_title

if TYPE_CHECKING:
    from nbformat import NotebookNode

TESTED = ("met", "not met", "undecided")
SAVED = re.compile(r"""save_(?:figure|table)\(\s*["'](\w+)["']""")  # how a notebook names what it leaves


def report(folder: Path) -> Path:
    """Join the ledger and the runtimes of the run in `folder` and draw its page; returns html/index.html.

    Raises:
        D3SError: if there is no such run.
    """
    if not folder.is_dir():
        raise D3SError(f"There is no run in {folder}; `make all PROFILE={folder.name}` makes one.")
    claims = require_columns(merge_claims(folder), "claims", folder / "claims")
    runtimes = require_columns(merge_runtimes(folder), "runtime", folder / "runtime")
    write_table(folder / "claims.csv", claims)
    write_table(folder / "runtime.csv", runtimes)
    page = render(
        TEMPLATES / "report.html",
        run=folder.name,
        lead=lead(claims),
        facts=facts(folder, claims, runtimes),
        claims=[claim_row(row, folder) for row in claims.sort_values("notebook", kind="stable").to_dict("records")],
        notebooks=[notebook_section(name, folder, runtimes) for name in notebook_names(folder)],
        runtimes=[runtime_row(row) for row in runtimes.to_dict("records")],
        files=files(folder),
    )
    return write_text(folder / "html" / "index.html", page)


def merge_runtimes(folder: Path) -> pd.DataFrame:
    """One row per finished notebook, in order: notebook, seconds, peak_memory_mb, device, host_cores."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "runtime").glob("*.json"))]
    return pd.DataFrame(rows, columns=COLUMNS["runtime"])


def notebook_names(folder: Path) -> list[str]:
    """The notebooks of the repository, then whatever else has run in `folder`."""
    known = {path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}
    ran = {path.stem for path in (folder / "notebooks").glob("*.ipynb") if not path.stem.endswith((".failed", ".part"))}
    return sorted(known | ran)


def lead(claims: pd.DataFrame) -> str:
    """The ledger in one sentence."""
    if claims.empty:
        return "No claim has been measured yet."
    count = claims["status"].value_counts()
    parts = [f"{count[status]} {status}" for status in get_args(Status) if status in count]
    return f"{len(claims)} claims: {', '.join(parts)}. Every measured number on this page was computed by this run."


def facts(folder: Path, claims: pd.DataFrame, runtimes: pd.DataFrame) -> list[dict]:
    """The few numbers on top of the page."""
    known = [
        ("images made", _rows(folder / "manifest.parquet")),
        (
            "claims met, of those tested",
            f"{(claims['status'] == 'met').sum()} of {claims['status'].isin(TESTED).sum()}",
        ),
        ("notebooks", len(runtimes)),
        ("in all", duration(runtimes["seconds"].sum()) if len(runtimes) else None),
        ("peak memory", f"{runtimes['peak_memory_mb'].max() / 1000:.1f} GB" if len(runtimes) else None),
    ]
    return [{"name": name, "value": value} for name, value in known if value is not None]


def claim_row(claim: dict, folder: Path) -> dict:
    """One row of the ledger, as text."""
    page = folder / "html" / f"{claim['notebook']}.html"
    unit = _text(claim.get("unit"))
    numbers = {name: number(claim[name], unit) for name in ("reference", "measured")}
    low, high, chance = (number(claim[name], unit if unit == "%" else "") for name in ("ci_low", "ci_high", "chance"))
    texts = {name: _text(claim[name]) for name in ("id", "claim", "why", "source", "status", "notebook")}
    return {
        **texts,
        **numbers,
        "chance": chance,
        "interval": f"{low} to {high}" if low and high else "",
        "n": f"{int(claim['n']):,}" if pd.notna(claim["n"]) else "",
        "page": page.name if page.is_file() else None,
    }


def notebook_section(name: str, folder: Path, runtimes: pd.DataFrame) -> dict:
    """Everything the page shows of one notebook; paths are relative to the page."""
    page = folder / "html" / f"{name}.html"
    cost = runtimes.loc[runtimes["notebook"] == name]
    notebook = read_notebook(name, folder)
    figures = in_order(notebook, name, (folder / "figures").glob(f"{name}_*.png"))
    listed = in_order(notebook, name, (folder / "tables").glob(f"{name}_*.csv"))
    return {
        "name": name,
        "title": notebook_title(notebook, name) if notebook else name,
        "page": page.name if page.is_file() else None,
        "cost": duration(cost["seconds"].iloc[0]) if len(cost) else None,
        "figures": [figure_card(path, name) for path in figures],
        "tables": [{"path": f"../tables/{path.name}", "caption": caption(path, name)} for path in listed],
    }


def figure_card(path: Path, notebook: str) -> dict:
    width, height = png_size(path)
    return {
        "id": path.stem,
        "png": f"../figures/{path.name}",
        "svg": f"../figures/{path.with_suffix('.svg').name}",
        "caption": caption(path, notebook),
        "ratio": round(width / height, 3),
        "width": width,
        "height": height,
    }


def runtime_row(row: dict) -> dict:
    return {
        "notebook": row["notebook"],
        "seconds": f"{row['seconds']:.0f}",
        "memory": f"{row['peak_memory_mb'] / 1000:.2f} GB",
        "device": row["device"],
        "cores": row["host_cores"],
    }


def files(folder: Path) -> list[dict]:
    """The data files of the run with their sizes, relative to the page."""
    patterns = ("*.csv", "*.parquet", "*.yaml", "dataset/README.md", "dataset/data/*.parquet", "features/*.safetensors",
                "checkpoints/*.safetensors")  # fmt: skip
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern)) if not path.name.startswith(".")]
    names = [path.relative_to(folder).as_posix() for path in found]
    sizes = [f"{path.stat().st_size / 1e6:.1f} MB" if path.stat().st_size >= 1e5 else "" for path in found]
    return [{"path": f"../{name}", "name": name, "size": size} for name, size in zip(names, sizes, strict=True)]


def caption(path: Path, notebook: str) -> str:
    """A file's name as words: 03_classifier_evaluation_drop_by_background -> "Drop by background"."""
    words = path.stem.removeprefix(f"{notebook}_").replace("_", " ")
    return words[:1].upper() + words[1:]


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def number(value: float, unit: str = "") -> str:
    """A number as prose wants it: percent with one decimal, counts whole, small numbers with three digits."""
    if pd.isna(value):
        return ""
    if unit == "%":
        return f"{value:.1f} %"
    short = f"{value:,.0f}" if float(value).is_integer() else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return f"{short} {unit}".strip()


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its header."""
    with path.open("rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def read_notebook(name: str, folder: Path) -> NotebookNode | None:
    """The executed copy of a notebook, else its source; None where there is neither."""
    import nbformat

    for path in (folder / "notebooks" / f"{name}.ipynb", paths.NOTEBOOKS / f"{name}.ipynb"):
        if path.is_file():
            return nbformat.read(path, as_version=4)
    return None


def in_order(notebook: NotebookNode | None, name: str, found: Iterable[Path]) -> list[Path]:
    """The files of a notebook in the order in which it saves them; any others follow, by name."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code") if notebook else ""
    saved = SAVED.findall(code)

    def position(path: Path) -> tuple[int, str]:
        word = path.stem.removeprefix(f"{name}_")
        return (saved.index(word) if word in saved else len(saved), word)

    return sorted(found, key=position)


def _rows(path: Path) -> str | None:
    """How many rows a Parquet file has, with thousands marked; None where there is no file."""
    import pyarrow.parquet

    return f"{pyarrow.parquet.read_metadata(path).num_rows:,}" if path.is_file() else None


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)
