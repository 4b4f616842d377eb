"""The bundled prices of what is always on: Fargate tasks and EC2 instances, Linux, on demand, in US dollars.

``always_on.json`` holds the figures with their date and sources. A region without a price of its own is stood in for by
another, whose name every price carries. Fargate's CPU and memory go together in the combinations of `FARGATE_SIZES`
(Amazon ECS Developer Guide, "Task CPU and memory"). Burstable instances (t3, t4g) are left out on purpose: busy for
longer than their credits last, they are slowed down or cost more than their price per hour. So are reservations,
Savings Plans and Spot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

FARGATE_SIZES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.25, (0.5, 1, 2)),
    (0.5, (1, 2, 3, 4)),
    (1, tuple(range(2, 9))),
    (2, tuple(range(4, 17))),
    (4, tuple(range(8, 31))),
    (8, tuple(range(16, 61, 4))),
    (16, tuple(range(32, 121, 8))),
)
"""vCPUs of a task, and the GB of memory that go with them."""

_NO_DOLLARS = ("cn-",)
"""Beginnings of the names of regions that charge in another currency, and whose prices are not in the table."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs around the clock: a Fargate task of one size, or an EC2 instance.

    Attributes:
        service: ``Fargate`` or ``EC2``.
        name: ``0.5 vCPU 1 GB``, ``c8g.medium``.
        vcpus: of AWS's counting: a hardware thread on x86_64, a core on arm64.
        memory_gb: in GB of 1024 MB.
        hour: dollars for each hour.
        region: whose price it is, the stand-in's where the region asked for has none.
    """

    service: str
    name: str
    vcpus: float
    memory_gb: float
    hour: float
    region: str


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = resources.files("lambdatune.pricing").joinpath("always_on.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def as_of() -> str:
    """Return the date of the oldest figures that have one, ``2026-07-02``; `sources` tells each."""
    date: str = _table()["as_of"]
    return date


def sources() -> list[dict[str, str]]:
    """Return where the figures are from: of each, what it covers (``of``), its ``url`` and a ``note``."""
    found: list[dict[str, str]] = _table()["sources"]
    return found


@lru_cache(maxsize=128)
def machines(region: str, architecture: str) -> tuple[Machine, ...]:
    """Return every Fargate task size and EC2 instance that has a price; none where prices are not in dollars.

    Args:
        region: any; one that is not known has a stand-in too.
        architecture: ``x86_64`` or ``arm64``; none for another.
    """
    if region.startswith(_NO_DOLLARS):
        return ()
    return (*_fargate(region, architecture), *_ec2(region, architecture))


def _fargate(region: str, architecture: str) -> list[Machine]:
    table = {name: prices[architecture] for name, prices in _table()["fargate"].items() if architecture in prices}
    whose = _whose(region, table)
    if whose is None:
        return []
    vcpu_hour, gb_hour = table[whose]["vcpu_hour"], table[whose]["gb_hour"]
    return [
        Machine("Fargate", f"{vcpus:g} vCPU {gb:g} GB", vcpus, gb, vcpus * vcpu_hour + gb * gb_hour, whose)
        for vcpus, choices in FARGATE_SIZES
        for gb in choices
    ]


def _ec2(region: str, architecture: str) -> list[Machine]:
    found = []
    for name, instance in _table()["ec2"].items():
        whose = _whose(region, instance["hour"])
        if instance["architecture"] == architecture and whose is not None:
            found.append(Machine("EC2", name, instance["vcpus"], instance["memory_gb"], instance["hour"][whose], whose))
    return found


def _whose(region: str, prices: dict[str, Any]) -> str | None:
    """Return the region whose price stands: its own, else one of the same part of the world, else us-east-1."""
    if region in prices:
        return region
    stand_ins: dict[str, str] = _table()["stand_ins"]
    name = stand_ins.get(region.split("-", maxsplit=1)[0], stand_ins[""])
    return name if name in prices else None
