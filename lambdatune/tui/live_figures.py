"""From a snapshot of a running session to what the charts draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.target import Target, parse_target
from lambdatune.session.live.messages import BINS, BINS_PER_DECADE, LOWEST_MS
from lambdatune.tui.charts.canvas import PLAIN
from lambdatune.tui.charts.frontier import Size
from lambdatune.tui.charts.line import Line
from lambdatune.tui.charts.ridge import Binned, heading
from lambdatune.tui.charts.scale import format_ms, format_usd
from lambdatune.tui.charts.table import Column
from lambdatune.tui.figures import VERDICTS

if TYPE_CHECKING:
    from lambdatune.session.live.messages import LiveCell, LiveFigures, OverTime, Snapshot
    from lambdatune.tui.charts.table import TableRow

STATES = {
    "preparing": ("○", "preparing", ""),
    "running": ("▶", "running", "$text-success"),
    "pausing": ("…", "pausing", "$text-warning"),
    "paused": ("‖", "paused", "$text-warning"),
    "stopping": ("■", "stopping", "$text-warning"),
    "undoing": ("↺", "undoing", ""),
    "gone": ("✗", "engine gone", "$text-error"),
}
"""Glyph, word and style of what a session does."""

CELL_STATES = {
    "queued": ("○ queued", "muted"),
    "running": ("▶ running", "best"),
    "measured": ("✓ measured", PLAIN),
    "ended": ("■ ended", "muted"),
    "failed": ("! failed", "failed"),
}
"""Glyph and word of a size while it is measured, and their role."""

LIVE_COLUMNS = (
    Column("memory", "memory"),
    Column("state", "state", right=False),
    Column("n", "n", drop=6),
    Column("cold_p50", "cold p50", drop=8),
    Column("cold_p99", "cold p99", drop=5),
    Column("init", "init", drop=9),
    Column("warm_p50", "warm p50", drop=2),
    Column("warm_p95", "p95"),
    Column("warm_p99", "p99", drop=3),
    Column("errors", "err", drop=4),
    Column("cost", "$/1M", drop=1),
    Column("verdict", "verdict", right=False),
)

EDGES_MS = LOWEST_MS * 10 ** (np.arange(BINS + 1) / BINS_PER_DECADE)


def first_target(snapshot: Snapshot) -> Target | None:
    """Return the target that charts show."""
    return parse_target(snapshot.targets[0]) if snapshot.targets else None


def live_rows(snapshot: Snapshot) -> list[TableRow]:
    """Return the rows of the table of sizes."""
    modes = {cell.mode for cell in snapshot.cells}
    return [
        _live_row(cell, snapshot, is_leading=index == snapshot.leading, with_mode=len(modes) > 1)
        for index, cell in enumerate(snapshot.cells)
    ]


def _live_row(cell: LiveCell, snapshot: Snapshot, *, is_leading: bool, with_mode: bool) -> TableRow:
    warm, cold = cell.warm, cell.cold
    wrong = cell.errors + cell.throttles
    name = f"{cell.memory_mb} MB" + (f" {cell.mode}" if with_mode else "")
    return {
        "memory": (name, "best" if is_leading else PLAIN),
        "state": CELL_STATES[cell.state],
        "n": (str(cell.calls) if cell.calls else "-", PLAIN),
        "cold_p50": (format_ms(cold.p50_ms), PLAIN),
        "cold_p99": (format_ms(cold.p99_ms), PLAIN),
        "init": (format_ms(cell.init_p50_ms), PLAIN),
        "warm_p50": (format_ms(warm.p50_ms), PLAIN),
        "warm_p95": (format_ms(warm.p95_ms), PLAIN),
        "warm_p99": (format_ms(warm.p99_ms), PLAIN),
        "errors": (f"⚠ {wrong}" if wrong else "0" if cell.calls else "-", "unproven" if wrong else PLAIN),
        "cost": (format_usd(cell.cost_usd_per_million), PLAIN),
        "verdict": _verdict(cell, snapshot, is_leading=is_leading),
    }


def _verdict(cell: LiveCell, snapshot: Snapshot, *, is_leading: bool) -> tuple[str, str]:
    glyph, word, role = VERDICTS[cell.verdict]
    if not snapshot.targets and cell.verdict == "unproven":
        return ("★ leads", "best") if is_leading else ("○ no target", "muted")
    if cell.verdict == "meets" and is_leading:
        return "★ leads", "best"
    # Rounded down: a proof that is not there yet is not shown as one.
    sure = f" {int(100 * cell.how_sure)} %" if cell.verdict == "unproven" and cell.how_sure else ""
    return f"{glyph} {word}{sure}", role


def live_frontier(snapshot: Snapshot) -> tuple[str, list[Size]]:
    """Return what latency the frontier shows, and the sizes on it.

    A snapshot has three percentiles: the one nearest to the target's is shown.
    """
    target = first_target(snapshot)
    wanted = target.percentile if target is not None else 95.0
    percentile = min((50, 95, 99), key=lambda known: abs(known - wanted))
    is_cold = target is not None and target.population == "cold"
    placed = []
    for cell in snapshot.cells:
        figures = cell.cold if is_cold else cell.warm
        latency_ms = {50: figures.p50_ms, 95: figures.p95_ms, 99: figures.p99_ms}[percentile]
        placed.append((cell, cell.cost_usd_per_million, latency_ms))
    known = [(cost, latency_ms) for _, cost, latency_ms in placed if cost is not None and latency_ms is not None]
    sizes = [
        Size(
            str(cell.memory_mb), *_spot(cell, is_leading=index == snapshot.leading), cost, latency_ms,
            on_frontier=cost is not None and latency_ms is not None and not any(
                other != (cost, latency_ms) and other[0] <= cost and other[1] <= latency_ms for other in known
            ),
        )
        for index, (cell, cost, latency_ms) in enumerate(placed)
    ]  # fmt: skip
    return f"{'cold' if is_cold else 'warm'} p{percentile}", sizes


def _spot(cell: LiveCell, *, is_leading: bool) -> tuple[str, str]:
    if is_leading:
        return "★", "best"
    glyph, _, role = VERDICTS[cell.verdict]
    return glyph, role


def binned(name: str, role: str, figures: LiveFigures) -> Binned:
    """Return a kind of calls for the ridge."""
    counts = np.frombuffer(figures.counts, "<i4") if figures.counts else np.zeros(BINS, np.int32)
    return Binned(name, role, EDGES_MS, counts, heading(figures.count, figures.p50_ms, figures.p99_ms))


def live_lines(over_time: OverTime | None) -> list[Line]:
    """Return median, p95 and largest time, second by second."""
    if over_time is None:
        return []
    at_s = np.frombuffer(over_time.at_s, "<f8")
    return [
        Line("max", "p99", at_s, np.frombuffer(over_time.max_ms, "<f8"), "┅"),
        Line("p95", "p95", at_s, np.frombuffer(over_time.p95_ms, "<f8"), "╍"),
        Line("p50", "p50", at_s, np.frombuffer(over_time.p50_ms, "<f8"), "━"),
    ]
