"""One command line: every command says its options, and mistakes end in a sentence and an exit status."""

from __future__ import annotations

import subprocess
import sys

import pytest

from d3s_utils.cli.parser import COMMANDS, main
from d3s_utils.ground import paths


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_says_its_options(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.name.split(), "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0 and command.help in " ".join(shown.split())
    assert ("--profile" in shown) == ("--set" in shown) == bool(command.profile)


def test_without_a_command_there_is_the_table_of_them(capsys):
    assert main([]) == 2
    table = capsys.readouterr().err
    assert all(command.name.split()[0] in table for command in COMMANDS) and "compare a run with" in table


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["run", "--nonsense"], ["mturk"], ["verify"]])
def test_wrong_usage_is_two(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and "usage: python -m d3s_utils" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "--profile", "pockt"], "did you mean pocket?"),
        (["report", "--set", "generator.strenght=1"], "did you mean generator.strength?"),
        (["generate", "--shard", "4", "--of", "4"], "workers are numbered 0 to 3"),
        (["pocket-training", "judges"], "the stages are adopt, scenes"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_one(arguments, words, capsys):
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1


def test_the_parser_starts_without_the_heavy_libraries():
    heavy = ("torch", "pandas", "matplotlib", "timm", "tornado", "papermill")
    code = f"import sys, d3s_utils.cli.parser; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
