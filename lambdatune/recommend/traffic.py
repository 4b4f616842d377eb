"""What a month of traffic costs at one memory size: on demand, with environments provisioned, and with SnapStart.

A month is one of 730 hours, as AWS's own calculator has it, in which calls come at random at a rate that never changes.
AWS's free tier is left out: it is an account's, not a function's. Amounts are in the currency of the tariff.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.pricing.snap_start import snap_start_of
from lambdatune.stats.concurrency import cold_share, in_flight, overflow_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.pricing.cost import Tariff

HOURS_PER_MONTH = 730
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3_600.0
SECONDS_PER_DAY = 86_400.0

IDLE_S, LIFETIME_S = 600.0, 7_200.0
"""For how long a modelled environment is kept without a call, and with them. AWS publishes neither: of the first its
documentation says that it varies, of the second "every few hours" (Lambda Developer Guide, execution environments)."""

PEAK = 0.99
"""Share of moments in which provisioned environments are to be enough."""

_LEAST_RATE, _MOST_BUSY, _STEPS = 0.001, 5_000.0, 480
"""Where a break-even is looked for: from calls a second to calls in flight, in so many steps of equal ratio."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A memory size as it was measured, an invocation for each call.

    Attributes:
        memory_mb: memory size.
        warm_ms: mean Billed Duration of warm calls.
        cold_ms: mean Billed Duration of cold calls, init and all; None when none was measured.
        init_ms: mean Init or Restore Duration; None when none was measured.
        used_mb: most memory used; None when no REPORT told.
        runtime: AWS's identifier, which decides on SnapStart.
        restored: whether its cold starts were SnapStart's restores.
    """

    memory_mb: int
    warm_ms: float
    cold_ms: float | None
    init_ms: float | None
    used_mb: int | None
    runtime: str
    restored: bool = False

    @property
    def warm_s(self) -> float:
        """For how long a warm call takes its environment."""
        return self.warm_ms / 1e3

    @property
    def gb(self) -> float:
        """Memory size in GB."""
        return self.memory_mb / 1024


@dataclass(frozen=True, slots=True)
class Costs:
    """What traffic costs at a measured size.

    Attributes:
        measured: the size.
        tariff: prices.
        cold_rate: share of calls that start cold on demand; None: as modelled from the traffic.
    """

    measured: Measured
    tariff: Tariff
    cold_rate: float | None = None

    def cold_rate_at(self, rate_per_s: float) -> float:
        """Return the share of calls that start cold on demand."""
        if self.cold_rate is not None:
            return self.cold_rate
        return cold_share(rate_per_s, self.measured.warm_s, idle_s=IDLE_S, lifetime_s=LIFETIME_S)

    def cold_rate_beside(self, rate_per_s: float, environments: int) -> float:
        """Return the share of calls that start cold beside so many provisioned environments.

        Of a given rate at the most: as many as find no room, where so many start cold on demand.
        """
        if self.cold_rate is not None:
            return min(self.spilled(rate_per_s, environments), self.cold_rate)
        return cold_share(rate_per_s, self.measured.warm_s, idle_s=IDLE_S, lifetime_s=LIFETIME_S, kept=environments)

    def on_demand(self, rate_per_s: float) -> float:
        """Return dollars a month as it was measured, with SnapStart's charges where that was in force."""
        cold = self.cold_rate_at(rate_per_s)
        snapshots = self._snapshots(rate_per_s, cold) if self.measured.restored else 0.0
        return self._calls(rate_per_s, 1 - cold, cold) + snapshots

    def init_usd(self, rate_per_s: float) -> float | None:
        """Return what the inits alone cost a month, at the price of the first tier."""
        if self.measured.init_ms is None:
            return None
        inits = SECONDS_PER_MONTH * rate_per_s * self.cold_rate_at(rate_per_s)
        return inits * self.measured.init_ms / 1e3 * self.tariff.per_second(self.measured.memory_mb)

    def cold_usd(self, rate_per_s: float) -> float | None:
        """Return what cold calls cost a month beyond what they would cost warm, at the price of the first tier."""
        if self.measured.cold_ms is None:
            return None
        longer_s = (self.measured.cold_ms - self.measured.warm_ms) / 1e3
        colds = SECONDS_PER_MONTH * rate_per_s * self.cold_rate_at(rate_per_s)
        return colds * longer_s * self.tariff.per_second(self.measured.memory_mb)

    def environments(self, rate_per_s: float) -> int:
        """Return how many provisioned environments hold the calls in flight in a share `PEAK` of moments."""
        return in_flight(rate_per_s * self.measured.warm_s, PEAK)

    def paying_environments(self, rate_per_s: float) -> int:
        """Return how many provisioned environments are the cheapest; 0 when none pays.

        Each further one is busy for a smaller share of the time. It pays while that share is above
        ``reserved / (on demand - provisioned)``, the prices of a GB-second: about 60 %.
        """
        prices = self.tariff.prices
        cheaper = prices.duration - prices.provisioned_duration
        if cheaper <= 0:
            return 0
        mean = rate_per_s * self.measured.warm_s
        enough, low, high = prices.provisioned_concurrency / cheaper, 0, self.environments(rate_per_s)
        while low < high:
            middle = (low + high + 1) // 2
            busy = mean * (overflow_share(mean, middle - 1) - overflow_share(mean, middle))
            low, high = (middle, high) if busy > enough else (low, middle - 1)
        return low

    def provisioned(self, rate_per_s: float, environments: int) -> float:
        """Return dollars a month with so many provisioned environments; calls that find no room run on demand."""
        prices, gb = self.tariff.prices, self.measured.gb
        spilled = self.spilled(rate_per_s, environments)
        cold = min(self.cold_rate_beside(rate_per_s, environments), spilled)
        busy_s = SECONDS_PER_MONTH * rate_per_s * (1 - spilled) * self.measured.warm_s
        # Provisioned calls pay for /tmp and their request like any other, and another price for their GB-seconds.
        of_tmp = self.tariff.per_second(self.measured.memory_mb) - gb * prices.duration
        kept = SECONDS_PER_MONTH * environments * gb * prices.provisioned_concurrency
        carried = SECONDS_PER_MONTH * rate_per_s * (1 - spilled) * prices.request
        carried += busy_s * (gb * prices.provisioned_duration + of_tmp)
        return kept + carried + self._calls(rate_per_s, spilled - cold, cold)

    def provisioned_for_peaks(self, rate_per_s: float) -> float:
        """Return dollars a month with environments provisioned for a share `PEAK` of moments."""
        return self.provisioned(rate_per_s, self.environments(rate_per_s))

    def provisioned_to_pay(self, rate_per_s: float) -> float:
        """Return dollars a month with the cheapest number of provisioned environments, one at the least."""
        return self.provisioned(rate_per_s, max(self.paying_environments(rate_per_s), 1))

    def spilled(self, rate_per_s: float, environments: int) -> float:
        """Return the share of calls that find no provisioned environment free."""
        return overflow_share(rate_per_s * self.measured.warm_s, environments)

    def can_snap_start(self) -> bool:
        """Return whether SnapStart could be switched on, and was not."""
        known = self.measured.cold_ms is not None and not self.measured.restored
        return known and snap_start_of(self.measured.runtime, self.tariff.ephemeral_storage_mb) is not None

    def snap_start(self, rate_per_s: float) -> float:
        """Return dollars a month with SnapStart in place of the init: at the least: a restore is taken as no time.

        Raises:
            ValueError: when no cold start was measured.
        """
        if self.measured.cold_ms is None:
            raise ValueError("no cold start was measured")
        cold_ms = max(self.measured.cold_ms - (self.measured.init_ms or 0.0), 0.0)
        restored = replace(self, measured=replace(self.measured, cold_ms=cold_ms, restored=True))
        return restored.on_demand(rate_per_s)

    def _snapshots(self, rate_per_s: float, cold: float) -> float:
        """Return what AWS charges for one version's snapshot and its restores."""
        if snap_start_of(self.measured.runtime, self.tariff.ephemeral_storage_mb) == "free":
            return 0.0
        prices = self.tariff.prices
        kept = SECONDS_PER_MONTH * prices.snapstart_cache
        return self.measured.gb * (kept + SECONDS_PER_MONTH * rate_per_s * cold * prices.snapstart_restore)

    def _calls(self, rate_per_s: float, warm: float, cold: float) -> float:
        """Return what calls cost on demand of which `warm` and `cold` are the shares of the traffic."""
        cold_ms = self.measured.warm_ms if self.measured.cold_ms is None else self.measured.cold_ms
        calls = SECONDS_PER_MONTH * rate_per_s
        seconds = calls * (warm * self.measured.warm_ms + cold * cold_ms) / 1e3
        prices, gb = self.tariff.prices, self.measured.gb
        of_tmp = self.tariff.per_second(self.measured.memory_mb) - gb * prices.duration
        return calls * (warm + cold) * prices.request + prices.duration_cost(seconds * gb) + seconds * of_tmp


def break_even_per_s(costs: Costs, other: Callable[[float], float | None]) -> float | None:
    """Return the calls a second from which on `other` costs no more than `costs` on demand; 0 when it always does.

    Steps between whole environments or machines may make it dearer again for a moment: it is the last crossing that is
    found on a grid of 3 % steps, up to 5,000 calls in flight. None when it is dearer there.

    Args:
        costs: of the measured size.
        other: dollars a month at a rate; None where it is not to be had.
    """

    def is_dearer(rate_per_s: float) -> bool:
        dollars = other(rate_per_s)
        return dollars is None or dollars > costs.on_demand(rate_per_s)

    most = max(_MOST_BUSY / costs.measured.warm_s, 2 * _LEAST_RATE)
    rates = np.geomspace(_LEAST_RATE, most, _STEPS)
    dearer = [number for number, rate in enumerate(rates.tolist()) if is_dearer(rate)]
    if not dearer:
        return 0.0
    if dearer[-1] == len(rates) - 1:
        return None
    low, high = float(rates[dearer[-1]]), float(rates[dearer[-1] + 1])
    while high / low > 1 + 1e-9:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if is_dearer(middle) else (low, middle)
    return high


def break_even_cold_rate(one: Costs, other: Costs) -> float | None:
    """Return the share of cold starts at which a call costs the same at both sizes; None when there is none."""
    lines = []
    for costs in (one, other):
        measured = costs.measured
        if measured.cold_ms is None:
            return None
        per_ms = costs.tariff.per_second(measured.memory_mb)
        lines.append((measured.warm_ms * per_ms, (measured.cold_ms - measured.warm_ms) * per_ms))
    (start, slope), (other_start, other_slope) = lines
    if slope == other_slope:
        return None
    rate = (other_start - start) / (slope - other_slope)
    return rate if 0 < rate < 1 else None
