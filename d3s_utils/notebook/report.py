"""What a run found, on one page: claims.csv, runtime.csv, html/index.html and html/explore.html, from the run's files.

python -m d3s_utils report --profile pocket
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from d3s_utils.ground import paths
from d3s_utils.ground.claims import merge_claims
from d3s_utils.ground.columns import COLUMNS, require_columns
from d3s_utils.ground.errors import D3SError
from d3s_utils.ground.files import write_table, write_text
from d3s_utils.ground.pages import render
from d3s_utils.notebook.explorer.write import write_explorer
from d3s_utils.notebook.formats import read_notebook
from d3s_utils.notebook.pages import (
    SAVED,
    TEMPLATES,
    first_paragraph,
    link_neighbours,
    notebook_title,
    style,
)
from d3s_utils.notebook.summary.answers import answers
from d3s_utils.notebook.summary.captions import alt, best, caption, words
from d3s_utils.notebook.summary.facts import run_facts
from d3s_utils.notebook.summary.ledger import lead, ledger_rows
from d3s_utils.notebook.summary.markup import bold
from d3s_utils.notebook.summary.matrix import probe_matrix
from d3s_utils.notebook.summary.measured import Measured
from d3s_utils.notebook.summary.numbers import duration
from d3s_utils.notebook.summary.statements import statements

if TYPE_CHECKING:
    from nbformat import NotebookNode

SHOWN = 2  # figures of a notebook that stand beside its paragraph
DRAWN = "01_generation_backgrounds"  # the figure that shows what was drawn


def report(folder: Path) -> Path:
    """Join the ledger and the runtimes of the run in `folder` and draw its pages; returns html/index.html.

    Raises:
        D3SError: if there is no such run.
    """
    if not folder.is_dir():
        raise D3SError(f"There is no run in {folder}; `make all PROFILE={folder.name}` makes one.")
    claims = require_columns(merge_claims(folder), "claims", folder / "claims")
    runtimes = require_columns(merge_runtimes(folder), "runtime", folder / "runtime")
    write_table(folder / "claims.csv", claims)
    write_table(folder / "runtime.csv", runtimes)
    link_neighbours(folder / "html")
    run = Measured(folder, claims)
    page = render(
        TEMPLATES / "report.html",
        run=folder.name,
        facts=run_facts(folder),
        answers=[{"question": row.question, "text": bold(row.text), "chart": row.chart} for row in answers(run)],
        drawn=figure_card(folder / "figures" / f"{DRAWN}.png", "01_generation"),
        statements=[{**vars(row), "text": bold(row.text)} for row in statements(run)],
        explorer=write_explorer(folder),
        lead=lead(claims),
        claims=ledger_rows(claims, folder),
        matrix=probe_matrix(run),
        notebooks=[notebook_section(name, folder, runtimes) for name in notebook_names(folder)],
        runtimes=[runtime_row(row) for row in runtimes.to_dict("records")],
        files=files(folder),
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
        more_css=style("report.css"),
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


def notebook_section(name: str, folder: Path, runtimes: pd.DataFrame) -> dict:
    """Everything the page shows of one notebook; paths are relative to the page."""
    page = folder / "html" / f"{name}.html"
    cost = runtimes.loc[runtimes["notebook"] == name]
    notebook = notebook_of(name, folder)
    figures = in_order(notebook, name, (folder / "figures").glob(f"{name}_*.png"))
    liked = [path for stem in best(name) for path in figures if path.stem == stem]
    first = list(dict.fromkeys([*liked, *figures]))[:SHOWN]
    listed = in_order(notebook, name, (folder / "tables").glob(f"{name}_*.csv"))
    return {
        "name": name,
        "title": notebook_title(notebook, name) if notebook else name,
        "paragraph": first_paragraph(notebook) if notebook else "",
        "page": page.name if page.is_file() else None,
        "cost": duration(cost["seconds"].iloc[0]) if len(cost) else None,
        "best": [figure_card(path, name) for path in first],
        "rest": [figure_card(path, name) for path in figures if path not in first],
        "tables": [{"path": f"../tables/{path.name}", "caption": words(path.stem, name)} for path in listed],
    }


def figure_card(path: Path, notebook: str) -> dict | None:
    """What the page shows of a figure; None where there is no such file."""
    if not path.is_file():
        return None
    width, height = png_size(path)
    return {
        "id": path.stem,
        "png": f"../figures/{path.name}",
        "svg": f"../figures/{path.with_suffix('.svg').name}",
        "caption": caption(path.stem, notebook),
        "alt": alt(path.stem, notebook),
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


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels, from its header."""
    with path.open("rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def notebook_of(name: str, folder: Path) -> NotebookNode | None:
    """The executed copy of a notebook, else its source; None where there is neither."""
    for path in (folder / "notebooks" / f"{name}.ipynb", paths.NOTEBOOKS / f"{name}.ipynb"):
        if path.is_file():
            return read_notebook(path)
    return None


def in_order(notebook: NotebookNode | None, name: str, found: Iterable[Path]) -> list[Path]:
    """The files of a notebook in the order in which it saves them; any others follow, by name."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code") if notebook else ""
    saved = SAVED.findall(code)

    def position(path: Path) -> tuple[int, str]:
        word = path.stem.removeprefix(f"{name}_")
        return (saved.index(word) if word in saved else len(saved), word)

    return sorted(found, key=position)
