"""The traffic of a function on machines that are always on: how many it takes, and the cheapest.

Each call is given the CPU time that it had in Lambda, its Billed Duration at a share of memory / 1769 of a vCPU: the
most it can have taken, for a call that waits for others takes less. Each call in flight has a process of its own with
the memory that was used. A machine has at least the vCPUs of the function, so that no call is slower on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.model.quantities import cpu_share
from lambdatune.recommend.traffic import HOURS_PER_MONTH, PEAK
from lambdatune.stats.concurrency import in_flight

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.pricing.always_on import Machine
    from lambdatune.recommend.traffic import Measured

CPU_IN_USE, MEMORY_IN_USE = 0.6, 0.8
"""Shares of the machines' CPU and memory that the traffic may take: the rest is for peaks, and the system's own."""

LEAST_MACHINES = 2
"""So that one can fail, or be replaced."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many machines of one kind.

    Attributes:
        cpu_in_use: share of their CPU that the traffic takes, in the mean.
    """

    machine: Machine
    count: int
    cpu_in_use: float

    @property
    def usd_per_month(self) -> float:
        """Dollars for a month of 730 hours."""
        return self.count * self.machine.hour * HOURS_PER_MONTH


def fleet_of(machine: Machine, measured: Measured, rate_per_s: float) -> Fleet | None:
    """Return how many of a machine the traffic takes; None when a single call does not fit on one."""
    # Quantiles are kept, so that the same one for every machine costs nothing.
    share = cpu_share(measured.memory_mb)
    call_gb = (measured.used_mb or measured.memory_mb) / 1024
    usable_gb = machine.memory_gb * MEMORY_IN_USE
    if machine.vcpus < share or usable_gb < call_gb:
        return None
    busy = rate_per_s * measured.warm_s
    peak = in_flight(busy, PEAK)
    count = max(
        LEAST_MACHINES,
        math.ceil(busy * share / (machine.vcpus * CPU_IN_USE)),
        math.ceil(peak / math.floor(usable_gb / call_gb)),
    )
    return Fleet(machine, count, busy * share / (count * machine.vcpus))


def cheapest_fleet(machines: Iterable[Machine], measured: Measured, rate_per_s: float) -> Fleet | None:
    """Return the cheapest fleet, of equal price the smaller; None when no machine is large enough."""
    fleets = [fleet for machine in machines if (fleet := fleet_of(machine, measured, rate_per_s)) is not None]
    return min(fleets, key=lambda fleet: (fleet.usd_per_month, fleet.count), default=None)
