"""The sequential certificate: what it promises at any number of looks, and how many calls it takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.stats.certificate import SequentialTest, expected_calls

TABLE = {  # statistics.md 5.2: mean calls to decide at alpha = 5 %, by true rate / p0
    0.01: {0: 340, 0.1: 478, 0.2: 715, 0.33: 1130, 0.5: 2223, 2: 1058, 3: 313, 5: 107, 10: 28, 50: 3},
    0.05: {0: 67, 0.1: 98, 0.2: 125, 0.33: 228, 0.5: 456, 2: 202, 3: 63, 5: 20, 10: 5},
}
CELLS = [(p0, ratio, calls) for p0, cells in TABLE.items() for ratio, calls in cells.items()]


def decide(rng: np.random.Generator, exceedance: float, rate: float, most: int) -> SequentialTest:
    test = SequentialTest(exceedance, 0.95)
    while test.status == "undecided" and test.calls < most:
        test.update(rng.random(500) < rate)
    return test


@pytest.mark.parametrize(("exceedance", "ratio", "calls"), CELLS)
def test_the_mean_number_of_calls_is_that_of_the_reference(exceedance: float, ratio: float, calls: int) -> None:
    rng = np.random.default_rng(5)
    tests = [decide(rng, exceedance, ratio * exceedance, 12_000) for _ in range(60)]
    mean = np.mean([test.decided_at or test.calls for test in tests])
    assert calls / 1.5 <= mean <= calls * 1.5
    right = "meets" if ratio < 1 else "misses"
    assert sum(test.status == right for test in tests) >= 54


@pytest.mark.parametrize(("exceedance", "ratio", "calls"), CELLS)
def test_the_expected_number_of_calls_is_within_a_factor_of_two(exceedance: float, ratio: float, calls: int) -> None:
    assert calls / 2 <= expected_calls(exceedance, 0.95, ratio * exceedance) <= calls * 2


def false_statement_probability(exceedance: float, confidence: float, most: int, side: str) -> float:
    """The exact probability that `side` is stated within `most` calls when the rate is p0, by recursion over s."""
    thresholds = np.arange(most + 1)
    alive, stated = np.zeros(most + 1), 0.0
    alive[0] = 1.0
    test = SequentialTest(exceedance, confidence)
    process = test._meets if side == "meets" else test._misses
    for calls in range(1, most + 1):
        alive[1 : calls + 1] = alive[1 : calls + 1] * (1 - exceedance) + alive[:calls] * exceedance
        alive[0] *= 1 - exceedance
        counts = thresholds[: calls + 1].astype(float)
        crossed = process.log_e(np.full(calls + 1, float(calls)), counts) >= test._log_threshold
        stated += float(alive[: calls + 1][crossed].sum())
        alive[: calls + 1][crossed] = 0.0
    return stated


@pytest.mark.parametrize("side", ["meets", "misses"])
@pytest.mark.parametrize(("exceedance", "confidence"), [(0.05, 0.95), (0.1, 0.8), (0.5, 0.9), (0.01, 0.95)])
def test_looking_after_every_call_a_false_statement_is_no_likelier_than_promised(
    exceedance: float, confidence: float, side: str
) -> None:
    probability = false_statement_probability(exceedance, confidence, 1_200, side)
    assert 0 < probability <= 1 - confidence


def test_simulated_false_certificates_at_the_boundary_stay_within_the_promise() -> None:
    rng = np.random.default_rng(11)
    runs = 600
    statements = [decide(rng, 0.05, 0.05, 3_000).status for _ in range(runs)]
    three_deviations = 3 * math.sqrt(0.05 * 0.95 / runs)
    assert statements.count("meets") / runs <= 0.05 + three_deviations
    assert statements.count("misses") / runs <= 0.05 + three_deviations


def test_nothing_is_decided_before_the_first_call() -> None:
    test = SequentialTest(0.05, 0.95)
    test.update(np.zeros(0, dtype=bool))
    assert (test.status, test.calls, test.exceedances, test.decided_at) == ("undecided", 0, 0, None)
    assert (test.log_e_meets, test.log_e_misses) == (0.0, 0.0)


def test_once_decided_it_stays_decided_and_goes_on_counting() -> None:
    test = SequentialTest(0.05, 0.95)
    test.update(np.zeros(200, dtype=bool))
    decided_at = test.decided_at
    assert test.status == "meets"
    test.update(np.ones(200, dtype=bool))
    assert (test.status, test.decided_at) == ("meets", decided_at)
    assert (test.calls, test.exceedances) == (400, 200)


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 50))
def test_batches_do_not_matter(calls: list[bool], size: int) -> None:
    whole, parts = SequentialTest(0.1, 0.9), SequentialTest(0.1, 0.9)
    exceeds = np.array(calls, dtype=bool)
    whole.update(exceeds)
    for start in range(0, len(exceeds), size):
        parts.update(exceeds[start : start + size])
    assert (parts.status, parts.decided_at) == (whole.status, whole.decided_at)
    assert parts.log_e_meets == pytest.approx(whole.log_e_meets)


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_the_e_values_depend_on_the_counts_and_not_on_the_order(calls: list[bool], shuffler: object) -> None:
    shuffled = calls.copy()
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = SequentialTest(0.05, 0.95), SequentialTest(0.05, 0.95)
    one.update(np.array(calls))
    other.update(np.array(shuffled))
    assert one.log_e_meets == pytest.approx(other.log_e_meets)
    assert one.log_e_misses == pytest.approx(other.log_e_misses)
    assert (one.calls, one.exceedances) == (other.calls, other.exceedances)


def test_the_e_value_is_the_mean_likelihood_ratio_of_its_definition() -> None:
    test = SequentialTest(0.05, 0.95)
    test.update(np.array([True, False, False]))
    odds = 0.05 / 0.95
    for ratios, weights, log_e in (
        ((0.0, 0.1, 0.25, 0.4, 0.6, 0.8), (0.45, 0.15, 0.12, 0.12, 0.10, 0.06), test.log_e_meets),
        (
            (1.25, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0),
            (0.08, 0.14, 0.16, 0.16, 0.14, 0.12, 0.10, 0.10),
            test.log_e_misses,
        ),
    ):
        assert sum(weights) == pytest.approx(1)
        rates = [ratio * odds / (1 + ratio * odds) for ratio in ratios]
        e = sum(w * (p / 0.05) * ((1 - p) / 0.95) ** 2 for w, p in zip(weights, rates, strict=True))
        assert log_e == pytest.approx(math.log(e))


def test_more_confidence_takes_more_calls() -> None:
    calls = [expected_calls(0.05, confidence, 0.0) for confidence in (0.5, 0.8, 0.95, 0.99)]
    assert calls == sorted(set(calls))


def test_a_rate_that_cannot_be_told_from_the_boundary_is_never_decided() -> None:
    assert expected_calls(0.05, 0.95, 0.05) == math.inf


@pytest.mark.parametrize(("exceedance", "confidence"), [(0, 0.9), (1, 0.9), (0.1, 0), (0.1, 1)])
def test_shares_outside_0_to_1_are_refused(exceedance: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        SequentialTest(exceedance, confidence)
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        expected_calls(exceedance, confidence, 0.1)


def test_a_rate_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        expected_calls(0.05, 0.95, 1.5)
