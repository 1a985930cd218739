"""Numbers as prose wants them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

FINE = ("correlation", "alpha")  # units of which two digits after the point tell something
SILENT = ("alpha", "correlation", "images", "FID")  # units that a sentence names itself


def number(value: float, unit: str = "") -> str:
    """A number as prose wants it: percent with one decimal, counts whole, small numbers with three digits."""
    if pd.isna(value):
        return ""
    if unit == "%":
        return f"{value:.1f} %"
    short = f"{value:,.0f}" if float(value).is_integer() else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return f"{short} {unit}".strip()


def short(value: float, unit: str) -> str:
    """Without its unit: two digits after the point of a correlation, none of a count, else one."""
    digits = 2 if unit in FINE else 0 if unit == "images" else 1
    return f"{value:,.{digits}f}"


def measured(row: Mapping) -> str:
    """ "**48.3 points** (45.2 to 51.3)": a claim's number and, where there is one, its 95 % interval."""
    unit = row["unit"]
    said = "" if unit in SILENT else f" {unit}"
    return f"**{short(row['measured'], unit)}{said}**{interval(row, unit)}"


def interval(row: Mapping, unit: str, low: str = "ci_low", high: str = "ci_high") -> str:
    """ " (45.2 to 51.3)", or nothing where no interval was made."""
    if pd.isna(row.get(low)) or pd.isna(row.get(high)):
        return ""
    return f" ({short(row[low], unit)} to {short(row[high], unit)})"


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def in_words(count: int) -> str:
    """ "five" for 5; numbers above ten in digits."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if 0 <= count < len(words) else f"{count:,}"
