"""Whether figures in the order of time creep in one direction.

**Mann and Kendall**: of all pairs of figures, how many more rise than fall (H. B. Mann, Econometrica 13, 1945); exact
for few figures, and nothing is assumed of their distribution but that without a trend every order is as likely.
**Theil and Sen**: the median slope between pairs, which a few outliers do not move (P. K. Sen, JASA 63, 1968).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    from scipy.stats import kendalltau, theilslopes  # noqa: PLC0415  a heavy import that most commands never need

    at = np.arange(len(figures))
    slope, intercept = (float(value) for value in theilslopes(figures, at)[:2])
    change = slope * (len(figures) - 1) / intercept if intercept > 0 else 0.0
    if len(figures) < FEWEST or len(set(figures)) == 1:
        return Trend(change, None if len(figures) < FEWEST else 1.0)
    return Trend(change, float(kendalltau(at, figures).pvalue))
