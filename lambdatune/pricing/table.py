"""The bundled price table: what AWS publishes, and what had to be derived from it.

``prices.json`` holds the figures with their date and sources: all of us-east-1's, and what is known to differ
elsewhere. Requests and the first duration tier of a region without an entry of its own are us-east-1's, as
published. Anything else that is missing is *derived*, and its name is in `Prices.derived`:

* duration on arm64 where only x86_64 is known: times us-east-1's ratio of the two, 0.8;
* later tiers of a region with a first tier of its own: times us-east-1's ratios of the tiers, 0.9 and 0.8;
* provisioned concurrency, ephemeral storage and SnapStart outside us-east-1: times the ratio of the first
  tiers, which is also the rate from USD to CNY. They vary more between regions than duration does.

Prices of one call use the first tier; `Prices.duration_cost` knows the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, get_args

from lambdatune.model.errors import UsageError, did_you_mean

Architecture = Literal["x86_64", "arm64"]


@dataclass(frozen=True, slots=True)
class Prices:
    """What one region charges on one architecture, in `currency`.

    Attributes:
        region: ``eu-west-1``.
        architecture: ``x86_64`` or ``arm64``.
        currency: ``USD``, in China ``CNY``.
        published: date of the price list, ``2026-09-19``.
        request: per call.
        duration_tiers: pairs of the GB-seconds a month up to which a tier reaches (None: no end) and its
            price per GB-second, in their order.
        ephemeral_storage: per GB-second of ``/tmp`` above 512 MB.
        provisioned_concurrency: per GB-second for which an environment is kept.
        provisioned_duration: per GB-second of calls in such an environment.
        snapstart_cache: per GB-second for which a snapshot is kept; Java is free.
        snapstart_restore: per GB restored; Java is free.
        derived: names of the attributes that AWS's list was not at hand for.
        source: ``bundled`` with lambdatune, or ``live`` from AWS's price list.
    """

    region: str
    architecture: str
    currency: str
    published: str
    request: float
    duration_tiers: tuple[tuple[float | None, float], ...]
    ephemeral_storage: float
    provisioned_concurrency: float
    provisioned_duration: float
    snapstart_cache: float
    snapstart_restore: float
    derived: frozenset[str] = frozenset()
    source: Literal["bundled", "live"] = "bundled"

    @property
    def duration(self) -> float:
        """Price of a GB-second in the first tier."""
        return self.duration_tiers[0][1]

    def duration_cost(self, gb_seconds: float) -> float:
        """Return the price of a month's GB-seconds over all tiers, without AWS's free tier.

        Raises:
            ValueError: when `gb_seconds` is negative.
        """
        if gb_seconds < 0:
            raise ValueError(f"{gb_seconds} GB-seconds cannot be billed")
        cost, below = 0.0, 0.0
        for end, price in self.duration_tiers:
            top = gb_seconds if end is None else min(gb_seconds, end)
            cost += max(top - below, 0.0) * price
            below = top
        return cost


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = resources.files("lambdatune.pricing").joinpath("prices.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def published() -> str:
    """Return the date of the price list, ``2026-09-19``."""
    date: str = _table()["published"]
    return date


def regions() -> dict[str, str]:
    """Return the name of every region by its code: ``{"us-east-1": "US East (N. Virginia)", ...}``."""
    return {code: name for partition in _table()["regions"].values() for code, name in partition.items()}


@lru_cache(maxsize=128)
def prices_of(region: str, architecture: str) -> Prices:
    """Return the prices of a region and architecture.

    Raises:
        UsageError: when either is not known, naming the nearest that is.
    """
    if region not in regions():
        raise UsageError(f"region `{region}` has no prices here", hint=did_you_mean(region, regions()))
    if architecture not in get_args(Architecture):
        raise UsageError(
            f"architecture `{architecture}` has no prices",
            hint=did_you_mean(architecture, get_args(Architecture)),
        )
    reference = _table()["reference"]
    own = _table()["exceptions"].get(region, {})
    derived: set[str] = set()
    first = _first_tier(own, reference, architecture, derived)
    tiers = reference[architecture]["duration_tiers"]
    ratio = first / float(tiers[0][1])
    if ratio != 1:
        derived.add("duration_tiers")

    def figure(name: str, known: dict[str, Any], basis: dict[str, Any]) -> float:
        if name in known:
            return float(known[name])
        if region != reference["region"]:
            derived.add(name)
        return float(basis[name]) * ratio

    on_reference, of_architecture = reference[architecture], own.get(architecture, {})
    return Prices(
        region=region,
        architecture=architecture,
        currency=own.get("currency", reference["currency"]),
        published=published(),
        request=own.get("request", reference["request"]),
        duration_tiers=((tiers[0][0], first), *((end, price * ratio) for end, price in tiers[1:])),
        ephemeral_storage=figure("ephemeral_storage", own, reference),
        provisioned_concurrency=figure("provisioned_concurrency", of_architecture, on_reference),
        provisioned_duration=figure("provisioned_duration", of_architecture, on_reference),
        snapstart_cache=figure("snapstart_cache", own, reference),
        snapstart_restore=figure("snapstart_restore", own, reference),
        derived=frozenset(derived),
    )


def _first_tier(own: dict[str, Any], reference: dict[str, Any], architecture: str, derived: set[str]) -> float:
    """Return the price of a GB-second in the first tier, and mark it when it is derived."""
    if "duration" in own.get(architecture, {}):
        return float(own[architecture]["duration"])
    price: float = reference[architecture]["duration_tiers"][0][1]
    on_x86 = own.get("x86_64", {}).get("duration")
    if on_x86 is None:
        return price
    derived.add("duration")
    return float(on_x86) * (price / float(reference["x86_64"]["duration_tiers"][0][1]))
