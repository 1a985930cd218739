"""make: the right notebooks, in order; what it is told arrives whole; nothing that make 3.81 does not know."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from d3s_utils.ground import paths

MAKEFILE = (paths.ROOT / "Makefile").read_text()
NUMBERS = sorted(path.stem[:2] for path in paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
READS = {"02": ["01"], "03": ["02"], "04": ["02"], "05": ["04"], "06": ["04"]}

# Stands in for Python: says what it is asked to do, and with which outputs.
FAKE = """#!{python}
import json, os, sys
print(json.dumps([os.environ.get("D3S_OUTPUTS"), *sys.argv[1:]]))
sys.exit(int(os.environ.get("FAILS") in sys.argv))
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that runs make with the stand-in: returns its exit status and what the stand-in was told."""
    fake = tmp_path / "python"
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(0o755)
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "D3S_OUTPUTS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, list[list[str]]]:
        command = ["make", f"PYTHON={fake}", "READY=", *arguments]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
        return done.returncode, [json.loads(line)[1:] for line in done.stdout.splitlines() if line.startswith("[")]

    return run


WITH = ["--profile", "pocket", "--set", ""]


def test_all_is_one_command_for_every_notebook_and_the_report(make):
    assert make("all") == (0, [["-m", "d3s_utils", "run", *NUMBERS, "--if-changed", "--report", *WITH]])


@pytest.mark.parametrize("number", NUMBERS)
def test_one_notebook_brings_what_it_reads_and_no_more(number, make):
    wanted, waiting = set(), [number]
    while waiting:
        wanted.add(waiting[-1])
        waiting += READS.get(waiting.pop(), [])
    assert make(number) == (0, [["-m", "d3s_utils", "run", *sorted(wanted), "--if-changed", *WITH]])


def test_smoke_is_all_under_the_smoke_profile(make):
    (command,) = make("smoke")[1]
    assert command[3:-4] == [*NUMBERS, "--if-changed", "--report"] and command[-4:] == [
        "--profile",
        "smoke",
        "--set",
        "",
    ]


def test_why_is_asked_of_one_notebook_or_of_all(make):
    assert make("why", "NB=05") == (0, [["-m", "d3s_utils", "run", "05", "--why", *WITH]])
    assert make("why") == (0, [["-m", "d3s_utils", "run", *NUMBERS, "--why", *WITH]])


def test_a_failure_of_the_command_is_one_of_make(make, monkeypatch):
    monkeypatch.setenv("FAILS", "--report")
    assert make("all")[0] != 0


TARGETS = ("all", "03", "dataset", "annotate", "check", "report", "why", "doctor", "clean")


@pytest.mark.parametrize("target", TARGETS)
def test_paths_with_spaces_and_settings_with_lists_arrive_whole(target, make):
    commands = make(target, "PROFILE=my folder/my profile.yaml", "SET=seed=1 classes=[a, b]")[1]
    assert commands
    for command in commands:
        if command[2] != "verify":
            assert command[command.index("--profile") + 1] == "my folder/my profile.yaml"
        if command[2] not in ("verify", "clean"):
            assert command[command.index("--set") + 1] == "seed=1 classes=[a, b]"


@pytest.mark.parametrize("profile", ["my profile.yaml", "somewhere/my profile.yml", "my profile"])
def test_the_dataset_that_is_checked_is_the_one_that_was_made(profile, make, monkeypatch):
    assert make("dataset", f"PROFILE={profile}")[1][-1][2:] == ["verify", "outputs/my profile/dataset"]
    monkeypatch.setenv("D3S_OUTPUTS", "/tmp/my outputs")
    assert make("dataset", f"PROFILE={profile}")[1][-1][2:] == ["verify", "/tmp/my outputs/my profile/dataset"]


def test_images_are_there_before_anybody_is_asked_about_them(make, monkeypatch):
    first, second = make("annotate", "HOST=0.0.0.0")[1]
    assert first[2:5] == ["run", "01", "--if-changed"]
    assert second[2:] == ["annotate", *WITH, "--host", "0.0.0.0", "--port", "8765"]
    monkeypatch.setenv("FAILS", "01")
    assert [command[2] for command in make("annotate")[1]] == ["run"]


def test_jupyter_reads_our_configuration_beside_the_users(tmp_path, make, monkeypatch):
    fake = tmp_path / "python"
    fake.write_text(
        fake.read_text()
        .replace("D3S_OUTPUTS", "JUPYTER_CONFIG_PATH")
        .replace("*sys.argv[1:]", "")
        .replace("[os", "[0, os")
    )
    ours = f"{paths.ROOT}/d3s_utils/notebook/jupyter"
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)
    assert make("jupyter") == (0, [[ours]])
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/theirs")
    assert make("jupyter") == (0, [[f"{ours}:/theirs"]])


def test_help_names_every_target(make):
    def shown(*arguments: str) -> str:
        return subprocess.run(["make", *arguments], cwd=paths.ROOT, capture_output=True, text=True).stdout

    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)[1].replace("\\\n", " ").split()
    assert len(phony) > 15
    for target in set(phony) - {"$(NUMBERS)", "conda-env"}:
        assert re.search(rf"^  {target} +\S", shown("help"), re.MULTILINE), target
    assert shown() == shown("help"), "help is what a bare make shows"


def test_only_features_of_make_3_81():
    for newer in (r"\.ONESHELL", r"\.SHELLFLAGS", r"!=\s", r"\$\(file ", r"&:", r"\.WAIT", r"::=", r"\$\(let ",
                  r"\$\(intcmp", r"--output-sync", r"^define \w+ ?[:+?]?="):  # fmt: skip
        code = re.sub(r"^#.*$|^\t.*$", "", MAKEFILE, flags=re.MULTILINE)
        assert not re.search(newer, code, re.MULTILINE), newer
