"""Intervals of means."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.stats.means import combined_error, student_quantile


@pytest.mark.parametrize(("confidence", "degrees", "reach"), [(0.95, 9, 2.2622), (0.99, 29, 2.7564), (0.95, 1e6, 1.96)])
def test_the_reach_is_students(confidence: float, degrees: float, reach: float) -> None:
    assert student_quantile(confidence, degrees) == pytest.approx(reach, abs=1e-3)


def test_an_interval_of_a_difference_covers() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2_000):
        one, other = rng.normal(10, 1, 8), rng.normal(12, 4, 20)
        error, degrees = combined_error([(one.std(ddof=1) / 8**0.5, 8), (other.std(ddof=1) / 20**0.5, 20)])
        covered += abs(other.mean() - one.mean() - 2) <= student_quantile(0.95, degrees) * error
    assert 0.94 <= covered / 2_000 <= 0.965


def test_equal_values_have_no_error_and_their_degrees_of_freedom() -> None:
    assert combined_error([(0.0, 5), (0.0, 3)]) == (0.0, 6.0)


def test_what_has_no_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than two"):
        combined_error([(1.0, 1)])
    with pytest.raises(ValueError, match="no quantile"):
        student_quantile(1.0, 5)
