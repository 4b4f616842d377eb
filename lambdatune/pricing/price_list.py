"""AWS's price list, read: the documents of the Price List API (GetProducts) to `Prices`.

Source: AWS Price List API reference, format ``aws_v1``: ``product.attributes`` holds region and group,
``terms.OnDemand.*.priceDimensions.*`` the tiers with their bounds, unit and price as text. The groups of Lambda are in
`_GROUPS`; those of arm64 end in ``-ARM``. The list also holds the free tier (of no region), Lambda@Edge and others,
whose groups are not these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdatune.model.errors import LambdatuneError, UsageError
from lambdatune.pricing.table import Prices, prices_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_GROUPS = {
    "AWS-Lambda-Requests": "request",
    "AWS-Lambda-Duration": "duration_tiers",
    "AWS-Lambda-Storage-Duration": "ephemeral_storage",
    "AWS-Lambda-Provisioned-Concurrency": "provisioned_concurrency",
    "AWS-Lambda-Duration-Provisioned": "provisioned_duration",
}
_UNITS = {"request": "Request"}
_ARM = "-ARM"
_REFERENCE_REGION = "us-east-1"

Tier = tuple[float | None, float]


class UnreadablePriceList(LambdatuneError):  # noqa: N818  the name says what is the matter
    """A price list that lacks what every call costs, or whose tiers leave a gap."""


def prices_from(products: Iterable[dict[str, Any]], region: str, architecture: str) -> Prices:
    """Return the prices of a region and architecture that AWS's price list gives.

    What the list does not name (SnapStart has no group of its own there) is the bundled table's and is `derived`.

    Args:
        products: documents of GetProducts, in any order; those of other regions are passed over.
        region: ``eu-west-1``.
        architecture: ``x86_64`` or ``arm64``.

    Raises:
        UnreadablePriceList: when the price of a request or of a GB-second is not in it.
    """
    found: dict[str, tuple[int, tuple[Tier, ...]]] = {}
    currency, published = "", ""
    for document in products:
        attributes = document["product"]["attributes"]
        name = _attribute(attributes.get("group", ""), architecture)
        if name is None or attributes.get("regionCode") != region:
            continue
        unit_price, tiers = _tiers(document, _UNITS.get(name, "Second"))
        if not tiers:
            continue
        currency = unit_price
        published = max(published, str(document.get("publicationDate", ""))[:10])
        # A group may hold more than one product (requests of provisioned concurrency): the plainest is the usual one.
        rank = len(attributes.get("usagetype", ""))
        if name not in found or rank < found[name][0]:
            found[name] = (rank, tiers)
    missing = [name for name in ("request", "duration_tiers") if name not in found]
    if missing:
        raise UnreadablePriceList(f"the price list of {region} has no {' and no '.join(missing)} on {architecture}")
    return _filled({name: tiers for name, (_, tiers) in found.items()}, region, architecture, currency, published)


def _attribute(group: str, architecture: str) -> str | None:
    is_arm = group.endswith(_ARM)
    if is_arm != (architecture == "arm64"):
        return None
    return _GROUPS.get(group.removesuffix(_ARM))


def _tiers(document: dict[str, Any], unit: str) -> tuple[str, tuple[Tier, ...]]:
    """Return currency and tiers of a product's prices in a unit whose name holds `unit`; none when it is free."""
    dimensions = [
        dimension
        for term in document.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if unit in dimension["unit"]
    ]
    dimensions.sort(key=lambda dimension: float(dimension["beginRange"]))
    currency, tiers, reached = "", [], 0.0
    for dimension in dimensions:
        currency, price = next(iter(dimension["pricePerUnit"].items()))
        begin, end = float(dimension["beginRange"]), dimension["endRange"]
        if begin != reached:
            raise UnreadablePriceList(f"the tiers of {dimension.get('rateCode', 'a product')} leave out {reached:g}")
        reached = float(end)  # "Inf" is infinity in Python as well
        tiers.append((None if end == "Inf" else reached, float(price)))
    return currency, tuple(tiers) if any(price for _, price in tiers) else ()


def _filled(
    found: dict[str, tuple[Tier, ...]], region: str, architecture: str, currency: str, published: str
) -> Prices:
    """Return the found prices over those of the bundled table, in the currency of the found ones."""
    try:
        bundled = prices_of(region, architecture)
    except UsageError:
        bundled = prices_of(_REFERENCE_REGION, architecture)  # a region newer than this table
    tiers = found.pop("duration_tiers")
    # What is not in the list keeps its proportion to the price of a GB-second, which is also the rate of a currency.
    ratio = tiers[0][1] / bundled.duration
    kept = {
        name: getattr(bundled, name) * ratio
        for name in (*_GROUPS.values(), "snapstart_cache", "snapstart_restore")
        if name not in found and name != "duration_tiers"
    }
    figures: dict[str, Any] = {**{name: dimension[0][1] for name, dimension in found.items()}, **kept}
    return replace(
        bundled, region=region, currency=currency, published=published, duration_tiers=tiers,
        source="live", derived=frozenset(kept), **figures,
    )  # fmt: skip
