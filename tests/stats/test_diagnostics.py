"""Trends and two kinds of call in one."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.stats.diagnostics import mann_kendall, sign_statistic, two_groups


def test_a_trend_stands_out_and_its_sign_is_its_direction() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 40)
    rising = np.arange(40) / 10 + noise
    assert mann_kendall(rising) > 2.58
    assert mann_kendall(-rising) == pytest.approx(-mann_kendall(rising))


def test_without_a_trend_one_in_a_hundred_stands_out() -> None:
    rng = np.random.default_rng(2)
    found = [abs(mann_kendall(rng.normal(0, 1, 30))) > 2.58 for _ in range(1_000)]
    assert 0.002 <= np.mean(found) <= 0.02


def test_the_statistic_is_that_of_its_definition() -> None:
    values = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    score = 8 - 2
    assert mann_kendall(values) == pytest.approx((score - 1) / np.sqrt(5 * 4 * 15 / 18))
    assert mann_kendall(values[:3]) == 0.0


def test_two_groups_are_found_where_they_stand_apart() -> None:
    rng = np.random.default_rng(3)
    times = np.r_[rng.normal(12, 0.5, 60), rng.normal(31, 1.0, 40)]
    groups = two_groups(times)
    assert groups is not None
    assert groups.low_ms == pytest.approx(12, rel=0.05)
    assert groups.high_ms == pytest.approx(31, rel=0.05)
    assert groups.high_share == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3, 0.8])
def test_one_group_is_rarely_taken_for_two(sigma: float) -> None:
    rng = np.random.default_rng(4)
    found = [two_groups(np.exp(sigma * rng.standard_normal(60))) is not None for _ in range(300)]
    assert np.mean(found) <= 0.01


def test_few_calls_have_no_groups() -> None:
    assert two_groups(np.r_[np.full(10, 10.0), np.full(10, 50.0)]) is None


def test_signs_are_counted_in_standard_deviations() -> None:
    assert sign_statistic(50, 100) == 0
    assert sign_statistic(60, 100) == pytest.approx(2)
    assert sign_statistic(0, 0) == 0
