"""The last part of a comparison: calls of every variant at the sizes that are compared, side by side.

Each variant ends its own search first. What it has measured then is as much as its own advice takes, and of a size that
proved itself early that is little. So all of them go on together: rounds of warm calls, each on an environment that is
started for it, so that environments differ within a variant as much as between them.
"""

from __future__ import annotations

import asyncio
import math
from itertools import combinations
from typing import TYPE_CHECKING

from lambdatune.recommend.matched import best_as_measured, matched_sizes
from lambdatune.recommend.search import Ask
from lambdatune.recommend.verdicts import ENOUGH_CLUSTERS, Question
from lambdatune.stats.resampling import calls_that_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.variants.turns import Turns

_CALLS = 200
"""Warm calls of each variant at each size that is compared: they find a difference of 25 % (statistics.md 6)."""

_MOST_CALLS = 600
_MOST_ENVIRONMENTS = 10
_SPARE = 1.2
"""Calls over those that just bound the percentile."""


class Duel:
    """Lets variants wait for each other, and then asks each for its share of the last calls.

    Args:
        names: of the variants.
        turns: that they take.
        narrate: is told which sizes are compared.
    """

    def __init__(self, names: Sequence[str], turns: Turns, narrate: Callable[[str], None]) -> None:
        self._searching = set(names)
        self._turns = turns
        self._narrate = narrate
        self._settled: dict[str, tuple[Evidence, Plan]] = {}
        self._rounds: dict[str, list[tuple[Ask, ...]]] = {}
        self._is_ready = asyncio.Event()

    async def settled(self, name: str, evidence: Evidence, plan: Plan) -> Sequence[Ask]:
        """Wait until every variant has ended its search; return the next calls of `name`, none at the end."""
        if name in self._searching:
            self._settled[name] = evidence, plan
            self._turns.leave(name)
            self._search_ended(name)
            await self._is_ready.wait()
        rounds = self._rounds.get(name, [])
        return rounds.pop(0) if rounds else ()

    def leave(self, name: str) -> None:
        """Let the others go on without `name`, which ended."""
        self._settled.pop(name, None)
        self._turns.leave(name)
        self._search_ended(name)

    def end(self) -> None:
        """Let all go on that wait: nothing more is measured."""
        self._rounds.clear()
        self._is_ready.set()

    def _search_ended(self, name: str) -> None:
        self._searching.discard(name)
        if self._searching or self._is_ready.is_set():
            return
        if len(self._settled) > 1:
            self._plan_rounds()
            self._turns.join(list(self._settled))
        self._is_ready.set()

    def _plan_rounds(self) -> None:
        sizes: dict[str, dict[int, None]] = {name: {} for name in self._settled}
        best = {name: best_as_measured(evidence, plan) for name, (evidence, plan) in self._settled.items()}
        for one, other in combinations(self._settled, 2):
            one_mb, other_mb = best[one], best[other]
            if one_mb is None or other_mb is None:
                continue
            (cells, plan), (other_cells, _) = self._settled[one], self._settled[other]
            size, other_size = matched_sizes(cells, other_cells, one_mb, other_mb, plan)
            sizes[one][size] = sizes[other][other_size] = None
        self._rounds = {
            name: _rounds(sorted(sizes[name]), plan) for name, (_, plan) in self._settled.items() if sizes[name]
        }
        told = [f"{name} at {' and '.join(map(str, sorted(sizes[name])))} MB" for name in self._rounds]
        if told:
            self._narrate(f"side by side now, to tell them apart: {', '.join(told)}")


def _rounds(sizes_mb: Sequence[int], plan: Plan) -> list[tuple[Ask, ...]]:
    """Return the last calls of a variant: in each round an environment that is new, and warm calls on it."""
    question = Question.of(plan)
    bounding = calls_that_bound(question.percentile / 100, 1 - (1 - plan.confidence) / 2)
    calls = min(max(_CALLS, math.ceil(_SPARE * bounding)), _MOST_CALLS)
    count = ENOUGH_CLUSTERS if plan.whole_block == 1 else min(ENOUGH_CLUSTERS, math.ceil(calls / plan.whole_block))
    fresh = min(plan.concurrency, _MOST_ENVIRONMENTS) if plan.cold_starts and plan.isolation != "current" else 0
    asks: list[Ask] = []
    for size in sizes_mb:
        asks += [Ask(size, fresh, cold=True)] if fresh else []
        asks.append(Ask(size, max(math.ceil(calls / count), plan.warm_block)))
    return [tuple(asks)] * count
