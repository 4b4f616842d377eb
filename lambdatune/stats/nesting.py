"""Calls whose answers name no execution, matched to executions: a call holds its execution in time."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Numbers = NDArray[np.int64]

_ROUNDING_NS = 2_000_000
"""Log timestamps are whole milliseconds, and the two clocks are not read at one instant."""


@dataclass(frozen=True, slots=True)
class NestedMatch:
    """Which execution each call held.

    Attributes:
        execution: index of it; -1 for none.
        ambiguous: calls that could have held another one as well.
        offset_ns: what was added to the executions' clock.
    """

    execution: Numbers
    ambiguous: int
    offset_ns: int


def match_nested(sent_ns: Times, done_ns: Times, started_ns: Times, finished_ns: Times) -> NestedMatch:
    """Match calls to executions that lie within them; as many as can be matched are.

    Executions are taken by their start; each goes to the call that ends first of those that hold it: one that ends
    later can hold whatever this one can that comes later. The executions' clock is corrected by a constant when it
    must be for most executions to lie in calls.

    Args:
        sent_ns: when each call was sent, the client's clock.
        done_ns: when its answer was there.
        started_ns: when each execution began, AWS's clock.
        finished_ns: when it ended.
    """
    offset_ns = _offset_ns(sent_ns, done_ns, started_ns, finished_ns)
    starts, ends = started_ns + offset_ns, finished_ns + offset_ns
    found = np.full(len(sent_ns), -1, dtype=np.int64)
    by_sent = np.argsort(sent_ns, kind="stable").tolist()
    by_start = np.argsort(starts, kind="stable")
    slack_ns = _ROUNDING_NS
    open_calls: list[tuple[int, int]] = []
    position = 0
    for execution in by_start.tolist():
        while position < len(by_sent) and sent_ns[by_sent[position]] <= starts[execution] + slack_ns:
            insort(open_calls, (int(done_ns[by_sent[position]]), by_sent[position]))
            position += 1
        at = bisect_left(open_calls, (int(ends[execution]) - slack_ns, -1))
        if at < len(open_calls):
            found[open_calls.pop(at)[1]] = execution
    sorted_starts, sorted_ends = starts[by_start], ends[by_start]
    low = np.searchsorted(sorted_starts, sent_ns - slack_ns)
    high = np.searchsorted(sorted_starts, done_ns + slack_ns, side="right")
    ambiguous = sum(
        int(np.count_nonzero(sorted_ends[low[call] : high[call]] <= done_ns[call] + slack_ns) > 1)
        for call in np.flatnonzero(found >= 0).tolist()
    )
    return NestedMatch(found, ambiguous, offset_ns)


def _offset_ns(sent_ns: Times, done_ns: Times, started_ns: Times, finished_ns: Times) -> int:
    """Return what to add to the executions' clock: nothing when they lie in calls already.

    In order of their starts, call and execution of one rank are nearly each other's: the correction is at least what
    puts nearly every START after its send, and at most what leaves nearly every end before its answer.
    """
    count = min(len(sent_ns), len(started_ns))
    if not count:
        return 0
    sent, done = np.sort(sent_ns)[:count], np.sort(done_ns)[:count]
    started, finished = np.sort(started_ns)[:count], np.sort(finished_ns)[:count]
    least = float(np.percentile((sent - started).astype(np.float64), 99)) - _ROUNDING_NS
    most = float(np.percentile((done - finished).astype(np.float64), 1)) + _ROUNDING_NS
    if least > most:
        return round((least + most) / 2)
    return round(min(max(0.0, least), most))
