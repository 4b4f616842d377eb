"""The verdict of a pair: whether calls show one cell to be faster or slower, cheaper or dearer than another.

Two questions are asked, of the time at one percentile and of the cost, and they share the error ``1 - confidence``: of
two cells that are the same, both are answered "no difference shown" with probability `confidence` at least. A
difference within the margin is none in practice.

**Which calls are alike.** Calls of one environment share a host; calls of one order share a moment. Where eight
environments or more served each side they are the clusters that are drawn again (`lambdatune.stats.resampling`);
otherwise the orders are, and what the few environments cannot show of others is supposed and added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lambdatune.model.comparison import Effect, PairVerdict
from lambdatune.model.quantities import format_number
from lambdatune.recommend.verdict_words import cautions_of, measure_name, sentence_of
from lambdatune.stats.environments import count_of
from lambdatune.stats.means import mean_error
from lambdatune.stats.resampling import Mean, Sample, calls_that_bound, mean_ratio, quantile_ratios
from lambdatune.stats.rows import clock_ms, is_cold, is_ok, is_warm
from lambdatune.stats.summary import described, nearest_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambdatune.model.comparison import Word
    from lambdatune.model.plan import Plan
    from lambdatune.model.target import ClockName
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.stats.comparison import Ratio
    from lambdatune.stats.rows import Mask

MARGIN = 0.03
"""A difference that no one acts on: within it two sizes are a tie (`lambdatune.recommend.costs.TIE`)."""

ENOUGH_CLUSTERS = 8
"""Clusters of a side from which on they are drawn again; fewer say too little of how clusters differ."""

HOSTS_DIFFER = 0.08
"""Standard deviation of the logarithm of the time between environments on AWS that is supposed where few are seen: that
of the mild clustering in statistics.md 6."""

PROCESSES_DIFFER = 0.025
"""The same between environments on this machine, which are processes on one host: hash seeds and memory layout."""

Kind = Literal["warm", "cold"]

_ALWAYS = (50.0, 95.0, 99.0)


@dataclass(frozen=True, slots=True)
class Question:
    """What the verdict on time is about.

    Attributes:
        population: which calls.
        clock: which clock.
        percentile: the strictest of the targets; the median where there is none.
    """

    population: Kind = "warm"
    clock: ClockName = "duration"
    percentile: float = 50.0

    @classmethod
    def of(cls, plan: Plan) -> Question:
        """Return the question of a plan: its strictest target on warm calls, else on cold ones."""
        cold = [target for target in plan.targets if target.population == "cold"]
        warm = [target for target in plan.targets if target.population != "cold"]
        if not plan.targets:
            return cls()
        strictest = max(warm or cold, key=lambda target: target.percentile)
        return cls("warm" if warm else "cold", strictest.clock, strictest.percentile)

    @classmethod
    def of_all(cls, plans: Sequence[Plan]) -> Question:
        """Return the question of plans that differ in the function or mode: that of the first.

        Of several modes without a target it is about the end of each call or message, which all of them have.
        """
        several = len({plan.mode for plan in plans}) > 1
        return cls(clock="e2e") if several and not plans[0].targets else cls.of(plans[0])

    @property
    def percentiles(self) -> tuple[float, ...]:
        """All that are looked at, in order."""
        return tuple(sorted({*_ALWAYS, self.percentile}))


def pair_verdict(
    base: CellEvidence,
    other: CellEvidence,
    *,
    base_label: str,
    other_label: str,
    plan: Plan,
    margin: float = MARGIN,
    question: Question | None = None,
    apart: float = 0.0,
) -> PairVerdict:
    """Return what the calls of two cells show of their difference.

    The same cells and plan give the same verdict: the draws are seeded by the plan.

    Args:
        base: the cell that is compared with.
        other: the cell that is told about.
        base_label: how the sentence calls the base.
        other_label: how it calls the other.
        plan: its targets name the percentile; its confidence is that of both answers together; its cold rate makes
            the cost.
        margin: see `PairVerdict`.
        question: about which calls, instead of those that the targets name.
        apart: supposed spread of each side between runs, of cells that were measured at different times; see `Sample`.
    """
    asked = question or Question.of(plan)
    each = 1 - (1 - plan.confidence) / 2
    sides = [times_of(cell, asked.population, asked.clock) for cell in (base, other)]
    sides = [replace(side, unseen=math.hypot(side.unseen, apart)) for side in sides]
    rng = np.random.default_rng(plan.seed)
    quantiles = [percentile / 100 for percentile in asked.percentiles]
    ratios = quantile_ratios(sides[1], sides[0], quantiles, [each] * len(quantiles), rng)
    times = {
        percentile: _time_effect(percentile, sides, ratio, margin)
        for percentile, ratio in zip(asked.percentiles, ratios, strict=True)
    }
    decided_on = _bounded_percentile(asked, sides, each)
    means = [mean_cost(cell, plan.cold_rate, unseen=apart) for cell in (base, other)]
    cost = _cost_effect(means[0], means[1], each, margin)
    time = times[decided_on]
    return PairVerdict(
        base=base_label,
        other=other_label,
        base_memory_mb=base.cell.memory_mb,
        other_memory_mb=other.cell.memory_mb,
        population=asked.population,
        clock=asked.clock,
        margin=margin,
        confidence=plan.confidence,
        time=time,
        cost=cost,
        effects=(*times.values(), cost),
        sentence=sentence_of(base_label, other_label, time, cost),
        cautions=tuple(cautions_of((base, other), (base_label, other_label), asked.population))
        + _fewer_calls(asked, decided_on, sides, each),
    )


def effect_word(measure: str, ratio: Ratio | None, margin: float) -> Word:
    """Return the word for a ratio: what its interval shows beyond the margin."""
    if ratio is None:
        return "not known"
    if ratio.low is not None and ratio.low > 1 + margin:
        return "dearer" if measure == "cost" else "slower"
    if ratio.high is not None and ratio.high < 1 / (1 + margin):
        return "cheaper" if measure == "cost" else "faster"
    return "no difference shown"


def times_of(cell: CellEvidence, population: Kind, clock: ClockName) -> Sample:
    """Return the described times of a cell's warm or cold calls in ms, with the clusters they come in."""
    rows = cell.rows
    chosen = described(rows) & (is_cold(rows) if population == "cold" else is_warm(rows))
    times_ms = clock_ms(rows, clock)
    chosen &= ~np.isnan(times_ms)
    clusters, unseen = _clusters(cell, chosen, population)
    return Sample(times_ms[chosen], clusters, unseen)


def environments_of(cell: CellEvidence, chosen: Mask) -> int | None:
    """Return how many environments served the chosen calls; None where that is not known."""
    known = cell.environments()
    return None if known is None else count_of(known[chosen])


def _clusters(cell: CellEvidence, chosen: Mask, population: Kind) -> tuple[NDArray[np.int64] | None, float]:
    """Return what calls may be alike by, and what is supposed of the environments that were not seen."""
    environments = cell.environments()
    served = int(np.count_nonzero(chosen)) if population == "cold" else environments_of(cell, chosen) or 1
    if population == "warm" and environments is not None and served >= ENOUGH_CLUSTERS:
        return environments[chosen], 0.0
    orders = cell.rows["order"][chosen].astype(np.int64)
    unseen = 0.0 if served >= ENOUGH_CLUSTERS else _environments_differ(cell.plan) / math.sqrt(max(served, 1))
    return (orders if len(np.unique(orders)) >= ENOUGH_CLUSTERS else None), unseen


def _environments_differ(plan: Plan) -> float:
    is_aws = not plan.function.is_path and (plan.endpoint_url is None or "amazonaws.com" in plan.endpoint_url)
    return HOSTS_DIFFER if is_aws else PROCESSES_DIFFER


def _time_effect(percentile: float, sides: list[Sample], ratio: Ratio | None, margin: float) -> Effect:
    measure = measure_name(percentile)
    base, figure = (nearest_rank(side.values, percentile / 100) if len(side.values) else None for side in sides)
    return _effect(measure, base, figure, ratio, margin)


def _effect(measure: str, base: float | None, figure: float | None, ratio: Ratio | None, margin: float) -> Effect:
    word = effect_word(measure, ratio, margin)
    if ratio is None:
        return Effect(measure, base, figure, None, None, None, word)
    return Effect(measure, base, figure, ratio.point, ratio.low, ratio.high, word)


def _bounded_percentile(asked: Question, sides: list[Sample], confidence: float) -> float:
    """Return the percentile to decide on: the asked one, or the highest below it that the calls of both sides bound.

    It depends on the number of calls alone, so that choosing it is no look at the times.
    """
    fewest = min(len(side.values) for side in sides)
    for percentile in sorted(asked.percentiles, reverse=True):
        if percentile <= asked.percentile and fewest >= calls_that_bound(percentile / 100, confidence):
            return percentile
    return min(asked.percentile, 50.0)


def _fewer_calls(asked: Question, decided_on: float, sides: list[Sample], confidence: float) -> tuple[str, ...]:
    needed = calls_that_bound(asked.percentile / 100, confidence)
    fewest = min(len(side.values) for side in sides)
    if fewest >= needed or not fewest:
        return ()
    instead = "" if decided_on == asked.percentile else f"; the verdict is on p{format_number(decided_on)}"
    asked_for = f"p{format_number(asked.percentile)} takes {needed} {asked.population} calls a side to compare"
    return (f"{asked_for}, and there are {fewest}{instead}",)


def _cost_effect(base_mean: Mean | None, figure_mean: Mean | None, confidence: float, margin: float) -> Effect:
    ratio = None if base_mean is None or figure_mean is None else mean_ratio(figure_mean, base_mean, confidence)
    points = [None if mean is None else mean.point for mean in (base_mean, figure_mean)]
    return _effect("cost", points[0], points[1], ratio, margin)


def mean_cost(cell: CellEvidence, cold_rate: float, *, unseen: float = 0.0) -> Mean | None:
    """Return the cost per million calls with the errors of its terms; None without a call that succeeded.

    Args:
        cell: what was measured.
        cold_rate: the share of cold starts in it.
        unseen: supposed besides what few environments cannot show, see `Sample`.
    """
    point = cell.blended_cost_per_million(cold_rate)
    if point is None:
        return None
    rows = cell.rows
    per_ms = 1e3 * cell.tariff.per_second(cell.cell.memory_mb)
    has_cold = bool(cell.cold_billed.calls)
    kinds: list[tuple[Kind, float]] = [("warm", 1 - cold_rate), ("cold", cold_rate)] if has_cold else [("warm", 1.0)]
    parts, hosts = [], 0.0
    for population, weight in kinds:
        chosen = is_ok(rows) & (is_cold(rows) if population == "cold" else is_warm(rows))
        clusters, common = _clusters(cell, chosen, population)
        error = mean_error(rows["billed_ms"][chosen], clusters)
        if weight > 0 and error is None:
            return Mean(point, ())
        if weight > 0 and error is not None:
            parts.append((weight * error[0] * per_ms, error[1]))
        hosts = max(hosts, common) if weight > 0.5 else hosts
    return Mean(point, parts, math.hypot(hosts, unseen))
