"""What cold starts cost at a traffic, what would pay instead, and what is not known: the advice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.cold_starts import ColdStartAdvice, ColdStartOption
from lambdatune.model.invocation import Start
from lambdatune.model.modes import MODES
from lambdatune.pricing.always_on import as_of, machines
from lambdatune.recommend.always_on import cheapest_fleet
from lambdatune.recommend.cold_start_words import assumptions, percent, sentence
from lambdatune.recommend.traffic import (
    PEAK,
    SECONDS_PER_DAY,
    Costs,
    Measured,
    break_even_cold_rate,
    break_even_per_s,
)
from lambdatune.stats.rows import is_cold, is_ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.pricing.always_on import Machine
    from lambdatune.recommend.cell_evidence import CellEvidence

_NEIGHBOURS = 2
"""Other sizes that are told on either side."""

_SERVICES = ("Fargate", "EC2")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        traffic_per_s: calls a second, or messages where they are delivered later.
        cold_rate: share of calls that start cold on demand; None: to be modelled.
        memory_mb: the size it is about; None: the cheapest that was measured.
    """

    traffic_per_s: float
    cold_rate: float | None = None
    memory_mb: int | None = None


def advise(evidence: Sequence[CellEvidence], question: Question) -> ColdStartAdvice | None:
    """Return what cold starts cost at a traffic and what would pay; None when no warm call succeeded.

    Args:
        evidence: one per cell.
        question: the traffic.
    """
    cells = sorted((cell for cell in evidence if cell.warm_calls), key=lambda cell: cell.cell.memory_mb)
    cell = _chosen(cells, question)
    if cell is None:
        return None
    costs = Costs(measured_of(cell), cell.tariff.on_demand, question.cold_rate)
    # An invocation takes a batch of messages.
    rate_per_s = question.traffic_per_s * cell.invocations_per_call
    options = [_on_demand(costs, rate_per_s), *_of_lambda(costs, rate_per_s)]
    options += _other_sizes(cells, cell, question, rate_per_s)
    priced = machines(cell.tariff.prices.region, cell.cell.architecture)
    options += [option for service in _SERVICES for option in _always_on(costs, rate_per_s, priced, service)]
    advice = ColdStartAdvice(
        memory_mb=cell.cell.memory_mb,
        traffic_per_s=question.traffic_per_s,
        cold_rate=costs.cold_rate_at(rate_per_s),
        cold_rate_source="modelled" if question.cold_rate is None else "given",
        in_flight_mean=rate_per_s * costs.measured.warm_s,
        in_flight_p99=costs.environments(rate_per_s),
        init_ms=costs.measured.init_ms,
        init_usd_per_month=costs.init_usd(rate_per_s),
        cold_usd_per_month=costs.cold_usd(rate_per_s),
        options=tuple(_per_call(option, cell) for option in options),
        sentence="",
        assumptions=assumptions(costs, priced),
        prices_as_of=cell.tariff.prices.published,
        always_on_as_of=as_of(),
    )
    unit = "messages" if MODES[cell.cell.mode].is_delivered else "calls"
    return replace(advice, sentence=sentence(advice, cell.tariff.currency, unit))


def measured_of(cell: CellEvidence) -> Measured:
    """Return a cell with a warm call in the numbers that traffic is reckoned with, an invocation for each call."""
    rows = cell.rows
    cold = rows[is_ok(rows) & is_cold(rows)]
    before_ms = np.nan_to_num(cold["init_ms"]) + np.nan_to_num(cold["restore_ms"])
    used = rows["max_memory_used_mb"].max()
    warm, starts = cell.warm_billed, cell.cold_billed
    cold_ms = None if starts.mean_ms is None else starts.mean_ms / starts.invocations_per_call
    return Measured(
        memory_mb=cell.cell.memory_mb,
        warm_ms=(warm.mean_ms or 0.0) / warm.invocations_per_call,
        cold_ms=cold_ms,
        init_ms=float(before_ms.mean()) if cold_ms is not None else None,
        used_mb=int(used) if used >= 0 else None,
        runtime=cell.cell.runtime,
        restored=bool(np.any(cold["start"] == Start.RESTORED)),
    )


def _chosen(cells: Sequence[CellEvidence], question: Question) -> CellEvidence | None:
    for cell in cells:
        if cell.cell.memory_mb == question.memory_mb:
            return cell
    cold_rate = question.cold_rate or 0.0
    return min(cells, key=lambda cell: cell.blended_cost_per_million(cold_rate) or 0.0, default=None)


def _on_demand(costs: Costs, rate_per_s: float) -> ColdStartOption:
    cold = costs.cold_rate_at(rate_per_s)
    name = "as measured, SnapStart" if costs.measured.restored else "on demand"
    return ColdStartOption("on-demand", name, costs.on_demand(rate_per_s), _per_day(rate_per_s * cold))


def _of_lambda(costs: Costs, rate_per_s: float) -> list[ColdStartOption]:
    """Return what Lambda itself offers: environments provisioned for peaks and for the dollars, and SnapStart."""
    found = []
    if not costs.measured.restored:
        peaks, paying = costs.environments(rate_per_s), costs.paying_environments(rate_per_s)
        found.append(_provisioned(costs, rate_per_s, peaks, is_for_peaks=True))
        if 0 < paying < peaks:
            found.append(_provisioned(costs, rate_per_s, paying, is_for_peaks=False))
    if costs.can_snap_start():
        found.append(
            ColdStartOption(
                "snap-start", "SnapStart", costs.snap_start(rate_per_s),
                _per_day(rate_per_s * costs.cold_rate_at(rate_per_s)),
                break_even_per_s=break_even_per_s(costs, costs.snap_start),
                note="at the least: restores are taken as no time",
            )
        )  # fmt: skip
    return found


def _provisioned(costs: Costs, rate_per_s: float, count: int, *, is_for_peaks: bool) -> ColdStartOption:
    spilled = costs.spilled(rate_per_s, count)
    cold = min(costs.cold_rate_beside(rate_per_s, count), spilled)
    busy = rate_per_s * costs.measured.warm_s * (1 - spilled) / count
    return ColdStartOption(
        "provisioned", f"{count} provisioned", costs.provisioned(rate_per_s, count), _per_day(rate_per_s * cold),
        units=count, utilisation=busy,
        break_even_per_s=break_even_per_s(
            costs, costs.provisioned_for_peaks if is_for_peaks else costs.provisioned_to_pay
        ),
        note=f"room in {percent(PEAK)} of moments"
        if is_for_peaks
        else f"the cheapest number; {percent(spilled)} find no room",
    )  # fmt: skip


def _other_sizes(
    cells: Sequence[CellEvidence], chosen: CellEvidence, question: Question, rate_per_s: float
) -> list[ColdStartOption]:
    place = list(cells).index(chosen)
    near = [*cells[max(place - _NEIGHBOURS, 0) : place], *cells[place + 1 : place + 1 + _NEIGHBOURS]]
    own = Costs(measured_of(chosen), chosen.tariff.on_demand, question.cold_rate)
    found = []
    for cell in near:
        costs = Costs(measured_of(cell), cell.tariff.on_demand, question.cold_rate)
        init_ms = costs.measured.init_ms
        told = [f"init {init_ms:.0f} ms" if init_ms is not None else "no cold start measured"]
        told += ["misses the target"] if cell.verdict == "misses" else []
        told += ["unproven"] if cell.verdict == "unproven" and cell.targets else []
        found.append(
            ColdStartOption(
                "memory", f"{cell.cell.memory_mb} MB", costs.on_demand(rate_per_s),
                _per_day(rate_per_s * costs.cold_rate_at(rate_per_s)),
                break_even_cold_rate=break_even_cold_rate(own, costs),
                note=", ".join(told), is_refuted=cell.verdict in ("misses", "failed"),
            )
        )  # fmt: skip
    return found


def _always_on(costs: Costs, rate_per_s: float, priced: Sequence[Machine], service: str) -> list[ColdStartOption]:
    """Return the cheapest fleet of a service; nothing where no machine of it is priced or large enough."""
    own = [machine for machine in priced if machine.service == service]
    fleet = cheapest_fleet(own, costs.measured, rate_per_s)
    if fleet is None:
        return []

    def dollars(rate_per_s: float) -> float | None:
        found = cheapest_fleet(own, costs.measured, rate_per_s)
        return None if found is None else found.usd_per_month

    return [
        ColdStartOption(
            "always-on", f"{service} {fleet.count} x {fleet.machine.name}", fleet.usd_per_month, 0.0,
            units=fleet.count, utilisation=fleet.cpu_in_use, break_even_per_s=break_even_per_s(costs, dollars),
            note="no load balancer, storage, upkeep",
        )
    ]  # fmt: skip


def _per_call(option: ColdStartOption, cell: CellEvidence) -> ColdStartOption:
    """Return an option with its break-even in calls (messages) in place of invocations."""
    if option.break_even_per_s is None:
        return option
    return replace(option, break_even_per_s=option.break_even_per_s / cell.invocations_per_call)


def _per_day(per_s: float) -> float:
    return per_s * SECONDS_PER_DAY
