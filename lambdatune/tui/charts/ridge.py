"""Distributions one above the other on one log axis: where the calls are, cold and warm apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.tui.charts.canvas import Canvas
from lambdatune.tui.charts.scale import format_ms, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from lambdatune.tui.charts.canvas import Floats, Row
    from lambdatune.tui.charts.scale import Scale

_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = 8
_LEAST_HEIGHT_WITH_AXIS = 4
_AXIS_ROWS = 2


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

    @property
    def heading(self) -> str:
        """How many calls there are, and where."""
        return _heading(self.values_ms)

    @property
    def ends_ms(self) -> Floats:
        """Values between which all calls lie."""
        return self.values_ms

    def per_column(self, scale: Scale, width: int) -> Floats:
        """Return how many calls lie in each column of an axis."""
        known = self.values_ms[np.isfinite(self.values_ms)]
        return np.bincount(scale.dots(known, width), minlength=width).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Binned:
    """The calls of one kind, counted in bins.

    Attributes:
        name: for the heading: ``warm``.
        role: which kind.
        edges_ms: of the bins, shape ``(bins + 1,)``, ascending.
        counts: calls in each bin, shape ``(bins,)``; those of a bin over several columns are spread over them.
        heading: how many calls there are, and where.
    """

    name: str
    role: str
    edges_ms: Floats
    counts: NDArray[np.integer[Any]]
    heading: str

    @property
    def ends_ms(self) -> Floats:
        """Values between which all calls lie."""
        filled = np.flatnonzero(self.counts)
        return self.edges_ms[[filled[0], filled[-1] + 1]] if len(filled) else np.empty(0)

    def per_column(self, scale: Scale, width: int) -> Floats:
        """Return how many calls lie in each column of an axis."""
        columns = np.zeros(width)
        filled = np.flatnonzero(self.counts)
        first = scale.dots(self.edges_ms[filled], width)
        last = np.maximum(scale.dots(self.edges_ms[filled + 1], width) - 1, first)
        for low, high, count in zip(first.tolist(), last.tolist(), self.counts[filled].tolist(), strict=True):
            columns[low : high + 1] += count / (high - low + 1)
        return columns


def ridge(
    distributions: Sequence[Distribution | Binned], width: int, height: int, *, target_ms: float | None = None
) -> list[Row]:
    """Return the distributions stacked, each with n, p50 and p99 in its heading, over one shared axis.

    Bars are counts of calls, each distribution as high as its own mode; a single call is never too small to be seen.
    """
    canvas = Canvas(width, height)
    goal = [] if target_ms is None else [np.array([target_ms])]
    scale = logarithmic([*(part.ends_ms for part in distributions), *goal])
    axis = _AXIS_ROWS if height >= _LEAST_HEIGHT_WITH_AXIS else 0
    room = height - axis
    for index, part in enumerate(distributions):
        top = room * index // len(distributions)
        bottom = room * (index + 1) // len(distributions)
        _draw(canvas, part, scale, top, bottom)
    if axis:
        _axis(canvas, scale, height - _AXIS_ROWS, target_ms)
    return canvas.rows()


def _draw(canvas: Canvas, part: Distribution | Binned, scale: Scale, top: int, bottom: int) -> None:
    rows = bottom - top - 1
    if rows >= 0:
        canvas.put(0, top, part.name, part.role)
        canvas.put(len(part.name) + 1, top, part.heading)
    if rows <= 0 or not canvas.width:
        return
    counts = part.per_column(scale, canvas.width)
    if not counts.any():
        return
    eighths = np.ceil(counts / counts.max() * rows * _EIGHTHS).astype(int)
    for row in range(rows):
        filled = np.clip(eighths - (rows - 1 - row) * _EIGHTHS, 0, _EIGHTHS)
        for column in np.flatnonzero(filled).tolist():
            canvas.put(column, top + 1 + row, _BLOCKS[filled[column]], part.role)


def heading(count: int, p50_ms: float | None, p99_ms: float | None) -> str:
    """Return how many calls there are, and where."""
    return f"n={count}  p50 {format_ms(p50_ms)}  p99 {format_ms(p99_ms)}" if count else "n=0"


def _heading(values_ms: Floats) -> str:
    known = np.sort(values_ms[~np.isnan(values_ms)])
    if not len(known):
        return heading(0, None, None)
    p50, p99 = (float(known[max(int(np.ceil(share * len(known))), 1) - 1]) for share in (0.5, 0.99))
    return heading(len(known), p50, p99)


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
