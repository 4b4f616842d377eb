"""Cost against latency of each size: the frontier, the target, and the advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.tui.charts.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas, DotGrid
from lambdatune.tui.charts.line import dash_across, draw_axes, plot_area, y_row
from lambdatune.tui.charts.scale import Scale, between, format_ms, format_usd, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.tui.charts.canvas import Row
    from lambdatune.tui.charts.line import PlotArea

_LEAST_HEIGHT_WITH_AXIS = 5
_SIDE_ROOM = 0.12
"""Share of the span of costs that is left free at both sides, for labels."""


@dataclass(frozen=True, slots=True)
class Size:
    """A memory size in the chart.

    Attributes:
        label: its name.
        glyph: its state as a glyph, ``★`` for the advice.
        role: its state as a role.
        cost: dollars per million calls; not drawn when not known.
        latency_ms: what the target is about; not drawn when not known.
        on_frontier: whether no other size beats it in both.
    """

    label: str
    glyph: str
    role: str
    cost: float | None
    latency_ms: float | None
    on_frontier: bool = False


def frontier_chart(
    sizes: Sequence[Size], width: int, height: int, *, latency: str = "p95", target_ms: float | None = None
) -> list[Row]:
    """Return the scatter of sizes: cost to the right, latency upwards on a log axis.

    Args:
        sizes: the sizes.
        width: columns.
        height: rows.
        latency: what the latency is called.
        target_ms: a line across at this latency.
    """
    canvas = Canvas(width, height)
    placed = [size for size in sizes if _finite(size.cost) and _finite(size.latency_ms)]
    goal = [] if target_ms is None else [target_ms]
    y_scale = logarithmic([np.array([*(size.latency_ms for size in placed), *goal], dtype=np.float64)], margin=1.3)
    x_scale = _cost_scale(placed)
    area = plot_area(canvas, y_scale, legend=height >= _LEAST_HEIGHT_WITH_AXIS)
    draw_axes(canvas, area, y_scale)
    dots = DotGrid(area.width, area.height)
    if target_ms is not None:
        dash_across(dots, y_scale, target_ms)
    _staircase(dots, [size for size in placed if size.on_frontier], x_scale, y_scale)
    canvas.stamp(dots, area.left, area.top)
    if height >= _LEAST_HEIGHT_WITH_AXIS:
        _legend(canvas, latency, target_ms)
    if area.labelled:
        _cost_labels(canvas, area, x_scale)
    spots = [(*_spot(area, size, x_scale, y_scale), size) for size in placed]
    for x, y, size in spots:
        canvas.put(x, y, size.glyph, size.role)
    # The advice is labelled first: where labels do not all fit, its own is there.
    for x, y, size in sorted(spots, key=lambda spot: (spot[2].glyph != "★", not spot[2].on_frontier)):
        _label(canvas, x, y, size)
    if not placed:
        canvas.put(area.left + 1, area.top + area.height // 2, "no size with a known cost and latency", "muted")
    return canvas.rows()


def _finite(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _cost_scale(placed: Sequence[Size]) -> Scale:
    scale = between([np.array([size.cost for size in placed], dtype=np.float64)])
    room = (scale.high - scale.low) * _SIDE_ROOM
    if len({size.cost for size in placed}) <= 1:
        return Scale(scale.low - 0.5, scale.low + 0.5)
    return Scale(scale.low - room, scale.high + 2 * room)


def _spot(area: PlotArea, size: Size, x_scale: Scale, y_scale: Scale) -> tuple[int, int]:
    column = int(x_scale.dots(np.array([size.cost], dtype=np.float64), max(area.width, 1))[0])
    row = y_row(y_scale, float(size.latency_ms or 0.0), max(area.height, 1))
    return area.left + column, area.top + area.height - 1 - row


def _staircase(dots: DotGrid, frontier: Sequence[Size], x_scale: Scale, y_scale: Scale) -> None:
    """Draw what is to be had for a cost: the latency of the best size up to it, hence steps."""
    ordered = sorted(frontier, key=lambda size: (size.cost or 0.0, size.latency_ms or 0.0))
    if not dots.across or not dots.down:
        return
    x = x_scale.dots(np.array([size.cost for size in ordered], dtype=np.float64), dots.width) * DOTS_ACROSS
    y = [
        y_row(y_scale, float(size.latency_ms or 0.0), dots.height) * DOTS_DOWN + 1 for size in ordered
    ]  # the middle of the character in which the size's glyph is
    for index in range(len(ordered) - 1):
        across = np.arange(x[index], x[index + 1] + 1)
        dots.plot(across, np.full(len(across), y[index]), "grid")
        dots.plot_column(int(x[index + 1]), min(y[index], y[index + 1]), max(y[index], y[index + 1]), "grid")


def _label(canvas: Canvas, x: int, y: int, size: Size) -> None:
    length = len(size.label)
    for column, row in (
        (x + 2, y), (x - 1 - length, y), (x - length // 2, y - 1), (x - length // 2, y + 1), (x + 2, y - 1),
        (x + 2, y + 1), (x - 1 - length, y - 1), (x - 1 - length, y + 1),
    ):  # fmt: skip
        if canvas.is_free(column - 1, row, length + 1) or canvas.is_free(column, row, length):
            canvas.put(column, row, size.label, size.role)
            return


def _legend(canvas: Canvas, latency: str, target_ms: float | None) -> None:
    parts = [("★ best", "best"), ("✓ meets", "meets"), ("✗ misses", "misses"), ("? unproven", "unproven")]
    if target_ms is not None:
        parts.insert(0, (f"╌ target {format_ms(target_ms)}", "target"))
    canvas.legend(0, 0, [[(f"{latency} ms ↑  $/1M →", "muted")], *([part] for part in parts)])


def _cost_labels(canvas: Canvas, area: PlotArea, scale: Scale) -> None:
    for tick in scale.ticks(max(area.width // 12, 1)):
        column = area.left + int(scale.dots(np.array([tick]), area.width)[0])
        text = f"${format_usd(tick)}"
        if tick < 0:
            continue
        canvas.put(column, area.top + area.height, "┴", "axis")
        canvas.put(min(column, canvas.width - len(text)), area.top + area.height + 1, text, "axis")
