"""From a result to what the charts draw: percentiles of any target, states as glyph and word, rows of the table."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.modes import MODES
from lambdatune.recommend.compare import clock_stats
from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.rows import clock_ms, clocks_of, is_cold, is_warm
from lambdatune.stats.summary import described
from lambdatune.tui.charts.bars import Bar
from lambdatune.tui.charts.canvas import PLAIN
from lambdatune.tui.charts.frontier import Size
from lambdatune.tui.charts.line import Line
from lambdatune.tui.charts.percentiles import Curve
from lambdatune.tui.charts.ridge import Distribution
from lambdatune.tui.charts.scale import format_ms, format_usd
from lambdatune.tui.charts.table import Column, TableRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.modes import Mode
    from lambdatune.model.result import CellResult, RunResult, Stats
    from lambdatune.model.target import ClockName, Population, Target
    from lambdatune.stats.rows import Rows
    from lambdatune.tui.charts.canvas import Floats

VERDICTS = {
    "meets": ("✓", "meets", "meets"),
    "misses": ("✗", "misses", "misses"),
    "unproven": ("?", "unproven", "unproven"),
    "failed": ("!", "failed", "failed"),
    "not-tried": ("○", "not tried", "muted"),
}
"""Glyph, word and role of a size's verdict."""

ADVICE = {
    "met": ("★", "target met", "meets"),
    "missed": ("✗", "target missed", "misses"),
    "unproven": ("?", "unproven", "unproven"),
    "invalid": ("⚠", "invalid", "misses"),
    "none": ("○", "no target set", "muted"),
}
"""Glyph, word and role of an advice."""

CLOCKS: dict[ClockName, str] = {
    "duration": "function clock (REPORT)",
    "response": "client clock from the intended send",
    "service": "client clock from the actual send",
    "e2e": "end to end: from the intended send to the end of the execution",
}

SIZE_COLUMNS = (
    Column("memory", "memory"),
    Column("state", "state", right=False, drop=9),
    Column("n", "n", drop=6),
    Column("cold_p50", "cold p50", drop=7),
    Column("cold_p99", "cold p99", drop=4),
    Column("init", "init", drop=8),
    Column("warm_p50", "warm p50", drop=2),
    Column("warm_p95", "p95"),
    Column("warm_p99", "p99", drop=3),
    Column("errors", "err", drop=5),
    Column("cost", "$/1M"),
    Column("verdict", "verdict", right=False),
)

_STREAM_COLUMNS = (
    Column("memory", "memory"),
    Column("state", "state", right=False, drop=11),
    Column("n", "n", drop=8),
    Column("cold_p50", "cold p50", drop=9),
    Column("cold_p99", "cold p99", drop=5),
    Column("init", "init", drop=10),
    Column("first_p50", "first byte p50", drop=2),
    Column("first_p95", "first byte p95", drop=1),
    Column("warm_p50", "warm p50", drop=3),
    Column("warm_p95", "warm p95"),
    Column("warm_p99", "warm p99", drop=4),
    Column("errors", "err", drop=7),
    Column("cost", "$/1M"),
    Column("verdict", "verdict", right=False),
)

_WINDOWS = 60
_CALLS_IN_A_WINDOW = 10


def own_clock(mode: Mode, clock: ClockName) -> ClockName:
    """Return the clock that tells the same in a mode: where a call waits for its result, e2e is the response time."""
    return clock if clock in clocks_of(mode) else "response"


def percentile_ms(cell: CellResult, target: Target) -> float | None:
    """Return what a cell has where `target` has its threshold; None without calls."""
    kinds = ("warm", "cold") if target.population == "all" else (target.population,)
    clock = own_clock(cell.mode, target.clock)
    blobs = tuple(cell.histograms[name] for kind in kinds if (name := f"{kind}.{clock}") in cell.histograms)
    return _percentile(blobs, target.percentile) if blobs else None


@lru_cache(maxsize=512)
def _percentile(blobs: tuple[str, ...], percentile: float) -> float:
    histogram = LatencyHistogram()
    for blob in blobs:
        histogram.merge(LatencyHistogram.decode(blob))
    return histogram.percentile_ms(percentile)


def state_of(cell: CellResult, result: RunResult) -> tuple[str, str, str]:
    """Return glyph, word and role of a cell: the advice, or its verdict."""
    if cell.memory_mb == result.recommendation.memory_mb:
        return "★", "best", "best"
    if not cell.certificates and cell.verdict == "unproven":
        return "○", "no target", "muted"
    return VERDICTS[cell.verdict]


def mode_of(result: RunResult) -> Mode:
    """Return the invocation mode of a run."""
    return result.cells[0].mode if result.cells else "invoke"


def mode_words(mode: str) -> str:
    """Return what is said of the mode where a run is named: nothing of the usual one."""
    return "" if mode == "invoke" else f" · {mode}"


def size_columns(mode: Mode, clock: ClockName) -> Sequence[Column]:
    """Return the columns of the table of sizes: those of the mode, and the figures of `clock` stay the longest."""
    if mode == "stream":
        return _STREAM_COLUMNS
    if not MODES[mode].is_delivered:
        return SIZE_COLUMNS
    warm, queue = (2, 1) if clock == "e2e" else (1, 2)
    return (
        Column("memory", "memory"),
        Column("state", "state", right=False, drop=12),
        Column("n", "n", drop=9),
        Column("cold_p50", "cold p50", drop=10),
        Column("init", "init", drop=11),
        Column("warm_p50", "warm p50", drop=7),
        Column("warm_p95", "warm p95", drop=warm),
        Column("queue_p50", "queued p50", drop=6),
        Column("queue_p95", "queued p95", drop=queue),
        Column("e2e_p50", "e2e p50", drop=3),
        Column("e2e_p95", "e2e p95"),
        Column("errors", "err", drop=4),
        Column("cost", "$/1M"),
        Column("verdict", "verdict", right=False),
    )


def times_words(mode: Mode, clock: ClockName) -> str:
    """Return what the times in the table of sizes are."""
    if mode == "stream":
        return f"latency in ms, {CLOCKS[own_clock(mode, clock)]}; first byte: from the actual send"
    if MODES[mode].is_delivered:
        words = {"duration": "REPORT", "response": "client, due to accepted", "service": "client, sent to accepted"}
        return f"ms; warm: {words[_beside_e2e(mode, clock)]}; queued: until start; e2e: until end"
    return f"latency in ms, {CLOCKS[own_clock(mode, clock)]}"


def _beside_e2e(mode: Mode, clock: ClockName) -> ClockName:
    """Return the clock of the columns of cold and warm calls: e2e has columns of its own in the modes that know it."""
    return "duration" if clock == "e2e" and MODES[mode].is_delivered else clock


def size_rows(result: RunResult, clock: ClockName) -> list[TableRow]:
    """Return the rows of the table of sizes, times on one clock."""
    return [_size_row(cell, result, clock) for cell in result.cells]


def _size_row(cell: CellResult, result: RunResult, clock: ClockName) -> TableRow:
    clock = _beside_e2e(cell.mode, clock)
    cold, warm = clock_stats(cell, "cold", clock), clock_stats(cell, "warm", clock)
    own = {"queue": cell.warm.queue_delay_ms, "e2e": cell.warm.e2e_ms, "first": cell.warm.first_byte_ms}
    glyph, word, role = state_of(cell, result)
    errors = sum(cell.errors.values()) + cell.throttles
    state = {"failed": ("! failed", "failed"), "not-tried": ("○ not tried", "muted")}.get(
        cell.verdict, ("✓ measured", PLAIN)
    )
    return {
        "memory": (f"{cell.memory_mb} MB", "best" if role == "best" else PLAIN),
        "state": state,
        "n": (str(cell.invocations), PLAIN),
        "cold_p50": (bounded_ms(cold, "p50"), PLAIN),
        "cold_p99": (bounded_ms(cold, "p99"), PLAIN),
        "init": (bounded_ms(cell.cold.init_ms, "p50"), PLAIN),
        "warm_p50": (bounded_ms(warm, "p50"), PLAIN),
        "warm_p95": (bounded_ms(warm, "p95"), PLAIN),
        "warm_p99": (bounded_ms(warm, "p99"), PLAIN),
        "errors": (f"⚠ {errors}" if errors else "0", "unproven" if errors else PLAIN),
        "cost": (format_usd(cell.cost_usd_per_million.blended), PLAIN),
        "verdict": (f"{glyph} {word}", role),
        **{
            f"{name}_{percentile}": (bounded_ms(stats, percentile), PLAIN)
            for name, stats in own.items()
            if stats is not None
            for percentile in ("p50", "p95")
        },
    }


def bounded_ms(stats: Stats, percentile: str) -> str:
    """Return a percentile, with + where the calls do not bound it from above."""
    interval = stats.intervals.get(percentile)
    return format_ms(getattr(stats, percentile)) + ("+" if interval is not None and interval[1] is None else "")


def frontier_sizes(result: RunResult, target: Target) -> list[Size]:
    """Return the sizes for the frontier chart: cost against what `target` is about."""
    placed = [
        (cell.cost_usd_per_million.blended, percentile_ms(cell, target), cell)
        for cell in result.cells
        if cell.verdict not in {"failed", "not-tried"}
    ]
    return [
        Size(str(cell.memory_mb), state_of(cell, result)[0], state_of(cell, result)[2], cost, latency_ms,
             on_frontier=not beaten(cost, latency_ms, [place[:2] for place in placed]))
        for cost, latency_ms, cell in placed
    ]  # fmt: skip


def beaten(cost: float | None, latency_ms: float | None, others: Sequence[tuple[float | None, float | None]]) -> bool:
    """Return whether another place of cost and latency is no worse in cost and latency, and better in one."""
    if cost is None or latency_ms is None:
        return True
    return any(
        other_cost is not None
        and other_ms is not None
        and other_cost <= cost
        and other_ms <= latency_ms
        and (other_cost, other_ms) != (cost, latency_ms)
        for other_cost, other_ms in others
    )


def size_bar_data(result: RunResult, target: Target) -> list[Bar]:
    """Return the sizes for the chart of bars."""
    return [
        Bar(f"{cell.memory_mb} MB", state_of(cell, result)[0], state_of(cell, result)[2],
            percentile_ms(cell, target), cell.cost_usd_per_million.blended)
        for cell in result.cells
    ]  # fmt: skip


def times_of(rows: Rows, population: Population, clock: ClockName) -> Floats:
    """Return the times of the described warm or cold calls of a cell on a clock, those known."""
    kind = is_cold(rows) if population == "cold" else is_warm(rows)
    times_ms = clock_ms(rows[kind & described(rows)], clock)
    return np.asarray(times_ms[~np.isnan(times_ms)])


def ridge_parts(rows: Rows, clock: ClockName) -> list[Distribution]:
    """Return the cold and the warm calls of a cell for the ridge."""
    return [
        Distribution("cold", "cold", times_of(rows, "cold", clock)),
        Distribution("warm", "warm", times_of(rows, "warm", clock)),
    ]


def curves(rows: Rows, kinds: Sequence[Population], clocks: Sequence[ClockName]) -> list[Curve]:
    """Return the percentile curves of a cell: kinds of calls on clocks."""
    found = []
    for clock in clocks:
        for kind in kinds:
            role = kind if clock == "duration" else {"warm": "other", "cold": "p99"}[kind]
            other = "end to end" if clock == "e2e" else "client"
            name = kind if clock == "duration" or len(clocks) == 1 else f"{kind} {other}"
            found.append(Curve(name, role, times_of(rows, kind, clock)))
    return found


def over_time(rows: Rows, population: Population, clock: ClockName) -> list[Line]:
    """Return median, p95 and largest time of the calls of a cell in the order in which they came, by windows."""
    kind = is_cold(rows) if population == "cold" else is_warm(rows)
    chosen = rows[kind & described(rows)]
    times_ms = clock_ms(chosen, clock)
    chosen, times_ms = chosen[~np.isnan(times_ms)], times_ms[~np.isnan(times_ms)]
    if not len(chosen):
        return []
    order = np.argsort(chosen["intended_ns"], kind="stable")
    # Since the first of these calls: other calls of the size may have come long before.
    at_s = (chosen["intended_ns"][order] - chosen["intended_ns"][order[0]]) / 1e9
    parts = np.array_split(np.arange(len(order)), min(max(len(order) // _CALLS_IN_A_WINDOW, 1), _WINDOWS))
    times_ms = times_ms[order]
    x = np.array([at_s[part].mean() for part in parts])
    figures = [np.percentile(times_ms[part], (50, 95, 100), method="inverted_cdf") for part in parts]
    p50, p95, largest = np.array(figures).T
    whole = np.percentile(times_ms, (50, 95, 100), method="inverted_cdf")
    return [
        Line("max", "p99", x, largest, "┅", float(whole[2])),
        Line("p95", "p95", x, p95, "╍", float(whole[1])),
        Line("p50", "p50", x, p50, "━", float(whole[0])),
    ]
