"""The last part of a comparison: calls of every variant at the sizes that are compared, side by side.

Each variant ends its own search first. What it has measured then is as much as its own advice takes, and of a size that
proved itself early that is little. So all of them go on together: rounds of warm calls, each on an environment that is
started for it, so that environments differ within a variant as much as between them.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.recommend.matched import best_as_measured, matched_sizes
from lambdatune.recommend.search import Ask
from lambdatune.recommend.verdicts import ENOUGH_CLUSTERS, Question, times_of
from lambdatune.stats.resampling import calls_that_bound, quantile_ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.variants.turns import Turns

_CALLS = 200
"""Warm calls of each variant at each size that is compared: they find a difference of 25 % (statistics.md 6)."""

_MOST_CALLS = 600
_MOST_BATCHES = 3
_WIDE = 1.25
"""An interval whose ends are further apart than this could hide a difference of 25 %: more calls are made. When to
stop depends on the width alone and not on what the interval shows, so that its confidence holds."""

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
        self._order = tuple(names)
        self._busy = set(names)
        self._turns = turns
        self._narrate = narrate
        self._waiting: dict[str, _Side] = {}
        self._rounds: dict[str, list[tuple[Ask, ...]]] = {}
        self._batches = 0
        self._is_over = False
        self._next = asyncio.Event()

    async def settled(self, name: str, evidence: Evidence, plan: Plan) -> Sequence[Ask]:
        """Return the next calls of `name`, none at the end; wait for the other variants before the next batch."""
        if not self._rounds.get(name):
            self._waiting[name] = _Side(evidence, plan)
            self._turns.leave(name)
            following = self._next
            self._ended(name)
            await following.wait()
        rounds = self._rounds.get(name, [])
        return rounds.pop(0) if rounds else ()

    def leave(self, name: str) -> None:
        """Let the others go on without `name`, which ended."""
        self._waiting.pop(name, None)
        self._rounds.pop(name, None)
        self._turns.leave(name)
        self._ended(name)

    def end(self) -> None:
        """Let all go on that wait: nothing more is measured."""
        self._is_over = True
        self._rounds.clear()
        self._next.set()

    def _ended(self, name: str) -> None:
        """Take note that a variant has no calls left; when none has, plan the next batch."""
        self._busy.discard(name)
        if self._busy or self._is_over:
            return
        self._rounds = self._batch() if self._batches < _MOST_BATCHES and len(self._waiting) > 1 else {}
        self._batches += 1
        self._busy = set(self._rounds)
        self._turns.join([each for each in self._order if each in self._rounds])
        for each in self._rounds:
            del self._waiting[each]
        present, self._next = self._next, asyncio.Event()
        present.set()

    def _batch(self) -> dict[str, list[tuple[Ask, ...]]]:
        """Return the next rounds of each variant that has some: all first, then those that are not told apart."""
        sizes: dict[str, set[int]] = {}
        for one, other in combinations([name for name in self._order if name in self._waiting], 2):
            sides = self._waiting[one], self._waiting[other]
            best = [best_as_measured(side.evidence, side.plan) for side in sides]
            if best[0] is None or best[1] is None:
                continue
            matched = matched_sizes(sides[0].evidence, sides[1].evidence, best[0], best[1], sides[0].plan)
            if self._batches and not _is_wide(*sides, matched):
                continue
            for name, size in zip((one, other), matched, strict=True):
                sizes.setdefault(name, set()).add(size)
        if sizes:
            told = [f"{name} at {' and '.join(map(str, sorted(each)))} MB" for name, each in sizes.items()]
            again = "side by side once more, because the intervals are wide" if self._batches else "side by side now"
            self._narrate(f"{again}: {', '.join(told)}")
        return {name: _rounds(sorted(each), self._waiting[name].plan) for name, each in sizes.items()}


@dataclass(frozen=True, slots=True)
class _Side:
    evidence: Evidence
    plan: Plan


def _is_wide(one: _Side, other: _Side, sizes_mb: tuple[int, int]) -> bool:
    """Whether the interval of the ratio of times could hide what a comparison is made to find.

    The environments are not known while the run goes on; here each order stands for one, as its calls had a new one.
    """
    question = Question.of_all([one.plan, other.plan])
    samples = []
    for side, size in zip((one, other), sizes_mb, strict=True):
        cell = side.evidence[side.evidence.index_of(size)]
        samples.append(replace(times_of(cell, question.population, question.clock), unseen=0.0))
    if not all(len(sample.values) for sample in samples):
        return False
    each = 1 - (1 - one.plan.confidence) / 2
    rng = np.random.default_rng(one.plan.seed)
    (ratio,) = quantile_ratios(samples[1], samples[0], [question.percentile / 100], [each], rng)
    if ratio is None:
        return False
    return ratio.low is None or ratio.high is None or ratio.high / ratio.low > _WIDE


def _rounds(sizes_mb: Sequence[int], plan: Plan) -> list[tuple[Ask, ...]]:
    """Return a batch of calls of a variant: in each round an environment that is new, and warm calls on it."""
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
