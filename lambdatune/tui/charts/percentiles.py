"""The percentile curve, as HdrHistogram draws it: each further nine of the percentile is as wide as the one before.

The axis is the logarithm of 1/(1-p), from the median to 99.99 %. A curve ends where its calls end: of n calls no more
can be said than 1 - 1/n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.tui.charts.canvas import DOTS_ACROSS, DOTS_DOWN, PLAIN, Canvas, DotGrid
from lambdatune.tui.charts.line import dash_across, draw_axes, plot_area
from lambdatune.tui.charts.scale import Scale, format_ms, logarithmic, zero_based

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.tui.charts.canvas import Floats, Row
    from lambdatune.tui.charts.line import PlotArea

_FIRST, _LAST = 2.0, 10_000.0
"""1/(1-p) of the median and of 99.99 %."""

_TICKS = ((50.0, "50%"), (90.0, "90"), (95.0, "95"), (99.0, "99"), (99.9, "99.9"), (99.99, "99.99"))
_MARKED = (50.0, 90.0, 99.0, 99.9, 99.99)
MARKS = "●▲■◆"
"""Mark of the first, second, ... curve at each nine."""

_PATTERNS = ((1, 1), (6, 4), (6, 2), (10, 2))
"""Of so many dots so many are drawn: curves differ by their dashes as well."""
_LEAST_HEIGHT_WITH_AXIS = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """The calls of one kind on one clock.

    Attributes:
        name: for the legend.
        role: which kind.
        values_ms: of each call; infinite where no result came, drawn at the top.
    """

    name: str
    role: str
    values_ms: Floats


def percentile_curve(
    curves: Sequence[Curve], width: int, height: int, *, target_ms: float | None = None, log: bool = True
) -> list[Row]:
    """Return the curves over one axis of percentiles.

    Args:
        curves: at most four are told apart by their marks.
        width: columns.
        height: rows.
        target_ms: a line across at this latency.
        log: whether the axis of latencies is logarithmic; from zero otherwise.
    """
    canvas = Canvas(width, height)
    known = [np.sort(curve.values_ms[~np.isnan(curve.values_ms)]) for curve in curves]
    upper = [values[(len(values) - 1) // 2 :] for values in known]
    goal = [] if target_ms is None else [np.array([target_ms])]
    y_scale = logarithmic([*upper, *goal]) if log else zero_based([*upper, *goal])
    x_scale = Scale(_FIRST, _LAST, log=True)
    has_legend = height >= _LEAST_HEIGHT_WITH_AXIS
    area = plot_area(canvas, y_scale, legend=has_legend)
    draw_axes(canvas, area, y_scale)
    if area.labelled:
        _percentile_labels(canvas, area, x_scale)
    dots = DotGrid(area.width, area.height)
    if target_ms is not None:
        dash_across(dots, y_scale, target_ms)
    for index, (curve, values) in enumerate(zip(curves, known, strict=True)):
        _draw(dots, values, x_scale, y_scale, _PATTERNS[index % len(_PATTERNS)], curve.role)
    canvas.stamp(dots, area.left, area.top)
    for index, (curve, values) in enumerate(zip(curves, known, strict=True)):
        _mark(canvas, area, values, x_scale, y_scale, MARKS[index % len(MARKS)], curve.role)
    if has_legend:
        _legend(canvas, area.left, curves, known, target_ms)
    if not any(len(values) for values in known):
        canvas.put(area.left + 1, area.top + area.height // 2, "no calls", "muted")
    return canvas.rows()


def _draw(dots: DotGrid, values: Floats, x_scale: Scale, y_scale: Scale, pattern: tuple[int, int], role: str) -> None:
    if not len(values) or not dots.across or not dots.down:
        return
    period, drawn = pattern
    rows = y_scale.dots(values, dots.down)
    # Each call has its rank, and each column of dots all ranks that fall into it: the largest call is always drawn.
    odds = 1 / (1 - np.arange(len(values)) / len(values))
    shown = odds >= _FIRST
    shown[-1] = True
    last = int(x_scale.dots(odds[-1:], dots.across)[0])
    edges = x_scale.low * (x_scale.high / x_scale.low) ** (np.arange(dots.across) / max(dots.across - 1, 1))
    ranks = np.minimum(np.ceil((1 - 1 / edges) * len(values)).astype(np.intp), len(values))
    before = -1
    for column in range(last + 1):
        row = int(rows[max(ranks[column] - 1, 0)])
        top = int(rows[-1]) if column == last else row
        if column % period < drawn or column == last or (before >= 0 and abs(top - before) > DOTS_DOWN):
            bottom = min(row, before + 1) if before >= 0 else row
            dots.plot_column(column, bottom, max(top, bottom), role)
        before = row


def _mark(canvas: Canvas, area: PlotArea, values: Floats, x_scale: Scale, y_scale: Scale, mark: str, role: str) -> None:
    if not len(values) or area.width <= 0 or area.height <= 0:
        return
    for percentile in _MARKED:
        if percentile > 50 and 1 / (1 - percentile / 100) > len(values) * 1.0001:
            break
        value = values[max(math.ceil(percentile / 100 * len(values) - 1e-9), 1) - 1]
        row = int(y_scale.dots(np.array([value]), area.height * DOTS_DOWN)[0]) // DOTS_DOWN
        canvas.put(_column(area, x_scale, percentile), area.top + area.height - 1 - row, mark, role)


def _column(area: PlotArea, scale: Scale, percentile: float) -> int:
    place = scale.dots(np.array([1 / (1 - percentile / 100)]), area.width * DOTS_ACROSS)[0]
    return area.left + int(place) // DOTS_ACROSS


def _legend(
    canvas: Canvas, left: int, curves: Sequence[Curve], known: Sequence[Floats], target_ms: float | None
) -> None:
    entries = [
        [(f"{MARKS[index % len(MARKS)]} {curve.name}", curve.role), (f" n={len(values)}", PLAIN)]
        for index, (curve, values) in enumerate(zip(curves, known, strict=True))
    ]
    if target_ms is not None:
        entries.append([(f"╌ target {format_ms(target_ms)}", "target")])
    if left + sum(len(text) for entry in entries for text, _ in entry) + 2 * len(entries) > canvas.width:
        # Every curve is named, if need be without how many calls it is of.
        entries = [entry[:1] for entry in entries]
    canvas.legend(left, 0, entries)


def _percentile_labels(canvas: Canvas, area: PlotArea, scale: Scale) -> None:
    free = 0
    for percentile, text in _TICKS:
        column = _column(area, scale, percentile)
        start = max(min(column - len(text) // 2, canvas.width - len(text)), area.left - 1)
        canvas.put(column, area.top + area.height, "┴", "axis")
        if start >= free:
            canvas.put(start, area.top + area.height + 1, text, "axis")
            free = start + len(text) + 1
