"""What a cell measured of the percentile that a target is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.model.target import parse_target
from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.intervals import percentile_interval

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, Certificate, Stats
    from lambdatune.model.target import Target

_IN_STATS = {50.0: "p50", 90.0: "p90", 95.0: "p95", 99.0: "p99", 99.9: "p99_9"}

_WORDS = {"meets": "meets", "misses": "misses", "undecided": "too few calls to tell whether it meets"}


@dataclass(frozen=True, slots=True)
class Measured:
    """A percentile in ms and its interval.

    Attributes:
        value_ms: the percentile itself.
        low_ms: end of its interval.
        high_ms: the other; None when the calls do not bound it.
    """

    value_ms: float
    low_ms: float
    high_ms: float | None

    def __str__(self) -> str:
        """Return value and interval, as a sentence has them."""
        high = "no end" if self.high_ms is None else f"{self.high_ms:.1f}"
        return f"{self.value_ms:.1f} ms ({self.low_ms:.1f} to {high})"


def measured(cell: CellResult, target: Target, confidence: float) -> Measured | None:
    """Return what `cell` measured of the percentile of `target`; None when no call tells.

    The figures of the result come first, since their intervals allow for calls of one environment being alike; of
    other percentiles, and of all calls together, the histograms tell.
    """
    name = _IN_STATS.get(target.percentile)
    stats = _stats(cell, target)
    if name is not None and stats is not None and name in stats.intervals:
        return Measured(getattr(stats, name), *stats.intervals[name])
    starts = ("warm", "cold") if target.population == "all" else (target.population,)
    merged = LatencyHistogram()
    for start in starts:
        if blob := cell.histograms.get(f"{start}.{target.clock}"):
            merged.merge(LatencyHistogram.decode(blob))
    if not merged.count:
        return None
    return Measured(merged.percentile_ms(target.percentile), *percentile_interval(merged, target.quantile, confidence))


def _stats(cell: CellResult, target: Target) -> Stats | None:
    if target.population == "all":
        return None
    if target.population == "cold" and target.clock == "duration":
        return cell.cold.total_ms
    stats: Stats | None = getattr(cell.warm if target.population == "warm" else cell.cold, f"{target.clock}_ms", None)
    return stats


def proof_words(cell: CellResult, certificate: Certificate) -> str:
    """Return the value, its interval and what the calls show about a target, as a sentence without its end."""
    target = parse_target(certificate.target)
    found = measured(cell, target, certificate.confidence)
    value = "nothing was measured" if found is None else f"{found} at {certificate.confidence:.0%} confidence"
    seen = f"{certificate.exceedances} of {certificate.calls} calls exceed {target.threshold_ms:g} ms"
    word = {"meets": "meets", "misses": "misses", "undecided": "too few calls to tell whether it meets"}[
        certificate.status
    ]
    return f"{value}: {word} {certificate.target}; {seen}"
