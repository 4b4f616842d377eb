"""When the warm calls of a plan are made, as the load processes are told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lambdatune.load.order import ClosedLoop, ConstantRate, Poisson, Stages, TimedBurst

if TYPE_CHECKING:
    from lambdatune.load.order import Pacing
    from lambdatune.model.plan import Plan


def warm_pacing(plan: Plan) -> Pacing:
    """Return when the warm calls of a plan are made.

    In the open loop there are connections for calls of up to a second; a call that finds none waits, and its
    response time with it.
    """
    if plan.ramp is not None:
        connections = _connections_for(plan, plan.ramp.peak_per_s)
        return Stages(plan.ramp.stages, connections, is_poisson=plan.arrivals == "poisson")
    if plan.burst is not None:
        connections = max(_connections_for(plan, plan.burst.size / plan.burst.every_s), plan.burst.size)
        return TimedBurst(plan.burst.size, plan.burst.every_s, connections)
    if plan.rate_per_s is None:
        return ClosedLoop(plan.concurrency)
    connections = _connections_for(plan, plan.rate_per_s)
    kind = Poisson if plan.arrivals == "poisson" else ConstantRate
    return kind(plan.rate_per_s, connections)


def _connections_for(plan: Plan, rate_per_s: float) -> int:
    return min(max(plan.concurrency, math.ceil(rate_per_s)), _MOST_CONNECTIONS)


_MOST_CONNECTIONS = 1_000
"""Default of an account's concurrent executions (AWS docs, quotas)."""
