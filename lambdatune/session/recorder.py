"""The recorder: rows go to the files of the run directory as they come, and to the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from lambdatune.session.histogram_log import HistogramLog
from lambdatune.session.row_file import HEADER, drop_cut_line, format_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.session.run_directory import RunDirectory
    from lambdatune.stats.rows import Rows


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
        drop_cut_line(run.rows_path)
        self._rows_file = run.rows_path.open("a", encoding="utf-8")
        if self._rows_file.tell() == 0:
            self._rows_file.write(HEADER)
            self._rows_file.flush()
        # A run that was killed lost its last histograms, but not their rows: the log is made anew from these.
        scratch = run.histogram_path.with_suffix(".part")
        self._hlog_file = scratch.open("w", encoding="ascii")
        self._histograms = HistogramLog(self._hlog_file, lambda index: self._evidence[index].cell)
        if recorded is not None and len(recorded):
            self._histograms.add_recorded(recorded)
        scratch.replace(run.histogram_path)
        self.calls = 0

    def __enter__(self) -> Self:
        """Begin recording."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the files."""
        self._histograms.finish()
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
        self._histograms.add(rows)
