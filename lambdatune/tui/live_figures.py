"""From a snapshot of a running session to what the Run screen draws: states in glyph and word, rows, lines, meters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import format_number
from lambdatune.model.target import Target, parse_target
from lambdatune.session.live.messages import BINS, BINS_PER_DECADE, LOWEST_MS
from lambdatune.tui.charts.canvas import PLAIN
from lambdatune.tui.charts.events import Event
from lambdatune.tui.charts.frontier import Size
from lambdatune.tui.charts.gauges import Figure, Meter
from lambdatune.tui.charts.line import Line
from lambdatune.tui.charts.ridge import Binned
from lambdatune.tui.charts.scale import format_clock, format_ms, format_usd
from lambdatune.tui.charts.table import Column, TableRow
from lambdatune.tui.figures import VERDICTS, beaten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.session.live.messages import LiveCell, LiveDelivery, LiveFigures, OverTime, Said, Snapshot
    from lambdatune.tui.charts.canvas import Floats

NONE = "–"  # noqa: RUF001  a dash, not a minus
"""Stands where there is no figure as yet: never a zero."""

STATES = {
    "running": ("▶", "running"),
    "pausing": ("…", "pausing"),
    "paused": ("‖", "paused"),
    "stopping": ("■", "stopping"),
    "undoing": ("↺", "undoing"),
}
"""Glyph and word of a session's state."""

_CELL_STATES = {
    "queued": ("○ queued", "muted"),
    "running": ("▶ running", "best"),
    "measured": ("✓ measured", PLAIN),
    "ended": ("■ ended", "muted"),
    "failed": ("! failed", "failed"),
}

_SAID = {"info": ("·", PLAIN), "warning": ("⚠", "unproven"), "steering": ("▸", "other")}
"""Glyph and role of what happened by its kind."""

LATE_MS = 10.0
"""A generator that sends later than this at its p99 is told of: the figures may hold its own delay."""

_EDGES_MS = LOWEST_MS * 10.0 ** (np.arange(BINS + 1) / BINS_PER_DECADE)
_WIDE = 100
_LOW_CHART = 14
"""Rows below which three lines of dots merge."""

USUAL = Target("warm", "duration", 95.0, 200.0)
"""What charts are about where there is no target; its threshold is not shown."""

COLUMNS = (
    Column("memory", "memory"),
    Column("state", "state", right=False, drop=2),
    Column("n", "n", drop=7),
    Column("cold_p50", "cold p50", drop=9),
    Column("cold_p99", "cold p99", drop=6),
    Column("init", "init", drop=8),
    Column("warm_p50", "warm p50", drop=4),
    Column("warm_p95", "p95"),
    Column("warm_p99", "p99", drop=3),
    Column("errors", "err", drop=5),
    Column("cost", "$/1M"),
    Column("verdict", "verdict", right=False),
)
_DELIVERED_COLUMNS = (
    Column("memory", "memory"),
    Column("state", "state", right=False, drop=2),
    Column("cold_p50", "cold p50", drop=12),
    Column("warm_p50", "warm p50", drop=4),
    Column("warm_p95", "warm p95", drop=7),
    Column("queue_p50", "queued p50", drop=3),
    Column("e2e_p50", "e2e p50"),
    Column("executed", "executed", drop=9),
    Column("retried", "retried", drop=10),
    Column("twice", "twice", drop=11),
    Column("dead", "dead", drop=5),
    Column("lost", "lost", drop=6),
    Column("cost", "$/1M"),
    Column("verdict", "verdict", right=False),
)
"""Where messages are delivered: what waits, what is done, and what is not."""

_KIND = Column("kind", "of", right=False)


@dataclass(frozen=True, slots=True)
class CellKey:
    """Which cell: its place among the others changes when a size is added."""

    function: str
    memory_mb: int
    architecture: str
    mode: str


def key_of(cell: LiveCell) -> CellKey:
    """Return which cell it is."""
    return CellKey(cell.function, cell.memory_mb, cell.architecture, cell.mode)


def targets_of(snapshot: Snapshot) -> list[Target]:
    """Return the targets in force."""
    found = []
    for text in snapshot.targets:
        try:
            found.append(parse_target(text))
        except UsageError:
            continue  # An engine of another version may know more targets.
    return found


def about_total_s(snapshot: Snapshot) -> float | None:
    """Return how long the run takes at the pace so far, in seconds; None as long as that is not known."""
    working_s = snapshot.elapsed_s - snapshot.paused_s
    if not snapshot.calls or working_s <= 0 or snapshot.calls_expected <= snapshot.calls:
        return None
    total_s = snapshot.paused_s + working_s * snapshot.calls_expected / snapshot.calls
    return total_s if snapshot.max_minutes is None else min(total_s, snapshot.max_minutes * 60)


def times_line(snapshot: Snapshot, *, is_over: bool = False) -> str:
    """Return how long the run has gone on, and of about how long where it goes on."""
    total_s = None if is_over else about_total_s(snapshot)
    return format_clock(snapshot.elapsed_s) + (f" / ~{format_clock(total_s)}" if total_s is not None else "")


# --- the table ----------------------------------------------------------------------------------------------------


def columns_for(snapshot: Snapshot) -> Sequence[Column]:
    """Return the columns of the table: one that tells cells of the same size apart only where there are such."""
    columns = _DELIVERED_COLUMNS if is_delivered(snapshot) else COLUMNS
    return (columns[0], _KIND, *columns[1:]) if _kinds(snapshot) else columns


def is_delivered(snapshot: Snapshot) -> bool:
    """Return whether messages are delivered, and do not wait for their result."""
    return any(cell.delivery is not None for cell in snapshot.cells)


def _kinds(snapshot: Snapshot) -> tuple[str, ...]:
    """Return in what the cells differ besides the size."""
    return tuple(
        name
        for name in ("function", "architecture", "mode")
        if len({getattr(cell, name) for cell in snapshot.cells}) > 1
    )


def cell_rows(snapshot: Snapshot) -> list[TableRow]:
    """Return the rows of the table."""
    kinds = _kinds(snapshot)
    return [_cell_row(cell, snapshot, index, kinds) for index, cell in enumerate(snapshot.cells)]


def _cell_row(cell: LiveCell, snapshot: Snapshot, index: int, kinds: Sequence[str]) -> TableRow:
    leads = index == snapshot.leading
    state = _CELL_STATES[cell.state]
    if cell.state == "running" and snapshot.state in {"pausing", "paused"}:
        state = f"{STATES[snapshot.state][0]} {STATES[snapshot.state][1]}", "unproven"
    failed = cell.errors + cell.throttles
    errors = f"⚠ {failed}" if failed else ("0" if cell.calls else NONE)
    return {
        "memory": (f"{'★ ' if leads else ''}{cell.memory_mb} MB", "best" if leads else PLAIN),
        "kind": (" ".join(getattr(cell, name) for name in kinds), PLAIN),
        "state": state,
        "n": (str(cell.calls) if cell.calls else NONE, PLAIN),
        "cold_p50": (_figure(cell.cold.p50_ms), PLAIN),
        "cold_p99": (_figure(cell.cold.p99_ms, cell.cold.count, 100), PLAIN),
        "init": (_figure(cell.init_p50_ms), PLAIN),
        "warm_p50": (_figure(cell.warm.p50_ms), PLAIN),
        "warm_p95": (_figure(cell.warm.p95_ms, cell.warm.count, 20), PLAIN),
        "warm_p99": (_figure(cell.warm.p99_ms, cell.warm.count, 100), PLAIN),
        "errors": (errors, "unproven" if failed else PLAIN),
        "cost": (NONE if cell.cost_usd_per_million is None else format_usd(cell.cost_usd_per_million), PLAIN),
        "verdict": _verdict(cell, snapshot),
        **({} if cell.delivery is None else _delivered(cell.delivery, has_calls=cell.calls > 0)),
    }


def _delivered(delivery: LiveDelivery, *, has_calls: bool) -> TableRow:
    """Return what only messages have: those that did not go well are marked."""
    counts = {
        "retried": delivery.retried, "twice": delivery.duplicated, "dead": delivery.dead, "lost": delivery.lost,
    }  # fmt: skip
    row = {name: (f"⚠ {count}", "unproven") if count else ("0" if has_calls else NONE, PLAIN)
           for name, count in counts.items()}  # fmt: skip
    row["executed"] = (str(delivery.executed) if has_calls else NONE, PLAIN)
    row["queue_p50"] = (_figure(delivery.queue_p50_ms), PLAIN)
    row["e2e_p50"] = (_figure(delivery.e2e_p50_ms), PLAIN)
    return row


def _figure(value_ms: float | None, count: int = 0, needed: int = 0) -> str:
    """Return a time; with ``+`` where the percentile is the largest of too few calls, which do not bound it."""
    if value_ms is None:
        return NONE
    return format_ms(value_ms) + ("+" if count < needed else "")


def _verdict(cell: LiveCell, snapshot: Snapshot) -> tuple[str, str]:
    glyph, word, role = VERDICTS.get(cell.verdict, VERDICTS["unproven"])
    if cell.verdict == "failed":
        return f"{glyph} {word}", role
    if not cell.calls:
        return NONE, "muted"
    if not snapshot.targets:
        return "○ no target", "muted"
    # Nothing is said of a confidence that rounds to none.
    sure = "" if cell.how_sure is None or cell.how_sure < 0.01 else f" {_percent(cell.how_sure)}"
    if cell.verdict == "unproven" and sure:
        return f"{glyph}{sure} sure", role
    return f"{glyph} {word}{sure}", role


def _percent(share: float) -> str:
    """Return a confidence rounded down: it is not said to be surer than it is."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:g} %" if share >= 0.99 else f"{math.floor(share * 100 + 1e-9)} %"


# --- charts --------------------------------------------------------------------------------------------------------


def over_time_lines(over_time: OverTime | None, target: Target | None, height: int) -> list[Line]:
    """Return the lines of latency over time; in a low chart only the median and the one nearest to the target."""
    if over_time is None:
        return []
    at_s = _floats(over_time.at_s)
    lines = [
        Line("max", "p99", at_s, _floats(over_time.max_ms), "┅"),
        Line("p95", "p95", at_s, _floats(over_time.p95_ms), "╍"),
        Line("p50", "p50", at_s, _floats(over_time.p50_ms), "━"),
    ]
    if height < _LOW_CHART:
        # Of the two upper lines the one that the target is nearer to.
        del lines[1 if target is not None and target.percentile > 95 else 0]
    return lines


def _floats(data: bytes) -> Floats:
    return np.frombuffer(data, dtype="<f8")


def ridge_parts(cell: LiveCell, kinds: Sequence[str]) -> list[Binned]:
    """Return the cold and the warm calls of a cell, those kinds that are asked for."""
    return [
        Binned(kind, kind, _EDGES_MS, _counts(figures), figures.p50_ms, figures.p99_ms)
        for kind, figures in (("cold", cell.cold), ("warm", cell.warm))
        if kind in kinds
    ]


def _counts(figures: LiveFigures) -> Floats:
    if not figures.counts:
        return np.zeros(BINS)
    return np.frombuffer(figures.counts, dtype="<i4").astype(np.float64)


def percentile_of(cell: LiveCell, target: Target) -> float | None:
    """Return what a cell has where `target` has its threshold, on the function clock; None without calls."""
    if target.population != "all":
        figures = cell.cold if target.population == "cold" else cell.warm
        exact = {50.0: figures.p50_ms, 95.0: figures.p95_ms, 99.0: figures.p99_ms}
        if target.percentile in exact:
            return exact[target.percentile]
        return _from_bins((figures.counts,), target.percentile)
    return _from_bins((cell.cold.counts, cell.warm.counts), target.percentile)


@lru_cache(maxsize=256)
def _from_bins(counts: tuple[bytes, ...], percentile: float) -> float | None:
    """Return the upper edge of the bin in which a percentile is: at most 6 % above it."""
    total = sum((np.frombuffer(one, dtype="<i4").astype(np.int64) for one in counts if one), np.zeros(BINS, np.int64))
    calls = int(total.sum())
    if not calls:
        return None
    rank = max(math.ceil(percentile / 100 * calls), 1)
    return float(_EDGES_MS[int(np.searchsorted(np.cumsum(total), rank)) + 1])


def frontier_sizes(snapshot: Snapshot, target: Target) -> list[Size]:
    """Return the sizes for the chart of cost against latency."""
    kinds = _kinds(snapshot)
    places = [(cell.cost_usd_per_million, percentile_of(cell, target)) for cell in snapshot.cells]
    sizes = []
    for index, (cell, (cost, latency_ms)) in enumerate(zip(snapshot.cells, places, strict=True)):
        glyph, _, role = VERDICTS.get(cell.verdict, VERDICTS["unproven"])
        if not snapshot.targets and cell.verdict != "failed":
            glyph, role = "○", "muted"
        if index == snapshot.leading:
            glyph, role = "★", "best"
        label = " ".join([str(cell.memory_mb), *(getattr(cell, name) for name in kinds)])
        known = [place for place in places if None not in place]
        sizes.append(Size(label, glyph, role, cost, latency_ms, on_frontier=not beaten(cost, latency_ms, known)))
    return sizes


# --- now -----------------------------------------------------------------------------------------------------------


def now_heading(snapshot: Snapshot) -> str:
    """Return what is being done, and at which of the sizes."""
    parts = [snapshot.step or STATES[snapshot.state][1]]
    if snapshot.cells:
        done = sum(cell.state not in {"queued", "running"} for cell in snapshot.cells)
        parts.append(f"{done} of {len(snapshot.cells)} done")
    return " · ".join(parts)


def now_figures(snapshot: Snapshot) -> list[Figure]:
    """Return the figures of the card."""
    slip_ms = snapshot.send_slip_ms_p99
    late = slip_ms is not None and slip_ms > LATE_MS
    return [
        Figure("throughput", f"{snapshot.calls_per_s:.3g}/s" if snapshot.calls else NONE),
        Figure("in flight", str(snapshot.in_flight)),
        Figure("cold starts", str(snapshot.cold_starts) if snapshot.calls else NONE),
        _counted("throttles", snapshot.throttles, snapshot.calls),
        _counted("errors", snapshot.errors, snapshot.calls),
        Figure("sent late", NONE if slip_ms is None else ("⚠ " if late else "") + _slip(slip_ms),
               "unproven" if late else PLAIN),
    ]  # fmt: skip


def _slip(slip_ms: float) -> str:
    return f"{format_ms(slip_ms)} ms" if slip_ms < 999.5 else format_ms(slip_ms)


def _counted(name: str, count: int, calls: int) -> Figure:
    if count:
        return Figure(name, f"⚠ {count}", "unproven")
    return Figure(name, "0" if calls else NONE)


def now_meters(snapshot: Snapshot) -> list[Meter]:
    """Return the meters of the card: progress, and each limit of the budget."""
    calls, minutes = snapshot.calls, snapshot.elapsed_s / 60
    meters = [Meter("progress", calls, max(snapshot.calls_expected, 1), f"{calls} of ~{snapshot.calls_expected} calls")]
    if not snapshot.calls_expected:
        meters = [Meter("progress", 0, 1, "not known yet")]
    if snapshot.max_invocations is not None:
        label = f"{calls} of {snapshot.max_invocations} calls"
        meters.append(Meter("calls", calls, snapshot.max_invocations, label))
    sign = "$" if snapshot.currency == "USD" else f"{snapshot.currency} "
    if snapshot.max_usd is not None:
        label = f"{sign}{snapshot.usd:.4f} of {sign}{snapshot.max_usd:g}"
        meters.append(Meter("cost", snapshot.usd, snapshot.max_usd, label))
    if snapshot.max_minutes is not None:
        label = f"{format_clock(snapshot.elapsed_s)} of {format_clock(snapshot.max_minutes * 60)}"
        meters.append(Meter("time", minutes, snapshot.max_minutes, label))
    return meters


def spent(snapshot: Snapshot) -> str:
    """Return what the calls cost so far, in words."""
    sign = "$" if snapshot.currency == "USD" else f"{snapshot.currency} "
    return f"{sign}{snapshot.usd:.4f} so far" if snapshot.costs_money else f"{sign}{snapshot.usd:.4f} if on AWS"


def now_line(snapshot: Snapshot, width: int) -> str:
    """Return the card as one line, as much of it as fits."""
    parts = [now_heading(snapshot)]
    if snapshot.calls:
        parts.append(f"{snapshot.calls}/~{snapshot.calls_expected} calls")
        if snapshot.throttles:
            parts.append(f"⚠ throttled {snapshot.throttles}")
        if snapshot.errors:
            parts.append(f"⚠ {snapshot.errors} errors")
        parts += [f"{snapshot.calls_per_s:.3g}/s", f"{snapshot.in_flight} in flight", spent(snapshot)]
    return _fitting(parts, width)


def about(snapshot: Snapshot, width: int) -> str:
    """Return what is measured and where, as much of it as fits."""
    parts = [snapshot.place, snapshot.architecture, snapshot.runtime or "image", snapshot.mode, snapshot.load]
    if snapshot.mode != "invoke":  # Told before all else: where the screen is narrow there is little room.
        parts.insert(0, parts.pop(3))
    return _fitting(parts, width)


def _fitting(parts: Sequence[str], width: int) -> str:
    shown = ""
    for part in parts:
        longer = f"{shown} · {part}" if shown else part
        if len(longer) > width:
            return shown or f"{part[: max(width - 1, 0)]}…"
        shown = longer
    return shown


def warnings_of(snapshot: Snapshot, width: int) -> list[str]:
    """Return what distorts the figures now, each with what to do about it; shorter where the screen is narrow."""
    found = []
    if snapshot.throttles:
        limit = "the concurrency limit was reached, and " if width >= _WIDE else ""
        found.append(
            f"⚠ throttled {snapshot.throttles}: {limit}more at {snapshot.load} measures the throttle; l sends less"
        )
    slip_ms = snapshot.send_slip_ms_p99
    if slip_ms is not None and slip_ms > LATE_MS:
        machine = f"this machine does not keep {snapshot.load}, and " if width >= _WIDE else ""
        found.append(f"⚠ sent {_slip(slip_ms)} late (p99): {machine}client times may hold the delay; l sends less")
    return found


def event_of(said: Said) -> Event:
    """Return what was said as an event of the log."""
    glyph, role = _SAID[said.kind]
    return Event(said.at_s, glyph, said.sentence, role)


def target_name(target: Target) -> str:
    """Return what a latency is called after a target."""
    return f"{target.population} p{format_number(target.percentile)}"
