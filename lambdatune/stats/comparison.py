"""The ratio of two figures that were each measured with an interval.

**MOVER.** From the intervals [l, u] of two independent figures, on the scale of logarithms, the interval of their
difference reaches from it down by ``sqrt((b - l_b)^2 + (u_a - a)^2)`` and up by ``sqrt((u_b - b)^2 + (a - l_a)^2)``
(method of variance estimates recovery: Zou & Donner, "Construction of confidence limits about effect measures", 2008).
It takes what the intervals allow for along: calls of one environment that are alike, and ends that the data cannot
bound. Simulated coverage of nominal 95 % intervals of ratios of p50 and p95 is 94 to 98 % (tests).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure above zero with its interval.

    Attributes:
        point: the figure.
        low: lower end; 0 when the data do not bound it.
        high: upper end; None when the data do not bound it.
    """

    point: float
    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure over another, with its interval; None for an end that the data do not bound."""

    point: float
    low: float | None
    high: float | None

    @property
    def is_above_one(self) -> bool:
        """Whether the interval shows that the figure is larger."""
        return self.low is not None and self.low > 1

    @property
    def is_below_one(self) -> bool:
        """Whether the interval shows that the figure is smaller."""
        return self.high is not None and self.high < 1


def ratio(figure: Estimate, base: Estimate) -> Ratio | None:
    """Return `figure` over `base`, measured independently of each other; None when one is not above zero."""
    if figure.point <= 0 or base.point <= 0:
        return None
    point = math.log(figure.point / base.point)
    down = _reach(figure.point, figure.low, base.high, base.point)
    up = _reach(base.point, base.low, figure.high, figure.point)
    return Ratio(
        math.exp(point),
        None if down is None else math.exp(point - down),
        None if up is None else math.exp(point + up),
    )


def _reach(point: float, low: float, other_high: float | None, other_point: float) -> float | None:
    """Return how far the difference of logarithms may be off on one side; None when it is not bounded."""
    if low <= 0 or other_high is None:
        return None
    below = math.log(point / min(low, point))
    above = math.log(max(other_high, other_point) / other_point)
    return math.hypot(below, above)
