"""An executed notebook as one page that opens offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from d3s_utils.ground.files import write_text
from d3s_utils.ground.pages import render

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "templates"
NEEDS_SCRIPTS = ("application/vnd.jupyter.widget-view+json", "application/javascript")


def notebook_page(notebook: NotebookNode, name: str) -> str:
    """An executed notebook as one page: pictures inside, no scripts, hence no widgets but their static twins."""
    from nbconvert.exporters import HTMLExporter

    exporter = HTMLExporter(
        template_name="basic", embed_images=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(without_scripts(notebook))
    return render(
        TEMPLATES / "notebook.html", name=name, title=notebook_title(notebook, name), body=body, more_css=code_colors()
    )


def without_scripts(notebook: NotebookNode) -> NotebookNode:
    """A copy without the outputs that only a script could show."""
    from copy import deepcopy

    notebook = deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                out for out in cell.outputs if not any(kind in out.get("data", {}) for kind in NEEDS_SCRIPTS)
            ]
    return notebook


def take_text(source: Path, finished: Path) -> None:
    """Give the executed notebook `finished` the prose and comments that its `source` has now; its outputs stay."""
    import nbformat

    written, executed = (nbformat.read(path, as_version=4) for path in (source, finished))
    ran = iter([cell for cell in executed.cells if cell.cell_type == "code"])
    cells = []
    for cell in written.cells:
        if cell.cell_type == "code":
            done = next(ran)
            if "injected-parameters" in done.metadata.get("tags", []):
                cells.append(done)
                done = next(ran)
            done.source = cell.source
        cells.append(done if cell.cell_type == "code" else cell)
    executed.cells = cells
    write_text(finished, nbformat.writes(executed) + "\n")


def notebook_title(notebook: NotebookNode, name: str) -> str:
    """The first heading of `notebook`, as plain text, or `name` where there is none."""
    lines = [line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    heading = next((line for line in lines if line.startswith("#")), name)
    return re.sub(r"[*`]", "", heading.lstrip("#").strip())


def code_colors() -> str:
    """Style rules for highlighted code, by day and by night."""
    from pygments.formatters import HtmlFormatter

    day, night = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("default", "github-dark"))
    return (
        f"\n{day}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}\n.highlight {{ background: none !important; }}\n"
    )
