"""Ratios by resampling of clusters: they hold the true ratio, and leave open what the calls do not bound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lambdatune.stats.resampling import (
    Mean,
    Sample,
    calls_that_bound,
    mean_ratio,
    quantile_ratios,
    spread_between,
)


def clustered(rng, clusters, each, *, scale=20.0, between=0.1, within=0.15) -> Sample:
    index = np.repeat(np.arange(clusters), each)
    values = scale * np.exp(between * rng.standard_normal(clusters)[index] + within * rng.standard_normal(len(index)))
    return Sample(values, index)


@pytest.mark.parametrize(("clusters", "each", "quantile"), [(10, 20, 0.5), (20, 10, 0.95), (100, 1, 0.95)])
def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says(clusters, each, quantile) -> None:
    rng = np.random.default_rng(41)
    held, rounds = 0, 50
    for _ in range(rounds):
        base, figure = clustered(rng, clusters, each), clustered(rng, clusters, each, scale=26)
        (found,) = quantile_ratios(figure, base, [quantile], [0.95], rng)
        held += found.low <= 1.3 <= found.high
    assert held / rounds >= 0.88


def test_calls_of_one_cluster_count_as_alike() -> None:
    rng = np.random.default_rng(42)
    one, other = (clustered(rng, 10, 50, between=0.15, within=0.02) for _ in range(2))
    (told,) = quantile_ratios(one, other, [0.5], [0.95], rng)
    (naive,) = quantile_ratios(Sample(one.values), Sample(other.values), [0.5], [0.95], rng)
    assert math.log(told.high / told.low) > 3 * math.log(naive.high / naive.low)


def test_what_so_many_calls_do_not_bound_is_left_open() -> None:
    rng = np.random.default_rng(43)
    few, many = Sample(rng.uniform(1, 2, 60)), Sample(rng.uniform(1, 2, 600))
    assert calls_that_bound(0.95, 0.95) == 72
    (found,) = quantile_ratios(few, many, [0.95], [0.95], rng)
    assert found.low is not None
    assert found.high is None
    (found,) = quantile_ratios(many, few, [0.95], [0.95], rng)
    assert found.low is None
    assert found.high is not None


def test_what_was_not_seen_widens_the_interval() -> None:
    rng = np.random.default_rng(44)
    values = rng.uniform(1, 2, 300)
    (plain,) = quantile_ratios(Sample(values), Sample(values), [0.5], [0.95], np.random.default_rng(1))
    (wider,) = quantile_ratios(
        Sample(values, unseen=0.05), Sample(values, unseen=0.05), [0.5], [0.95], np.random.default_rng(1)
    )
    assert wider.low < plain.low
    assert math.log(wider.high) >= 1.96 * 0.05 * math.sqrt(2)


def test_an_interval_far_out_is_wider_still_though_no_draw_lies_there() -> None:
    rng = np.random.default_rng(45)
    one, other = clustered(rng, 40, 5), clustered(rng, 40, 5)
    widths = []
    for confidence in (0.95, 0.99, 0.9999, 0.999999):
        (found,) = quantile_ratios(one, other, [0.5], [confidence], np.random.default_rng(2))
        widths.append(math.log(found.high / found.low))
    assert widths == sorted(widths)
    assert widths[-1] > 1.2 * widths[-2]


def test_nothing_above_zero_or_nothing_at_all_has_no_ratio() -> None:
    rng = np.random.default_rng(46)
    some, none, zero = Sample(np.ones(10)), Sample(np.empty(0)), Sample(np.zeros(10))
    assert quantile_ratios(some, none, [0.5], [0.95], rng) == [None]
    assert quantile_ratios(some, zero, [0.5, 0.9], [0.95, 0.95], rng) == [None, None]
    assert mean_ratio(Mean(0.0, ()), Mean(1.0, ()), 0.95) is None
    open_ = mean_ratio(Mean(2.0, ()), Mean(1.0, ()), 0.95)
    assert (open_.point, open_.low, open_.high) == (2, None, None)
    exact = mean_ratio(Mean(2.0, ((0.0, 10),)), Mean(1.0, ((0.0, 10),)), 0.95)
    assert (exact.low, exact.high) == (2, 2)


def test_the_spread_between_clusters_is_what_their_values_do_not_make() -> None:
    rng = np.random.default_rng(47)
    apart = [spread_between(sample.values, sample.clusters) for sample in (clustered(rng, 40, 20) for _ in range(5))]
    assert np.mean(apart) == pytest.approx(0.1, rel=0.2)
    alike = [spread_between(rng.uniform(1, 2, 400), np.repeat(np.arange(20), 20)) for _ in range(20)]
    assert max(alike) < 0.08
    assert sorted(alike)[10] < 0.03
    assert spread_between(np.ones(3), np.arange(3)) == 0
    assert spread_between(np.ones(4), np.zeros(4, dtype=np.int64)) == 0
