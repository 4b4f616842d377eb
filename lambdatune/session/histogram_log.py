"""The interval log of a run: a histogram of each second, cell, start kind and clock, from rows as they come."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TextIO

import numpy as np

from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.hlog import HlogWriter
from lambdatune.stats.rows import clock_ms, clocks_of, is_cold, is_warm
from lambdatune.stats.summary import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.cell import Cell
    from lambdatune.stats.rows import Rows

_LATENESS_S = 2
"""Seconds after which a second's histogram is written: batches come several times a second, in order."""

_PART_ROWS = 20_000


class HistogramLog:
    """Writes the interval log of rows.

    Args:
        stream: a text stream opened for writing.
        cell_of: from the number in a row's cell column to the cell.
    """

    def __init__(self, stream: TextIO, cell_of: Callable[[int], Cell]) -> None:
        self._stream = stream
        self._cell_of = cell_of
        self._writer: HlogWriter | None = None
        self._seconds: dict[int, dict[str, LatencyHistogram]] = defaultdict(dict)

    def add(self, rows: Rows) -> None:
        """Take in a batch, not empty, and write the seconds that are over."""
        self._add_to_seconds(rows)
        self._write_seconds(before=int(rows["done_ns"].max() // 1_000_000_000) - _LATENESS_S)

    def add_recorded(self, rows: Rows) -> None:
        """Take in all rows of a run, and write every second of it."""
        for first in range(0, len(rows), _PART_ROWS):  # each part looks at all of its rows for each of its seconds
            self.add(rows[first : first + _PART_ROWS])
        self.finish()

    def finish(self) -> None:
        """Write the seconds that are left."""
        self._write_seconds(before=None)

    def _add_to_seconds(self, rows: Rows) -> None:
        if self._writer is None:
            self._writer = HlogWriter(self._stream, start_s=float(rows["intended_ns"].min()) / 1e9)
        done_s = rows["done_ns"] // 1_000_000_000
        for start, mask in (("warm", is_warm(rows)), ("cold", is_cold(rows))):
            counted = mask & described(rows)
            for second, index in np.unique(
                np.stack([done_s[counted], rows["cell"][counted].astype(np.int64)]), axis=1
            ).T.tolist():
                chosen = rows[counted & (done_s == second) & (rows["cell"] == index)]
                cell = self._cell_of(index)
                for clock in clocks_of(cell.mode):
                    histogram = self._seconds[second].setdefault(f"{cell.tag}.{start}.{clock}", LatencyHistogram())
                    histogram.record_ms(clock_ms(chosen, clock))

    def _write_seconds(self, before: int | None) -> None:
        if self._writer is None:
            return
        for second in sorted(self._seconds):
            if before is not None and second >= before:
                break
            for tag, histogram in sorted(self._seconds.pop(second).items()):
                self._writer.write(histogram, start_s=float(second), end_s=float(second + 1), tag=tag)
