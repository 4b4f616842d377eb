"""Distributions one above the other on one log axis: where the calls are, cold and warm apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.tui.charts.canvas import Canvas
from lambdatune.tui.charts.scale import format_ms, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.tui.charts.canvas import Floats, Row
    from lambdatune.tui.charts.scale import Scale

_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = 8
_LEAST_HEIGHT_WITH_AXIS = 4
_AXIS_ROWS = 2
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Distribution:
    """The calls of one kind.

    Attributes:
        name: for the heading: ``warm``.
        role: which kind.
        values_ms: of each call; infinite ones (no result came) are counted in the heading alone.
    """

    name: str
    role: str
    values_ms: Floats


@dataclass(frozen=True, slots=True)
class Binned:
    """The calls of one kind, of which only the number in each bin is known.

    Attributes:
        name: for the heading: ``warm``.
        role: which kind.
        edges_ms: of the bins, above zero and ascending, one more than there are bins.
        counts: of the calls in each.
        p50_ms: for the heading, as it was before binning; None when there are no calls. `p99_ms` likewise.
    """

    name: str
    role: str
    edges_ms: Floats
    counts: Floats
    p50_ms: float | None
    p99_ms: float | None


def ridge(
    distributions: Sequence[Distribution | Binned], width: int, height: int, *, target_ms: float | None = None
) -> list[Row]:
    """Return the distributions stacked, each with n, p50 and p99 in its heading, over one shared axis.

    Bars are counts of calls, each distribution as high as its own mode; a single call is never too small to be seen.
    """
    canvas = Canvas(width, height)
    goal = [] if target_ms is None else [np.array([target_ms])]
    scale = logarithmic([*map(_span, distributions), *goal])
    axis = _AXIS_ROWS if height >= _LEAST_HEIGHT_WITH_AXIS else 0
    room = height - axis
    for index, part in enumerate(distributions):
        top = room * index // len(distributions)
        bottom = room * (index + 1) // len(distributions)
        _draw(canvas, part, scale, top, bottom)
    if axis:
        _axis(canvas, scale, height - _AXIS_ROWS, target_ms)
    return canvas.rows()


def _span(part: Distribution | Binned) -> Floats:
    """Return values that the axis has to hold."""
    if isinstance(part, Distribution):
        return part.values_ms
    occupied = np.flatnonzero(part.counts)
    return part.edges_ms[[occupied[0], occupied[-1] + 1]] if len(occupied) else np.empty(0)


def _draw(canvas: Canvas, part: Distribution | Binned, scale: Scale, top: int, bottom: int) -> None:
    rows = bottom - top - 1
    if rows >= 0:
        canvas.put(0, top, part.name, part.role)
        canvas.put(len(part.name) + 1, top, _heading(part))
    if rows <= 0 or not canvas.width:
        return
    counts = _by_column(part, scale, canvas.width)
    if not counts.any():
        return
    eighths = np.ceil(counts / counts.max() * rows * _EIGHTHS).astype(int)
    for row in range(rows):
        filled = np.clip(eighths - (rows - 1 - row) * _EIGHTHS, 0, _EIGHTHS)
        for column in np.flatnonzero(filled).tolist():
            canvas.put(column, top + 1 + row, _BLOCKS[filled[column]], part.role)


def _by_column(part: Distribution | Binned, scale: Scale, width: int) -> Floats:
    """Return how many calls lie in each column; those of a bin are spread evenly over its columns."""
    if isinstance(part, Distribution):
        known = part.values_ms[np.isfinite(part.values_ms)]
        return np.bincount(scale.dots(known, width), minlength=width).astype(np.float64)
    # A column's middle is where `Scale.dots` puts it, the first at 0 and the last at 1.
    edges = (np.arange(width + 1) - 0.5) / max(width - 1, 1)
    below = np.concatenate([[0.0], np.cumsum(part.counts)])
    spread = np.diff(np.interp(edges, scale.at(part.edges_ms), below))
    # What rounding leaves in a column is no call.
    return np.where(spread > below[-1] * _ROUNDING, spread, 0.0)


def _heading(part: Distribution | Binned) -> str:
    if isinstance(part, Binned):
        count = int(part.counts.sum())
        return f"n={count}  p50 {format_ms(part.p50_ms)}  p99 {format_ms(part.p99_ms)}" if count else "no calls yet"
    values_ms = part.values_ms
    known = np.sort(values_ms[~np.isnan(values_ms)])
    if not len(known):
        return "n=0"
    p50, p99 = (float(known[max(int(np.ceil(share * len(known))), 1) - 1]) for share in (0.5, 0.99))
    return f"n={len(known)}  p50 {format_ms(p50)}  p99 {format_ms(p99)}"


def _axis(canvas: Canvas, scale: Scale, row: int, target_ms: float | None) -> None:
    canvas.put(0, row, "─" * canvas.width, "axis")
    free = 0
    for tick in scale.ticks(max(canvas.width // 8, 1)):
        column = int(scale.dots(np.array([tick]), canvas.width)[0])
        text = format_ms(tick)
        start = max(min(column - len(text) // 2, canvas.width - len(text)), 0)
        canvas.put(column, row, "┴", "axis")
        if start >= free:
            canvas.put(start, row + 1, text, "axis")
            free = start + len(text) + 1
    if target_ms is not None:
        canvas.put(int(scale.dots(np.array([target_ms]), canvas.width)[0]), row, "▲", "target")
