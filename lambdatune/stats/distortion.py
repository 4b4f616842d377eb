"""What the generator itself may have done to the percentiles that are reported.

A call that was sent later than intended carries the generator's lateness in its response time. How late it would
have been sent by a generator without any delay is known: at its intended time, or when one of the connections
became free, if all were in use (that wait is the server's doing, and stays). So the response times without the
generator can be computed, and their percentiles compared with the reported ones.

Throttled calls are in no percentile. What they would have taken is not known; wherever they had come, a percentile of
all calls lies between two ranks of the calls that were answered, and the further one decides.

The judgement is relative on purpose: twenty callers whose answers arrive together are sent on up to a millisecond
late, which is nothing to a percentile of 100 ms and a third of one of 3 ms.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.stats.histogram import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambdatune.stats.rows import Rows

    Times = NDArray[np.float64]

MOST_SHIFT = 0.05
"""Share by which a reported percentile may be off before it is no longer one."""

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a reported percentile may be from what it would be without the generator and without throttles.

    Attributes:
        percentile: which one, between 0 and 100.
        reported_ms: of the answered calls, as they were measured.
        undisturbed_ms: the most distant value that it may have had; infinite when the throttled calls leave
            it unbounded.
        share: their distance relative to `undisturbed_ms`; 1 when that is unbounded.
    """

    percentile: float
    reported_ms: float
    undisturbed_ms: float
    share: float

    @property
    def is_too_far(self) -> bool:
        """Whether it is more than 5 % off."""
        return self.share > MOST_SHIFT


def shift_of(times_ms: Times, delays_ms: Times | float, percentile: float, *, throttled: int = 0) -> Shift | None:
    """Return how far a percentile may be off, or None when no call was answered.

    Args:
        times_ms: what was measured of each answered call, shape ``(calls,)``.
        delays_ms: how much of each the generator may have caused, same shape or one for all.
        percentile: between 0 and 100.
        throttled: calls beside those that were throttled.
    """
    answered = len(times_ms)
    if not answered:
        return None
    reported_ms = float(np.partition(times_ms, _index(percentile, answered))[_index(percentile, answered)])
    own_ms = np.sort(times_ms - delays_ms)
    # Ranks among all calls, if the throttled ones had been the slowest, and if they had been the fastest.
    highest = _index(percentile, answered + throttled)
    lowest = max(highest - throttled, 0)
    bounds = [float(own_ms[lowest]), float(own_ms[highest]) if highest < answered else math.inf]
    shares = [_distance(reported_ms, bound) for bound in bounds]
    worst = shares.index(max(shares))
    return Shift(percentile, reported_ms, bounds[worst], shares[worst])


def _index(percentile: float, count: int) -> int:
    return nearest_rank(percentile, count) - 1


def _distance(reported_ms: float, undisturbed_ms: float) -> float:
    if reported_ms == undisturbed_ms:
        return 0.0
    if math.isinf(undisturbed_ms) or undisturbed_ms <= 0:
        return 1.0
    return abs(reported_ms / undisturbed_ms - 1)


def generator_delays_ms(rows: Rows, connections: Mapping[tuple[int, int], int] | None = None) -> Times:
    """Return by how much the generator delayed each call, in ms, shape ``(len(rows),)``.

    Args:
        rows: invocation rows, in any order.
        connections: how many calls a shard may have had in flight, by order and shard; a pair that is not
            there had one for every call that was due, as callers in a closed loop have.
    """
    late_ns = np.where(rows["sent_ns"] > 0, rows["sent_ns"] - rows["intended_ns"], 0)
    for (order, shard), count in (connections or {}).items():
        mine = np.flatnonzero((rows["order"] == order) & (rows["shard"] == shard))
        if len(mine) > count:
            late_ns[mine] -= _rightful_waits_ns(rows[mine], count)
    return np.asarray(np.maximum(late_ns, 0) / _NS_PER_MS)


def _rightful_waits_ns(rows: Rows, connections: int) -> NDArray[np.int64]:
    """Return how long each call had to wait for a free connection, had the generator itself taken no time."""
    waits_ns = np.zeros(len(rows), dtype=np.int64)
    took_ns = np.where(rows["sent_ns"] > 0, rows["done_ns"] - rows["sent_ns"], 0)
    free_at_ns: list[int] = [0] * connections
    order = np.argsort(rows["intended_ns"], kind="stable")
    for index, intended_ns, call_ns in zip(
        order.tolist(), rows["intended_ns"][order].tolist(), took_ns[order].tolist(), strict=True
    ):
        start_ns = max(intended_ns, free_at_ns[0])
        heapq.heapreplace(free_at_ns, start_ns + call_ns)
        waits_ns[index] = start_ns - intended_ns
    return waits_ns
