"""AWS's price list read: tiers, architectures, currencies, and what is not in it."""

from __future__ import annotations

import pytest
from support.price_list import PRODUCTS, product

from lambdatune.pricing.price_list import UnreadablePriceList, prices_from
from lambdatune.pricing.table import prices_of


def listed(region: str, factor: float = 1.0, currency: str = "USD") -> list[dict[str, object]]:
    return [product(region, number, factor, currency) for number in range(len(PRODUCTS))]


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_awss_list_of_us_east_1_is_the_bundled_table(architecture: str) -> None:
    live, bundled = prices_from(listed("us-east-1"), "us-east-1", architecture), prices_of("us-east-1", architecture)
    assert live.duration_tiers == bundled.duration_tiers
    for name in ("request", "ephemeral_storage", "provisioned_concurrency", "provisioned_duration"):
        assert getattr(live, name) == pytest.approx(getattr(bundled, name)), name
    assert (live.source, live.published, live.currency) == ("live", "2026-11-03", "USD")
    assert live.derived == {"snapstart_cache", "snapstart_restore"}
    assert live.snapstart_restore == bundled.snapstart_restore


def test_products_of_other_regions_and_the_free_tier_are_passed_over() -> None:
    free = [product("", number, 0.0, "USD") for number in range(len(PRODUCTS))]
    prices = prices_from([*free, *listed("eu-west-1", 9.0), *listed("us-east-1", 2.0)], "us-east-1", "x86_64")
    assert prices.duration == pytest.approx(2 * 1.66667e-5)
    assert prices.request == pytest.approx(4e-7)


def test_china_is_in_yuan_and_what_is_not_listed_keeps_its_proportion() -> None:
    prices = prices_from(listed("cn-north-1", 7.0, "CNY"), "cn-north-1", "arm64")
    bundled = prices_of("cn-north-1", "arm64")
    assert prices.currency == "CNY"
    assert prices.duration == pytest.approx(7 * 1.33334e-5)
    assert prices.snapstart_restore / prices.duration == pytest.approx(bundled.snapstart_restore / bundled.duration)


def test_a_region_newer_than_the_bundled_table_has_its_prices() -> None:
    prices = prices_from(listed("moon-west-1", 1.5), "moon-west-1", "x86_64")
    assert (prices.region, prices.duration) == ("moon-west-1", pytest.approx(1.5 * 1.66667e-5))


def test_a_list_without_the_price_of_a_call_is_refused() -> None:
    only_x86 = [document for document in listed("us-east-1") if "ARM" not in str(document)]
    with pytest.raises(UnreadablePriceList, match="no request and no duration_tiers on arm64"):
        prices_from(only_x86, "us-east-1", "arm64")


def test_tiers_that_leave_a_gap_are_refused() -> None:
    documents = listed("us-east-1")
    term = documents[3]["terms"]["OnDemand"].popitem()[1]  # type: ignore[index]
    dimensions = term["priceDimensions"]
    middle = next(code for code, each in dimensions.items() if each["beginRange"] == "6000000000")
    del dimensions[middle]
    documents[3]["terms"]["OnDemand"]["only"] = term  # type: ignore[index]
    with pytest.raises(UnreadablePriceList, match="leave out 6e"):
        prices_from(documents, "us-east-1", "x86_64")
