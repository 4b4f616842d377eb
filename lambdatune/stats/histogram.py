"""Latency histograms that the public HdrHistogram tools can read.

Counts, encoding and file formats are HdrHistogram's (hdrhistogram.org); recording, ranks and moments are done
here on the counts with numpy, because the pure Python of the ``hdrhistogram`` package takes milliseconds for
them and rounds ranks differently. hdrh itself encodes and decodes.

**Range.** 1 microsecond to one hour at 3 significant digits (an error of at most 0.1 %): four times the
longest call a default Lambda function can make. A value outside the range is recorded at the nearest end and
counted in `LatencyHistogram.clamped`, so that the slowest calls never vanish.

**Values.** Milliseconds are rounded to the nearest microsecond. All figures come from the counts, so that
they are the same before and after encoding: `min_ms` is the lowest and `max_ms` and percentiles are the
highest value that shares the bin (as in HdrHistogram), the mean takes each bin's middle.

**Ranks.** The p-th percentile of n values is the one of rank ``ceil(p n / 100)``, at least 1.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING

import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

SIGNIFICANT_DIGITS = 3
LOWEST_US = 1
HIGHEST_US = 3_600_000_000
"""One hour. Values above it, up to the end of the last bin (4295 s), occur in foreign histograms only."""

_US_PER_MS = 1_000.0
_HALF_MAGNITUDE = 10
_HALF_COUNT = 1 << _HALF_MAGNITUDE
_SUB_BUCKET_MASK = 2 * _HALF_COUNT - 1
BUCKETS = 22
"""How often the range doubles; 2048 us x 2**21 is the first doubling above one hour."""
SUB_BUCKETS = 2 * _HALF_COUNT
BINS = (BUCKETS + 1) * _HALF_COUNT
_PERCENT_STEPS = 10**9
_PREFIX = "HISTF"


def bin_index(values_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return HdrHistogram's bin of each value: 1024 equal bins in each doubling above 2048 microseconds.

    The bucket is the position of the highest bit above the sub-bucket mask; frexp reads it exactly for
    integers below 2**53.
    """
    exponent = np.frexp((values_us | _SUB_BUCKET_MASK).astype(np.float64))[1].astype(np.int64)
    bucket = exponent - (_HALF_MAGNITUDE + 1)
    return np.asarray((bucket << _HALF_MAGNITUDE) + (values_us >> bucket))


def _bin_bounds() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the lowest, the highest and the middle value of every bin, in microseconds."""
    index = np.arange(BINS, dtype=np.int64)
    bucket = np.maximum((index >> _HALF_MAGNITUDE) - 1, 0)
    sub_bucket = np.where(index < _HALF_COUNT, index, (index & (_HALF_COUNT - 1)) + _HALF_COUNT)
    lowest = sub_bucket << bucket
    width = np.int64(1) << bucket
    return lowest, lowest + width - 1, (lowest + (width >> 1)).astype(np.float64)


BIN_LOWEST_US, BIN_HIGHEST_US, BIN_MIDDLE_US = _bin_bounds()


def nearest_rank(percentile: float, count: int) -> int:
    """Return ``ceil(percentile * count / 100)``, at least 1: the rank of a percentile among `count` values.

    The product is exact (percentiles are read to nine decimals): 99.9 % of 1000 values is rank 999, which
    floating point would make 1000.
    """
    steps = round(percentile * _PERCENT_STEPS)
    return min(max(-(-steps * count // (100 * _PERCENT_STEPS)), 1), max(count, 1))


class LatencyHistogram:
    """Counts of latencies in HdrHistogram's bins.

    Attributes:
        clamped: how many recorded values were out of range and stand at its nearest end. Encoded
            histograms do not hold it: a decoded one has 0.
    """

    __hash__ = None  # type: ignore[assignment]  # counts change

    def __init__(self, values_ms: ArrayLike | None = None) -> None:
        self._counts = np.zeros(BINS, dtype=np.int64)
        self._count = 0
        self._cumulative: NDArray[np.int64] | None = None
        self.clamped = 0
        if values_ms is not None:
            self.record_ms(values_ms)

    def record_ms(self, values_ms: ArrayLike) -> None:
        """Record latencies in ms, any shape; infinities are out of range like other extremes.

        Raises:
            ValueError: when a value is NaN: an unknown latency is not a latency.
        """
        values = np.atleast_1d(np.asarray(values_ms, dtype=np.float64)).ravel() * _US_PER_MS
        if not values.size:
            return
        if np.isnan(values).any():
            raise ValueError("NaN cannot be recorded: leave unknown latencies out")
        rounded = np.rint(values)
        clipped = np.clip(rounded, 0, HIGHEST_US)
        self.clamped += int(np.count_nonzero(clipped != rounded))
        index = bin_index(clipped.astype(np.int64))
        np.add.at(self._counts, index, 1)
        self._changed(values.size)

    def merge(self, other: LatencyHistogram) -> None:
        """Add the counts of `other`; percentiles are never averaged, histograms are merged."""
        self._counts += other._counts
        self.clamped += other.clamped
        self._changed(other.count)

    def _changed(self, added: int) -> None:
        self._count += added
        self._cumulative = None

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return self._count

    @property
    def counts(self) -> NDArray[np.int64]:
        """The count of every bin, a read-only view of shape ``(BINS,)``."""
        view = self._counts.view()
        view.flags.writeable = False
        return view

    @property
    def cumulative(self) -> NDArray[np.int64]:
        """How many values are in each bin or below it, shape ``(BINS,)``."""
        if self._cumulative is None:
            self._cumulative = np.cumsum(self._counts)
        return self._cumulative

    def _bin_at_rank(self, rank: int) -> int:
        return int(np.searchsorted(self.cumulative, rank))

    def low_at_rank_ms(self, rank: int) -> float:
        """Return the lowest value that the value of this rank (1 to count) may have had."""
        self._require_values()
        return float(BIN_LOWEST_US[self._bin_at_rank(rank)]) / _US_PER_MS

    def high_at_rank_ms(self, rank: int) -> float:
        """Return the highest value that the value of this rank (1 to count) may have had."""
        self._require_values()
        return float(BIN_HIGHEST_US[self._bin_at_rank(rank)]) / _US_PER_MS

    @property
    def min_ms(self) -> float:
        """The least value."""
        return self.low_at_rank_ms(1)

    @property
    def max_ms(self) -> float:
        """The greatest value."""
        return self.high_at_rank_ms(self._count)

    @property
    def mean_ms(self) -> float:
        """The arithmetic mean."""
        self._require_values()
        return float(self._counts @ BIN_MIDDLE_US) / self._count / _US_PER_MS

    @property
    def standard_deviation_ms(self) -> float:
        """The population standard deviation."""
        mean_us = self.mean_ms * _US_PER_MS
        return float(np.sqrt(self._counts @ (BIN_MIDDLE_US - mean_us) ** 2 / self._count)) / _US_PER_MS

    def percentile_ms(self, percentile: float) -> float:
        """Return one percentile (0 to 100) by nearest rank; ``percentile_ms(0)`` is the least value.

        Raises:
            ValueError: when the histogram is empty or `percentile` is not between 0 and 100.
        """
        return self.percentiles_ms((percentile,))[0]

    def percentiles_ms(self, percentiles: Iterable[float]) -> list[float]:
        """Return several percentiles in the order given; see `percentile_ms`."""
        self._require_values()
        wanted = list(percentiles)
        if not all(0 <= percentile <= 100 for percentile in wanted):
            raise ValueError(f"percentiles are between 0 and 100: {wanted}")
        bins = np.searchsorted(self.cumulative, [nearest_rank(each, self._count) for each in wanted])
        values = (BIN_HIGHEST_US[bins] / _US_PER_MS).tolist()
        return [self.min_ms if each == 0 else value for each, value in zip(wanted, values, strict=True)]

    def _require_values(self) -> None:
        if not self._count:
            raise ValueError("an empty histogram has no values")

    def encode(self) -> str:
        """Return the V2 compressed histogram in base64, as it stands in ``.hlog`` files."""
        native = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)
        if self._count:
            np.frombuffer(native.counts, dtype=np.int64)[:] = self._counts
            used = np.flatnonzero(self._counts)
            native.set_internal_tacking_values(int(used[0]), int(used[-1]), self._count)
        encoded: bytes = native.encode()
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> LatencyHistogram:
        """Return the histogram of a V2 base64 text, from this tool or another one.

        Raises:
            UsageError: when `text` is not such a histogram, or is one with another resolution or range.
        """
        native = _decode_native(text)
        if (native.lowest_trackable_value, native.significant_figures) != (LOWEST_US, SIGNIFICANT_DIGITS):
            raise UsageError(
                f"a histogram from {native.lowest_trackable_value} at {native.significant_figures} digits "
                f"cannot be read: expected microseconds from {LOWEST_US} at {SIGNIFICANT_DIGITS} digits"
            )
        counts = np.frombuffer(native.counts, dtype=np.int64)
        if counts[BINS:].any():
            raise UsageError("a histogram holds values above 71 minutes: expected microseconds up to one hour")
        histogram = cls()
        shared = min(len(counts), BINS)
        histogram._counts[:shared] = counts[:shared]
        histogram._changed(int(histogram._counts.sum()))
        return histogram

    def __eq__(self, other: object) -> bool:
        """Whether the counts are the same."""
        if not isinstance(other, LatencyHistogram):
            return NotImplemented
        return self._count == other._count and bool(np.array_equal(self._counts, other._counts))

    def __repr__(self) -> str:
        if not self._count:
            return "LatencyHistogram(count=0)"
        median_ms, max_ms = self.percentile_ms(50), self.max_ms
        return f"LatencyHistogram(count={self._count}, p50={median_ms:g} ms, max={max_ms:g} ms)"


def _decode_native(text: str) -> HdrHistogram:
    """Decode with hdrh, and turn its many ways to refuse into one sentence."""
    try:
        base64.b64decode(text, validate=True)
        if not text.startswith(_PREFIX):
            raise HdrCookieException
        return HdrHistogram.decode(text)
    except (
        HdrCookieException,
        HdrLengthException,
        HdrHistogramSettingsException,
        binascii.Error,
        zlib.error,
        ValueError,
        ArithmeticError,
        MemoryError,
        IndexError,
    ) as error:
        raise UsageError(
            f"`{text[:16]}...` is not an HdrHistogram",
            hint="a V2 compressed histogram in base64 begins with HISTF",
        ) from error
