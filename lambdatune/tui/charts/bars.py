"""Bars: latency and cost of each size side by side, and the meter of a budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.tui.charts.canvas import Canvas
from lambdatune.tui.charts.scale import format_ms, format_usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdatune.tui.charts.canvas import Row

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_VALUE_WIDTH = 8
_LEAST_WIDTH_WITH_COST = 48


@dataclass(frozen=True, slots=True)
class Bar:
    """A memory size.

    Attributes:
        label: its name.
        glyph: its state as a glyph.
        role: its state as a role.
        latency_ms: None when it is not known.
        cost: dollars per million calls; None when it is not known.
    """

    label: str
    glyph: str
    role: str
    latency_ms: float | None
    cost: float | None


def size_bars(bars: Sequence[Bar], width: int, height: int, *, latency: str = "p95") -> list[Row]:
    """Return a line per size under a heading: bars from zero, so that their lengths can be compared."""
    canvas = Canvas(width, height)
    label_width = max((len(bar.label) for bar in bars), default=0) + 1
    both = width >= _LEAST_WIDTH_WITH_COST
    room = width - label_width - (2 if both else 1) * (_VALUE_WIDTH + 3)
    latency_room = max(room * 6 // 10 if both else room, 0)
    cost_x = label_width + latency_room + _VALUE_WIDTH + 3
    cost_room = max(room - latency_room, 0) if both else 0
    longest = _largest(bar.latency_ms for bar in bars)
    dearest = _largest(bar.cost for bar in bars)
    first = 1 if height > 1 else 0
    if first:
        canvas.put(label_width, 0, f"{latency} ms", "muted")
        if both:
            canvas.put(cost_x, 0, "$ per million", "muted")
    for row, bar in enumerate(bars, start=first):
        canvas.put_right(label_width - 1, row, bar.label, "best" if bar.glyph == "★" else "")
        canvas.put(label_width, row, _bar(bar.latency_ms, longest, latency_room), bar.role)
        canvas.put_right(label_width + latency_room + _VALUE_WIDTH - 1, row, format_ms(bar.latency_ms))
        canvas.put(label_width + latency_room + _VALUE_WIDTH, row, bar.glyph, bar.role)
        if both:
            canvas.put(cost_x, row, _bar(bar.cost, dearest, cost_room), "p95")
            canvas.put_right(cost_x + cost_room + _VALUE_WIDTH - 1, row, f"${format_usd(bar.cost)}")
    return canvas.rows()


def meter(value: float, limit: float, width: int, height: int, *, label: str = "", role: str = "warm") -> list[Row]:
    """Return how much of a limit is used, as a bar with its share and a label in words, in the first row.

    Args:
        value: what is used.
        limit: what there is; a limit of zero is used up.
        width: columns.
        height: rows.
        label: what it is, after the bar.
        role: of the bar; a meter over its limit is drawn as "misses".
    """
    canvas = Canvas(width, height)
    share = value / limit if limit > 0 and math.isfinite(limit) else 1.0
    share = max(share, 0.0) if math.isfinite(share) else 1.0
    text = f" {min(share, 99.99):>4.0%} {label}".rstrip()
    room = max(width - len(text), 0)
    filled = _bar(share, 1.0, room) if share < 1 else "█" * room
    canvas.put(0, 0, "─" * room, "grid")
    canvas.put(0, 0, filled, role if share <= 1 else "misses")
    canvas.put(room, 0, text)
    return canvas.rows()


def _largest(values: Iterable[float | None]) -> float:
    return max((value for value in values if value is not None and math.isfinite(value)), default=0.0)


def _bar(value: float | None, largest: float, room: int) -> str:
    """Return a bar of eighths of a column; a value above zero is never too small to be seen."""
    if value is None or not math.isfinite(value) or value <= 0 or largest <= 0 or room <= 0:
        return ""
    eighths = max(round(min(value / largest, 1.0) * room * 8), 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")
