"""Figures and tables in plain text, shared by the reports that are text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.result import Stats

UNKNOWN = "-"


def table(headers: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: a line of groups, one of headers, and the rows; the last column is aligned left.

    Args:
        headers: of each column, the group that begins with it (or nothing) and its own name.
        rows: a text for each column.
    """
    lines = [[group for group, _ in headers], [header for _, header in headers], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return [_aligned(line, widths) for line in lines]


def _aligned(fields: Sequence[str], widths: Sequence[int]) -> str:
    parts = [field.rjust(width) for field, width in zip(fields[:-1], widths[:-1], strict=True)]
    return "  ".join([*parts, fields[-1]]).rstrip()


def ms(stats: Stats | None, percentile: str) -> str:
    """Return a percentile in ms, with a plus where the calls do not bound it from above."""
    value: float | None = None if stats is None else getattr(stats, percentile)
    if stats is None or value is None:
        return UNKNOWN
    return f"{_figure(value)}{'+' if is_unbounded(stats, percentile) else ''}"


def is_unbounded(stats: Stats, percentile: str) -> bool:
    """Whether the calls do not bound a percentile from above."""
    interval = stats.intervals.get(percentile)
    return interval is not None and interval[1] is None


def interval(stats: Stats | None, percentile: str) -> str:
    """Return the interval of a percentile in ms; ``no end`` stands where the calls do not bound it from above."""
    bounds = None if stats is None else stats.intervals.get(percentile)
    if bounds is None:
        return ""
    low, high = bounds
    return f"{_figure(low)} to {'no end' if high is None else _figure(high)}"


def ms_and_interval(stats: Stats | None, percentile: str) -> str:
    """Return a percentile in ms, and its interval in brackets."""
    value: float | None = None if stats is None else getattr(stats, percentile)
    if value is None:
        return UNKNOWN
    bounds = interval(stats, percentile)
    return f"{_figure(value)} ({bounds})" if bounds else _figure(value)


def _figure(value: float) -> str:
    return f"{value:.{1 if value < 1_000 else 0}f}"
