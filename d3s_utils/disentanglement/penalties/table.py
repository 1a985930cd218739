"""All penalties: the rows (`ROWS`) of every file in this folder, so that a new file is all that a new penalty takes."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Sequence

from d3s_utils.disentanglement import penalties
from d3s_utils.disentanglement.penalties.measure import Penalty, PenaltyRow
from d3s_utils.ground.errors import D3SError


@functools.cache
def penalty_files() -> dict[str, tuple[str, PenaltyRow]]:
    """By the name of each penalty: the module that defines it, and its row."""
    names = [f"{penalties.__name__}.{file.name}" for file in pkgutil.iter_modules(penalties.__path__)]
    rows = {name: getattr(importlib.import_module(name), "ROWS", {}) for name in names}
    return {penalty: (module, row) for module, own in rows.items() for penalty, row in own.items()}


def penalty_row(name: str) -> PenaltyRow:
    """The row of the penalty called `name`.

    Raises:
        D3SError: there is no such penalty.
    """
    return _find(name)[1]


def penalty_module(name: str) -> str:
    """The module that defines the penalty called `name`.

    Raises:
        D3SError: there is no such penalty.
    """
    return _find(name)[0]


def _find(name: str) -> tuple[str, PenaltyRow]:
    known = penalty_files()
    if name not in known:
        raise D3SError(f"There is no penalty called {name!r}; disentanglement.penalties takes {', '.join(known)}.")
    return known[name]


def build_penalty(name: str, sizes: Sequence[int], n_classes: int, n_backgrounds: int) -> Penalty:
    """The penalty called `name` for foreground and background features of these `sizes`.

    Critics start from torch's current seed.
    """
    return Penalty(penalty_row(name), sizes, n_classes, n_backgrounds)
