"""The figures of a running session, kept up to date batch by batch.

A snapshot then costs the same however many rows there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.model.target import ClockName
from lambdatune.recommend.evidence import spend
from lambdatune.session.live.messages import BINS, BINS_PER_DECADE, LOWEST_MS, LiveDelivery, LiveFigures, OverTime
from lambdatune.stats.histogram import BIN_MIDDLE_US, LatencyHistogram
from lambdatune.stats.rows import clock_ms, is_cold, is_error, is_throttled, is_warm, queue_delay_ms
from lambdatune.stats.summary import described, nearest_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.recommend.evidence import Evidence
    from lambdatune.stats.rows import Rows

_WINDOW_S = 1.0
_RATE_OVER_S = 3
_CLOCKS: tuple[ClockName, ...] = get_args(ClockName)


def _coarse_bins() -> NDArray[np.int64]:
    """Return, for each bin of the histogram, the bin of a snapshot."""
    with np.errstate(divide="ignore"):
        decades = np.log10(BIN_MIDDLE_US / 1000 / LOWEST_MS)
    return np.asarray(np.clip(np.floor(decades * BINS_PER_DECADE), 0, BINS - 1), dtype=np.int64)


_COARSE = _coarse_bins()


class _Calls:
    """Warm or cold calls of a cell."""

    def __init__(self) -> None:
        self._histogram = LatencyHistogram()
        self._told = LiveFigures()

    def add(self, times_ms: NDArray[np.float64]) -> None:
        known = times_ms[~np.isnan(times_ms)]
        if len(known):
            self._histogram.record_ms(known)

    def figures(self) -> LiveFigures:
        """Return the figures; made anew only when calls came."""
        count = self._histogram.count
        if count != self._told.count:
            p50, p95, p99 = self._histogram.percentiles_ms((50.0, 95.0, 99.0))
            coarse = np.bincount(_COARSE, weights=self._histogram.counts, minlength=BINS)
            self._told = LiveFigures(count, p50, p95, p99, coarse.astype("<i4").tobytes())
        return self._told


class _Windows:
    """Latency of a cell's warm calls over time, second by second."""

    def __init__(self) -> None:
        self._open: dict[int, list[float]] = {}
        self._closed: list[tuple[float, float, float, float]] = []

    def add(self, at_s: NDArray[np.float64],
            times_ms: NDArray[np.float64]) -> None:  # fmt: skip
        windows = np.floor(at_s / _WINDOW_S).astype(np.int64)
        for window in np.unique(windows).tolist():
            self._open.setdefault(window, []).extend(times_ms[windows == window].tolist())
        newest = max(self._open)
        # Calls of a window may come some time after its end: the last few stay open.
        for window in sorted(self._open):
            if window < newest - 2:
                self._closed.append(self._described(window, self._open.pop(window)))

    @staticmethod
    def _described(window: int, times_ms: list[float]) -> tuple[float, float, float, float]:
        values = np.array(times_ms)
        middle_s = (window + 0.5) * _WINDOW_S
        return middle_s, nearest_rank(values, 0.5), nearest_rank(values, 0.95), float(values.max())

    def over_time(self, cell: int, clock: ClockName) -> OverTime | None:
        parts = sorted([*self._closed, *(self._described(*item) for item in self._open.items())])
        if not parts:
            return None
        at_s, p50_ms, p95_ms, max_ms = (column.astype("<f8").tobytes() for column in np.array(parts).T)
        return OverTime(cell, clock, at_s, p50_ms, p95_ms, max_ms)


class _CellTally:
    """A cell so far."""

    def __init__(self) -> None:
        self.warm, self.cold, self.init = _Calls(), _Calls(), _Calls()
        self.windows = {clock: _Windows() for clock in _CLOCKS}
        self.errors = self.throttles = self.cold_starts = 0
        self.queue, self.e2e = _Calls(), _Calls()
        self.statuses: dict[int, int] = {}

    def add(self, rows: Rows, began_ns: int) -> None:
        warm, cold, told = is_warm(rows), is_cold(rows), described(rows)
        self.errors += int(np.count_nonzero(is_error(rows)))
        self.throttles += int(np.count_nonzero(is_throttled(rows)))
        self.cold_starts += int(np.count_nonzero(cold))
        self.warm.add(clock_ms(rows[warm & told], "duration"))
        self.cold.add(clock_ms(rows[cold & told], "duration"))
        self.queue.add(queue_delay_ms(rows[warm & told]))
        self.e2e.add(clock_ms(rows[warm & told], "e2e"))
        for status, count in zip(*np.unique(rows["status"], return_counts=True), strict=True):
            self.statuses[int(status)] = self.statuses.get(int(status), 0) + int(count)
        colds = rows[cold & told]
        self.init.add(np.where(np.isnan(colds["init_ms"]), colds["restore_ms"], colds["init_ms"]).astype(np.float64))
        sent = rows[warm & told]
        at_s = (sent["intended_ns"].astype(np.int64) - began_ns) / 1e9
        for clock, windows in self.windows.items():
            times_ms = clock_ms(sent, clock)
            # What was recorded before this run went on has no place on its axis of time.
            known = ~np.isnan(times_ms) & (at_s >= 0)
            if known.any():
                windows.add(at_s[known], times_ms[known])


class Tally:
    """The figures of all cells of a run.

    Args:
        began_ns: Unix time from which seconds are counted.
    """

    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._cells: dict[int, _CellTally] = {}
        self._ends: dict[int, int] = {}
        self.calls = 0

    def add(self, rows: Rows) -> None:
        """Take in a batch as it came."""
        self.calls += len(rows)
        for index in np.unique(rows["cell"]).tolist():
            self._of(index).add(rows[rows["cell"] == index], self._began_ns)
        for second, count in zip(*np.unique(rows["done_ns"] // 1_000_000_000, return_counts=True), strict=True):
            self._ends[int(second)] = self._ends.get(int(second), 0) + int(count)
        newest = max(self._ends, default=0)
        self._ends = {second: count for second, count in self._ends.items() if second > newest - 10}

    def begin_anew(self, evidence: Evidence) -> None:
        """Count anew: what was recorded before, or what counts since the load was changed.

        Latency over time stays as it was drawn.
        """
        self.calls = spend(evidence).invocations
        windows = {index: tally.windows for index, tally in self._cells.items()}
        self._cells = {}
        for index, cell in enumerate(evidence):
            self._of(index).add(cell.rows, self._began_ns)
            if index in windows:
                self._cells[index].windows = windows[index]

    def _of(self, index: int) -> _CellTally:
        return self._cells.setdefault(index, _CellTally())

    def warm(self, index: int) -> LiveFigures:
        """Return the figures of a cell's warm calls."""
        return self._of(index).warm.figures()

    def cold(self, index: int) -> LiveFigures:
        """Return the figures of a cell's cold calls."""
        return self._of(index).cold.figures()

    def init_p50_ms(self, index: int) -> float | None:
        """Return the median init time of a cell."""
        return self._of(index).init.figures().p50_ms

    def delivery(self, index: int) -> LiveDelivery:
        """Return what became of a cell's messages, in a mode in which they are delivered."""
        cell = self._of(index)
        e2e, told = cell.e2e.figures(), cell.statuses
        retried, duplicated = told.get(Status.RETRIED, 0), told.get(Status.DUPLICATED, 0)
        return LiveDelivery(
            queue_p50_ms=cell.queue.figures().p50_ms,
            e2e_p50_ms=e2e.p50_ms,
            e2e_p95_ms=e2e.p95_ms,
            executed=told.get(Status.OK, 0) + retried + duplicated,
            retried=retried,
            duplicated=duplicated,
            dead=told.get(Status.DEAD_LETTERED, 0),
            lost=told.get(Status.LOST, 0),
        )

    def errors(self, index: int) -> int:
        """Return how many calls of a cell failed, throttles apart."""
        return self._of(index).errors

    def throttles(self, index: int) -> int:
        """Return how many calls of a cell were throttled."""
        return self._of(index).throttles

    @property
    def cold_starts(self) -> int:
        """Cold starts of all cells."""
        return sum(cell.cold_starts for cell in self._cells.values())

    def over_time(self, index: int, clock: ClockName) -> OverTime | None:
        """Return the latency of a cell over time; None before its first warm call."""
        return self._of(index).windows[clock].over_time(index, clock)

    def calls_per_s(self, now_ns: int) -> float:
        """Return the rate at which calls ended over the last whole seconds."""
        now_s = now_ns // 1_000_000_000
        return sum(self._ends.get(now_s - back, 0) for back in range(1, _RATE_OVER_S + 1)) / _RATE_OVER_S
