"""Signs that calls are not what percentiles and proofs take them for: trends, and two kinds of call in one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LEAST_SHARE = 0.1
_LEAST_SEPARATION = 5.0
"""Ashman's D above which two groups stand apart; the two halves of any normal sample have 2.7."""

_LEAST_RATIO = 1.2
_LEAST_CALLS = 30


def mann_kendall(values: Floats) -> float:
    """Return the standardised statistic of Mann and Kendall's test for a trend: beyond +-2.58 is 1 % by chance.

    H. B. Mann, Econometrica 13, 1945; M. G. Kendall, "Rank Correlation Methods"; ties are taken as no order.

    Args:
        values: in the order of time, shape ``(n,)``; below four values the answer is 0.
    """
    count = len(values)
    if count < 4:
        return 0.0
    signs = np.sign(values[None, :] - values[:, None])
    score = float(np.triu(signs, 1).sum())
    variance = count * (count - 1) * (2 * count + 5) / 18
    return (score - math.copysign(1, score)) / math.sqrt(variance) if score else 0.0


def sign_statistic(above: int, count: int) -> float:
    """Return by how many standard deviations `above` of `count` exceeds a half, as it would be by chance."""
    return (2 * above - count) / math.sqrt(count) if count else 0.0


@dataclass(frozen=True, slots=True)
class TwoGroups:
    """Two groups of calls that stand apart.

    Attributes:
        low_ms: median of the faster.
        high_ms: median of the slower.
        high_share: share of calls in the slower.
    """

    low_ms: float
    high_ms: float
    high_share: float


def two_groups(times_ms: Floats) -> TwoGroups | None:
    """Return the two groups that times fall into, None when they do not.

    The split is the one that leaves least variance of the logarithm inside the groups (Otsu, IEEE Trans. SMC 9,
    1979); the groups stand apart by D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2) (Ashman et al., AJ 108, 1994).

    Args:
        times_ms: above zero, shape ``(n,)``.
    """
    count = len(times_ms)
    if count < _LEAST_CALLS:
        return None
    logs = np.sort(np.log(times_ms))
    sums, squares = np.cumsum(logs), np.cumsum(logs**2)
    below = np.arange(1, count)
    inside_low = squares[:-1] - sums[:-1] ** 2 / below
    above = count - below
    inside_high = (squares[-1] - squares[:-1]) - (sums[-1] - sums[:-1]) ** 2 / above
    allowed = (below >= _LEAST_SHARE * count) & (above >= _LEAST_SHARE * count)
    split = int(np.argmin(np.where(allowed, inside_low + inside_high, np.inf))) + 1
    low, high = logs[:split], logs[split:]
    spread = math.sqrt(max(float(low.var() + high.var()), 1e-12))
    apart = math.sqrt(2) * float(high.mean() - low.mean()) / spread
    low_ms, high_ms = float(np.exp(np.median(low))), float(np.exp(np.median(high)))
    if apart < _LEAST_SEPARATION or high_ms < _LEAST_RATIO * low_ms:
        return None
    return TwoGroups(low_ms, high_ms, len(high) / count)
