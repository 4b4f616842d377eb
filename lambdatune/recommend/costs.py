"""Costs with their uncertainty: intervals, ties, and the cold rate at which the advice would change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lambdatune.model.result import Cost
from lambdatune.stats.means import combined_error, student_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.billed import Billed
    from lambdatune.recommend.cell_evidence import CellEvidence

TIE = 0.03
"""Costs further apart than this share are never called a tie, however few calls were made."""


def cost_of(cell: CellEvidence, plan: Plan) -> Cost:
    """Return the mean cost per million calls of a cell with intervals at the plan's confidence.

    Student's t on the mean Billed Duration; the blend's degrees of freedom by Welch and Satterthwaite. Where the
    environments are known, calls of one may be alike; otherwise calls are taken as independent.
    """
    intervals = {}
    for name, cold_rate in (("warm", 0.0), ("cold", 1.0), ("blended", plan.cold_rate)):
        parts = _parts(cell, cold_rate)
        if not parts or (name != "blended" and len(_kinds(cell, cold_rate)) != 1):
            continue
        if name != "blended" and not (cell.cold_billed if cold_rate else cell.warm_billed).calls:
            continue
        error, degrees = combined_error(parts)
        mean = cell.blended_cost_per_million(cold_rate)
        if mean is not None:
            reach = student_quantile(plan.confidence, degrees) * error
            fees = 1e6 * cell.tariff.prices.request * cell.invocations_per_call
            intervals[name] = (max(mean - reach, min(fees, mean)), mean + reach)
    return Cost(
        warm=cell.cost_per_million(cold=False),
        cold=cell.cost_per_million(cold=True),
        blended=cell.blended_cost_per_million(plan.cold_rate),
        intervals=intervals,
    )


def tied(one: CellEvidence, other: CellEvidence, plan: Plan) -> bool:
    """Return whether the costs of two cells cannot be told apart.

    They are within 3 % of each other, and an interval of their difference at the plan's confidence holds zero.
    """
    costs = [cell.blended_cost_per_million(plan.cold_rate) for cell in (one, other)]
    if costs[0] is None or costs[1] is None or abs(math.log(costs[0] / costs[1])) > TIE:
        return False
    one_parts, other_parts = _parts(one, plan.cold_rate), _parts(other, plan.cold_rate)
    if not one_parts or not other_parts:
        return False
    error, degrees = combined_error([*one_parts, *other_parts])
    return abs(costs[0] - costs[1]) <= student_quantile(plan.confidence, degrees) * error + 1e-9 * costs[0]


def break_even(
    best: CellEvidence, others: Sequence[CellEvidence], cold_rate: float
) -> tuple[float, CellEvidence] | None:
    """Return the cold rate nearest to `cold_rate` beyond which another cell is cheaper than `best`, and that cell.

    The cost at cold rate r is the line ``warm + r (cold - warm)``. None when no other line crosses between 0
    and 1, or the kinds of start were not both measured.
    """
    line = _line(best)
    if line is None:
        return None
    crossings = []
    for other in others:
        other_line = _line(other)
        if other is best or other_line is None:
            continue
        steeper = line[1] - other_line[1]
        if steeper == 0:
            continue
        rate = (other_line[0] - line[0]) / steeper
        # Beyond it on the side away from the plan's rate the other is cheaper, if it is dearer at the plan's rate.
        if 0 < rate < 1 and other_line[0] + cold_rate * other_line[1] > line[0] + cold_rate * line[1]:
            crossings.append((abs(rate - cold_rate), rate, other))
    if not crossings:
        return None
    _, rate, other = min(crossings, key=lambda crossing: crossing[0])
    return rate, other


def _line(cell: CellEvidence) -> tuple[float, float] | None:
    warm, cold = cell.cost_per_million(cold=False), cell.cost_per_million(cold=True)
    return None if warm is None or cold is None else (warm, cold - warm)


def _kinds(cell: CellEvidence, cold_rate: float) -> list[tuple[float, Billed]]:
    """Return the weights of the kinds of start in the cost; one that was not measured is stood for by the other."""
    warm, cold = cell.warm_billed, cell.cold_billed
    if not cold.calls or not warm.calls:
        return [(1.0, warm if warm.calls else cold)]
    return [(weight, billed) for weight, billed in ((1 - cold_rate, warm), (cold_rate, cold)) if weight > 0]


def _parts(cell: CellEvidence, cold_rate: float) -> list[tuple[float, int]]:
    """Return the standard errors that make up the cost's, in dollars per million; none when one is not known."""
    parts = []
    per_ms = 1e3 * cell.tariff.per_second(cell.cell.memory_mb)
    for weight, billed in _kinds(cell, cold_rate):
        found = cell.billed_error_ms(billed)
        if found is None:
            return []
        error_ms, independent = found
        parts.append((weight * error_ms * per_ms, independent))
    return parts
