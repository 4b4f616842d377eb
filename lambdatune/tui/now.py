"""What a run is doing now, and what happened, as rows of text: pure functions of a snapshot."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from lambdatune.pricing.cost import money
from lambdatune.tui.charts.bars import meter
from lambdatune.tui.charts.canvas import PLAIN, Canvas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdatune.session.live.messages import Said, Snapshot
    from lambdatune.tui.charts.canvas import Row

LATE_MS = 10.0
"""Sends later than this at p99 are said: response times then hold the generator's own delay."""
_LEAST_TIME_LEFT_S = 3.0
_STAMP = 8
"""Columns of the time before a sentence."""


def clock(seconds: float) -> str:
    """Return a time as people read it on a watch: ``2:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def expected_s(snapshot: Snapshot) -> float | None:
    """Return about how long the run takes in all, at the rate so far; None where that is not known."""
    active_s = snapshot.elapsed_s - snapshot.paused_s
    if not snapshot.calls or active_s < _LEAST_TIME_LEFT_S:
        return None
    return snapshot.elapsed_s + active_s / snapshot.calls * max(snapshot.calls_expected - snapshot.calls, 0)


def now_rows(snapshot: Snapshot | None, width: int, height: int) -> list[Row]:
    """Return the card "Now": progress, rates, counts, and how much of each limit is used."""
    if snapshot is None:
        return _stacked([(("preparing: nothing was called yet", "muted"),)], width, height)
    lines: list[Row] = [
        ((f"{snapshot.step or 'between orders'}", "best"), (f"  {_progress(snapshot)}", PLAIN)),
        *meter(snapshot.calls, max(snapshot.calls_expected, 1), width, 1),
        _pair("throughput", _rate(snapshot), "in flight", _in_flight(snapshot), width),
        _pair("cold starts", str(snapshot.cold_starts), "errors", _counted(snapshot.errors), width),
        _pair("throttled", _counted(snapshot.throttles), "sent late", _late(snapshot), width),
    ]
    lines += [meter(used, limit, width, 1, label=label)[0] for used, limit, label in _limits(snapshot)]
    lines += [((text, "unproven"),) for text in warnings(snapshot)]
    lines.append(((_cost(snapshot), PLAIN),))
    return _stacked(lines, width, height)


def short_rows(snapshot: Snapshot | None, width: int, height: int) -> list[Row]:
    """Return the same in a few rows, the most important first."""
    if snapshot is None:
        return now_rows(snapshot, width, height)
    counts = f"{_rate(snapshot)} · {_in_flight(snapshot)} in flight · {snapshot.cold_starts} cold · "
    counts += f"{_counted(snapshot.errors)} errors · {_cost(snapshot)}"
    first = warnings(snapshot)[:1]
    label = f"{_progress(snapshot)} {snapshot.step}"
    rows: list[Row] = [
        *meter(snapshot.calls, max(snapshot.calls_expected, 1), width, 1, label=label),
        ((first[0], "unproven"),) if first else ((counts, PLAIN),),
    ]
    return _stacked(rows, width, height)


def warnings(snapshot: Snapshot) -> list[str]:
    """Return what a person should know now, with what to do about it."""
    found = []
    if snapshot.throttles:
        found.append(f"⚠ throttled {snapshot.throttles}: a limit is measured, not the function; l lowers the load")
    if snapshot.send_slip_ms_p99 is not None and snapshot.send_slip_ms_p99 > LATE_MS:
        found.append(f"⚠ calls leave {snapshot.send_slip_ms_p99:.0f} ms late: this machine cannot keep that load")
    failed = [cell for cell in snapshot.cells if cell.state == "failed" and cell.reason]
    found += [f"⚠ {cell.memory_mb} MB: {cell.reason}" for cell in failed[:1]]
    return found


def log_rows(said: Sequence[Said], width: int, height: int) -> list[Row]:
    """Return what happened, the newest last."""
    lines: list[Row] = []
    for entry in said[-max(height, 0) :]:
        mark = {"warning": "⚠ ", "steering": "• "}.get(entry.kind, "")
        role = "unproven" if entry.kind == "warning" else PLAIN
        parts = textwrap.wrap(f"{mark}{entry.sentence}", max(width - _STAMP, 1)) or [""]
        stamps = [f"{clock(entry.at_s):>{_STAMP - 2}}  ", *[" " * _STAMP] * (len(parts) - 1)]
        lines += [((stamp, "muted"), (part, role)) for stamp, part in zip(stamps, parts, strict=True)]
    lines = lines[-max(height, 0) :] or [(("nothing happened yet", "muted"),)]
    return _stacked(lines, width, height)


def _progress(snapshot: Snapshot) -> str:
    return f"{snapshot.calls} of about {snapshot.calls_expected} calls"


def _rate(snapshot: Snapshot) -> str:
    return f"{snapshot.calls_per_s:.0f}/s" if snapshot.calls_per_s >= 10 else f"{snapshot.calls_per_s:.1f}/s"


def _in_flight(snapshot: Snapshot) -> str:
    """Return the calls in flight: no more than so many, as their ends are told some time later."""
    return f"≤ {snapshot.in_flight}" if snapshot.in_flight else "0"


def _counted(number: int) -> str:
    return f"⚠ {number}" if number else "0"


def _late(snapshot: Snapshot) -> str:
    return "-" if snapshot.send_slip_ms_p99 is None else f"{snapshot.send_slip_ms_p99:.2g} ms"


def _cost(snapshot: Snapshot) -> str:
    spent = money(snapshot.usd, snapshot.currency, digits=4)
    return f"{spent} so far" if snapshot.costs_money else f"{spent} at AWS prices"


def _limits(snapshot: Snapshot) -> Iterable[tuple[float, float, str]]:
    if snapshot.max_invocations is not None:
        yield snapshot.calls, snapshot.max_invocations, f"of {snapshot.max_invocations} calls allowed"
    if snapshot.max_usd is not None:
        yield snapshot.usd, snapshot.max_usd, f"of {money(snapshot.max_usd, snapshot.currency, digits=2)} allowed"
    if snapshot.max_minutes is not None:
        active_s = snapshot.elapsed_s - snapshot.paused_s
        yield active_s, snapshot.max_minutes * 60, f"of {snapshot.max_minutes:g} minutes allowed"


def _pair(left: str, left_value: str, right: str, right_value: str, width: int) -> Row:
    half = max(width // 2 - 1, 1)
    first = f"{left:<{max(half - len(left_value), len(left) + 1)}}{left_value}"
    second = f"{right:<{max(half - len(right_value), len(right) + 1)}}{right_value}"
    return (first, PLAIN), ("  ", PLAIN), (second, PLAIN)


def _stacked(lines: Sequence[Row], width: int, height: int) -> list[Row]:
    """Return lines below each other, in the width and height that there is."""
    canvas = Canvas(width, height)
    for y, line in enumerate(lines[:height]):
        x = 0
        for text, role in line:
            canvas.put(x, y, text, role)
            x += len(text)
    return canvas.rows()
