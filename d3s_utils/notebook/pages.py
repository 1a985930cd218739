"""An executed notebook as one page that opens offline."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

from d3s_utils.ground.files import write_text
from d3s_utils.ground.pages import render
from d3s_utils.notebook.summary.captions import alt

if TYPE_CHECKING:
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "templates"
NEEDS_SCRIPTS = ("application/vnd.jupyter.widget-view+json", "application/javascript")
OTHERS = ("index", "explore")  # pages beside those of notebooks
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
SAVED = re.compile(r"""save_(?:figure|table)\(\s*["'](\w+)["']""")  # how a notebook names what it leaves
FIGURES = re.compile(r"""save_figure\(\s*["'](\w+)["']""")
HEADING = re.compile(r'<h([23]) id="([^"]*)"[^>]*>(.*?)</h\1>', re.DOTALL)
MARKUP = re.compile(r'<a class="anchor-link".*?</a>|<[^>]*>', re.DOTALL)  # the link to a heading, and all tags
NEIGHBOURS = re.compile(r"<!-- neighbours -->.*?<!-- end -->", re.DOTALL)
FOLDED = """{%- extends 'basic/index.html.j2' -%}
{% block input %}<details class="code" open><summary>Code</summary>{{ super() }}</details>{% endblock %}
"""


def notebook_page(notebook: NotebookNode, name: str) -> str:
    """An executed notebook as one page: pictures inside, no scripts, hence no widgets but their static twins.

    It has a list of contents, code that folds, and a place that `link_neighbours` fills.
    """
    from nbconvert.exporters import HTMLExporter

    exporter = HTMLExporter(
        raw_template=FOLDED, embed_images=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(described(without_scripts(notebook), name))
    return render(
        TEMPLATES / "notebook.html",
        name=name,
        title=notebook_title(notebook, name),
        body=body,
        contents=contents(body),
        more_css=style("notebook.css") + code_colors(),
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


def described(notebook: NotebookNode, name: str) -> NotebookNode:
    """`notebook` with a text in place of each picture, for whoever cannot see it: the figure's own, else the section's.

    A cell shows the figures that it saves, in that order.
    """
    section = notebook_title(notebook, name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heads = [line for line in cell.source.splitlines() if line.startswith("#")]
            section = plain_text(heads[-1]) if heads else section
            continue
        saved = FIGURES.findall(cell.source) if cell.cell_type == "code" else []
        for output in cell.get("outputs", []):
            for kind in (kind for kind in PICTURES if kind in output.get("data", {})):
                text = alt(f"{name}_{saved[0]}", name) if saved else f"Picture in the section “{section}”."
                output.metadata.setdefault(kind, {})["alt"] = text
            saved = saved[1:] if any(kind in output.get("data", {}) for kind in PICTURES) else saved
    return notebook


def contents(body: str) -> list[dict]:
    """The sections of a page: level (2 or 3), id and title of each heading."""
    return [
        {"level": int(level), "id": html.unescape(id), "title": html.unescape(MARKUP.sub("", title)).strip()}
        for level, id, title in HEADING.findall(body)
    ]


def link_neighbours(folder: Path) -> None:
    """Let the pages of notebooks in `folder` lead to the one before and the one after."""
    there = sorted(path.stem for path in folder.glob("*.html") if path.stem not in OTHERS)
    for i, name in enumerate(there):
        before, after = (html.escape(other) for other in (there[i - 1] if i else "", "".join(there[i + 1 : i + 2])))
        links = [f'<a rel="prev" href="{before}.html">&larr; {before}</a>'] if before else []
        links += [f'<a rel="next" href="{after}.html">{after} &rarr;</a>'] if after else []
        path = folder / f"{name}.html"
        old = path.read_text(encoding="utf-8")
        new = NEIGHBOURS.sub(lambda _, links=links: f"<!-- neighbours -->{' '.join(links)}<!-- end -->", old)
        if new != old:
            write_text(path, new)


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
    return plain_text(next((line for line in lines if line.startswith("#")), name))


def first_paragraph(notebook: NotebookNode) -> str:
    """The first paragraph of `notebook` that is no heading, as plain text; "" where there is none."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    parts = [part.strip() for part in "\n\n".join(cells).split("\n\n")]
    return plain_text(next((part for part in parts if part and part[0] not in "#>|-*`$!"), ""))


def plain_text(markdown: str) -> str:
    """A heading or paragraph without the marks of Markdown."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown.lstrip("#"))
    return re.sub(r"[*`]", "", re.sub(r"\s+", " ", text)).strip()


def style(name: str) -> str:
    """Rules of a page's own, which follow those of all pages."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def code_colors() -> str:
    """Style rules for highlighted code, by day and by night."""
    from pygments.formatters import HtmlFormatter

    day, night = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("default", "github-dark"))
    return (
        f"\n{day}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}\n.highlight {{ background: none !important; }}\n"
    )
