"""What a recorded run is decided anew for, moved step by step with keys. Values, no widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, get_args

from lambdatune.model.plan import Strategy
from lambdatune.model.quantities import format_number
from lambdatune.model.target import Population, Target
from lambdatune.session.replay import WhatIf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.model.target import ClockName

Value = TypeVar("Value")

_LADDER = (
    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42.5, 45, 47.5, 50, 52.5, 55,
    57.5, 60, 65, 70, 75, 80, 85, 90, 95,
)  # fmt: skip
"""Thresholds of a decade; a press moves the target by about 5 %."""

_LOWEST_MS, _HIGHEST_MS = 0.01, 900_000.0
"""REPORT lines are written to a hundredth of a millisecond, and no call takes longer than a quarter of an hour."""

_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
_COLD_RATES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0)
_CONFIDENCES = (0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Question:
    """A what-if: the target that is moved, and what else the decision depends on.

    Attributes:
        target: the one that is moved; None when the run had none and none was asked for.
        others: the other targets, which stay in force, in their order.
        confidence: of the certificates.
        cold_rate: share of cold starts in the cost.
        strategy: what to pick among the sizes that meet every target.
        which: the place of `target` among all of them.
    """

    target: Target | None
    others: tuple[Target, ...]
    confidence: float
    cold_rate: float
    strategy: Strategy
    which: int = 0

    @classmethod
    def of(cls, plan: Plan) -> Question:
        """Return the question that the run was made for."""
        first = plan.targets[0] if plan.targets else None
        return cls(first, plan.targets[1:], plan.confidence, plan.cold_rate, plan.strategy)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, in their order."""
        if self.target is None:
            return ()
        return (*self.others[: self.which], self.target, *self.others[self.which :])

    def as_what_if(self) -> WhatIf:
        """Return it as a recorded run is asked."""
        return WhatIf(self.targets, self.strategy, self.confidence, self.cold_rate)

    def asks_as(self, other: Question) -> bool:
        """Whether it has the same answer as another one, whichever target is moved."""
        return self.as_what_if() == other.as_what_if()

    def at(self, which: int) -> Question:
        """Return it with another of its targets as the one that is moved; itself when there is no such target."""
        targets = self.targets
        if not 0 <= which < len(targets):
            return self
        return replace(self, target=targets[which], others=(*targets[:which], *targets[which + 1 :]), which=which)

    def next_target(self) -> Question:
        """Return it with the next of its targets as the one that is moved."""
        return self.at((self.which + 1) % (len(self.others) + 1))

    def moved(self, steps: int, *, own: Question, start: Target) -> Question:
        """Return it with the target so many steps higher; the run's own threshold is a step as well.

        Args:
            steps: below zero for a stricter target.
            own: the question of the run.
            start: where to begin when there is no target yet.
        """
        if self.target is None:
            return replace(self, target=start)
        same = own.at(self.which).target
        kept = same.threshold_ms if same is not None else None
        return replace(self, target=replace(self.target, threshold_ms=_step(self.target.threshold_ms, steps, kept)))

    def next_percentile(self, start: Target) -> Question:
        """Return it with the next percentile."""
        target = self.target or start
        return replace(self, target=replace(target, percentile=_after(target.percentile, _PERCENTILES)))

    def next_clock(self, start: Target, clocks: Sequence[ClockName]) -> Question:
        """Return it on the next of the clocks that the run's mode has."""
        target = self.target or start
        return replace(self, target=replace(target, clock=_after(target.clock, clocks)))

    def next_population(self, start: Target) -> Question:
        """Return it for the next kind of calls."""
        target = self.target or start
        return replace(self, target=replace(target, population=_after(target.population, get_args(Population))))

    def next_cold_rate(self, own: Question) -> Question:
        """Return it with the next share of cold starts."""
        return replace(self, cold_rate=_after(self.cold_rate, sorted({*_COLD_RATES, own.cold_rate})))

    def next_confidence(self, own: Question) -> Question:
        """Return it with the next confidence."""
        return replace(self, confidence=_after(self.confidence, sorted({*_CONFIDENCES, own.confidence})))

    def next_strategy(self) -> Question:
        """Return it with the next strategy."""
        return replace(self, strategy=_after(self.strategy, get_args(Strategy)))


def percent(share: float) -> str:
    """Return a share as a person writes it: ``1 %``, ``0.1 %``."""
    return f"{format_number(round(100 * share, 6))} %"


def _after(value: Value, choices: Sequence[Value]) -> Value:
    """Return the choice after `value`, the first after the last and for one that is none of them."""
    return choices[(choices.index(value) + 1) % len(choices)] if value in choices else choices[0]


def _step(threshold_ms: float, steps: int, kept: float | None) -> float:
    exponent = math.floor(math.log10(threshold_ms)) - 1
    rungs = {
        round(rung * 10.0**power, 6) for power in (exponent - 1, exponent, exponent + 1) for rung in map(float, _LADDER)
    }
    rungs = {rung for rung in rungs if _LOWEST_MS <= rung <= _HIGHEST_MS}
    if kept is not None:
        rungs.add(kept)
    beyond = sorted(rung for rung in rungs if (rung > threshold_ms if steps > 0 else rung < threshold_ms))
    ordered = beyond if steps > 0 else beyond[::-1]
    return ordered[min(abs(steps), len(ordered)) - 1] if ordered else threshold_ms
