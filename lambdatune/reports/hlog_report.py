"""The interval log of a run in one file, made anew from its rows: HdrHistogram's .hlog, which its tools read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.session.histogram_log import HistogramLog

if TYPE_CHECKING:
    from lambdatune.session.replay import RecordedRun


def render_hlog(run: RecordedRun, tag: str | None = None) -> str:
    """Return a line for each second, size, start kind and clock; after a killed run, of all rows that were recorded.

    Args:
        run: its rows.
        tag: ``mem-512.warm.duration``: only the lines of this one; None for all.

    Raises:
        UsageError: when the run has no call, or none of that tag.
    """
    rows = run.rows
    if not len(rows):
        raise UsageError(
            f"run {run.record.id} has no recorded call, so that it has no histograms",
            hint="--format json shows what is known of it",
        )
    stream = io.StringIO()
    HistogramLog(stream, lambda index: run.cells[index]).add_recorded(rows)
    text = stream.getvalue()
    return text if tag is None else _only(text, tag, run.record.id)


def _only(text: str, tag: str, run_id: str) -> str:
    """Return the head of a log and the lines of one tag."""
    lines = text.splitlines(keepends=True)
    tags = [line.partition(",")[0].removeprefix("Tag=") if line.startswith("Tag=") else None for line in lines]
    if tag not in tags:
        known = {each for each in tags if each is not None}
        raise UsageError(f"run {run_id} has no histogram `{tag}`", hint=did_you_mean(tag, known))
    return "".join(line for line, of in zip(lines, tags, strict=True) if of in (None, tag))
