"""What is missing: the calls that would settle an open size, and the nearest target that can be met."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.result import ToBeSure
from lambdatune.stats.certificate import SequentialTest, beta_quantiles, further_calls
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.model.target import Target
    from lambdatune.recommend.evidence import CellEvidence
    from lambdatune.recommend.proof import TargetProof

_LEVELS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
"""Levels of the posterior of the share of slow calls at which the calls that are missing are worked out."""

_PRIOR_SLOW = 1 / 3
"""No slow call so far does not mean that there is none: before its calls a size is expected to be slow in a third
of what is allowed, with the weight of a third of a slow call."""

_DIGITS = 3


def to_be_sure(cell: CellEvidence, plan: Plan) -> ToBeSure:
    """Return what it would about take to settle a size, one way or the other.

    The share of slow calls is not known, only its posterior; the answer is the median of what is missing over
    that posterior. A share that is so near to what is allowed that no number of calls would settle it is left
    out as long as there is another.
    """
    calls = 1
    for proof in cell.proofs:
        if proof.status == "undecided":
            calls = max(calls, _missing(cell, proof))
    rows = cell.rows
    seconds = float((rows["done_ns"] - rows["sent_ns"]).mean()) / 1e9
    calls = plan.in_blocks(calls)
    per_s = plan.arrivals_per_s or plan.concurrency / seconds
    cost = cell.blended_cost_per_million(plan.cold_rate) or 0.0
    return ToBeSure(calls, calls * cost / 1e6, calls / per_s / 60)


def _missing(cell: CellEvidence, proof: TargetProof) -> int:
    allowed = proof.target.exceedance
    slow = proof.exceedances + _PRIOR_SLOW
    within = proof.calls - proof.exceedances + 1 / allowed - _PRIOR_SLOW
    fresh = proof.proof
    found = []
    for rate in beta_quantiles(slow, within, _LEVELS):
        meets = further_calls(
            allowed, 1 - cell.upcoming_share() * (1 - proof.confidence), rate, side="meets",
            calls=fresh.calls if fresh else 0, exceedances=fresh.exceedances if fresh else 0,
        )  # fmt: skip
        misses = further_calls(
            allowed, proof.refutation.confidence, rate, side="misses",
            calls=proof.calls, exceedances=proof.exceedances,
        )  # fmt: skip
        found.append(min(meets, misses))
    found.sort()
    middle = found[len(found) // 2]
    finite = [calls for calls in found if calls < math.inf]
    return math.ceil(middle if middle < math.inf else max(finite, default=_NEVER))


_NEVER = 10_000_000
"""Stands for "more than anybody will make"."""


def nearest_feasible(cell: CellEvidence) -> tuple[Target, ...] | None:
    """Return the targets, with the least thresholds, that a size is proven to meet; None when it proves none.

    The proof of "pNN <= T" holds for every T at once: the calls that exceed a lower threshold contain those
    that exceed a higher one, so a false proof at any T below the true percentile would be one at the percentile
    itself. (A time-uniform upper confidence bound of a quantile: Howard & Ramdas 2022, section 4.)
    """
    found = []
    for proof in cell.proofs:
        if proof.status == "meets":
            found.append(proof.target)
            continue
        if proof.proof is None:
            return None
        threshold_ms = _least_threshold_ms(cell, proof.target, proof.proof.confidence)
        if threshold_ms is None:
            return None
        found.append(replace(proof.target, threshold_ms=threshold_ms))
    return tuple(found)


def shortfall(cell: CellEvidence) -> float:
    """Return by what factor a size exceeds the target that it is furthest from, in its measured percentile."""
    factors = [0.0]
    for target in cell.targets:
        times_ms = cell.times_ms(target)
        if len(times_ms):
            factors.append(nearest_rank(times_ms, target.quantile) / target.threshold_ms)
    return max(factors)


def _least_threshold_ms(cell: CellEvidence, target: Target, confidence: float) -> float | None:
    times_ms = cell.times_ms(target, only_fresh=True)
    thresholds = np.unique(times_ms[np.isfinite(times_ms)])

    def proven(threshold_ms: float) -> bool:
        test = SequentialTest(target.exceedance, confidence, sides=("meets",))
        test.update(times_ms > threshold_ms)
        return test.status == "meets"

    if not len(thresholds) or not proven(float(thresholds[-1])):
        return None
    low, high = -1, len(thresholds) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proven(float(thresholds[middle])) else (middle, high)
    return _rounded_up(float(thresholds[high]))


def _rounded_up(value: float) -> float:
    """Return the least number of three significant digits that is no less than `value`."""
    step = 10.0 ** (math.floor(math.log10(value)) - _DIGITS + 1)
    return float(f"{math.ceil(value / step - 1e-9) * step:.{_DIGITS}g}")
