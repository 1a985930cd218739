"""Sentences as safe markup."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

BOLD = re.compile(r"\*\*(.+?)\*\*")


def bold(text: str) -> Markup:
    """`text` escaped, with what stands between double asterisks in bold."""
    return Markup(BOLD.sub(r"<b>\1</b>", str(escape(text))))
