"""The advice: the cheapest size that is proven to meet every target, or what is missing to give it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.model.result import Alternative, Recommendation, ToBeSure
from lambdatune.stats.certificate import expected_calls
from lambdatune.stats.rows import clock_ms, is_ok, is_warm
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import CellEvidence

_MAX_ALTERNATIVES = 3

_HOPELESS_CALLS = 1e7
"""A difference that takes more calls than this to show is none that matters."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cell with the figures that the choice is made on."""

    evidence: CellEvidence
    cost: float
    p50_ms: float

    @property
    def memory_mb(self) -> int:
        return self.evidence.cell.memory_mb


def recommend(evidence: Sequence[CellEvidence], plan: Plan, *, current_memory_mb: int | None) -> Recommendation:
    """Return the advice for `plan` from what was measured.

    Args:
        evidence: one per cell.
        plan: the targets, the confidence and the cold rate.
        current_memory_mb: what the function has now, which the saving is against; None for none.
    """
    candidates = _candidates(evidence, plan)
    if not candidates:
        return _without_answer(evidence, plan)
    if not plan.targets:
        return _without_target(candidates, plan, current_memory_mb)
    meeting = [candidate for candidate in candidates if candidate.evidence.verdict == "meets"]
    if meeting:
        return _met(meeting[0], candidates, plan, current_memory_mb)
    if any(candidate.evidence.verdict == "unproven" for candidate in candidates):
        return _unproven(candidates, plan)
    return _missed(candidates, plan)


def _candidates(evidence: Sequence[CellEvidence], plan: Plan) -> list[_Candidate]:
    """Return the cells with a known cost, cheapest first; of equal cost the faster first."""
    found = []
    for cell in evidence:
        cost = cell.blended_cost_per_million(plan.cold_rate)
        if cost is None or cell.verdict == "failed":
            continue
        rows = cell.rows
        ok = is_ok(rows)
        warm = ok & is_warm(rows)
        p50_ms = nearest_rank(clock_ms(rows[warm if warm.any() else ok], "duration"), 0.5)
        found.append(_Candidate(cell, cost, p50_ms))
    return sorted(found, key=lambda candidate: (candidate.cost, candidate.p50_ms))


def _met(best: _Candidate, candidates: list[_Candidate], plan: Plan, current_memory_mb: int | None) -> Recommendation:
    saving = _saving_percent(best, candidates, current_memory_mb)
    cheaper_unproven = [
        candidate for candidate in candidates[: candidates.index(best)] if candidate.evidence.verdict == "unproven"
    ]
    cheapest = (
        f"the cheapest size proven to meet {_targets(plan)}"
        if cheaper_unproven
        else f"the cheapest of {len(candidates)} sizes that meets {_targets(plan)}"
    )
    sentence = (
        f"Use {best.memory_mb} MB: {cheapest} ({plan.confidence:.0%} confidence, {best.evidence.calls} calls), "
        f"at ${best.cost:.2f} per million calls{_saving_clause(saving, current_memory_mb)}."
    )
    if cheaper_unproven:
        names = " and ".join(f"{candidate.memory_mb} MB" for candidate in cheaper_unproven)
        are = "is" if len(cheaper_unproven) == 1 else "are"
        sentence += f" {names} would be cheaper but {are} unproven."
    return Recommendation(
        "met", sentence, plan.confidence,
        memory_mb=best.memory_mb,
        architecture=best.evidence.cell.architecture,
        function=best.evidence.cell.function,
        cost_usd_per_million=best.cost,
        saving_percent=saving,
        alternatives=_alternatives(best, candidates),
        to_be_sure=_to_be_sure(cheaper_unproven[0], plan) if cheaper_unproven else None,
    )  # fmt: skip


def _without_target(candidates: list[_Candidate], plan: Plan, current_memory_mb: int | None) -> Recommendation:
    best = candidates[0]
    saving = _saving_percent(best, candidates, current_memory_mb)
    sentence = (
        f"{best.memory_mb} MB is the cheapest of {len(candidates)} sizes, at ${best.cost:.2f} per million calls"
        f"{_saving_clause(saving, current_memory_mb)}; no target was set, so its latency (p50 {best.p50_ms:.1f} ms) "
        "was not judged."
    )
    return Recommendation(
        "none", sentence, plan.confidence,
        memory_mb=best.memory_mb,
        architecture=best.evidence.cell.architecture,
        function=best.evidence.cell.function,
        cost_usd_per_million=best.cost,
        saving_percent=saving,
        alternatives=_alternatives(best, candidates),
    )  # fmt: skip


def _unproven(candidates: list[_Candidate], plan: Plan) -> Recommendation:
    best = next(candidate for candidate in candidates if candidate.evidence.verdict == "unproven")
    more = _to_be_sure(best, plan)
    if more is None:
        outlook = "Its share of slow calls is so near to what is allowed that more calls would hardly settle it."
    else:
        outlook = f"About {more.invocations} more calls (${more.usd:.4f}, {more.minutes:.1f} min) would settle it."
    sentence = (
        f"Unproven: no size is proven to meet {_targets(plan)} at {plan.confidence:.0%} confidence; "
        f"{best.memory_mb} MB is the cheapest that may. {outlook}"
    )
    return Recommendation("unproven", sentence, plan.confidence, to_be_sure=more)


def _missed(candidates: list[_Candidate], plan: Plan) -> Recommendation:
    fastest = min(candidates, key=lambda candidate: candidate.p50_ms)
    sentence = (
        f"No size meets {_targets(plan)}: each of the {len(candidates)} sizes measured misses it "
        f"({plan.confidence:.0%} confidence). The fastest, {fastest.memory_mb} MB, "
        f"has a p50 of {fastest.p50_ms:.1f} ms."
    )
    return Recommendation("missed", sentence, plan.confidence)


def _without_answer(evidence: Sequence[CellEvidence], plan: Plan) -> Recommendation:
    reasons = [f"{cell.cell.memory_mb} MB: {reason}" for cell in evidence if (reason := cell.failure())]
    if not reasons:
        return Recommendation("unproven", "Unproven: too few calls were measured to say anything.", plan.confidence)
    return Recommendation("invalid", f"No call succeeded at any size. {'; '.join(reasons)}.", plan.confidence)


def _alternatives(best: _Candidate, candidates: list[_Candidate]) -> tuple[Alternative, ...]:
    others = [
        candidate
        for candidate in candidates
        if candidate is not best and candidate.p50_ms < best.p50_ms and candidate.evidence.verdict != "misses"
    ]
    return tuple(
        Alternative(
            candidate.memory_mb,
            candidate.cost,
            f"{candidate.memory_mb} MB is {best.p50_ms - candidate.p50_ms:.1f} ms faster at p50 "
            f"for {candidate.cost / best.cost - 1:+.0%} cost",
        )
        for candidate in others[:_MAX_ALTERNATIVES]
    )


def _to_be_sure(candidate: _Candidate, plan: Plan) -> ToBeSure | None:
    """Return what it would about take to settle `candidate`; None when its share of slow calls is at the limit."""
    evidence = candidate.evidence
    error = (1 - plan.confidence) / max(evidence.attempts, 1)
    missing = 1.0
    for target, certificate in zip(plan.targets, evidence.certificates(), strict=True):
        if certificate.status != "undecided":
            continue
        # No slow call so far does not mean that there is none: the share seen is drawn towards a third of
        # what is allowed, with the weight of a third of a slow call.
        weight = 1 / 3
        seen = (certificate.exceedances + weight) / (certificate.calls + 3 * weight / target.exceedance)
        missing = max(missing, expected_calls(target.exceedance, 1 - error, seen) - certificate.calls)
    if not missing < _HOPELESS_CALLS:
        return None
    calls = math.ceil(missing)
    rows = evidence.rows
    seconds = float((rows["done_ns"] - rows["sent_ns"]).mean()) / 1e9
    return ToBeSure(calls, calls * candidate.cost / 1e6, calls * seconds / plan.concurrency / 60)


def _saving_percent(best: _Candidate, candidates: list[_Candidate], current_memory_mb: int | None) -> float | None:
    for candidate in candidates:
        if candidate.memory_mb == current_memory_mb and candidate is not best:
            return 100 * (1 - best.cost / candidate.cost)
    return None


def _saving_clause(saving_percent: float | None, current_memory_mb: int | None) -> str:
    if saving_percent is None:
        return ""
    word = "less" if saving_percent >= 0 else "more"
    return f", {abs(saving_percent):.0f} % {word} than the {current_memory_mb} MB it has now"


def _targets(plan: Plan) -> str:
    return " and ".join(map(str, plan.targets))
