"""Duration against memory: the fitted curve and what it predicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.recommend.shape import cpu_ms_of, duration_ms, fit_shape

SIZES = (128, 192, 320, 576, 960, 1769, 3008)


def samples(cpu_ms, wait_ms=0.0, sigma=0.05, parallel=0.0, *, staircase=True, calls=8, seed=1):
    rng = np.random.default_rng(seed)
    found = {}
    for size in SIZES:
        cpu = cpu_ms * np.exp(sigma * rng.standard_normal(calls)) * (1 - parallel + parallel / max(size / 1769, 1))
        found[size] = wait_ms + duration_ms(cpu, np.array(20 * size / 1769), staircase=staircase)
    return found


def test_work_is_throttled_until_the_next_period() -> None:
    quota = np.array(5.0)
    assert duration_ms(np.array([4.0, 6.0, 12.0]), quota, staircase=True).tolist() == [4.0, 21.0, 42.0]
    assert duration_ms(np.array([4.0, 6.0]), quota, staircase=False).tolist() == [16.0, 24.0]


def test_a_whole_vcpu_is_never_throttled() -> None:
    assert duration_ms(np.array([7.0, 70.0]), np.array(34.0), staircase=True).tolist() == [7.0, 70.0]


@given(st.floats(0.1, 500), st.integers(128, 3008), st.booleans())
def test_a_duration_is_turned_back_into_its_cpu_time(cpu_ms: float, size: int, staircase: bool) -> None:
    quota = np.array(20 * size / 1769)
    there = duration_ms(np.array(cpu_ms), quota, staircase=staircase)
    assert float(cpu_ms_of(there, quota, staircase=staircase)) == pytest.approx(cpu_ms, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("truth", "at_mb"),
    [
        ({"cpu_ms": 10.0}, 1000), ({"cpu_ms": 35.0, "wait_ms": 5.0}, 700), ({"cpu_ms": 400.0}, 1300),
        ({"cpu_ms": 2.0, "wait_ms": 50.0}, 400), ({"cpu_ms": 200.0, "parallel": 0.95}, 2400),
        ({"cpu_ms": 60.0, "staircase": False}, 450),
    ],
)  # fmt: skip
def test_sizes_that_were_not_measured_are_predicted(truth, at_mb) -> None:
    shape = fit_shape(samples(**truth, calls=20))
    assert shape.fits
    predicted = float(shape.durations_ms(np.array([at_mb])).mean())
    parallel, wait_ms = truth.get("parallel", 0.0), truth.get("wait_ms", 0.0)
    cpu = truth["cpu_ms"] * (1 - parallel + parallel / max(at_mb / 1769, 1))
    quota = np.array(20 * at_mb / 1769)
    expected = wait_ms + float(duration_ms(np.array(cpu), quota, staircase=truth.get("staircase", True)))
    assert predicted == pytest.approx(expected, rel=0.08)


def test_a_function_that_no_model_fits_is_interpolated_between_what_was_measured() -> None:
    odd = {128: 50.0, 192: 20.0, 320: 40.0, 576: 90.0, 960: 30.0, 1769: 10.0, 3008: 35.0}
    shape = fit_shape({size: np.full(8, ms) + np.arange(8) / 100 for size, ms in odd.items()})
    assert not shape.fits
    found = shape.durations_ms(np.array(SIZES, dtype=float)).mean(axis=1)
    assert found == pytest.approx([odd[size] for size in SIZES], rel=0.05)


def test_one_call_at_one_size_is_enough_for_a_curve() -> None:
    shape = fit_shape({512: np.array([30.0])})
    assert float(shape.durations_ms(np.array([512.0])).mean()) == pytest.approx(30.0, rel=0.01)


def test_slow_calls_are_those_of_the_pool_at_each_size() -> None:
    shape = fit_shape(samples(100.0, sigma=0.1, staircase=False, calls=50))
    at_half, at_one = shape.slow_calls(np.array([884.5, 1769.0]), 150.0) / len(shape.pool_ms)
    assert at_half == 1.0
    assert at_one == 0.0
    middle = float(shape.slow_calls(np.array([1769.0]), 100.0)[0]) / len(shape.pool_ms)
    assert middle == pytest.approx(0.5, abs=0.1)
