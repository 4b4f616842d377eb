"""The bundled price table: every region, its date, and what had to be derived."""

from __future__ import annotations

import re

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.pricing.table import prices_of, published, regions

ARCHITECTURES = ["x86_64", "arm64"]


def test_the_table_has_a_date() -> None:
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", published())
    assert prices_of("us-east-1", "x86_64").published == published()


def test_every_region_of_the_three_public_partitions_has_prices_on_both_architectures() -> None:
    assert {"us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1", "ap-southeast-7"} <= regions().keys()
    assert len(regions()) == 38
    for region in regions():
        for architecture in ARCHITECTURES:
            prices = prices_of(region, architecture)
            assert 0 < prices.duration < 0.001
            assert 0 < prices.request < 0.00001
            assert prices.ephemeral_storage > 0


@pytest.mark.parametrize(
    ("architecture", "tiers", "reserved", "provisioned"),
    [
        ("x86_64", ((6e9, 0.0000166667), (15e9, 0.0000150000), (None, 0.0000133334)), 0.0000041667, 0.0000097222),
        ("arm64", ((7.5e9, 0.0000133334), (18.75e9, 0.0000120001), (None, 0.0000106667)), 0.0000033334, 0.0000077778),
    ],
)
def test_the_prices_of_us_east_1_are_the_published_ones(
    architecture: str, tiers: tuple[tuple[float | None, float], ...], reserved: float, provisioned: float
) -> None:
    prices = prices_of("us-east-1", architecture)
    assert prices.duration_tiers == tiers
    assert (prices.provisioned_concurrency, prices.provisioned_duration) == (reserved, provisioned)
    assert (prices.request, prices.currency) == (2e-7, "USD")
    assert (prices.ephemeral_storage, prices.snapstart_cache) == (0.0000000309, 0.0000015046)
    assert prices.snapstart_restore == 0.0001397998
    assert prices.derived == frozenset()


@pytest.mark.parametrize(
    ("region", "x86", "arm", "request_per_million"),
    [
        ("af-south-1", 0.0000221, 0.00001768, 0.27),
        ("ap-east-1", 0.00002292, 0.0000183, 0.28),
        ("eu-south-1", 0.0000195172, 0.0000156138, 0.23),
        ("me-south-1", 0.0000206667, 0.0000165334, 0.25),
        ("me-central-1", 0.0000206667, 0.0000165334, 0.25),
        ("eu-west-1", 0.0000166667, 0.0000133334, 0.20),
        ("ap-northeast-3", 0.0000166667, 0.0000133334, 0.20),
        ("us-gov-east-1", 0.0000166667, 0.0000133334, 0.20),
    ],
)
def test_regions_that_differ_have_their_own_prices_and_others_those_of_us_east_1(
    region: str, x86: float, arm: float, request_per_million: float
) -> None:
    for architecture, price in (("x86_64", x86), ("arm64", arm)):
        prices = prices_of(region, architecture)
        assert prices.duration == price
        assert prices.request * 1e6 == pytest.approx(request_per_million)
        assert "duration" not in prices.derived


@pytest.mark.parametrize("region", ["eu-central-2", "il-central-1", "cn-north-1", "cn-northwest-1"])
def test_an_arm_price_that_is_not_known_is_derived_and_says_so(region: str) -> None:
    x86, arm = prices_of(region, "x86_64"), prices_of(region, "arm64")
    assert arm.duration == pytest.approx(0.8 * x86.duration, rel=1e-4)
    assert "duration" in arm.derived
    assert "duration" not in x86.derived


def test_china_is_priced_in_its_own_currency() -> None:
    prices = prices_of("cn-north-1", "x86_64")
    assert (prices.currency, prices.duration, prices.request) == ("CNY", 0.0001136, 1.36e-6)
    assert "provisioned_concurrency" in prices.derived


def test_a_price_that_is_known_for_one_region_alone_is_not_derived_there() -> None:
    london = prices_of("eu-west-2", "x86_64")
    assert london.provisioned_duration == 0.0000112709
    assert "provisioned_duration" not in london.derived
    assert "provisioned_concurrency" in london.derived


def test_later_tiers_of_a_region_with_its_own_price_are_derived() -> None:
    prices = prices_of("af-south-1", "x86_64")
    (_, first), (_, second), (_, third) = prices.duration_tiers
    assert (second / first, third / first) == (pytest.approx(0.9, rel=1e-4), pytest.approx(0.8, rel=1e-4))
    assert "duration_tiers" in prices.derived


def test_a_months_gb_seconds_are_billed_by_tier() -> None:
    prices = prices_of("us-east-1", "x86_64")
    assert prices.duration_cost(0) == 0
    assert prices.duration_cost(6e9) == pytest.approx(100_000.2)
    assert prices.duration_cost(15e9) == pytest.approx(100_000.2 + 135_000)
    assert prices.duration_cost(16e9) == pytest.approx(100_000.2 + 135_000 + 13_333.4)
    with pytest.raises(ValueError, match="cannot be billed"):
        prices.duration_cost(-1)


@pytest.mark.parametrize(
    ("region", "architecture", "said", "hint"),
    [
        ("eu-wst-1", "x86_64", "region `eu-wst-1`", "did you mean eu-west-1?"),
        ("mars", "x86_64", "region `mars`", "us-west-2"),
        ("us-east-1", "arm46", "architecture `arm46`", "did you mean arm64?"),
    ],
)
def test_an_unknown_region_or_architecture_is_refused_with_the_nearest(
    region: str, architecture: str, said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        prices_of(region, architecture)
    assert said in refused.value.message
    assert refused.value.hint is not None
    assert hint in refused.value.hint
