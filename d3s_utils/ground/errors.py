"""The one kind of error a user is meant to read."""

from __future__ import annotations


class D3SError(Exception):
    """Something the user can put right. The message, a sentence or two, names the file, row or key, and what to do."""
