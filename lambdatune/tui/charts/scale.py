"""Axes: from values to places, with ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.tui.charts.canvas import Dots, Floats

_LIMIT = 1e12
"""Beyond this (31 years in ms) values are drawn at the edge: no axis is of use there."""

_SMALLEST = 1e-3
"""A log axis begins here at the lowest: clocks do not tell times below a microsecond apart."""

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`, `low` being the smaller.

    Attributes:
        log: whether equal distances are equal ratios.
    """

    low: float
    high: float
    log: bool = False

    def at(self, values: Floats) -> Floats:
        """Return the place of each value between 0 and 1; NaN stays NaN, what lies outside is at the edge."""
        values = np.clip(np.asarray(values, dtype=np.float64), -_LIMIT, _LIMIT)
        if self.log:
            values = np.log(np.maximum(values, _SMALLEST))
            low, high = math.log(self.low), math.log(self.high)
        else:
            low, high = self.low, self.high
        return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))

    def dots(self, values: Floats, count: int) -> Dots:
        """Return the dot of each value among `count`; -1 for NaN."""
        place = self.at(values)
        known = ~np.isnan(place)
        return np.where(known, np.rint(np.where(known, place, 0.0) * max(count - 1, 0)), -1).astype(np.intp)

    def ticks(self, count: int) -> list[float]:
        """Return round values on the axis, at most about `count`."""
        if count < 1:
            return []
        return self._log_ticks(count) if self.log else self._linear_ticks(count)

    def _linear_ticks(self, count: int) -> list[float]:
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * nice for nice in _ROUND if power * nice >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _log_ticks(self, count: int) -> list[float]:
        found: list[float] = []
        for steps in _LOG_STEPS:
            finer = self._powers(steps)
            if len(finer) > count and found:
                break
            found = finer
        if len(found) > count:
            found = found[:: math.ceil(len(found) / count)]
        return found

    def _powers(self, steps: tuple[float, ...]) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = (step * 10.0**exponent for exponent in exponents for step in steps)
        return [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]


def zero_based(values: Iterable[Floats], *, headroom: float = 0.06) -> Scale:
    """Return a linear axis from 0 to a little above the largest of all values."""
    known = usable(values)
    high = float(known.max()) * (1 + headroom) if len(known) else 1.0
    return Scale(0.0, max(high, _SMALLEST))


def logarithmic(values: Iterable[Floats], *, margin: float = 1.15) -> Scale:
    """Return a log axis around all values above zero."""
    known = usable(values)
    known = np.maximum(known[known > 0], _SMALLEST)
    if not len(known):
        return Scale(1.0, 1_000.0, log=True)
    low, high = float(known.min()) / margin, float(known.max()) * margin
    if high / low < 2:
        low, high = low / 1.5, high * 1.5
    return Scale(low, high, log=True)


def between(values: Iterable[Floats]) -> Scale:
    """Return a linear axis from the smallest to the largest of all values."""
    known = usable(values)
    if not len(known):
        return Scale(0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    # A span below the resolution of the numbers themselves has no ticks.
    smallest = max(abs(low), abs(high), 1.0) * 1e-9
    return Scale(low, high if high - low > smallest else low + max(smallest, 1.0))


def usable(values: Iterable[Floats]) -> Floats:
    """Return all finite values in one array."""
    joined = np.concatenate([np.empty(0), *(np.asarray(part, dtype=np.float64).ravel() for part in values)])
    return np.asarray(np.clip(joined[np.isfinite(joined)], -_LIMIT, _LIMIT))


def format_ms(value: float | None) -> str:
    """Return a time in three digits or so: ``0.35``, ``8.4``, ``120``, ``1.2s``; ``-`` when it is not known."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if value >= 999.5:
        return f"{value / 1_000:.3g}s" if value < 1e6 else f"{value / 1_000:.0e}s"
    if value >= 99.95 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2g}"


def with_unit(time: str) -> str:
    """Return a time of `format_ms` with its unit: one in seconds has it already, one that is not known has none."""
    return time if "s" in time or time in {"-", "∞"} else f"{time} ms"


def format_usd(value: float | None) -> str:
    """Return dollars in three digits or so: ``0.61``, ``12.3``; ``-`` when it is not known."""
    if value is None or not math.isfinite(value):
        return "-"
    if value and value < 0.01:
        return f"{value:.1g}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def format_clock(seconds: float) -> str:
    """Return a length of time as on a clock: ``02:14``, ``1:02:14``; ``-`` when it is not known."""
    if math.isnan(seconds):
        return "-"
    minutes, rest = divmod(int(max(min(seconds, _LIMIT), 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
