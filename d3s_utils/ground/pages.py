"""Pages that open offline: one style sheet for all, nothing loaded from the net."""

from __future__ import annotations

from pathlib import Path

STYLE = Path(__file__).with_name("pages.css")


def render(template: Path, **values: object) -> str:
    """The page `template` (a Jinja file) with `values` filled in, escaped unless it says `safe`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(template.parent)
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    css = STYLE.read_text(encoding="utf-8")
    return pages.get_template(template.name).render(css=css + values.pop("more_css", ""), **values)
