"""The notebooks as documents: clean, tunable, narrated, and a story rather than a bench."""

from __future__ import annotations

import ast
import re
from types import ModuleType

import nbformat
import pytest

from d3s_utils.ground import paths

NAMES = [
    "01_generation",
    "02_human_verification",
    "03_classifier_evaluation",
    "04_disentanglement_training",
    "05_disentanglement_probe",
    "06_spurious_correlation",
]
# Everything else a notebook needs is a call into the package.
MAY_IMPORT = {"d3s_utils", "IPython", "ipywidgets", "numpy", "pandas", "matplotlib"}


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


def cells(name: str, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(name).cells if cell.cell_type == kind]


def lines(cell: nbformat.NotebookNode) -> int:
    return len([line for line in cell.source.splitlines() if line.strip()])


every_notebook = pytest.mark.parametrize("name", NAMES)


def test_the_six_notebooks_are_there_and_no_other():
    assert sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")) == NAMES


@every_notebook
def test_it_is_stripped_and_runs_on_any_python3_kernel(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"widgets", "papermill"} & set(notebook.metadata)
    for cell in cells(name, "code"):
        assert cell.outputs == [] and cell.execution_count is None, "outputs belong in outputs/, not in git"
        assert "papermill" not in cell.metadata


@every_notebook
def test_one_cell_holds_the_two_parameters_with_their_help(name):
    tagged = [cell for cell in cells(name, "code") if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == cells(name, "code")[:1], "exactly one, and before any other code"
    given = re.findall(r'^(\w+): str = "(\w*)"  # \S', tagged[0].source, re.MULTILINE)
    assert given == [("profile", "pocket"), ("overrides", "")]


@every_notebook
def test_it_opens_its_own_run_and_leaves_its_claims(name):
    code = "\n".join(cell.source for cell in cells(name, "code"))
    assert re.search(rf'open_run\(\s*profile,\s*"{name}",\s*overrides\s*\)', code)
    assert "save_claims(" in code and "save_figure(" in code and "save_table(" in code


@every_notebook
def test_it_works_under_every_profile_and_on_every_machine(name):
    parameters, *rest = cells(name, "code")
    for cell in rest:
        assert "pocket" not in cell.source, "what depends on the profile belongs into the package"
        assert not re.search(r"""["'](/|~|\.\./|https?:)""", cell.source), "no paths, no downloads"
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), "no shell, no magics"
        ast.parse(cell.source)


@every_notebook
def test_it_imports_the_package_and_little_else(name):
    for cell in cells(name, "code"):
        for node in ast.walk(ast.parse(cell.source)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {module.split(".")[0] for module in modules} <= MAY_IMPORT


@every_notebook
def test_what_it_calls_is_there(name):
    trees = [ast.parse(cell.source) for cell in cells(name, "code")]
    known = {}
    for node in [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]:
        exec(compile(ast.Module([node], []), name, "exec"), known)
    modules = {alias: value for alias, value in known.items() if isinstance(value, ModuleType)}
    for node in [node for tree in trees for node in ast.walk(tree)]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"{node.value.id}.{node.attr} is not there"
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assert node.id not in modules, f"{node.id} hides the module of that name"


@every_notebook
def test_it_defines_nothing(name):
    for cell in cells(name, "code"):
        found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert not found, f"{found[0].name} belongs into the package"


@every_notebook
def test_cells_are_short_and_prose_is_plenty(name):
    lengths = [lines(cell) for cell in cells(name, "code")]
    assert max(lengths) <= 10, "a cell is a call and a look"
    words = sum(len(cell.source.split()) for cell in cells(name, "markdown"))
    assert words / len(lengths) >= 35, f"{words / len(lengths):.0f} words per code cell"


@every_notebook
def test_a_sentence_about_numbers_is_one_call(name):
    for cell in cells(name, "code"):
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not [node for node in nodes if isinstance(node, ast.JoinedStr)], "f-strings belong into sentences.py"
        said = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Markdown"]
        assert len(said) <= 1
        assert all(isinstance(node.args[0], ast.Call) for node in said), "what is said comes from a room of the package"


@every_notebook
def test_the_ledger_is_one_call(name):
    [cell] = [cell for cell in cells(name, "code") if "save_claims(" in cell.source]
    assert re.search(r"save_claims\((claims\.)?claims_table\(\w+\.headline\(", cell.source)


@every_notebook
def test_figures_are_told_what_is_shifted(name):
    assert any(re.search(r"use_word(.*recipe.*\.word)", cell.source) for cell in cells(name, "code"))


@every_notebook
def test_it_reads_as_a_story(name):
    prose = [cell.source for cell in cells(name, "markdown")]
    assert prose[0].startswith(f"# {name[:2]} "), "the title carries the number"
    assert read(name).cells[0].cell_type == "markdown"
    assert len(re.findall(r"^## ", "\n".join(prose), re.MULTILINE)) >= 3, "sections lead the eye"
    assert any(re.search(r"^#+ .*[Ee]xercises", source, re.MULTILINE) for source in prose)


@every_notebook
def test_a_widget_is_shown_only_to_people(name):
    for cell in cells(name, "code"):
        if re.search(r"\b(interact|interactive|browser|inspector|widget)\w*\(", cell.source):
            assert "headless()" in cell.source, "beside its static twin, so that pages need no scripts"
