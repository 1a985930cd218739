"""The one kind of error a user is meant to read."""

from __future__ import annotations

import sys
from collections.abc import Callable


class D3SError(Exception):
    """Something the user can mend. The message, a sentence or two, names the thing (file, row, key) and the mend."""


def exit_status(command: Callable[[], int | None]) -> int:
    """What `command()` returns (None counts as 0); a D3SError becomes its sentence on stderr, and 1."""
    try:
        return command() or 0
    except D3SError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
