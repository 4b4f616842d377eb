"""What calls cost, against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.pricing.cost import Tariff, decimals_of, money

X86 = Tariff.of("us-east-1", "x86_64")


def test_a_128_mb_call_of_96_ms_costs_as_much_for_its_duration_as_for_its_request() -> None:
    assert X86.per_call(96, 128) - X86.prices.request == pytest.approx(X86.prices.request, rel=1e-4)


def test_three_million_calls_of_120_ms_at_1536_mb_cost_what_awss_example_says() -> None:
    # The AWS pricing page: 3 M x 120 ms x 1.5 GB = 540,000 GB-s; without the free tier 9.00 + 0.60 dollars.
    assert 3 * X86.per_million(120, 1536) == pytest.approx(9.00 + 0.60, abs=0.001)


def test_2500_calls_of_200_ms_at_1_gb_cost_about_nine_tenths_of_a_cent() -> None:
    assert 2_500 * X86.per_call(200, 1024) == pytest.approx(0.00883, abs=0.00001)


def test_a_gigabyte_second_is_1024_mb_for_1000_ms() -> None:
    assert X86.per_second(1024) == X86.prices.duration
    assert X86.per_call(1000, 1024) == pytest.approx(0.0000166667 + 0.0000002)


def test_the_request_fee_is_due_for_a_call_that_is_billed_nothing() -> None:
    assert X86.per_call(0, 10_240) == X86.prices.request


@pytest.mark.parametrize(("storage_mb", "extra_gb"), [(512, 0), (0, 0), (1536, 1), (10_240, 9.5)])
def test_storage_above_512_mb_is_billed_for_the_duration(storage_mb: int, extra_gb: float) -> None:
    tariff = Tariff.of("us-east-1", "x86_64", storage_mb)
    extra = tariff.per_call(1000, 1024) - X86.per_call(1000, 1024)
    assert extra == pytest.approx(extra_gb * 0.0000000309, rel=1e-6)


def test_nothing_is_added_for_an_init_since_billed_duration_holds_it() -> None:
    # REPORT: Duration 1.57 ms, Init Duration 487.97 ms, Billed Duration 490 ms, 128 MB.
    assert X86.per_call(490, 128) == pytest.approx(0.49 * 0.125 * 0.0000166667 + 0.0000002)


def test_time_in_provisioned_environments_has_its_own_price_and_restores_are_billed_by_gigabyte() -> None:
    provisioned = Tariff(X86.prices, is_provisioned=True)
    assert provisioned.per_call(1000, 1024) == pytest.approx(0.0000097222 + 0.0000002)
    assert provisioned.on_demand == X86
    assert X86.per_restore(2048) == pytest.approx(2 * 0.0001397998)


def test_arm_is_a_fifth_cheaper_for_the_same_duration() -> None:
    arm = Tariff.of("us-east-1", "arm64")
    assert arm.per_second(512) / X86.per_second(512) == pytest.approx(0.8, rel=1e-4)


@given(st.lists(st.floats(0, 900_000), max_size=20), st.integers(128, 10_240))
def test_an_array_costs_what_its_calls_cost_one_by_one(billed_ms: list[float], memory_mb: int) -> None:
    costs = X86.per_call(np.array(billed_ms, dtype=np.float64), memory_mb)
    assert costs.tolist() == [X86.per_call(each, memory_mb) for each in billed_ms]


@given(st.floats(1, 1_000), st.floats(1, 10_000), st.floats(0, 1))
def test_a_blend_is_the_mean_of_warm_and_cold_by_their_shares(warm_ms: float, cold_ms: float, rate: float) -> None:
    blended = X86.blended_per_million(warm_ms, cold_ms, 512, cold_rate=rate)
    apart = (1 - rate) * X86.per_million(warm_ms, 512) + rate * X86.per_million(cold_ms, 512)
    assert blended == pytest.approx(apart)


def test_a_cold_rate_is_a_share() -> None:
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        X86.blended_per_million(1, 1, 512, cold_rate=1.1)


def test_a_tariff_knows_its_currency() -> None:
    assert X86.currency == "USD"
    assert Tariff.of("cn-north-1", "arm64").currency == "CNY"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.25, "$0.25"), (12.0, "$12.00"), (0.004, "$0.0040"), (0.000003, "$0.0000030"), (0.0, "$0.00")],
)
def test_a_small_amount_keeps_two_digits_of_its_own(amount: float, shown: str) -> None:
    assert money(amount, "USD", digits=decimals_of(amount)) == shown
