"""Ratios with intervals: they hold the true ratio as often as they say, and say so where the data bound nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lambdatune.stats.comparison import Estimate, ratio
from lambdatune.stats.intervals import percentile_interval


def estimate(values, quantile, groups=None) -> Estimate:
    low, high = percentile_interval(values, quantile, 0.95, groups)
    return Estimate(float(np.quantile(values, quantile, method="inverted_cdf")), low, high)


@pytest.mark.parametrize(("quantile", "calls"), [(0.5, 60), (0.5, 400), (0.95, 200), (0.95, 600)])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(quantile, calls) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(600):
        base = 20 * np.exp(0.3 * rng.standard_normal(calls))
        other = 26 * np.exp(0.3 * rng.standard_normal(calls // 2 * 3))
        found = ratio(estimate(other, quantile), estimate(base, quantile))
        held += (found.low is None or found.low <= 1.3) and (found.high is None or found.high >= 1.3)
    assert held / 600 >= 0.93


def test_with_calls_of_few_environments_the_interval_is_wider_and_holds_the_ratio() -> None:
    rng = np.random.default_rng(8)
    held = narrower = 0
    groups = np.repeat(np.arange(12), 30)
    for _ in range(300):
        hosts = [np.repeat(np.exp(0.15 * rng.standard_normal(12)), 30) for _ in range(2)]
        one, other = (20 * host * np.exp(0.1 * rng.standard_normal(360)) for host in hosts)
        found = ratio(estimate(other, 0.5, groups), estimate(one, 0.5, groups))
        naive = ratio(estimate(other, 0.5), estimate(one, 0.5))
        held += found.low <= 1 <= found.high
        narrower += naive.low <= 1 <= naive.high
    assert held / 300 >= 0.93
    assert narrower / 300 < 0.8  # what it would be to take calls of one environment as independent


def test_equal_figures_have_a_ratio_of_one_in_their_interval() -> None:
    found = ratio(Estimate(10, 9, 11), Estimate(10, 9, 11))
    assert found.point == 1
    assert not found.is_above_one
    assert not found.is_below_one
    assert math.isclose(found.low * found.high, 1, rel_tol=1e-9)


def test_ends_that_the_data_do_not_bound_are_not_bounded_in_the_ratio() -> None:
    found = ratio(Estimate(10, 9, None), Estimate(5, 4.5, 5.5))
    assert found.high is None
    assert found.is_above_one
    found = ratio(Estimate(10, 0, 11), Estimate(5, 4.5, 5.5))
    assert found.low is None
    assert not found.is_above_one
    assert ratio(Estimate(10, 9, 11), Estimate(5, 4.5, None)).low is None


def test_exact_figures_have_an_exact_ratio() -> None:
    found = ratio(Estimate(10, 10, 10), Estimate(5, 5, 5))
    assert (found.low, found.point, found.high) == pytest.approx((2, 2, 2))


def test_figures_that_are_not_above_zero_have_no_ratio() -> None:
    assert ratio(Estimate(0, 0, 1), Estimate(5, 4, 6)) is None
    assert ratio(Estimate(5, 4, 6), Estimate(0, 0, 1)) is None
