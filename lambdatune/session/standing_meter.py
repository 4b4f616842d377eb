"""What provisioned environments and snapshots of a run cost while they are there, whether calls come or not.

Facts: aws.amazon.com/lambda/pricing. Provisioned concurrency is billed from when it is enabled until it is deleted,
rounded up to five minutes; a snapshot of SnapStart for as long as its version is there, three hours at the least, and
nothing with Java.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.aws.clone_settings import has_snap_start
from lambdatune.aws.modes.registry import mode_names_versions
from lambdatune.pricing.cost import decimals_of, money
from lambdatune.pricing.snap_start import is_snap_start_free

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.isolation import Version
    from lambdatune.model.plan import Plan
    from lambdatune.pricing.table import Prices
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.subject import Subject

STANDING = "standing_usd"
"""Key of run.json's environment: dollars that a run cost beside its calls."""

_MB_PER_GB = 1024
_PROVISIONED_STEP_S = 300.0
_LEAST_SNAPSHOT_S = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class StandingRates:
    """What a version costs by time.

    Attributes:
        prices: of the region and architecture.
        environments: provisioned for each version.
        has_snapshot: whether a snapshot of each version is paid for.
    """

    prices: Prices
    environments: int = 0
    has_snapshot: bool = False

    def per_hour(self, memory_mb: int) -> float:
        """Return dollars of the provisioned environments of one version for an hour."""
        return 3600 * self._provisioned_per_s(memory_mb)

    def at_once(self, memory_mb: int) -> float:
        """Return dollars that a version costs however soon it goes."""
        return self.usd(memory_mb, 0.0)

    def usd(self, memory_mb: int, seconds: float) -> float:
        """Return dollars of a version that is there for so long."""
        steps = max(math.ceil(seconds / _PROVISIONED_STEP_S), 1)
        provisioned = self._provisioned_per_s(memory_mb) * steps * _PROVISIONED_STEP_S
        kept = self.prices.snapstart_cache * memory_mb / _MB_PER_GB * max(seconds, _LEAST_SNAPSHOT_S)
        return provisioned + (kept if self.has_snapshot else 0.0)

    def _provisioned_per_s(self, memory_mb: int) -> float:
        return self.environments * memory_mb / _MB_PER_GB * self.prices.provisioned_concurrency

    def _told(self, usd: float) -> str:
        return money(usd, self.prices.currency, decimals_of(usd))

    def sentences(self, sizes_mb: Sequence[int]) -> list[str]:
        """Return what a card says of it before a run at these sizes."""
        told = []
        least = self._told(sum(map(self.at_once, sizes_mb)))
        if self.environments:
            hour = self._told(sum(map(self.per_hour, sizes_mb)))
            told.append(
                f"provisioned concurrency costs {hour} an hour beside the calls at AWS prices "
                f"({self.environments} environments at each size), {least} at the least: it is "
                "counted by --max-usd"
            )
        if self.has_snapshot:
            told.append(
                f"the snapshots of SnapStart cost {least} beside the calls at AWS prices for one "
                "version of each size, kept for three hours at the least, and each batch of cold starts is another "
                "version: it is counted by --max-usd"
            )
        return told


def rates_of(measured: FunctionDescription, environments: int, prices: Prices) -> StandingRates:
    """Return the rates of a function as its calls find it, with so many provisioned environments."""
    return StandingRates(prices, environments, has_snap_start(measured) and not is_snap_start_free(measured.runtime))


def meter_of(plan: Plan, subject: Subject, evidence: Evidence) -> StandingMeter:
    """Return the meter of a plan, which `evidence` is told of: what it counts is part of what the run spends."""
    rates = rates_of(subject.measured, plan.provisioned_concurrency, evidence.tariff.prices)
    by_alias = not mode_names_versions(plan.mode)
    meter = StandingMeter(rates, by_alias=by_alias, before_usd=evidence.standing_usd())
    evidence.standing_usd, evidence.version_usd = meter.usd, rates.at_once
    return meter


class StandingMeter:
    """Counts what the versions of a run cost by time.

    Args:
        rates: of a version.
        by_alias: whether the provisioned environments are of the alias, and not of each version.
        before_usd: what a run that goes on had cost so before.
        now_s: the clock, in seconds.
    """

    def __init__(
        self,
        rates: StandingRates,
        *,
        by_alias: bool = False,
        before_usd: float = 0.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rates = rates
        self._is_of_alias = by_alias and rates.environments > 0
        self._now_s = now_s
        self._ended_usd = before_usd
        self._running: dict[Version, float] = {}

    def now_s(self) -> float:
        """Return the moment, on the meter's clock."""
        return self._now_s()

    def made(self, version: Version, since_s: float) -> None:
        """Count a version from the moment on in which it was asked for."""
        if not self._is_of_alias:
            self._running[version] = since_s

    def pointed_to(self, version: Version, since_s: float) -> None:
        """Count the environments of an alias that moved to `version`; those that it had before are gone."""
        if self._is_of_alias and version not in self._running:
            self.end()
            self._running[version] = since_s

    def discarded(self, version: Version) -> None:
        """Count a version no longer."""
        began_s = self._running.pop(version, None)
        if began_s is not None:
            self._ended_usd += self.rates.usd(version.memory_mb, self._now_s() - began_s)

    def end(self) -> None:
        """Count nothing any longer: the versions go now."""
        for version in tuple(self._running):
            self.discarded(version)

    def usd(self) -> float:
        """Return dollars so far."""
        now_s = self._now_s()
        return self._ended_usd + math.fsum(
            self.rates.usd(version.memory_mb, now_s - began_s) for version, began_s in self._running.items()
        )
