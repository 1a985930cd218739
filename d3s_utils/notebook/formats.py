"""Reading notebooks without waiting for what nobody here asks for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode


def spare_grammar() -> None:
    """Keep jsonschema from building the grammar of international URLs at its import, which takes seconds."""
    sys.modules.setdefault("rfc3987_syntax", None)


def read_notebook(path: Path) -> NotebookNode:
    spare_grammar()
    import nbformat

    return nbformat.read(path, as_version=4)
