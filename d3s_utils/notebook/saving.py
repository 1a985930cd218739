"""What JupyterLab writes into notebooks/*.ipynb: what git has of them, and nothing that only a run adds."""

from __future__ import annotations

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What JupyterLab notes in a cell: when it ran, how it is shown, whether its output is trusted.
PASSING = ("ExecuteTime", "collapsed", "execution", "jp-MarkdownHeadingCollapsed", "jupyter", "scrolled", "trusted")


def strip(model: dict, **_: object) -> None:
    """Take outputs, counts, states of widgets and passing metadata out of a notebook about to be saved, in place.

    This is a `pre_save_hook` of Jupyter's contents manager; the page in the browser keeps showing what it shows.
    """
    if model.get("type") != "notebook" or not model.get("content"):
        return
    notebook = model["content"]
    notebook["metadata"] = {**METADATA}
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    for cell in notebook["cells"]:
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key not in PASSING}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
