"""Latency over time: lines of braille dots, with the target across.

A column of dots shows the smallest and the largest value that falls into it (the envelope), never something between
two values: a spike of one call in a million is as high as it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.tui.charts.canvas import DOTS_ACROSS, PLAIN, Canvas, DotGrid
from lambdatune.tui.charts.scale import Scale, between, format_ms, logarithmic, usable, zero_based

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.tui.charts.canvas import Dots, Floats, Row

_LEAST_WIDTH_WITH_LABELS = 16
_LEAST_HEIGHT_WITH_AXIS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One series.

    Attributes:
        name: for the legend.
        role: which kind of series.
        x: where each value is, in seconds.
        y: the values in ms; infinite where no result came, which is drawn at the top.
        mark: tells the series apart in the legend without colour.
        value: what the legend says of it; None for the last value.
    """

    name: str
    role: str
    x: Floats
    y: Floats
    mark: str = "━"
    value: float | None = None


def line_chart(
    lines: Sequence[Line],
    width: int,
    height: int,
    *,
    target_ms: float | None = None,
    log: bool = False,
    empty: str = "no values yet",
) -> list[Row]:
    """Return the chart; the later of two lines is drawn over the earlier.

    Args:
        lines: the series.
        width: columns.
        height: rows.
        target_ms: a line across at this value.
        log: whether the axis of values is logarithmic; from zero otherwise.
        empty: what is said where there are no values.
    """
    canvas = Canvas(width, height)
    goal = [] if target_ms is None else [np.array([target_ms])]
    values = [*(line.y for line in lines), *goal]
    y_scale = logarithmic(values) if log else zero_based(values)
    x_scale = between([line.x for line in lines])
    area = plot_area(canvas, y_scale, legend=height >= _LEAST_HEIGHT_WITH_AXIS)
    if height >= _LEAST_HEIGHT_WITH_AXIS:
        _legend(canvas, area.left, lines, target_ms)
    draw_axes(canvas, area, y_scale)
    if area.labelled:
        _time_labels(canvas, area, x_scale)
    dots = DotGrid(area.width, area.height)
    if target_ms is not None:
        dash_across(dots, y_scale, target_ms)
    for line in lines:
        _draw(dots, line, x_scale, y_scale)
    canvas.stamp(dots, area.left, area.top)
    if not len(usable([line.y for line in lines])):
        canvas.put(area.left + 1, area.top + area.height // 2, empty, "muted")
    return canvas.rows()


@dataclass(frozen=True, slots=True)
class PlotArea:
    """Where the dots go on a canvas, and whether there is room for labels around them."""

    left: int
    top: int
    width: int
    height: int
    labelled: bool


def plot_area(canvas: Canvas, y_scale: Scale, *, legend: bool, below: int = 2) -> PlotArea:
    """Return the place for the dots: what labels, legend and axis leave of the canvas."""
    top = 1 if legend else 0
    labelled = canvas.width >= _LEAST_WIDTH_WITH_LABELS and canvas.height >= _LEAST_HEIGHT_WITH_AXIS
    if not labelled:
        return PlotArea(0, top, canvas.width, canvas.height - top, labelled=False)
    left = max((len(format_ms(tick)) for tick in y_scale.ticks(canvas.height // 3 + 1)), default=1) + 2
    return PlotArea(left, top, canvas.width - left, canvas.height - top - below, labelled=True)


def draw_axes(canvas: Canvas, area: PlotArea, y_scale: Scale) -> None:
    """Draw the axis of values with its ticks and dotted lines across, and the line below."""
    if not area.labelled:
        return
    for row in range(area.height):
        canvas.put(area.left - 1, area.top + row, "│", "axis")
    for tick in y_scale.ticks(area.height // 3 + 1):
        row = area.top + area.height - 1 - y_row(y_scale, tick, area.height)
        canvas.put_right(area.left - 1, row, format_ms(tick), "axis")
        canvas.put(area.left - 1, row, "┤", "axis")
        for column in range(area.left + 2, area.left + area.width, 4):
            canvas.put(column, row, "·", "grid")
    canvas.put(area.left - 1, area.top + area.height, "└" + "─" * area.width, "axis")


def y_row(scale: Scale, value: float, height: int) -> int:
    """Return the row of characters, counted from the bottom, in which the dot of `value` is."""
    return int(scale.dots(np.array([value]), height * 4)[0]) // 4


def dash_across(dots: DotGrid, scale: Scale, value: float) -> None:
    """Draw the target: a dashed line across."""
    x = np.arange(dots.across)
    x = x[x % 6 < 4]
    dots.plot(x, np.full(len(x), scale.dots(np.array([value]), dots.down)[0]), "target")


def _draw(dots: DotGrid, line: Line, x_scale: Scale, y_scale: Scale) -> None:
    known = ~(np.isnan(line.x) | np.isnan(line.y))
    if not known.any() or not dots.across or not dots.down:
        return
    x = x_scale.dots(line.x[known], dots.across)
    low, high, last = _envelope(x, y_scale.dots(line.y[known], dots.down), dots.across)
    hold = _spacing(x)
    before, since = -1, hold
    columns: list[tuple[int, int, int]] = []
    for column, (bottom, top, end) in enumerate(zip(low.tolist(), high.tolist(), last.tolist(), strict=True)):
        if top >= 0:
            if before >= 0 and since <= hold:
                # Joined to the column before, so that the eye can follow: drawn in this column only.
                bottom, top = min(bottom, before + 1), max(top, before - 1)  # noqa: PLW2901
            columns.append((column, max(bottom, 0), top))
            before, since = end, 0
        elif before >= 0 and since < hold:
            # A value holds until the next one is due.
            columns.append((column, before, before))
            since += 1
        else:
            before = -1
    dots.plot_columns(columns, line.role)


def _envelope(x: Dots, y: Dots, across: int) -> tuple[Dots, Dots, Dots]:
    """Return the lowest, the highest and the last dot of each column; -1 where it has none."""
    low = np.full(across, np.iinfo(np.intp).max, dtype=np.intp)
    high = np.full(across, -1, dtype=np.intp)
    last = np.full(across, -1, dtype=np.intp)
    np.minimum.at(low, x, y)
    np.maximum.at(high, x, y)
    last[x] = y
    return low, high, last


def _spacing(x: Dots) -> int:
    """Return the usual distance of neighbouring values in dots, 1 at the least."""
    steps = np.diff(np.unique(x))
    return max(int(np.median(steps)), 1) if len(steps) else 1


def _legend(canvas: Canvas, left: int, lines: Sequence[Line], target_ms: float | None) -> None:
    entries = [[(f"{line.mark} {line.name}", line.role), (f" {format_ms(_shown(line))}", PLAIN)] for line in lines]
    if target_ms is not None:
        entries.append([("╌ target", "target"), (f" {format_ms(target_ms)}", PLAIN)])
    canvas.legend(left, 0, entries)


def _shown(line: Line) -> float | None:
    if line.value is not None:
        return line.value
    known = line.y[~np.isnan(line.y)]
    return float(known[-1]) if len(known) else None


def _time_labels(canvas: Canvas, area: PlotArea, scale: Scale) -> None:
    for tick in scale.ticks(max(area.width // 12, 1)):
        text = _seconds(tick)
        column = area.left + int(scale.dots(np.array([tick]), area.width * DOTS_ACROSS)[0]) // DOTS_ACROSS
        canvas.put(column, area.top + area.height, "┴", "axis")
        canvas.put(min(column, canvas.width - len(text)), area.top + area.height + 1, text, "axis")


def _seconds(value: float) -> str:
    if abs(value) >= 1e5:
        return f"{value:.0e}s"
    if value >= 120 and value == math.floor(value):
        return f"{value // 60:.0f}m{value % 60:02.0f}"
    return f"{value:.3g}s"
