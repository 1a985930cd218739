"""Small charts as inline SVG: dots with intervals on one axis, the paper's number as a diamond, chance as a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from d3s_utils.notebook.summary.numbers import short

WIDTH, ROW, MARGIN = 260, 34, 8  # units of the drawing


@dataclass(frozen=True)
class Dot:
    """One number with its 95 % interval; `None` where there is no such number."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    paper: float | None = None
    chance: float | None = None


def draw_dots(dots: Sequence[Dot], unit: str) -> str:
    """One row per dot, all on one axis, as an <svg> element that says in words what it shows.

    Args:
        unit: "%" spans 0 to 100, "correlation" and "alpha" 0 to 1; any other axis fits its numbers and holds 0.
    """
    start, end = _axis(dots, unit)
    height = ROW * len(dots) + 16
    said = "; ".join(describe(dot, unit) for dot in dots)
    rows = [_row(dot, ROW * i, unit, (start, end)) for i, dot in enumerate(dots)]
    floor = height - 14
    ends = [
        f'<text x="{_x(at, start, end):.1f}" y="{height - 2}" class="tick" text-anchor="{anchor}">{at:g}</text>'
        for at, anchor in ((start, "start"), (end, "end"))
    ]
    at = f"{_x(0, start, end):.1f}"
    zero = f'<line x1="{at}" x2="{at}" y1="{floor - 4}" y2="{floor}" class="axis"/>'
    axis = f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{floor}" y2="{floor}" class="axis"/>{zero}'
    return (
        f'<svg class="dots" viewBox="0 0 {WIDTH} {height}" role="img" aria-label={quoteattr(said)}>'
        f"{''.join(rows)}{axis}{''.join(ends)}</svg>"
    )


def describe(dot: Dot, unit: str) -> str:
    """What a row shows, in words: "this run 40.1 %, 95 % interval 36.8 to 43.2, the paper 45.6, guessing 10.0"."""
    parts = [f"{dot.name} {short(dot.value, unit)} {unit}".strip()]
    if dot.low is not None and dot.high is not None:
        parts.append(f"95 % interval {short(dot.low, unit)} to {short(dot.high, unit)}")
    parts += [f"the paper {short(dot.paper, unit)}"] if dot.paper is not None else []
    parts += [f"guessing {short(dot.chance, unit)}"] if dot.chance is not None else []
    return ", ".join(parts)


def _axis(dots: Sequence[Dot], unit: str) -> tuple[float, float]:
    values = [v for dot in dots for v in (dot.value, dot.low, dot.high, dot.paper, dot.chance) if v is not None]
    if unit == "%":
        return 0.0, 100.0
    if unit in ("correlation", "alpha"):
        return min(0.0, math.floor(10 * min(values)) / 10), 1.0
    most = max(map(abs, values)) or 1.0
    step = 10 ** math.floor(math.log10(most))
    return min(0.0, math.floor(min(values) / step) * step), max(0.0, math.ceil(max(values) / step) * step) or step


def _x(value: float, start: float, end: float) -> float:
    return MARGIN + (WIDTH - 2 * MARGIN) * (min(max(value, start), end) - start) / (end - start)


def _row(dot: Dot, top: float, unit: str, axis: tuple[float, float]) -> str:
    y, said = top + 23, f"{dot.name} {short(dot.value, unit)}"
    parts = [f'<text x="{MARGIN}" y="{top + 11}">{escape(said)}</text>']
    if dot.chance is not None:
        at = _x(dot.chance, *axis)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 7}" y2="{y + 7}" class="chance"/>')
    if dot.low is not None and dot.high is not None:
        ends = _x(dot.low, *axis), _x(dot.high, *axis)
        parts.append(f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}" class="interval"/>')
    parts.append(f'<circle cx="{_x(dot.value, *axis):.1f}" cy="{y}" r="4"/>')
    if dot.paper is not None:
        at = _x(dot.paper, *axis)
        parts.append(f'<path d="M{at:.1f} {y - 6}l6 6l-6 6l-6 -6z" class="paper"/>')
        words = f"the paper ◇ {short(dot.paper, unit)}"
        parts.append(f'<text x="{WIDTH - MARGIN}" y="{top + 11}" text-anchor="end" class="soft">{words}</text>')
    elif dot.chance is not None:
        words = f"guessing ┆ {short(dot.chance, unit)}"
        parts.append(f'<text x="{WIDTH - MARGIN}" y="{top + 11}" text-anchor="end" class="soft">{words}</text>')
    return "".join(parts)
