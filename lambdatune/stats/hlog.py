"""Histogram files of the HdrHistogram project: ``.hlog`` interval logs and ``.hgrm`` percentile tables.

The interval log is written here and not by hdrh's writer, which cannot write a start time or a tag, floors
the interval's maximum to a whole unit, and writes format 1.2. The percentile table is written here because
hdrh's levels and deviation differ from the original's. Formats: HistogramLogWriter and
outputPercentileDistribution of HdrHistogram (Java).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import numpy as np

from lambdatune.model.errors import UsageError
from lambdatune.stats.histogram import BIN_HIGHEST_US, BUCKETS, SUB_BUCKETS, LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_VERSION = "1.3"
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_TAG = re.compile(r"[^,\s]+")
_TIME = re.compile(r"#\[(?P<name>StartTime|BaseTime): (?P<seconds>\d+(?:\.\d+)?) \(seconds since epoch\)")
_INTERVAL = re.compile(
    r"(?:Tag=(?P<tag>[^,\s]+),)?(?P<start>\d+(?:\.\d+)?),(?P<length>\d+(?:\.\d+)?),\d+(?:\.\d+)?,"
    r"(?P<histogram>[A-Za-z0-9+/]+=*)"
)
_TICKS_PER_HALF_DISTANCE = 5
_US_PER_MS = 1_000.0


@dataclass(frozen=True, slots=True)
class Interval:
    """One line of an interval log.

    Attributes:
        tag: ``mem-512.warm.duration``; None when the line has none.
        start_s: Unix time at which the interval began, in seconds.
        end_s: Unix time at which it ended.
        histogram: the latencies of the interval.
    """

    tag: str | None
    start_s: float
    end_s: float
    histogram: LatencyHistogram


class HlogWriter:
    """Writes an interval log; every line is flushed, so that a killed run loses at most the last one.

    Times in the file are relative to its base time. That is the whole second in which the log starts, since
    intervals that are laid on whole seconds may begin a little before the first call. Interval_Max is in ms.

    Args:
        stream: a text stream opened for writing or appending.
        start_s: Unix time of the log's start, in seconds.
        header: False to continue a log that has its header, with the same `start_s`.
    """

    def __init__(self, stream: TextIO, *, start_s: float, header: bool = True) -> None:
        self._stream = stream
        self._base_s = float(math.floor(start_s))
        if header:
            when = datetime.fromtimestamp(self._base_s, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
            stream.write(
                f"#[Histogram log format version {FORMAT_VERSION}]\n"
                f"#[StartTime: {self._base_s:.3f} (seconds since epoch), {when}]\n"
                f"#[BaseTime: {self._base_s:.3f} (seconds since epoch)]\n"
                f"{_LEGEND}\n"
            )
            stream.flush()

    def write(self, histogram: LatencyHistogram, *, tag: str, start_s: float, end_s: float) -> None:
        """Append one interval.

        Args:
            histogram: latencies of the interval; may be empty.
            tag: without commas and white space.
            start_s: Unix time at which the interval began, not before the second in which the log starts.
            end_s: Unix time at which it ended.

        Raises:
            ValueError: when the tag or the times cannot stand in the format.
        """
        if not _TAG.fullmatch(tag):
            raise ValueError(f"tag `{tag}` holds a comma or white space, or is empty")
        offset_s, length_s = round(start_s - self._base_s, 3), round(end_s - start_s, 3)
        if offset_s < 0 or length_s < 0:
            raise ValueError(f"interval {start_s} to {end_s} begins before the log does or ends before it begins")
        greatest_ms = histogram.max_ms if histogram.count else 0.0
        line = f"Tag={tag},{offset_s:.3f},{length_s:.3f},{greatest_ms:.3f},{histogram.encode()}\n"
        self._stream.write(line)
        self._stream.flush()


def read_hlog(stream: TextIO) -> Iterator[Interval]:
    """Yield the intervals of a log in their order.

    Comments and the legend are skipped, and so is a last line that was only half written.

    Raises:
        UsageError: when a whole line is not of the format, or its histogram cannot be decoded.
    """
    base_s = 0.0
    for number, line in enumerate(stream, 1):
        if not line.endswith("\n"):
            return  # the writer was killed in the middle of it
        text = line.strip()
        if text.startswith("#"):
            time = _TIME.match(text)
            if time is not None and time["name"] == "BaseTime":
                base_s = float(time["seconds"])
            continue
        if not text or text.startswith('"'):
            continue
        match = _INTERVAL.fullmatch(text)
        if match is None:
            raise UsageError(f"line {number} of the histogram log is not an interval: `{text[:40]}`")
        start_s = base_s + float(match["start"])
        histogram = LatencyHistogram.decode(match["histogram"])
        yield Interval(match["tag"], start_s, start_s + float(match["length"]), histogram)


def percentile_distribution(histogram: LatencyHistogram) -> str:
    """Return the ``.hgrm`` table of a histogram in ms, five rows for each halving of the distance to 100 %.

    The text is that of HdrHistogram's ``outputPercentileDistribution`` (Java), which plotting tools read.
    """
    lines = [f"{'Value':>12s} {'Percentile':>14s} {'TotalCount':>10s} {'1/(1-Percentile)':>14s}", ""]
    for value_ms, share, total in _distribution_rows(histogram):
        row = f"{value_ms:12.3f} {share:2.12f} {total:10d}"
        lines.append(row if share >= 1 else f"{row} {1 / (1 - share):14.2f}")
    mean_ms = histogram.mean_ms if histogram.count else 0.0
    deviation_ms = histogram.standard_deviation_ms if histogram.count else 0.0
    greatest_ms = histogram.max_ms if histogram.count else 0.0
    lines += [
        f"#[Mean    = {mean_ms:12.3f}, StdDeviation   = {deviation_ms:12.3f}]",
        f"#[Max     = {greatest_ms:12.3f}, Total count    = {histogram.count:12d}]",
        f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {SUB_BUCKETS:12d}]",
    ]
    return "\n".join(lines) + "\n"


def _distribution_rows(histogram: LatencyHistogram) -> Iterator[tuple[float, float, int]]:
    """Yield value in ms, share (0 to 1) and how many values are at or below it (PercentileIterator)."""
    if not histogram.count:
        return
    cumulative = histogram.cumulative
    percents = 100.0 * cumulative / histogram.count
    used = np.flatnonzero(histogram.counts)
    percents_used = percents[used]
    level = 0.0
    while True:
        at = int(used[np.searchsorted(percents_used, level)])
        value_ms, total = float(BIN_HIGHEST_US[at]) / _US_PER_MS, int(cumulative[at])
        yield value_ms, level / 100, total
        if total == histogram.count:
            yield value_ms, 1.0, total
            return
        halvings = int(np.log(100.0 / (100.0 - level)) / np.log(2.0)) + 1
        level += 100.0 / (_TICKS_PER_HALF_DISTANCE * 2**halvings)
