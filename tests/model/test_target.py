"""The target grammar: which calls, which clock, which percentile, how long at most."""

from __future__ import annotations

import contextlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.errors import UsageError
from lambdatune.model.target import ClockName, Population, Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("p95<=200ms", Target("warm", "duration", 95, 200)),
        ("p99.9 <= 1.5s", Target("warm", "duration", 99.9, 1500)),
        ("cold.duration.p99<=1s", Target("cold", "duration", 99, 1000)),
        ("response.p95<=300ms", Target("warm", "response", 95, 300)),
        ("all.p50≤2m", Target("all", "duration", 50, 120_000)),
        (" ALL.Service.P90<=800us ", Target("all", "service", 90, 0.8)),
    ],
)
def test_a_target_is_read_with_warm_duration_when_left_out(text: str, target: Target) -> None:
    assert parse_target(text) == target


@given(
    st.sampled_from(get_args(Population)),
    st.sampled_from(get_args(ClockName)),
    st.floats(0.001, 99.99999, allow_nan=False).map(lambda value: round(value, 6)),
    st.floats(0.001, 1e9, allow_nan=False),
)
def test_the_text_of_a_target_reads_back_as_the_same_target(
    population: Population, clock: ClockName, percentile: float, threshold_ms: float
) -> None:
    target = Target(population, clock, percentile, threshold_ms)
    read = parse_target(str(target))
    assert (read.population, read.clock, read.percentile) == (population, clock, percentile)
    assert read.threshold_ms == pytest.approx(threshold_ms, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("p95<200ms", "`<`: expected <=", "write p95<=200ms"),
        ("p95=<200ms", "`=<`: expected <=", "write p95<=200ms"),
        ("p100<=200ms", "percentile 100", "for example"),
        ("p0<=200ms", "percentile 0", "for example"),
        ("p95<=200", "not a duration", "write 200ms"),
        ("p95<=0ms", "more than zero", "for example"),
        ("p95<=fast", "not a duration", "for example"),
        ("warn.p95<=1s", "`warn`", "did you mean warm?"),
        ("durations.p95<=1s", "`durations`", "did you mean duration?"),
        ("duration.warm.p95<=1s", "`warm`", "for example"),
        ("warm.cold.p95<=1s", "`cold`", "for example"),
        ("e3e.p95<=1s", "`e3e`", "did you mean e2e"),
        ("fast", "not of the form", "for example"),
        ("", "not of the form", "for example"),
    ],
)
def test_a_wrong_target_is_refused_with_the_part_that_is_wrong(text: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_target(text)
    assert said in refused.value.message
    assert refused.value.hint is not None
    assert hint in refused.value.hint


def test_exceedance_is_the_share_that_may_be_slower() -> None:
    assert Target("warm", "duration", 95, 1).exceedance == 0.05
    assert Target("warm", "duration", 99.9, 1).exceedance == 0.001
    assert Target("warm", "duration", 95, 1).quantile == 0.95


@given(st.text(max_size=40))
def test_no_text_ends_in_anything_but_a_target_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(parse_target(text), Target)
