"""Intervals of means, and of differences of means, from their standard errors."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@lru_cache(maxsize=4096)
def student_quantile(confidence: float, degrees: float) -> float:
    """Return how many standard errors a two-sided interval of a mean reaches to either side.

    Args:
        confidence: between 0 and 1, both excluded.
        degrees: degrees of freedom, above 0; need not be whole.

    Raises:
        ValueError: when an argument is out of its range.
    """
    if not 0 < confidence < 1 or not degrees > 0:
        raise ValueError(f"confidence {confidence} with {degrees} degrees of freedom has no quantile")
    from scipy.special import stdtrit  # noqa: PLC0415  a heavy import that most commands never need

    return float(stdtrit(degrees, (1 + confidence) / 2))


def mean_error(values: NDArray[np.float64], groups: NDArray[np.int64] | None) -> tuple[float, int] | None:
    """Return the standard error of a mean and how many independent values it rests on; None below two.

    Values of one group may be alike: the error is then that of a ratio of sums over groups (Cochran, "Sampling
    Techniques", 6.3), and never less than that of independent values.

    Args:
        values: shape ``(n,)``.
        groups: the group of each value, shape ``(n,)``; None: values are independent.
    """
    count = len(values)
    if count < 2:
        return None
    error = float(values.std(ddof=1)) / math.sqrt(count)
    if groups is None:
        return error, count
    _, index = np.unique(groups, return_inverse=True)
    sizes = np.bincount(index)
    if len(sizes) < 2:
        return None
    residuals = np.bincount(index, weights=values) - float(values.mean()) * sizes
    clustered = math.sqrt(len(sizes) / (len(sizes) - 1) * float(residuals @ residuals)) / count
    return (clustered, len(sizes)) if clustered > error else (error, count)


def combined_error(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Return the standard error of a sum of independent means and its degrees of freedom.

    Welch and Satterthwaite's approximation: B. L. Welch, Biometrika 34, 1947.

    Args:
        parts: standard error of each term of the sum, and how many values its mean is made of (two at least).

    Raises:
        ValueError: when a part has fewer than two values.
    """
    if any(count < 2 for _, count in parts):
        raise ValueError("a mean of fewer than two values has no standard error")
    variance = math.fsum(error**2 for error, _ in parts)
    weight = math.fsum(error**4 / (count - 1) for error, count in parts)
    degrees = variance**2 / weight if weight > 0 else float(sum(count - 1 for _, count in parts))
    return math.sqrt(variance), degrees
