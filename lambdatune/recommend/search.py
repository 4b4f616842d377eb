"""The search: which cells get the next calls.

`Search` is the seam: the session asks it for the next block after every block. `BlockSearch` spends calls in
randomised blocks over sizes that are fixed at the start, and leaves a size as soon as its verdict is proven.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lambdatune.recommend.evidence import MIN_WARM_CALLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import CellEvidence

WARM_CALLS_WITHOUT_TARGET = 100
"""Warm calls per size when no target asks for more: p90 and p95 have bounded intervals from 36 and 72."""

PATIENCE = 5
"""A test gets this many times the calls that a flawless size needs; about twice the true share of slow calls
allowed is decided by then (statistics: calls to decide, mean n)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for calls: so many to one cell, all warm as far as can be, or each on a fresh environment."""

    cell: int
    calls: int
    cold: bool = False


class Search(Protocol):
    """Decides which cells get the next calls."""

    def next_block(self, evidence: Sequence[CellEvidence]) -> tuple[Ask, ...]:
        """Return the next calls to make, in the order in which to make them; empty when it is over."""

    def calls_expected(self, evidence: Sequence[CellEvidence]) -> int:
        """Return about how many calls the search will have made when it is over."""


class BlockSearch:
    """Calls in randomised blocks over fixed sizes, so that drift of the host hits all sizes alike.

    Args:
        plan: targets, cold starts, concurrency and seed.
        cells: how many cells there are.
        cold_batch: cold starts forced at once.
    """

    def __init__(self, plan: Plan, cells: int, *, cold_batch: int) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311  an order of measuring, not a secret
        self._cold_batch = max(cold_batch, 1)
        self._block_calls = max(MIN_WARM_CALLS // 3, plan.concurrency)
        self._warm_cap = _cap(plan, cells, cold=False)
        self._cold_cap = _cap(plan, cells, cold=True)
        self._tried_cold = [0] * cells

    def next_block(self, evidence: Sequence[CellEvidence]) -> tuple[Ask, ...]:
        """Return cold starts until they suffice, then warm calls until every verdict is in."""
        cold = [
            Ask(index, min(self._cold_batch, wanted), cold=True)
            for index, cell in enumerate(evidence)
            if (wanted := self._cold_wanted(index, cell)) > 0
        ]
        if cold:
            for ask in cold:
                self._tried_cold[ask.cell] += ask.calls
            return self._shuffled(cold)
        warm = [
            Ask(index, min(self._block_calls, wanted))
            for index, cell in enumerate(evidence)
            if (wanted := self._warm_wanted(cell)) > 0
        ]
        return self._shuffled(warm)

    def calls_expected(self, evidence: Sequence[CellEvidence]) -> int:
        """Return the calls made so far and those a flawless size still needs where nothing is decided."""
        flawless = max(MIN_WARM_CALLS, self._warm_cap // PATIENCE if self._plan.targets else self._warm_cap)
        total = 0
        for index, cell in enumerate(evidence):
            total += cell.calls + max(self._cold_wanted(index, cell), 0)
            if self._warm_wanted(cell) > 0:
                goal = MIN_WARM_CALLS if cell.decided else flawless
                total += max(goal - cell.warm_calls, 0)
        return total

    def _cold_wanted(self, index: int, cell: CellEvidence) -> int:
        if cell.failed_reason:
            return 0
        wanted = self._plan.cold_starts
        if not cell.decided and any(target.population == "cold" for target in self._plan.targets):
            wanted = self._cold_cap
        if wanted == 0 or (cell.verdict == "failed" and self._tried_cold[index] >= _GIVE_UP_CALLS):
            return 0
        # A burst may find an environment that is still idle: what was tried is bounded, not only what came.
        return min(wanted - cell.cold_calls, 2 * wanted - self._tried_cold[index])

    def _warm_wanted(self, cell: CellEvidence) -> int:
        if cell.verdict == "failed" and (cell.failed_reason or cell.calls >= _GIVE_UP_CALLS):
            return 0
        if cell.calls >= self._warm_cap + 2 * self._cold_cap + self._plan.concurrency:
            return 0  # errors are not warm calls: without this bound a flaky size would never end
        if cell.decided:
            return MIN_WARM_CALLS - cell.warm_calls
        return self._warm_cap - cell.warm_calls

    def _shuffled(self, asks: list[Ask]) -> tuple[Ask, ...]:
        self._random.shuffle(asks)
        return tuple(asks)


_GIVE_UP_CALLS = 10
"""Calls after which a size of which every call failed is left alone."""


def flawless_calls(exceedance: float, error: float) -> int:
    """Return the fewest calls that can prove a target, none of them slow: ln(error) / ln(1 - exceedance)."""
    return math.ceil(math.log(error) / math.log1p(-exceedance))


def _cap(plan: Plan, cells: int, *, cold: bool) -> int:
    error = (1 - plan.confidence) / max(cells, 1)
    needs = [
        PATIENCE * flawless_calls(target.exceedance, error)
        for target in plan.targets
        if (target.population == "cold") == cold
    ]
    floor = plan.cold_starts if cold else (MIN_WARM_CALLS if plan.targets else WARM_CALLS_WITHOUT_TARGET)
    return max([floor, *needs])
