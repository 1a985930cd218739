"""The house: rooms that import downwards only, files and functions of a bearable size, and one word per idea.

A check takes {module: source} and gives one line for everything that breaks its rule.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

import pytest

from d3s_utils.ground import paths, sources

ROOMS = [  # from top to bottom
    *("cli", "notebook", "coursework", "figures", "spurious", "probes", "disentanglement", "verification"),
    *("evaluation", "generation", "diffusion", "data", "pocket", "ground"),
]
LINES, PARAMETERS, WORDS = 350, 7, 3  # at most: lines of a file, parameters of a function, lines of a room's docstring
LONG = {"d3s_utils.pocket.foregrounds", "d3s_utils.pocket.backgrounds"}  # scenery, one function for each kind
RENDERER = LONG | {"d3s_utils.pocket.world"}  # whose functions take one parameter for each thing that varies
FORBIDDEN = {"Lessons", "upbringings_of", "Again", "shelf", "train_lastingly", "remove_strangers", "call_shifts"}


def house() -> dict[str, str]:
    """The source of every module."""
    return {name: path.read_text(encoding="utf-8") for name, path in sources.modules().items()}


def around() -> dict[str, str]:
    """The source of tests, benchmarks and notebooks."""
    found = {
        path.relative_to(paths.ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in ("tests", "benchmarks")
        for path in sorted((paths.ROOT / folder).rglob("*.py"))
    }
    for path in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found[path.name] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return found


def graph(texts: dict[str, str]) -> dict[str, frozenset[str]]:
    """Who imports whom: at the top, inside functions, and for annotations alone."""
    return {name: sources.imports_of(ast.parse(text), name) for name, text in texts.items()}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def is_room(module: str) -> bool:
    return "." in module and module in sources.modules() and sources.modules()[module].name == "__init__.py"


# The checks -----------------------------------------------------------------------------------------------------------


def circles(texts: dict[str, str]) -> list[str]:
    """Modules that reach themselves."""
    arrows = graph(texts)

    def reached(start: str) -> set[str]:
        found, waiting = set(), [start]
        while waiting:
            new = arrows.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return found

    return [f"{name} reaches itself" for name in arrows if name in reached(name)]


def upward(texts: dict[str, str]) -> list[str]:
    """Imports from a room above one's own, or from no room at all."""
    order = {room: number for number, room in enumerate(ROOMS)} | {"__main__": -1, "": len(ROOMS)}
    strangers = [f"{name} is in no room" for name in texts if room_of(name) not in order]
    return strangers + [
        f"{name} imports {other}"
        for name, others in graph(texts).items()
        for other in sorted(others)
        if name != "d3s_utils" and order.get(room_of(other), -1) < order.get(room_of(name), -1)
    ]


def roundabout(texts: dict[str, str]) -> list[str]:
    """Relative imports, and names taken from a room in place of the module that makes them."""
    return [
        f"{name} imports {alias.name} from {'.' * node.level}{node.module or ''}"
        for name, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.level or (is_room(node.module) and f"{node.module}.{alias.name}" not in sources.modules())
    ]


def long_files(texts: dict[str, str]) -> list[str]:
    lengths = {name: len(text.splitlines()) for name, text in texts.items() if name not in LONG}
    return [f"{name} has {length} lines" for name, length in lengths.items() if length > LINES]


def crowded_functions(texts: dict[str, str]) -> list[str]:
    return [
        f"{name}.{function.name} has {count} parameters"
        for name, text in texts.items()
        if name not in RENDERER
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if (count := len(list(parameters(function)))) > PARAMETERS
    ]


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    taken = function.args
    for each in (*taken.posonlyargs, *taken.args, taken.vararg, *taken.kwonlyargs, taken.kwarg):
        if each is not None and each.arg not in ("self", "cls"):
            yield each.arg


def forbidden_names(texts: dict[str, str]) -> list[str]:
    return [
        f"{name} says {word}"
        for name, text in texts.items()
        for word in sorted(FORBIDDEN & {*identifiers(ast.parse(text)), *name.split(".")})
    ]


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name in the code, of whatever kind. Text is no name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant):
            for value in vars(node).values():
                for word in value if isinstance(value, list) else [value]:
                    yield from word.split(".") if isinstance(word, str) else ()


def silent_rooms(texts: dict[str, str]) -> list[str]:
    """Rooms that do not say what happens in them, or not in a few lines."""
    found = []
    for name in (name for name in texts if is_room(name)):
        words = (ast.get_docstring(ast.parse(texts[name])) or "").splitlines()
        if not 1 <= len(words) <= WORDS:
            found.append(f"{name} has {len(words)} lines of docstring")
    return found


# The tests ------------------------------------------------------------------------------------------------------------

CHECKS = [circles, upward, roundabout, long_files, crowded_functions, silent_rooms]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_house_keeps_its_rules(check):
    assert check(house()) == []


def test_no_forbidden_name_is_left_anywhere():
    assert forbidden_names(house() | around()) == []


A, B, TOP = "d3s_utils.data.planted_a", "d3s_utils.data.planted_b", "d3s_utils.cli.planted"
PLANTED = {
    "a circle through a function": (
        circles,
        {A: f"from {B} import x", B: f"def f():\n    from {A} import y"},
        [f"{A} reaches itself", f"{B} reaches itself"],
    ),
    "an arrow up": (upward, {A: f"from {TOP} import x", TOP: ""}, [f"{A} imports {TOP}"]),
    "an arrow up in a function": (upward, {A: f"def f():\n    from {TOP} import x"}, [f"{A} imports {TOP}"]),
    "an arrow up in a method": (
        upward,
        {A: "class C:\n    def f(self):\n        import d3s_utils.cli.doctor"},
        [f"{A} imports d3s_utils.cli.doctor"],
    ),
    "an arrow up for annotations": (
        upward,
        {A: f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {TOP} import x"},
        [f"{A} imports {TOP}"],
    ),
    "a stranger": (upward, {"d3s_utils.attic.a": ""}, ["d3s_utils.attic.a is in no room"]),
    "a relative import": (roundabout, {A: "from . import masks"}, [f"{A} imports masks from ."]),
    "a name taken from a room": (
        roundabout,
        {A: "from d3s_utils.pocket import world, scenes"},
        [f"{A} imports scenes from d3s_utils.pocket"],
    ),
    "a long file": (long_files, {A: "x = 1\n" * 351, B: "x = 1\n" * 350}, [f"{A} has 351 lines"]),
    "a crowded function": (
        crowded_functions,
        {A: "def f(a, b, /, c, *d, e, g, h, **i): ...\nasync def k(a, b, c, d, e, f, g): ..."},
        [f"{A}.f has 8 parameters"],
    ),
    "a crowded method": (
        crowded_functions,
        {A: "class C:\n    def f(self, a, b, c, d, e, f, g): ...\n    def k(self, a, b, c, d, e, f, g, h): ..."},
        [f"{A}.k has 8 parameters"],
    ),
    "a class": (forbidden_names, {A: "'Again, in words.'\nclass Lessons: ..."}, [f"{A} says Lessons"]),
    "an import": (forbidden_names, {A: "from d3s_utils.data.shelf import x as y"}, [f"{A} says shelf"]),
    "an attribute, an argument and a variable": (
        forbidden_names,
        {A: "def f(shelf): return a.call_shifts\nAgain = f'{1}'"},
        [f"{A} says Again", f"{A} says call_shifts", f"{A} says shelf"],
    ),
    "a module": (forbidden_names, {"d3s_utils.data.shelf": ""}, ["d3s_utils.data.shelf says shelf"]),
    "a room without words": (silent_rooms, {"d3s_utils.ground": ""}, ["d3s_utils.ground has 0 lines of docstring"]),
    "a room with too many": (
        silent_rooms,
        {"d3s_utils.ground": '"""A\nb\nc\nd\n"""'},
        ["d3s_utils.ground has 4 lines of docstring"],
    ),
}


@pytest.mark.parametrize(("check", "planted", "found"), PLANTED.values(), ids=PLANTED)
def test_a_broken_rule_is_found(check, planted, found):
    assert check(planted) == found


def test_the_checks_see_the_whole_house():
    arrows = graph(house())
    assert len(arrows) > 100 and "d3s_utils.pocket.training.unet" in arrows
    assert "d3s_utils.generation.regenerate" in arrows["d3s_utils.cli.commands"], "imported inside a function"
    assert len(around()) > 40
