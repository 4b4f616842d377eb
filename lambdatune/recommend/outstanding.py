"""What is missing: the calls that would settle an open size, and the nearest target that can be met."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.result import ToBeSure
from lambdatune.stats.certificate import SequentialTest
from lambdatune.stats.stopping import PATHS, Standing, further_calls_played, plausible_rates
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.model.plan import Plan
    from lambdatune.model.target import Target
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.proof import TargetProof

_DIGITS = 3


def to_be_sure(cell: CellEvidence, plan: Plan) -> ToBeSure:
    """Return what it would about take to settle a size, one way or the other.

    The share of slow calls is not known, only its posterior, and how many calls a proof takes is chance as well:
    futures are played through, and the answer is their median, with the range of the middle nine tenths. Futures that
    nothing settles are left out of the median as long as there are others.
    """
    missing = np.sort(_missing(cell))
    finite = missing[np.isfinite(missing)]
    low, middle, high = (float(np.quantile(missing, level, method="nearest")) for level in (0.05, 0.5, 0.95))
    if not math.isfinite(middle):
        middle = float(finite[-1]) if len(finite) else float(_NEVER)
    calls = plan.in_blocks(math.ceil(middle))
    least = plan.in_blocks(math.ceil(min(low, middle)))
    most = plan.in_blocks(math.ceil(high)) if math.isfinite(high) else None
    rows = cell.rows
    seconds = float((rows["done_ns"] - rows["sent_ns"]).mean()) / 1e9
    per_s = plan.arrivals_per_s or plan.concurrency / seconds
    cost = cell.blended_cost_per_million(plan.cold_rate) or 0.0
    return ToBeSure(
        calls, calls * cost / 1e6, calls / per_s / 60, invocations_range=(least, most), memory_mb=cell.cell.memory_mb
    )


def _missing(cell: CellEvidence) -> NDArray[np.float64]:
    """Return the calls that each future takes: all targets proven to be met, or one proven to be missed."""
    met, missed = np.ones(PATHS), np.full(PATHS, np.inf)
    for number, proof in enumerate(cell.proofs):
        if proof.status == "undecided":
            rates = plausible_rates(proof.target.exceedance, proof.calls, proof.exceedances)
            meets, misses = played(cell, proof, rates, seed=number)
            # What is proven first of a target holds.
            met = np.maximum(met, np.where(meets <= misses, meets, np.inf))
            missed = np.minimum(missed, np.where(misses < meets, misses, np.inf))
    return np.asarray(np.minimum(met, missed))


def played(
    cell: CellEvidence, proof: TargetProof, rates: NDArray[np.float64], *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the further calls that prove a target met, and those that prove it missed, in futures played through.

    Args:
        cell: the size.
        proof: of the target, not decided yet.
        rates: share of slow calls in each future, shape ``(futures,)``.
        seed: of the random calls.
    """
    allowed, fresh = proof.target.exceedance, proof.proof
    meets = Standing(
        "meets", allowed, 1 - cell.upcoming_share() * (1 - proof.confidence),
        fresh.calls if fresh else 0, fresh.exceedances if fresh else 0,
    )  # fmt: skip
    misses = Standing("misses", allowed, proof.refutation.confidence, proof.calls, proof.exceedances)
    met, missed = further_calls_played((meets, misses), rates, seed)
    return met, missed


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
