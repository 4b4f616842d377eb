"""What to expect of sizes, measured or not: cost, speed, and the share of calls that exceed a target.

An expectation decides which calls to make next and what they would about take. It proves nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.recommend.shape import Shape, fit_shape
from lambdatune.stats.certificate import further_calls
from lambdatune.stats.rows import clock_ms, is_cold, is_ok, is_warm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.model.plan import Plan
    from lambdatune.model.target import ClockName, Population, Target
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.recommend.proof import TargetProof

    Floats = NDArray[np.float64]

_FEW = 3
"""Calls of a size below which its times do not enter a curve when other sizes have more."""

_POOL_WEIGHT = 0.25
"""Weight of the pooled expectation against a size's own calls, in calls times p0: 5 calls at p95, 25 at p99."""

_OPTIMISM = 16.0
"""Standard deviations, as a multiple of p0 and at most 1, by which an expected share of slow calls may be too high
before a better size is given up: 0.8 at p95, 0.16 at p99, where a vain attempt costs five times the calls."""


class Outlook:
    """Expectations from the evidence as it is now; curves are fitted when they are first asked for.

    Args:
        evidence: all cells.
        plan: strategy, cold rate and targets.
    """

    def __init__(self, evidence: Evidence, plan: Plan) -> None:
        self._evidence = evidence
        self._plan = plan
        self._curves: dict[tuple[Population, ClockName], Shape | None] = {}

    def curve(self, population: Population = "warm", clock: ClockName = "duration") -> Shape | None:
        """Return the curve of the successful calls of a population on a clock; None when there are none."""
        key = (population, clock)
        if key not in self._curves:
            self._curves[key] = self._fit(population, clock)
        return self._curves[key]

    def _fit(self, population: Population, clock: ClockName) -> Shape | None:
        times: dict[int, Floats] = {}
        for cell in self._evidence:
            rows = cell.rows
            mask = is_ok(rows)
            if population != "all":
                mask &= is_warm(rows) if population == "warm" else is_cold(rows)
            found = clock_ms(rows[mask], clock)
            found = found[~np.isnan(found)]
            if len(found):
                times[cell.cell.memory_mb] = found
        most = max((len(found) for found in times.values()), default=0)
        times = {size: found for size, found in times.items() if len(found) >= min(_FEW, most)}
        return fit_shape(times) if times else None

    def scores(self, sizes_mb: Floats) -> Floats | None:
        """Return what the strategy makes small, at each size; None when no warm call succeeded."""
        warm = self.curve("warm") or self.curve("cold")
        if warm is None:
            return None
        times_ms = warm.durations_ms(sizes_mb)
        billed_ms = np.ceil(times_ms).mean(axis=1)
        cold = self.curve("cold")
        rate = self._plan.cold_rate
        if cold is not None and rate > 0:
            billed_ms = (1 - rate) * billed_ms + rate * np.ceil(cold.durations_ms(sizes_mb)).mean(axis=1)
        tariff = self._evidence.tariff
        per_second = np.array([tariff.per_second(int(size)) for size in sizes_mb])
        # A message of a batch bears its share of what the batch costs.
        cost = (tariff.prices.request + billed_ms / 1000 * per_second) * self._invocations_per_call()
        return strategic(self._plan, cost * 1e6, np.median(times_ms, axis=1))

    def _invocations_per_call(self) -> float:
        measured = [cell for cell in self._evidence if cell.warm_calls + cell.cold_calls]
        weights = [cell.warm_calls + cell.cold_calls for cell in measured]
        shares = [cell.invocations_per_call for cell in measured]
        return float(np.average(shares, weights=weights)) if measured else 1.0

    def slow_share(self, target: Target, sizes_mb: Floats) -> Floats:
        """Return the share of calls expected to exceed `target` at each size, from all sizes' calls together.

        A pool without a slow call does not mean that there is none: the share is drawn towards a third of what
        is allowed, with the weight of a third of a slow call.
        """
        curve = self.curve(target.population, target.clock)
        if curve is None:
            return np.full(len(sizes_mb), target.exceedance / 3)
        slow = curve.slow_calls(sizes_mb, target.threshold_ms)
        return np.asarray((slow + 1 / 3) / (len(curve.pool_ms) + 1 / target.exceedance))

    def cell_slow_share(self, cell: CellEvidence, proof: TargetProof, *, optimism: float = 0.0) -> float:
        """Return the share of calls expected to exceed a target at a measured size: its own calls and the pool's.

        Args:
            cell: the size.
            proof: of the target.
            optimism: standard deviations that are taken off.
        """
        pooled = float(self.slow_share(proof.target, np.array([float(cell.cell.memory_mb)]))[0])
        weight = _POOL_WEIGHT / proof.target.exceedance
        mean = (proof.exceedances + weight * pooled) / (proof.calls + weight)
        return max(mean - optimism * math.sqrt(mean * (1 - mean) / (proof.calls + weight + 1)), 0.0)

    def calls_to_meet(self, cell: CellEvidence, proof: TargetProof) -> float:
        """Return about how many more calls would prove that a size meets a target; infinite if none would."""
        if proof.status != "undecided":
            return 0.0 if proof.status == "meets" else math.inf
        share = cell.upcoming_share()
        test = proof.proof
        return further_calls(
            proof.target.exceedance,
            1 - share * (1 - proof.confidence),
            self.cell_slow_share(cell, proof, optimism=min(_OPTIMISM * proof.target.exceedance, 1.0)),
            side="meets",
            calls=test.calls if test else 0,
            exceedances=test.exceedances if test else 0,
        )

    def calls_to_miss(self, cell: CellEvidence, proof: TargetProof) -> float:
        """Return about how many more calls would prove that a size misses a target; infinite if none would."""
        return further_calls(
            proof.target.exceedance, proof.refutation.confidence, self.cell_slow_share(cell, proof),
            side="misses", calls=proof.calls, exceedances=proof.exceedances,
        )  # fmt: skip


def strategic(plan: Plan, cost: Floats, p50_ms: Floats) -> Floats:
    """Return what the plan's strategy makes small: cost, time, or for ``balanced`` their product.

    The product weighs both alike whatever their units: a size that is a tenth dearer is worth it when it is
    more than a tenth faster.
    """
    if plan.strategy == "cheapest":
        return np.asarray(cost)
    return np.asarray(p50_ms if plan.strategy == "fastest" else cost * p50_ms)


def measured_score(cell: CellEvidence, plan: Plan) -> float | None:
    """Return what the plan's strategy makes small, as measured; None where no call succeeded."""
    cost = cell.blended_cost_per_million(plan.cold_rate)
    if cost is None or cell.verdict == "failed":
        return None
    if plan.strategy == "cheapest":
        return cost
    return float(strategic(plan, np.array(cost), np.array(cell.p50_ms())))


def relative_error(cell: CellEvidence) -> float:
    """Return the standard error of a size's mean billed time as a share of it; 1 when it is not known."""
    billed = cell.warm_billed if cell.warm_billed.calls else cell.cold_billed
    error, mean_ms = billed.standard_error_ms, billed.mean_ms
    return 1.0 if error is None or not mean_ms else error / mean_ms
