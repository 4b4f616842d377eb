"""Whether figures in the order of time creep in one direction.

**Mann and Kendall**: of all pairs of figures, how many more rise than fall (H. B. Mann, Econometrica 13, 1945); exact
for few figures, and nothing is assumed of their distribution but that without a trend every order is as likely.
**Theil and Sen**: the median slope between pairs, which a few outliers do not move (P. K. Sen, JASA 63, 1968).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST_EXACT = 60

FEWEST = 5
"""Figures from which on a trend can be shown at 95 % confidence: all of four rise by chance in 1 of 24 orders, and all
rise or fall in 1 of 12."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The trend of figures.

    Attributes:
        change: over the whole span, as a share of where the fitted line begins.
        p_value: two-sided; None for fewer than `FEWEST` figures.
    """

    change: float
    p_value: float | None


def trend(figures: Sequence[float]) -> Trend:
    """Return the trend of figures above zero, oldest first, each as far from the next as the others are.

    Raises:
        ValueError: for fewer than two figures, or one that is not above zero.
    """
    if len(figures) < 2 or min(figures) <= 0:
        raise ValueError(f"{len(figures)} figures have no trend, or one is not above zero")
    values, at = np.asarray(figures, dtype=np.float64), np.arange(len(figures))
    earlier, later = np.triu_indices(len(values), k=1)
    rises = values[later] - values[earlier]
    slope = float(np.median(rises / (later - earlier)))
    begin = float(np.median(values - slope * at))
    change = slope * (len(values) - 1) / begin if begin > 0 else 0.0
    return Trend(change, _p_value(rises, values) if len(values) >= FEWEST else None)


def _p_value(rises: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return how often so many more pairs rise than fall, or fall than rise, in figures without a trend."""
    count = len(values)
    falling, rising = int(np.count_nonzero(rises < 0)), int(np.count_nonzero(rises > 0))
    if falling + rising == len(rises) and count <= _MOST_EXACT:
        # How many orders have so many falling pairs: one more figure falls below 0, 1, ... of those before it.
        orders = np.ones(1)
        for figure in range(2, count + 1):
            orders = np.convolve(orders, np.full(figure, 1 / figure))
        return min(2 * float(orders[: min(falling, rising) + 1].sum()), 1.0)
    _, ties = np.unique(values, return_counts=True)
    variance = sum(sign * float(n * (n - 1) * (2 * n + 5)) for sign, n in [(1, count), *((-1, n) for n in ties)]) / 18
    if variance <= 0:
        return 1.0
    distance = max(abs(rising - falling) - 1, 0) / math.sqrt(variance)
    return math.erfc(distance / math.sqrt(2))
