"""make: the right notebooks, in the right order, once; and nothing that make 3.81 does not know."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from d3s_utils.ground import paths

MAKEFILE = (paths.ROOT / "Makefile").read_text()
NOTEBOOKS = sorted(path.stem for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
READS = {"02": ["01"], "03": ["02"], "04": ["02"], "05": ["04"], "06": ["04"]}

# Stands in for Python: notes what it is asked to do, and does as much of it as make can see.
FAKE = """#!{python}
import os, pathlib, sys, time
module, *arguments = sys.argv[2:]
given = dict(zip(arguments, arguments[1:]))
folder = pathlib.Path(os.environ["D3S_OUTPUTS"], pathlib.Path(given["--profile"]).stem)
target = folder / "html" / "index.html"
if "--settings" in arguments:
    target = folder / ".settings.yaml"
    if target.exists() and target.read_text() == given["--set"]:
        sys.exit()
elif module == "d3s_utils.run":
    target = folder / "notebooks" / pathlib.Path(arguments[0]).name
    sys.stdout.write(f"start {{target.stem[:2]}}\\n")
    sys.stdout.flush()
    time.sleep(0.05)
    if target.stem[:2] == os.environ.get("FAILS"):
        sys.exit(1)
    sys.stdout.write(f"end {{target.stem[:2]}}\\n")
elif module != "d3s_utils.report":
    sys.exit(f"unexpected {{module}}")
else:
    print("report", flush=True)
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(given["--set"])
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that runs make with the stand-in: returns the exit status and the lines printed."""
    fake = tmp_path / "python"
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(0o755)
    monkeypatch.setenv("D3S_OUTPUTS", str(tmp_path / "outputs"))
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, list[str]]:
        command = ["make", f"PYTHON={fake}", "READY=", *arguments]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()

    return run


def started(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("start")]


def test_all_runs_every_notebook_once_and_the_report_last(make):
    status, lines = make("all")
    assert status == 0
    assert sorted(started(lines)) == [name[:2] for name in NOTEBOOKS]
    assert lines[-2:] == ["report", f"{os.environ['D3S_OUTPUTS']}/pocket/html/index.html is up to date"]


def test_a_second_make_all_does_nothing(make):
    make("all")
    status, lines = make("all")
    assert status == 0 and len(lines) == 1


@pytest.mark.parametrize("jobs", ["-j1", "-j2", "-j8"])
def test_no_notebook_starts_before_those_it_reads_have_ended(jobs, make):
    _, lines = make(jobs, "all")
    for number, before in READS.items():
        for earlier in before:
            assert lines.index(f"end {earlier}") < lines.index(f"start {number}")


@pytest.mark.parametrize("number", [name[:2] for name in NOTEBOOKS])
def test_one_notebook_brings_what_it_reads_and_no_more(number, make):
    wanted, waiting = set(), [number]
    while waiting:
        wanted.add(waiting[-1])
        waiting += READS.get(waiting.pop(), [])
    assert set(started(make(number)[1])) == wanted


def test_a_failure_stops_what_depends_on_it_and_the_next_make_goes_on_from_there(make, monkeypatch):
    monkeypatch.setenv("FAILS", "03")
    status, lines = make("all")
    assert status != 0 and "report" not in lines
    monkeypatch.delenv("FAILS")
    status, lines = make("all")
    assert status == 0
    assert "03" in started(lines) and not {"01", "02"} & set(started(lines))


def test_another_setting_runs_everything_again_and_the_same_one_nothing(make):
    make("all", "SET=seed=1")
    assert started(make("all", "SET=seed=1")[1]) == []
    assert len(started(make("all", "SET=seed=2 generator.strength=0.8")[1])) == len(NOTEBOOKS)


def test_runs_are_named_after_their_profile_and_do_not_share_files(make, tmp_path):
    make("01", "PROFILE=smoke")
    make("01", "PROFILE=some/where/my.own.yaml")
    assert started(make("01")[1]) == ["01"]
    runs = sorted(path.name for path in Path(os.environ["D3S_OUTPUTS"]).iterdir())
    assert runs == ["my.own", "pocket", "smoke"]


def test_smoke_is_all_under_the_smoke_profile(make):
    _, lines = make("smoke")
    assert lines[-1].endswith("/smoke/html/index.html is up to date") or any("smoke/html" in line for line in lines)


def test_clean_removes_this_run_alone_and_never_the_reference(make):
    outputs = Path(os.environ["D3S_OUTPUTS"])
    for name in ("pocket", "smoke", "reference"):
        (outputs / name).mkdir(parents=True)
    assert make("clean")[0] == 0
    assert make("clean", "PROFILE=reference")[0] != 0
    assert sorted(path.name for path in outputs.iterdir()) == ["reference", "smoke"]


def test_clean_spares_what_people_voted(make):
    outputs = Path(os.environ["D3S_OUTPUTS"]) / "pocket"
    (outputs / "annotation").mkdir(parents=True)
    votes = outputs / "votes.csv"
    votes.write_text("image_id,worker_id,question,answer,source\r\na,ann,adult,no,local\r\n")
    status, lines = make("clean")
    assert status != 0 and "votes.csv holds people's votes" in lines[-1] and votes.exists()
    votes.write_text("image_id,worker_id,question,answer,source\na,x,adult,no,simulated\n")
    (outputs / "annotation" / "votes.sqlite").touch()
    status, lines = make("clean")
    assert status != 0 and "annotation holds what people voted" in lines[-1]
    (outputs / "annotation" / "votes.sqlite").unlink()
    assert make("clean")[0] == 0 and not outputs.exists()


def test_new_votes_run_again_what_goes_by_them(make):
    make("all")
    votes = Path(os.environ["D3S_OUTPUTS"]) / "pocket" / "votes.csv"
    votes.write_text("image_id,worker_id,question,answer,source\n")
    assert sorted(started(make("all")[1])) == ["02", "03", "04", "05", "06"]
    assert started(make("all")[1]) == []


def test_help_names_every_target(make):
    text = "\n".join(make("help")[1])
    phony = re.search(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)[1].split()
    for target in set(phony) - {"$(NUMBERS)", "FORCE", "conda-env"}:
        assert re.search(rf"^  {target} +\S", text, re.MULTILINE), target
    assert make()[1] == make("help")[1], "help is what a bare make shows"


def test_only_features_of_make_3_81():
    for newer in (r"\.ONESHELL", r"\.SHELLFLAGS", r"!=\s", r"\$\(file ", r"&:", r"\.WAIT", r"::=", r"\$\(let ",
                  r"\$\(intcmp", r"--output-sync", r"^define \w+ ?[:+?]?="):  # fmt: skip
        code = re.sub(r"^#.*$|^\t.*$", "", MAKEFILE, flags=re.MULTILINE)
        assert not re.search(newer, code, re.MULTILINE), newer


# Whether each notebook depends on the sources that it imports, directly or through others --------------------------


ONLY_FOR_PEOPLE = {"d3s_utils.widgets"}  # what it draws is shown to nobody in an executed notebook


def imports(tree: ast.AST) -> set[str]:
    """The modules of the package that a piece of code imports, as dotted names."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "d3s_utils"}


def source(module: str) -> Path | None:
    stem = paths.ROOT.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def sources_of(notebook: str) -> set[str]:
    """Every file of the package that `notebook` may execute, relative to the repository."""
    cells = nbformat.read(paths.NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
    waiting = {"d3s_utils"} | set().union(*(imports(ast.parse(c.source)) for c in cells if c.cell_type == "code"))
    found: set[Path] = set()
    while waiting:
        module = waiting.pop()
        path = source(module)
        parent = module.rpartition(".")[0]
        waiting |= {parent} if parent else set()
        if path and path not in found:
            found.add(path)
            waiting |= set() if module in ONLY_FOR_PEOPLE else imports(ast.parse(path.read_text()))
    return {path.relative_to(paths.ROOT).as_posix() for path in found}


def prerequisites(notebook: str, tmp_path: Path) -> set[str]:
    command = [
        "make",
        "--print-data-base",
        "--question",
        "--no-builtin-rules",
        "help",
        "READY=",
        f"PYTHON={shutil.which('true')}",
    ]
    environment = {**os.environ, "D3S_OUTPUTS": str(tmp_path)}
    database = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, env=environment).stdout
    line = re.search(rf"^{re.escape(str(tmp_path))}/pocket/notebooks/{notebook}\.ipynb: (.*)$", database, re.MULTILINE)
    return set(line[1].split("|")[0].split())


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_depends_on_every_source_it_may_execute(notebook, tmp_path):
    listed = prerequisites(notebook, tmp_path)
    assert sources_of(notebook) - listed == set(), "read, but a change to it would go unnoticed"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_change_to_a_figure_redraws_only_the_notebooks_that_show_it(notebook, tmp_path):
    listed = {name for name in prerequisites(notebook, tmp_path) if name.startswith("d3s_utils/figures/")}
    assert {name for name in listed if name.endswith(".py")} <= sources_of(notebook)
