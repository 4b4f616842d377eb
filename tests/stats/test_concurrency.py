"""How many environments a steady stream takes, and how often one starts cold: by hand, and against a simulation."""

from __future__ import annotations

import heapq
import math
from itertools import pairwise

import numpy as np
import pytest

from lambdatune.stats.concurrency import cold_share, in_flight, overflow_share

FOREVER_S = 1e15


@pytest.mark.parametrize(
    ("mean", "quantile", "environments"),
    [
        # P(N <= 3) = e^-1 (1 + 1 + 1/2 + 1/6) = 0.9810, P(N <= 4) = 0.9963
        (1.0, 0.98, 3),
        (1.0, 0.99, 4),
        # P(N = 0) = e^-0.001 = 0.999: no call is in flight then, and a call takes an environment all the same
        (0.001, 0.99, 1),
        # 2.326 standard deviations of 100 above the mean, 0.7 more for the skewness, and half a call less: 10,232.8
        (10_000.0, 0.99, 10_233),
    ],
)
def test_so_many_environments_hold_the_calls_in_flight(mean, quantile, environments) -> None:
    assert in_flight(mean, quantile) == environments


def test_calls_that_find_no_room_are_erlangs() -> None:
    # B(1) = a / (1 + a) and B(2) = (a^2 / 2) / (1 + a + a^2 / 2), with a = 2: 2/3 and 2/5.
    assert overflow_share(2.0, 0) == 1.0
    assert overflow_share(2.0, 1) == pytest.approx(2 / 3)
    assert overflow_share(2.0, 2) == pytest.approx(2 / 5)
    # Of a hundred thousand calls in flight five environments hold five.
    assert overflow_share(1e5, 5) == pytest.approx(1 - 5e-5, rel=1e-6)


@pytest.mark.parametrize("mean", [0.01, 0.7, 20.0, 3_000.0, 1e6])
def test_each_further_environment_finds_less_to_do(mean) -> None:
    near = np.unique(np.linspace(0, 1.2 * mean + 10, 40).astype(int)).tolist()
    shares = [overflow_share(mean, environments) for environments in near]
    assert all(after < before or before < 1e-300 for before, after in pairwise(shares))
    assert all(0 <= share <= 1 for share in shares)


def test_of_rare_calls_those_start_cold_that_the_last_environment_did_not_wait_for() -> None:
    # One call in 1,000 s, kept for 500 s: P(gap > 500 s) = e^-0.5; overlaps are one in a million.
    assert cold_share(0.001, 0.001, idle_s=500, lifetime_s=FOREVER_S) == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert cold_share(1e-6, 0.001, idle_s=600, lifetime_s=7_200) == pytest.approx(1.0, rel=1e-3)


def test_an_environment_that_is_there_is_replaced_once_in_its_life() -> None:
    # 10/s for 1 ms each: a second environment is needed for e^-1000 of the time, and kept; both within 1,000 s.
    assert cold_share(10, 1e-9, idle_s=1_000, lifetime_s=1_000) == pytest.approx(1 / 10_000, rel=1e-3)


def simulated(rate_per_s: float, busy_s: float, idle_s: float, calls: int) -> float:
    """Return the share of cold starts of a stream, the last used environment being taken first."""
    rng = np.random.default_rng(1)
    now, busy, idle, cold = 0.0, [], [], 0
    for gap, lasts in zip(
        rng.exponential(1 / rate_per_s, calls).tolist(), rng.exponential(busy_s, calls).tolist(), strict=True
    ):
        now += gap
        while busy and busy[0] <= now:
            idle.append(heapq.heappop(busy))
        if idle and now - idle[-1] <= idle_s:
            idle.pop()
        else:
            idle.clear()
            cold += 1
        heapq.heappush(busy, now + lasts)
    return cold / calls


@pytest.mark.parametrize(("rate_per_s", "busy_s", "idle_s"), [(0.1, 0.1, 50.0), (20.0, 0.1, 5.0), (50.0, 0.2, 20.0)])
def test_the_model_starts_as_many_cold_as_a_simulated_stream(rate_per_s, busy_s, idle_s) -> None:
    # 100,000 calls have some 150 to 1,600 cold starts: a standard error of 3 to 8 %, and the model's own error.
    modelled = cold_share(rate_per_s, busy_s, idle_s=idle_s, lifetime_s=FOREVER_S)
    assert simulated(rate_per_s, busy_s, idle_s, 100_000) == pytest.approx(modelled, rel=0.2)


@pytest.mark.parametrize("rate_per_s", [0.01, 1.0, 50.0, 5_000.0])
def test_environments_that_are_kept_start_no_call_cold(rate_per_s) -> None:
    busy = rate_per_s * 0.1
    counts = [0, 1, 2, round(busy), round(2 * busy) + 10, round(4 * busy) + 40]
    shares = [cold_share(rate_per_s, 0.1, idle_s=600, lifetime_s=7_200, kept=kept) for kept in sorted(counts)]
    assert all(after <= before for before, after in pairwise(shares))
    assert shares[-1] < 1e-12


@pytest.mark.parametrize("rate_per_s", [1e-6, 0.01, 3.0, 1e3, 1e5, 1e8])
def test_a_share_is_one_at_every_traffic(rate_per_s) -> None:
    assert 0 < cold_share(rate_per_s, 0.5, idle_s=600, lifetime_s=7_200) <= 1


def test_what_is_out_of_range_is_refused() -> None:
    for mean in (0.0, -1.0, math.nan, 1e10):
        with pytest.raises(ValueError, match="calls in flight"):
            in_flight(mean, 0.99)
        with pytest.raises(ValueError, match="calls in flight"):
            overflow_share(mean, 1)
        with pytest.raises(ValueError, match="calls in flight"):
            cold_share(mean, 1.0, idle_s=1, lifetime_s=1)
    with pytest.raises(ValueError, match="quantile"):
        in_flight(1, 1.0)
    with pytest.raises(ValueError, match="environments"):
        overflow_share(1, -1)
    with pytest.raises(ValueError, match="above 0"):
        cold_share(1, 1, idle_s=0, lifetime_s=1)
