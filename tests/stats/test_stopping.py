"""How many more calls a proof takes: futures are played through, from where the tests stand."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.stats.certificate import SequentialTest
from lambdatune.stats.stopping import PATHS, Standing, further_calls_played, plausible_rates


def test_a_flawless_future_takes_what_the_test_takes() -> None:
    test = SequentialTest(0.05, 0.95)
    test.update(np.zeros(1_000, dtype=np.bool_))
    (met,) = further_calls_played((Standing("meets", 0.05, 0.95, 0, 0),), np.full(PATHS, 1e-12), seed=1)
    assert test.decided_at is not None
    assert set(met.tolist()) == {met[0]}
    assert test.decided_at <= met[0] <= 1.06 * test.decided_at


def test_calls_seen_are_taken_off_what_is_missing() -> None:
    rates = np.full(PATHS, 1e-12)
    fresh, advanced = (
        further_calls_played((Standing("meets", 0.05, 0.95, calls, 0),), rates, seed=1)[0][0] for calls in (0, 40)
    )
    assert advanced == pytest.approx(fresh - 40, rel=0.1)


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.12, 0.2])
def test_the_median_future_takes_what_tests_take_at_that_rate(rate: float) -> None:
    rng = np.random.default_rng(3)
    needed = []
    for _ in range(200):
        test = SequentialTest(0.05, 0.95)
        while test.status == "undecided":
            test.update(rng.random(20) < rate)
        needed.append(test.decided_at)
    standings = (Standing("meets", 0.05, 0.95, 0, 0), Standing("misses", 0.05, 0.95, 0, 0))
    played = np.minimum(*further_calls_played(standings, np.full(PATHS, rate), seed=2))
    assert np.median(played) == pytest.approx(np.median(needed), rel=0.25)
    assert np.quantile(played, 0.9) == pytest.approx(np.quantile(needed, 0.9), rel=0.35)


def test_a_rate_at_the_boundary_is_settled_in_few_futures_only() -> None:
    standings = (Standing("meets", 0.05, 0.95, 0, 0), Standing("misses", 0.05, 0.95, 0, 0))
    played = np.minimum(*further_calls_played(standings, np.full(PATHS, 0.05), seed=2))
    assert np.isinf(played).mean() > 0.8


def test_rates_are_spread_by_what_was_seen() -> None:
    nothing = plausible_rates(0.05, 0, 0)
    assert nothing[0] < 0.001 < 0.2 < nothing[-1]
    for calls, exceedances in ((20, 0), (20, 4), (4_000, 200)):
        rates = plausible_rates(0.05, calls, exceedances)
        assert rates.shape == (PATHS,)
        assert np.all(np.diff(rates) >= 0)
        share = exceedances / calls
        assert rates[PATHS // 20] <= max(share, 0.002)
        assert rates[-PATHS // 20] >= share
    assert plausible_rates(0.05, 4_000, 200).mean() == pytest.approx(0.05, rel=0.02)


def test_the_same_question_has_the_same_answer() -> None:
    standings = (Standing("meets", 0.01, 0.975, 100, 0),)
    rates = plausible_rates(0.01, 100, 0)
    first, again = (further_calls_played(standings, rates, seed=4)[0] for _ in range(2))
    assert np.array_equal(first, again)
