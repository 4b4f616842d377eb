"""What cold starts cost at a given traffic, and what would pay instead: part of run.json.

Field names are keys of run.json. Amounts are in the currency of the run's prices, a month of 730 hours, without AWS's
free tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OptionKind = Literal["on-demand", "provisioned", "snap-start", "memory", "always-on"]


@dataclass(frozen=True, slots=True)
class ColdStartOption:
    """One way to serve the traffic.

    Attributes:
        kind: the first option of an advice is the measured size on demand, which the others are held against.
        name: ``on demand``, ``5 provisioned``, ``SnapStart``, ``1024 MB``, ``Fargate 2 x 0.5 vCPU 1 GB``.
        usd_per_month: in the run's currency.
        cold_calls_per_day: calls that wait for an init (of SnapStart for a restore); beside provisioned environments
            so many at the most, where the cold rate was given.
        units: environments, tasks or instances that are paid for around the clock; None where only calls are.
        utilisation: share of the time in which these are busy, 0 to 1.
        break_even_per_s: calls a second from which on it costs no more than on demand at the same traffic, 0 when it
            always does; None when it does at no traffic looked at.
        break_even_cold_rate: of another memory size: the share of cold starts at which both cost the same.
        note: what the amount leaves out or supposes.
        is_refuted: whether it is a size that is proven to miss the targets, or that failed.
    """

    kind: OptionKind
    name: str
    usd_per_month: float
    cold_calls_per_day: float
    units: int | None = None
    utilisation: float | None = None
    break_even_per_s: float | None = None
    break_even_cold_rate: float | None = None
    note: str = ""
    is_refuted: bool = False


@dataclass(frozen=True, slots=True)
class ColdStartAdvice:
    """What cold starts cost at a traffic, and what would pay.

    Attributes:
        memory_mb: the size it is about.
        traffic_per_s: calls (messages, where they are delivered later) a second, the mean over the month.
        cold_rate: share of calls that start cold on demand.
        cold_rate_source: ``given``, or ``modelled`` from the traffic as `assumptions` tell.
        in_flight_mean: environments that are busy, in the mean.
        in_flight_p99: no more are busy in 99 % of moments.
        init_ms: mean Init Duration (of SnapStart: Restore Duration) as measured; None when no cold start was.
        init_usd_per_month: what the inits alone cost: the most that a lighter runtime, or less to load, can save.
        cold_usd_per_month: what cold calls cost beyond what they would cost warm, the inits among it; None when no
            cold start was measured.
        options: the first is the measured size on demand.
        sentence: the advice.
        assumptions: what it supposes, in sentences.
        prices_as_of: date of Lambda's prices.
        always_on_as_of: date of the prices of Fargate and EC2.
    """

    memory_mb: int
    traffic_per_s: float
    cold_rate: float
    cold_rate_source: Literal["given", "modelled"]
    in_flight_mean: float
    in_flight_p99: int
    init_ms: float | None
    init_usd_per_month: float | None
    cold_usd_per_month: float | None
    options: tuple[ColdStartOption, ...]
    sentence: str
    assumptions: tuple[str, ...]
    prices_as_of: str
    always_on_as_of: str
