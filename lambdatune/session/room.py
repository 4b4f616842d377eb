"""What the limits of a run leave room for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.pricing.cost import decimals_of, money

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import Spend
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.search import Ask

_LONGEST_INIT_S = 10.0
"""AWS's limit of the init phase of an on-demand function."""


@dataclass(frozen=True, slots=True)
class Left:
    """Where a run is, as far as limits are concerned.

    Attributes:
        seconds: until the limit of time; None without one.
        used: of the other limits, by all that share them.
        version_usd: what a version costs that has to be made for the calls.
        timeout_s: of the function.
    """

    seconds: float | None
    used: Spend
    version_usd: float
    timeout_s: float


def room_for(ask: Ask, cell: CellEvidence, plan: Plan, left: Left) -> tuple[int, str | None]:
    """Return how many of the asked calls there is room for; when none, also which limit ends the run.

    A burst or a ramp that there is no room for is not begun: a part of it would be another load.

    Args:
        ask: the calls.
        cell: at which they are made.
        plan: its limits.
        left: where the run is.
    """
    limits, calls = plan.limits, ask.calls
    block = 1 if ask.cold else plan.whole_block
    if not ask.cold and plan.ramp is not None and left.seconds is not None and plan.ramp.duration_s > left.seconds:
        return 0, f"the limit of {limits.max_minutes:g} minutes, before another whole ramp,"
    if limits.max_invocations is not None:
        calls = min(calls, limits.max_invocations - left.used.invocations) // block * block
        if calls <= 0:
            return 0, f"the limit of {limits.max_invocations} calls"
    if limits.max_usd is not None:
        room_usd = limits.max_usd - left.used.usd - left.version_usd
        affordable = math.floor(room_usd / _dearest_call_usd(cell, left.timeout_s))
        if affordable < block and (room_usd <= 0 or cell.calls):
            return 0, f"the limit of {money(limits.max_usd, cell.tariff.currency, digits=decimals_of(limits.max_usd))}"
        # What the first call of a size costs is only bounded by its timeout: one is let through to learn it.
        calls = min(calls, max(affordable // block * block, 1))
    return calls, None


def _dearest_call_usd(cell: CellEvidence, timeout_s: float) -> float:
    """Return what a call of this cell costs at the most, as far as is known.

    Before the first call of a cell that is the most that AWS could bill: the function's timeout and the
    longest init that AWS allows.
    """
    seen = cell.dearest_call_usd()
    if seen is not None:
        return seen
    longest_ms = (timeout_s + _LONGEST_INIT_S) * 1000
    return cell.tariff.on_demand.per_million(longest_ms, cell.cell.memory_mb) / 1e6
