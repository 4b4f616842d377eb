"""The charts of the page, from the histograms in a result: distributions, cost against latency, percentile curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.target import Target, parse_target
from lambdatune.reports.measured import Measured, measured
from lambdatune.reports.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    axis_below,
    circle,
    figure,
    in_time,
    label_beside,
    line,
    path,
    scale_of,
    spread,
    text,
    time_axis_below,
    time_axis_left,
)  # fmt: skip
from lambdatune.reports.wording import cell_labels, currency, is_best
from lambdatune.stats.histogram import BIN_MIDDLE_US, LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from lambdatune.model.result import CellResult, RunResult

LINES = 8
"""So many curves can be told apart in a chart."""

_BINS = 64
_ROW = 46
_PLOT = 240
_CURVE_POINTS = 120
_LEAST_MS = 0.001
_MEDIAN = Target("warm", "duration", 50.0, 1.0)
Starts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """A cell with its name."""

    cell: CellResult
    label: str
    is_best: bool


def distributions(result: RunResult) -> Markup | None:
    """Return how long calls took at each size, cold and warm apart, on one log axis; None without a call."""
    rows = [(told, _histograms(told.cell)) for told in _told(result)]
    rows = [(told, found) for told, found in rows if found]
    if not rows:
        return None
    every = [histogram for _, found in rows for histogram in found.values()]
    limits = _thresholds(result)
    ends = [value for each in every for value in (each.min_ms, each.max_ms)] + [limit for limit, _ in limits]
    x = scale_of([max(value, _LEAST_MS) for value in ends], LEFT + 20, WIDTH - 14, is_log=True)
    bottom = TOP + 8 + _ROW * len(rows)
    parts = time_axis_below(x, TOP, bottom, "duration of the handler, of cold starts with init")
    for row, (told, found) in enumerate(rows):
        base = TOP + 8 + _ROW * (row + 1)
        parts.append(text(LEFT + 14, base - 4, told.label, classes="label best" if told.is_best else "label",
                          anchor="end"))  # fmt: skip
        parts.append(line(x.begin, base, x.end, base, classes="base"))
        parts += [_hill(histogram, x, base, start, told.label) for start, histogram in found.items()]
    for limit, label in limits:
        parts.append(line(x(limit), TOP, x(limit), bottom, classes="target"))
        parts.append(text(x(limit), TOP - 4, label, classes="axis", anchor="middle"))
    names = ", ".join(told.label for told, _ in rows)
    return figure(parts, bottom + BOTTOM, "Distributions", f"durations of warm calls and cold starts at {names}")


def frontier(result: RunResult) -> Markup | None:
    """Return cost against latency, a dot for each size with its intervals; None when no size has both."""
    target = _first_target(result)
    dots = [
        (told, cost, found)
        for told in _told(result)
        if (cost := told.cell.cost_usd_per_million.blended) is not None
        and (found := measured(told.cell, target, result.recommendation.confidence)) is not None
    ]
    if not dots:
        return None
    right, bottom = WIDTH - 24, TOP + _PLOT
    spans = {id(told.cell): told.cell.cost_usd_per_million.intervals.get("blended") for told, _, _ in dots}
    costs = [end for told, cost, _ in dots for end in (cost, *(spans[id(told.cell)] or ()))]
    x = scale_of(costs, LEFT, right, is_log=False)
    limits = [target.threshold_ms] if result.plan.get("targets") else []
    times = [end for _, _, found in dots for end in (found.value_ms, found.low_ms, found.high_ms or found.value_ms)]
    y = scale_of([max(value, _LEAST_MS) for value in [*times, *limits]], bottom, TOP, is_log=True)
    digits = max(0, 1 - math.floor(math.log10(x.high - x.low)))
    labels = [f"{tick:.{digits}f}" for tick in x.ticks()]
    parts = axis_below(x, TOP, bottom, f"{currency(result)} per million calls", labels)
    parts += time_axis_left(y, LEFT, right)
    parts += [line(LEFT, y(limit), right, y(limit), classes="target") for limit in limits]
    on_it = [(x(cost), y(found.value_ms)) for told, cost, found in sorted(dots, key=lambda dot: dot[1])
             if told.cell.memory_mb in result.recommendation.frontier_mb]  # fmt: skip
    parts += [path(on_it, classes="frontier")] if len(on_it) > 1 else []
    best_first = sorted(dots, key=lambda dot: not dot[0].is_best)
    for told, cost, found in best_first:
        parts += _whiskers(found, x(cost), y, [x(end) for end in spans[id(told.cell)] or ()])
    for told, cost, found in best_first:
        title = f"{told.label}: {found}, {cost:.2f} {currency(result)} per million calls"
        parts.append(circle(x(cost), y(found.value_ms), 6 if told.is_best else 4,
                            classes=f"dot {told.cell.verdict}", title=title))  # fmt: skip
    taken: list[tuple[float, float, float, float]] = []
    for told, cost, found in best_first:
        parts.append(label_beside(x(cost), y(found.value_ms), f"{told.label}{' ★' if told.is_best else ''}", taken))
    said = "; ".join(f"{told.label}: {found}, {cost:.2f}" for told, cost, found in dots)
    return figure(parts, bottom + BOTTOM, "Cost and latency", said)


def _whiskers(found: Measured, place: float, y: Scale, costs: Sequence[float]) -> list[Markup]:
    """Return the interval of a latency, dotted to the top where it has no end, and that of a cost if any."""
    is_open = found.high_ms is None
    top = TOP if found.high_ms is None else y(found.high_ms)
    bottom = y(max(found.low_ms, _LEAST_MS))
    lines = [line(place, bottom, place, top, classes="whisker open" if is_open else "whisker")]
    middle = y(found.value_ms)
    return [*lines, *([line(costs[0], middle, costs[1], middle, classes="whisker")] if costs else [])]


def latency_axis(result: RunResult) -> str:
    """Return what the vertical axis of `frontier` is."""
    target = _first_target(result)
    return f"{target.population}.{target.clock}.p{target.percentile:g}"


def percentiles(result: RunResult, start: str) -> Markup | None:
    """Return a percentile curve of each size, `start` is warm or cold; None without a call."""
    known = [(told, histogram) for told in _told(result) if (histogram := _histograms(told.cell).get(start))]
    curves = _most_telling(known, result)
    if not curves:
        return None
    right, bottom = WIDTH - RIGHT, TOP + _PLOT
    most = max(histogram.count for _, histogram in curves)
    x = Scale(0.0, max(math.log10(most), 1.0), LEFT, right)
    values = [max(value, _LEAST_MS) for _, each in curves for value in (each.min_ms, each.max_ms)]
    y = scale_of(values, bottom, TOP, is_log=True)
    parts = _percentile_axis(x, bottom)
    parts += time_axis_left(y, LEFT, right)
    lines = [(told, _curve(histogram, x, y)) for told, histogram in curves]
    places = spread([points[-1][1] for _, points in lines], TOP + 6, bottom)
    for number, ((told, points), place) in enumerate(zip(lines, places, strict=True)):
        parts.append(path(points, classes=f"curve c{number}{' best' if told.is_best else ''}", title=told.label))
        parts.append(line(*points[-1], right + 6, place - 3, classes=f"leader c{number}"))
        parts.append(text(right + 8, place, f"{told.label}{' ★' if told.is_best else ''}", classes=f"label t{number}"))
    said = "; ".join(f"{told.label} p50 {in_time(each.percentile_ms(50))}, p95 {in_time(each.percentile_ms(95))}"
                     for told, each in curves)  # fmt: skip
    return figure(parts, bottom + BOTTOM, f"Percentiles of {start} calls", said)


def _told(result: RunResult) -> list[_Told]:
    return [
        _Told(cell, label, is_best(cell, result))
        for cell, label in zip(result.cells, cell_labels(result), strict=True)
    ]  # fmt: skip


def _histograms(cell: CellResult) -> dict[str, LatencyHistogram]:
    """Return the histograms of durations by how a call started."""
    found = {start: cell.histograms.get(f"{start}.duration") for start in ("warm", "cold")}
    return {start: LatencyHistogram.decode(blob) for start, blob in found.items() if blob}


def _thresholds(result: RunResult) -> list[tuple[float, str]]:
    """Return the thresholds of targets on durations and what they are."""
    targets = [parse_target(target) for target in result.plan.get("targets", [])]
    return [(each.threshold_ms, str(each)) for each in targets if each.clock == "duration"][:1]


def _first_target(result: RunResult) -> Target:
    targets = result.plan.get("targets", [])
    return parse_target(targets[0]) if targets else _MEDIAN


def _hill(histogram: LatencyHistogram, x: Scale, base: float, start: str, label: str) -> Markup:
    """Return the density of a histogram on a log axis, as high as a row at its highest."""
    edges = np.geomspace(x.low, x.high, _BINS + 1)
    middles_ms = np.maximum(BIN_MIDDLE_US / 1_000, _LEAST_MS)
    counts, _ = np.histogram(middles_ms, bins=edges, weights=histogram.counts)
    heights = counts / counts.max() * (_ROW - 8) if counts.max() else counts
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1])
    points = [(x(edges[first]), base)]
    for place in range(first, last + 1):
        points += [(x(edges[place]), base - heights[place]), (x(edges[place + 1]), base - heights[place])]
    points.append((x(edges[last + 1]), base))
    p50, p99 = histogram.percentiles_ms((50, 99))
    title = f"{label} {start}: {histogram.count} calls, p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    return path(points, classes=f"hill {start}", title=title, is_closed=True)


def _curve(histogram: LatencyHistogram, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Return the points of a percentile curve up to what its calls can tell, the slowest call the last."""
    ends = np.linspace(0.0, math.log10(max(histogram.count, 2)), _CURVE_POINTS)
    values = histogram.percentiles_ms((100.0 * (1 - 10.0**-ends)).tolist())
    points = [*zip(ends.tolist(), values, strict=True), (float(ends[-1]), histogram.max_ms)]
    return [(x(end), y(max(value, _LEAST_MS))) for end, value in points]


def _percentile_axis(x: Scale, bottom: float) -> list[Markup]:
    """Return the axis of percentiles: each nine takes the same room."""
    parts = []
    for percent in (0.0, 50.0, 90.0, 99.0, 99.9, 99.99):
        place = -math.log10(1 - percent / 100)
        if place <= x.high:
            parts.append(line(x(place), TOP, x(place), bottom, classes="grid"))
            parts.append(text(x(place), bottom + 14, f"p{percent:g}", classes="tick", anchor="middle"))
    return [*parts, text((x.begin + x.end) / 2, bottom + 30, "percentile", classes="axis", anchor="middle")]


def _most_telling(
    curves: list[tuple[_Told, LatencyHistogram]], result: RunResult
) -> Sequence[tuple[_Told, LatencyHistogram]]:
    """Return so many curves as can be told apart: the advice, the frontier, then the least and the largest sizes."""
    if len(curves) <= LINES:
        return curves
    on_frontier = result.recommendation.frontier_mb
    ends = (curves[0][0], curves[-1][0])
    rank = sorted(curves, key=lambda curve: (not curve[0].is_best, curve[0] not in ends,
                                             curve[0].cell.memory_mb not in on_frontier))  # fmt: skip
    kept = rank[:LINES]
    return [curve for curve in curves if curve in kept]
