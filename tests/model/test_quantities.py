"""Durations and shares as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import cpu_share, format_duration, parse_duration_ms, parse_share


@pytest.mark.parametrize(
    ("text", "ms"),
    [("200ms", 200), ("1.5s", 1500), ("2m", 120_000), ("2 min", 120_000), ("800us", 0.8), ("800µs", 0.8), (".5s", 500)],
)
def test_a_duration_has_a_number_and_a_unit(text: str, ms: float) -> None:
    assert parse_duration_ms(text) == pytest.approx(ms, rel=1e-15)


@pytest.mark.parametrize("text", ["200", "ms", "-1ms", "0ms", "1h", "1e3ms", "nanms", "infs", "", "1 ms 2"])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(200, "200ms"), (1500, "1.5s"), (60_000, "60s"), (1234, "1234ms"), (0.8, "0.8ms"), (1_234_567, "1234567ms")],
)
def test_a_duration_is_written_as_people_write_it(ms: float, text: str) -> None:
    assert format_duration(ms) == text


@given(st.floats(1e-6, 1e12, allow_nan=False))
def test_a_written_duration_reads_back(ms: float) -> None:
    assert parse_duration_ms(format_duration(ms)) == pytest.approx(ms, rel=1e-15)


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.01", 0.01), ("100 %", 1), ("0", 0), (".5", 0.5)])
def test_a_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share, rel=1e-15)


@pytest.mark.parametrize("text", ["101%", "1.01", "-1%", "%", "", "one"])
def test_anything_else_is_not_a_share(text: str) -> None:
    with pytest.raises(UsageError, match="is not a share"):
        parse_share(text)


def test_1769_mb_are_one_vcpu() -> None:
    assert cpu_share(1769) == 1
    assert cpu_share(10_240) == pytest.approx(5.79, abs=0.005)
