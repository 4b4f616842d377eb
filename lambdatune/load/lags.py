"""Counts of short times, in buckets of about 3 %: cheap to record, exact to merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SUB_BITS = 5
_SUB_BUCKETS = 1 << _SUB_BITS
_LINEAR = 2 * _SUB_BUCKETS
_BUCKETS = (48 - _SUB_BITS - 1) * _SUB_BUCKETS + _LINEAR
"""Up to 2**48 ns."""


class LagHistogram:
    """A histogram of nanoseconds for the driver's own lags and set-up times.

    Values below 64 ns are exact, above that a bucket is 1/32 of its power of two wide. It is not for
    latencies of the function (those are `stats.histogram`), and needs no numpy: a shard has none.
    """

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.total = 0

    @property
    def counts(self) -> dict[int, int]:
        """The counts above zero, keyed by the number of the bucket."""
        return {index: count for index, count in enumerate(self._counts) if count}

    def record(self, value_ns: int) -> None:
        """Count one value; below zero counts as zero, above 78 hours as that."""
        self.record_all((value_ns,))

    def record_all(self, values_ns: Iterable[int]) -> None:
        """Count many values; see `record`."""
        counts = self._counts
        total = 0
        for value_ns in values_ns:
            if value_ns < _LINEAR:
                index = max(value_ns, 0)
            else:
                shift = value_ns.bit_length() - _SUB_BITS - 1
                index = shift * _SUB_BUCKETS + (value_ns >> shift)
                if index >= _BUCKETS:
                    index = _BUCKETS - 1
            counts[index] += 1
            total += 1
        self.total += total

    def add(self, counts: Mapping[int, int]) -> None:
        """Add the counts of another histogram."""
        for index, count in counts.items():
            self._counts[index] += count
            self.total += count

    def percentile_ms(self, percentile: float) -> float:
        """Return the least upper bound, in ms, of a bucket that holds the percentile; 0 when empty."""
        wanted = percentile / 100 * self.total
        seen = 0
        for index, count in self.counts.items():
            seen += count
            if seen >= wanted:
                return _upper_ns(index) / 1e6
        return 0.0


def _upper_ns(index: int) -> int:
    """Return the largest value of a bucket."""
    if index < _LINEAR:
        return index
    shift = index // _SUB_BUCKETS - 1
    return ((index - shift * _SUB_BUCKETS + 1) << shift) - 1
