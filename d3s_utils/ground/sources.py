"""The package's own source as data: who imports whom, and what a result's code is.

A result is remembered together with the source of the code that made it (see `cached`). Comments, docstrings and layout
are no part of that source. Imports are read from the text, so nothing is run, and imports inside functions count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from d3s_utils.ground import paths

NAME = paths.PACKAGE.name
# What decides how and where things are kept, and never what they are: part of no result.
PLUMBING = frozenset(
    f"{NAME}.ground.{name}"
    for name in ("cached", "claims", "columns", "compat", "errors", "files", "journal", "pages", "parallel", "paths",
                 "profile", "run", "settings", "sources")
)  # fmt: skip


@functools.cache
def modules() -> dict[str, Path]:
    """The file of every module of this package, by its full name."""
    found = {}
    for path in sorted(paths.PACKAGE.rglob("*.py")):
        parts = path.relative_to(paths.PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The modules of this package that `module` imports, at its top or inside a function.

    `from d3s_utils.room import name` counts as an import of the module in which the room's __init__ found `name`. One
    that uses `pkgutil` finds the others of its folder by itself, so it counts as importing all of them.
    """
    tree, folder = _tree(module), module.rpartition(".")[0]
    plugged = any(isinstance(node, ast.Import) and node.names[0].name == "pkgutil" for node in ast.walk(tree))
    beside = {name for name in modules() if name.rpartition(".")[0] == folder} if plugged else set()
    return imports_of(tree, module) | beside - {module}


def imports_of(tree: ast.AST, module: str = "") -> frozenset[str]:
    """The modules of this package that some code (of `module`, or of a notebook) imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules()}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == NAME:
            found |= {_origin(node.module, alias.name) for alias in node.names}
    return frozenset(found - {module})


def _origin(module: str, name: str) -> str:
    """The module that `from module import name` ends in."""
    if f"{module}.{name}" in modules():
        return f"{module}.{name}"
    if module not in modules() or modules()[module].name != "__init__.py":
        return module
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module != module and (node.module or "").startswith(NAME):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _origin(node.module, alias.name)
    return module


@functools.cache
def reached(module: str) -> frozenset[str]:
    """`module` and every module it reaches through imports."""
    found, waiting = {module}, [module]
    while waiting:
        new = imports(waiting.pop()) - found
        found |= new
        waiting += new
    return frozenset(found)


def code_of(*things: object, beside: Iterable[str] = ()) -> str:
    """16 hexadecimal digits of the source that `things` (functions, classes or names of modules) depend on.

    That is their modules and all that these reach, `PLUMBING` apart.

    Args:
        beside: modules that are left out as well, with whatever is reached through them alone.
    """
    left_out = PLUMBING | set(beside)
    names = {thing if isinstance(thing, str) else thing.__module__ for thing in things}
    found, waiting = set(names), list(names)
    while waiting:
        module = waiting.pop()
        new = (imports(module) if module in modules() else set()) - found - left_out
        found |= new
        waiting += new
    return digest_of(name for name in found if name in modules())


def digest_of(names: Iterable[str]) -> str:
    """16 hexadecimal digits of the source of some modules, comments and docstrings apart."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}:{_digest(name)}\n".encode())
    return digest.hexdigest()[:16]


@functools.cache
def _digest(module: str) -> str:
    return hashlib.sha256(ast.dump(without_docstrings(_tree(module))).encode()).hexdigest()


def forget() -> None:
    """Read every module again when next asked: files may have changed since this process looked."""
    for known in (modules, imports, reached, _digest, _tree):
        known.cache_clear()


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def without_docstrings(tree: ast.Module) -> ast.Module:
    """`tree` without what is said in words: docstrings alone, for comments are no part of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree
