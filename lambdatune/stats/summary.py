"""The figures of a cell, from its rows.

**Which calls are described.** Calls that returned a result, and calls that were cut off by a time limit
(Lambda's or the client's), at the time at which they were cut off: leaving those out would make a slow
function look fast. So are messages that were executed after a retry, or twice. Calls that failed in another
way are counted elsewhere, because the time until a failure is not a latency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.model.modes import MODES
from lambdatune.model.result import ColdStats, Stats, WarmStats
from lambdatune.stats import histogram as histograms
from lambdatune.stats.environments import groups_of
from lambdatune.stats.intervals import percentile_interval
from lambdatune.stats.rows import clock_ms, first_byte_ms, is_cold, is_warm, queue_delay_ms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.model.modes import Mode
    from lambdatune.model.target import ClockName
    from lambdatune.stats.histogram import LatencyHistogram
    from lambdatune.stats.rows import Mask, Rows

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}
"""Percentiles of `Stats`, by the name of their field."""

_DESCRIBED = (Status.OK, Status.TIMEOUT, Status.CLIENT_TIMEOUT, Status.RETRIED, Status.DUPLICATED)


def nearest_rank(values: NDArray[np.float64], quantile: float) -> float:
    """Return the value of rank ``ceil(quantile * n)``, the smallest for a quantile of 0.

    Raises:
        ValueError: when there are no values or `quantile` is not between 0 and 1.
    """
    if not len(values) or not 0 <= quantile <= 1:
        raise ValueError(f"{len(values)} values have no quantile {quantile}")
    rank = histograms.nearest_rank(100 * quantile, len(values))
    return float(np.partition(values, rank - 1)[rank - 1])


def described(rows: Rows) -> Mask:
    """Mark the calls whose times are described, shape ``(len(rows),)``; see the module's text."""
    return np.isin(rows["status"], _DESCRIBED)


def histogram_of(rows: Rows, clock: ClockName) -> LatencyHistogram:
    """Return the histogram of the described calls of `rows` on one clock, without those it does not know."""
    return histograms.LatencyHistogram(_known(clock_ms(rows[described(rows)], clock)))


def summarise(
    values_ms: NDArray[np.float64], confidence: float, environments: NDArray[np.int64] | None = None
) -> Stats:
    """Return the figures of latencies in ms, with intervals at `confidence`.

    The figures are those of the histogram, so that a report and the histogram in it agree.

    Args:
        values_ms: shape ``(n,)``.
        confidence: of the intervals.
        environments: of each value, shape ``(n,)``; with enough of them the intervals allow for values of one
            environment being alike. None: values are taken as independent.
    """
    stats = summarise_histogram(histograms.LatencyHistogram(values_ms), confidence)
    groups = groups_of(environments)
    if groups is None:
        return stats
    intervals: dict[str, tuple[float, float | None]] = {}
    for name, percentile in PERCENTILES.items():
        low, high = percentile_interval(values_ms, percentile / 100, confidence, groups)
        # The figure comes from the histogram, a bin's width off at the most: it stays inside its interval.
        point = getattr(stats, name)
        intervals[name] = (min(low, point), None if high is None else max(high, point))
    return replace(stats, intervals=intervals)


def summarise_histogram(histogram: LatencyHistogram, confidence: float) -> Stats:
    """Return the figures of a histogram, with intervals at `confidence`; ``Stats(count=0)`` when empty."""
    if not histogram.count:
        return Stats(count=0)
    values = histogram.percentiles_ms(PERCENTILES.values())
    intervals = {
        name: percentile_interval(histogram, percentile / 100, confidence) for name, percentile in PERCENTILES.items()
    }
    return Stats(
        count=histogram.count,
        min=histogram.min_ms,
        mean=histogram.mean_ms,
        max=histogram.max_ms,
        intervals=intervals,
        **dict(zip(PERCENTILES, values, strict=True)),
    )


def warm_stats(
    rows: Rows, confidence: float, environments: NDArray[np.int64] | None = None, *, mode: Mode = "invoke"
) -> WarmStats:
    """Return the figures of the warm calls among the rows of a cell.

    Args:
        rows: of the cell.
        confidence: of the intervals.
        environments: of each row; None when they are not known.
        mode: decides which figures there are.
    """
    warm = is_warm(rows)
    chosen = warm & described(rows)
    calls = _Calls(rows[chosen], None if environments is None else environments[chosen], confidence)
    return WarmStats(
        count=int(np.count_nonzero(warm)),
        duration_ms=calls.on_clock("duration"),
        response_ms=calls.on_clock("response"),
        service_ms=calls.on_clock("service"),
        billed_ms_mean=mean_or_none(calls.rows["billed_ms"]),
        **calls.of_mode(mode),
    )


def cold_stats(
    rows: Rows, confidence: float, environments: NDArray[np.int64] | None = None, *, mode: Mode = "invoke"
) -> ColdStats:
    """Return the figures of the cold calls (inits and restores) among the rows of a cell.

    An init that ran again inside the call is part of its Duration and has no time of its own: such a call
    counts in the totals, but neither as an init nor as a handler.

    Args:
        rows: of the cell.
        confidence: of the intervals.
        environments: of each row; None when they are not known.
        mode: decides which figures there are.
    """
    cold = is_cold(rows)
    chosen = cold & described(rows)
    described_rows = rows[chosen]
    calls = _Calls(described_rows, None if environments is None else environments[chosen], confidence)
    init_ms = np.where(np.isnan(described_rows["init_ms"]), described_rows["restore_ms"], described_rows["init_ms"])
    handler_ms = np.where(np.isnan(init_ms), np.nan, described_rows["duration_ms"])
    return ColdStats(
        count=int(np.count_nonzero(cold)),
        init_ms=calls.of(init_ms),
        duration_ms=calls.of(handler_ms),
        total_ms=calls.on_clock("duration"),
        response_ms=calls.on_clock("response"),
        service_ms=calls.on_clock("service"),
        billed_ms_mean=mean_or_none(described_rows["billed_ms"]),
        **calls.of_mode(mode),
    )


def mean_or_none(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the values that are not NaN, None when there are none."""
    known = _known(values)
    return math.fsum(known) / len(known) if len(known) else None


@dataclass(frozen=True, slots=True)
class _Calls:
    """Described calls of one population, with what is known of their environments."""

    rows: Rows
    environments: NDArray[np.int64] | None
    confidence: float

    def on_clock(self, clock: ClockName) -> Stats:
        return self.of(clock_ms(self.rows, clock))

    def of_mode(self, mode: Mode) -> dict[str, Stats]:
        """Return the figures that only some modes have."""
        if mode == "stream":
            return {"first_byte_ms": self.of(first_byte_ms(self.rows))}
        if MODES[mode].is_delivered:
            return {"queue_delay_ms": self.of(queue_delay_ms(self.rows)), "e2e_ms": self.on_clock("e2e")}
        return {}

    def of(self, values_ms: NDArray[np.float64]) -> Stats:
        """Return the figures of a value of each call, without those that are not known."""
        known = ~np.isnan(values_ms)
        environments = None if self.environments is None else self.environments[known]
        return summarise(np.asarray(values_ms[known], dtype=np.float64), self.confidence, environments)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values[~np.isnan(values)], dtype=np.float64)
