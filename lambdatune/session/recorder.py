"""The recorder: rows go to the files of the run directory as they come, and to the evidence."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Self

import numpy as np

from lambdatune.session.row_file import HEADER, drop_cut_line, format_rows
from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.hlog import HlogWriter
from lambdatune.stats.rows import clock_ms, clocks_of, is_cold, is_warm
from lambdatune.stats.summary import described

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from lambdatune.recommend.evidence import CellEvidence
    from lambdatune.session.run_directory import RunDirectory
    from lambdatune.stats.rows import Rows

_LATENESS_S = 2
"""Seconds after which a second's histogram is written: batches come several times a second, in order."""

_PART_ROWS = 20_000


class Recorder:
    """Writes invocations.csv and latency.hlog; use as a context manager.

    Args:
        run: whose files.
        evidence: takes in the rows, whose cell column points into it; it may grow.
        recorded: the rows that its files hold already, of a run that is continued; the evidence has them.

    Attributes:
        calls: recorded from now on.
    """

    def __init__(self, run: RunDirectory, evidence: Sequence[CellEvidence], *, recorded: Rows | None = None) -> None:
        self._evidence = evidence
        self._hlog: HlogWriter | None = None
        self._seconds: dict[int, dict[str, LatencyHistogram]] = defaultdict(dict)
        drop_cut_line(run.rows_path)
        self._rows_file = run.rows_path.open("a", encoding="utf-8")
        if self._rows_file.tell() == 0:
            self._rows_file.write(HEADER)
            self._rows_file.flush()
        # A run that was killed lost its last histograms, but not their rows: the log is made anew from these.
        scratch = run.histogram_path.with_suffix(".part")
        self._hlog_file = scratch.open("w", encoding="ascii")
        if recorded is not None and len(recorded):
            self._write_again(recorded)
        scratch.replace(run.histogram_path)
        self.calls = 0

    def __enter__(self) -> Self:
        """Begin recording."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the files."""
        self._write_seconds(before=None)
        self._rows_file.close()
        self._hlog_file.close()

    def record(self, rows: Rows, *, cold: bool) -> None:
        """Take in a batch; `cold` says whether its calls were sent to start cold."""
        if len(rows) == 0:
            return
        self._rows_file.write(format_rows(rows, [cell.cell for cell in self._evidence]))
        self._rows_file.flush()
        self.calls += len(rows)
        for index in np.unique(rows["cell"]).tolist():
            self._evidence[index].add(rows[rows["cell"] == index], cold=cold)
        self._add_to_seconds(rows)
        self._write_seconds(before=int(rows["done_ns"].max() // 1_000_000_000) - _LATENESS_S)

    def _write_again(self, rows: Rows) -> None:
        """Write the histograms of recorded rows, in parts: each looks at all of its rows for each of its seconds."""
        for first in range(0, len(rows), _PART_ROWS):
            part = rows[first : first + _PART_ROWS]
            self._add_to_seconds(part)
            self._write_seconds(before=int(part["done_ns"].max() // 1_000_000_000) - _LATENESS_S)
        self._write_seconds(before=None)

    def _add_to_seconds(self, rows: Rows) -> None:
        if self._hlog is None:
            self._hlog = HlogWriter(self._hlog_file, start_s=float(rows["intended_ns"].min()) / 1e9)
        done_s = rows["done_ns"] // 1_000_000_000
        for start, mask in (("warm", is_warm(rows)), ("cold", is_cold(rows))):
            counted = mask & described(rows)
            for second, index in np.unique(
                np.stack([done_s[counted], rows["cell"][counted].astype(np.int64)]), axis=1
            ).T.tolist():
                chosen = rows[counted & (done_s == second) & (rows["cell"] == index)]
                for clock in clocks_of(self._evidence[index].cell.mode):
                    tag = f"{self._evidence[index].cell.tag}.{start}.{clock}"
                    histogram = self._seconds[second].setdefault(tag, LatencyHistogram())
                    histogram.record_ms(clock_ms(chosen, clock))

    def _write_seconds(self, before: int | None) -> None:
        if self._hlog is None:
            return
        for second in sorted(self._seconds):
            if before is not None and second >= before:
                break
            for tag, histogram in sorted(self._seconds.pop(second).items()):
                self._hlog.write(histogram, start_s=float(second), end_s=float(second + 1), tag=tag)
