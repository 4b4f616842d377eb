"""Trends over a few figures: found when they creep, and not when they only scatter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, theilslopes

from lambdatune.stats.trend import trend


def test_figures_that_creep_have_a_trend_with_its_size() -> None:
    found = trend([100 * 1.01**run for run in range(10)])
    assert found.p_value < 0.001
    assert found.change == pytest.approx(0.094, abs=0.01)
    assert trend([100 * 0.99**run for run in range(10)]).change < -0.08


def test_figures_that_scatter_seldom_have_one() -> None:
    rng = np.random.default_rng(31)
    shown = [trend(100 * np.exp(0.03 * rng.standard_normal(10))).p_value <= 0.05 for _ in range(200)]
    assert sum(shown) <= 20


def test_a_creep_of_one_per_cent_a_run_is_found_in_what_runs_differ_by() -> None:
    rng = np.random.default_rng(32)
    steps = np.arange(10)
    shown = [trend(100 * np.exp(0.01 * steps + 0.015 * rng.standard_normal(10))).p_value <= 0.05 for _ in range(100)]
    assert sum(shown) >= 90


def test_the_test_is_that_of_kendall_exact_and_with_ties() -> None:
    rng = np.random.default_rng(33)
    for count in (5, 8, 20):
        figures = rng.uniform(1, 2, count)
        assert trend(figures).p_value == pytest.approx(kendalltau(range(count), figures, method="exact").pvalue)
    tied = np.round(rng.uniform(1, 2, 40), 1)
    assert trend(tied).p_value == pytest.approx(kendalltau(range(40), tied, method="asymptotic").pvalue, abs=0.03)
    assert trend(figures).change == pytest.approx(
        theilslopes(figures)[0] * 19 / np.median(figures - theilslopes(figures)[0] * np.arange(20))
    )


def test_few_figures_show_nothing_and_one_is_no_trend() -> None:
    assert trend([1, 2, 3, 4]).p_value is None
    assert trend([5, 5, 5, 5, 5]) == trend([7, 7, 7, 7, 7])
    for figures in ([1.0], [0.0, 1.0]):
        with pytest.raises(ValueError, match="no trend"):
            trend(figures)
