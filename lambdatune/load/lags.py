"""Counts of short times, in buckets of about 3 %: cheap to record, exact to merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUB_BITS = 5
_SUB_BUCKETS = 1 << _SUB_BITS
_LINEAR = 2 * _SUB_BUCKETS


class LagHistogram:
    """A histogram of nanoseconds for the driver's own lags and set-up times.

    Values below 64 ns are exact, above that a bucket is 1/32 of its power of two wide. It is not for
    latencies of the function (those are `stats.histogram`), and needs no numpy: a shard has none.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.total = 0

    def record(self, value_ns: int) -> None:
        """Count one value; below zero counts as zero."""
        if value_ns < _LINEAR:
            index = max(value_ns, 0)
        else:
            shift = value_ns.bit_length() - _SUB_BITS - 1
            index = shift * _SUB_BUCKETS + (value_ns >> shift)
        self.counts[index] = self.counts.get(index, 0) + 1
        self.total += 1

    def add(self, counts: Mapping[int, int]) -> None:
        """Add the counts of another histogram."""
        for index, count in counts.items():
            self.counts[index] = self.counts.get(index, 0) + count
            self.total += count

    def percentile_ms(self, percentile: float) -> float:
        """Return the least upper bound, in ms, of a bucket that holds the percentile; 0 when empty."""
        wanted = percentile / 100 * self.total
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                return _upper_ns(index) / 1e6
        return 0.0


def _upper_ns(index: int) -> int:
    """Return the largest value of a bucket."""
    if index < _LINEAR:
        return index
    shift = index // _SUB_BUCKETS - 1
    return ((index - shift * _SUB_BUCKETS + 1) << shift) - 1
