"""Confidence intervals of percentiles: the ranks of the reference, and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.intervals import design_effect, order_statistic_ranks, percentile_interval

Z = {0.5: 0.0, 0.95: 1.6448536, 0.99: 2.3263479}


@pytest.mark.parametrize(
    ("count", "ranks"),
    [
        (400, (392, 400)),
        (500, (490, 500)),
        (1_000, (983, 997)),
        (2_000, (1971, 1989)),
        (5_000, (4936, 4964)),
        (10_000, (9880, 9920)),
    ],
)
def test_the_ranks_of_p99_are_those_of_the_reference(count: int, ranks: tuple[int, int]) -> None:
    assert order_statistic_ranks(count, 0.99, 0.95) == ranks


@pytest.mark.parametrize(
    ("quantile", "least"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3_688), (0.9999, 36_887)]
)
def test_below_the_least_count_there_is_no_upper_end(quantile: float, least: int) -> None:
    assert least == math.ceil(math.log(0.025) / math.log(quantile))
    values = np.arange(1.0, least + 1)
    assert percentile_interval(values, quantile, 0.95)[1] == least
    assert percentile_interval(values[:-1], quantile, 0.95)[1] is None
    assert percentile_interval(LatencyHistogram(values[:-1] / 1000), quantile, 0.95)[1] is None


@given(st.integers(1, 3_000), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99, 0.999]), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ranks_cover_at_least_as_promised_and_not_one_rank_more(
    count: int, quantile: float, confidence: float
) -> None:
    def at_most(k: int) -> float:
        return math.fsum(
            math.exp(
                math.lgamma(count + 1) - math.lgamma(j + 1) - math.lgamma(count - j + 1)
                + j * math.log(quantile) + (count - j) * math.log1p(-quantile)
            )
            for j in range(k + 1)
        )  # fmt: skip

    low, high = order_statistic_ranks(count, quantile, confidence)
    half = (1 - confidence) / 2
    assert 0 <= low < high <= count + 1
    assert at_most(low - 1) < half + 1e-9
    assert at_most(low) >= half - 1e-9
    assert at_most(high - 1) >= 1 - half - 1e-9
    assert high < 2 or at_most(high - 2) < 1 - half + 1e-9


@given(st.integers(1, 400), st.sampled_from([0.5, 0.95]))
def test_a_histogram_gives_the_same_interval_widened_by_its_bins(count: int, quantile: float) -> None:
    values = np.random.default_rng(count).lognormal(4, 1, count)
    exact, binned = (
        percentile_interval(values, quantile, 0.9),
        percentile_interval(LatencyHistogram(values), quantile, 0.9),
    )
    assert binned[0] <= exact[0] + 0.001
    assert binned[0] >= exact[0] * 0.999 - 0.001
    assert (binned[1] is None) == (exact[1] is None)
    if exact[1] is not None and binned[1] is not None:
        assert exact[1] - 0.001 <= binned[1] <= exact[1] * 1.001 + 0.001


def clustered(
    rng: np.random.Generator, environments: int, calls: int, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Log-normal latencies of which `correlation` of the variance is between environments."""
    between = np.repeat(rng.normal(0, math.sqrt(correlation), environments), calls)
    within = rng.normal(0, math.sqrt(1 - correlation), environments * calls)
    return np.exp(between + within), np.repeat(np.arange(environments), calls)


@pytest.mark.parametrize(
    ("environments", "calls", "quantile"), [(20, 50, 0.99), (20, 50, 0.5), (50, 20, 0.95), (10, 100, 0.95)]
)
def test_with_environments_the_interval_covers_calls_that_are_alike(
    environments: int, calls: int, quantile: float
) -> None:
    rng = np.random.default_rng(17)
    truth = math.exp(Z[quantile])
    covered, naive = 0, 0
    for _ in range(300):
        values, ids = clustered(rng, environments, calls, 0.5)
        low, high = percentile_interval(values, quantile, 0.95, ids)
        covered += low <= truth and (high is None or truth <= high)
        low, high = percentile_interval(values, quantile, 0.95)
        naive += low <= truth and (high is None or truth <= high)
    assert covered / 300 >= 0.92
    assert naive / 300 < 0.80


def test_with_environments_of_different_sizes_it_still_covers() -> None:
    rng = np.random.default_rng(23)
    sizes = np.tile([5, 20, 60], 15)
    ids = np.repeat(np.arange(len(sizes)), sizes)
    covered = 0
    for _ in range(300):
        values = np.exp(rng.normal(0, 0.7, len(sizes))[ids] + rng.normal(0, math.sqrt(0.51), len(ids)))
        low, high = percentile_interval(values, 0.95, 0.95, ids)
        covered += low <= math.exp(Z[0.95]) and (high is None or math.exp(Z[0.95]) <= high)
    assert covered / 300 >= 0.92


def test_independent_calls_have_a_design_effect_of_about_one() -> None:
    rng = np.random.default_rng(3)
    effects = [design_effect(rng.random(2_000) < 0.05, np.repeat(np.arange(100), 20)) for _ in range(50)]
    assert min(effects) >= 1
    assert np.mean(effects) < 1.15


def test_environments_that_are_all_alike_inside_count_as_one_call_each() -> None:
    index = np.repeat(np.arange(50), 20)
    assert design_effect(index < 25, index) == pytest.approx(20, rel=0.05)


def test_one_environment_proves_nothing() -> None:
    assert percentile_interval(np.arange(1.0, 1001), 0.5, 0.95, np.zeros(1000)) == (0.0, None)


def test_environments_may_be_names() -> None:
    values, ids = clustered(np.random.default_rng(5), 50, 20, 0.1)
    names = np.array([f"stream-{index}" for index in ids])
    assert percentile_interval(values, 0.5, 0.95, names) == percentile_interval(values, 0.5, 0.95, ids)


def test_what_cannot_be_an_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="no ranks"):
        percentile_interval(np.array([]), 0.5, 0.95)
    for quantile, confidence in ((0.0, 0.9), (1.0, 0.9), (0.5, 0.0), (0.5, 1.0)):
        with pytest.raises(ValueError, match="is not between 0 and 1"):
            percentile_interval(np.array([1.0]), quantile, confidence)
    for values in (np.array([1.0]), LatencyHistogram([1.0])):
        with pytest.raises(ValueError, match="environments"):
            percentile_interval(values, 0.5, 0.9, np.array([1, 2]))
