"""The advice: the best size that is proven to meet every target, or what is missing to give it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.modes import MODES
from lambdatune.model.result import Alternative, Recommendation
from lambdatune.pricing.cost import money
from lambdatune.recommend.costs import break_even, tied
from lambdatune.recommend.outlook import strategic
from lambdatune.recommend.outstanding import nearest_feasible, shortfall, to_be_sure
from lambdatune.recommend.search import doomed
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.model.result import ToBeSure
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence

_MAX_ALTERNATIVES = 3

_FASTER = 0.01
"""Medians closer than this share are not called faster."""

_SUPERLATIVE = {"cheapest": "cheapest", "fastest": "fastest", "balanced": "best balance of cost and time"}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cell with the figures that the choice is made on."""

    evidence: CellEvidence
    cost: float
    p50_ms: float
    score: float

    @property
    def memory_mb(self) -> int:
        return self.evidence.cell.memory_mb

    @property
    def verdict(self) -> str:
        return self.evidence.verdict


def recommend(evidence: Evidence, plan: Plan, *, current_memory_mb: int | None) -> Recommendation:
    """Return the advice for `plan` from what was measured.

    Args:
        evidence: one per cell.
        plan: the targets, the strategy, the confidence and the cold rate.
        current_memory_mb: what the function has now, which the saving is against; None for none.
    """
    return replace(_advice(evidence, plan, current_memory_mb), strategy=plan.strategy)


def _advice(evidence: Evidence, plan: Plan, current_memory_mb: int | None) -> Recommendation:
    candidates = _candidates(evidence, plan)
    if not candidates:
        return _without_answer(evidence, plan)
    if not plan.targets:
        return _chosen(candidates, candidates, plan, current_memory_mb)
    meeting = [candidate for candidate in candidates if candidate.verdict == "meets"]
    if meeting:
        return _chosen(meeting, candidates, plan, current_memory_mb)
    if any(candidate.verdict == "unproven" and not doomed(candidate.evidence, evidence) for candidate in candidates):
        return _unproven([c for c in candidates if not doomed(c.evidence, evidence)], plan)
    return _missed(candidates, plan)


def _candidates(evidence: Sequence[CellEvidence], plan: Plan) -> list[_Candidate]:
    """Return the cells with a known cost, best first; of equal score the faster first."""
    found = []
    for cell in evidence:
        cost = cell.blended_cost_per_million(plan.cold_rate)
        if cost is None or cell.verdict == "failed":
            continue
        p50_ms = cell.p50_ms()
        score = float(strategic(plan, np.array(cost), np.array(p50_ms)))
        found.append(_Candidate(cell, cost, p50_ms, score))
    return sorted(found, key=lambda candidate: (candidate.score, candidate.p50_ms, candidate.cost))


def _best(eligible: list[_Candidate], plan: Plan) -> tuple[_Candidate, list[_Candidate]]:
    """Return the best of the eligible, and those whose cost cannot be told from its: the faster of a tie wins."""
    best = eligible[0]
    if plan.strategy == "cheapest":
        tie = [other for other in eligible if other is best or tied(best.evidence, other.evidence, plan)]
        quickest = min(tie, key=lambda candidate: (candidate.p50_ms, candidate.cost))
        if quickest.p50_ms < best.p50_ms * (1 - _FASTER):
            best = quickest
        return best, [other for other in tie if other is not best]
    if plan.strategy == "fastest":
        alike = [other for other in eligible if other.p50_ms <= best.p50_ms * (1 + _FASTER)]
        best = min(alike, key=lambda candidate: candidate.cost)
    return best, [other for other in eligible if other is not best and tied(best.evidence, other.evidence, plan)]


def _chosen(
    eligible: list[_Candidate], candidates: list[_Candidate], plan: Plan, current_memory_mb: int | None
) -> Recommendation:
    best, tie = _best(eligible, plan)
    saving = _saving_percent(best, candidates, current_memory_mb)
    open_better = [
        candidate
        for candidate in candidates[: candidates.index(eligible[0])]
        if plan.targets and candidate.verdict == "unproven"
    ]
    sentence = (
        _met_sentence(best, candidates, plan, open_better) if plan.targets else _bare_sentence(best, candidates, plan)
    )
    sentence = sentence.format(saving=_saving_clause(saving, current_memory_mb))
    if open_better:
        names = " and ".join(f"{candidate.memory_mb} MB" for candidate in open_better)
        better = {"cheapest": "cheaper", "fastest": "faster", "balanced": "better balanced"}[plan.strategy]
        sentence += f" {names} would be {better} but {'is' if len(open_better) == 1 else 'are'} unproven."
    if tie:
        sentence += f" {_tie_clause(best, tie)}"
    turn = break_even(best.evidence, [other.evidence for other in eligible], plan.cold_rate)
    if turn is not None and plan.strategy == "cheapest":
        beyond = "above" if turn[0] > plan.cold_rate else "below"
        sentence += f" With {beyond} {100 * turn[0]:.2g} % cold starts, {turn[1].cell.memory_mb} MB would be cheaper."
    return Recommendation(
        "met" if plan.targets else "none", sentence, plan.confidence,
        memory_mb=best.memory_mb,
        architecture=best.evidence.cell.architecture,
        function=best.evidence.cell.function,
        cost_usd_per_million=best.cost,
        saving_percent=saving,
        alternatives=_alternatives(best, candidates),
        to_be_sure=to_be_sure(open_better[0].evidence, plan) if open_better else None,
        tied_with_mb=tuple(sorted(other.memory_mb for other in tie)),
        frontier_mb=tuple(sorted(candidate.memory_mb for candidate in _frontier(candidates))),
        break_even_cold_rate=turn[0] if turn else None,
        break_even_memory_mb=turn[1].cell.memory_mb if turn else None,
    )  # fmt: skip


def _met_sentence(best: _Candidate, candidates: list[_Candidate], plan: Plan, open_better: list[_Candidate]) -> str:
    superlative = _SUPERLATIVE[plan.strategy]
    which = (
        f"the {superlative} size proven to meet {_targets(plan)}"
        if open_better
        else f"the {superlative} of {len(candidates)} sizes that meets {_targets(plan)}"
    )
    return (
        f"Use {best.memory_mb} MB: {which} ({plan.confidence:.0%} confidence, {best.evidence.calls} calls), "
        f"at {_price(best)} per million {_unit(plan)}{{saving}}."
    )


def _bare_sentence(best: _Candidate, candidates: list[_Candidate], plan: Plan) -> str:
    return (
        f"{best.memory_mb} MB is the {_SUPERLATIVE[plan.strategy]} of {len(candidates)} sizes, at {_price(best)} "
        f"per million {_unit(plan)}{{saving}}; no target was set, so its latency (p50 {best.p50_ms:.1f} ms) was not "
        "judged."
    )


def _unit(plan: Plan) -> str:
    """Return what costs are a million of: a batch of messages is one call, and each message has its share."""
    return "messages" if MODES[plan.mode].is_delivered else "calls"


def _price(candidate: _Candidate) -> str:
    return money(candidate.cost, candidate.evidence.tariff.currency)


def _tie_clause(best: _Candidate, tie: list[_Candidate]) -> str:
    names = " and ".join(f"{other.memory_mb} MB" for other in sorted(tie, key=lambda other: other.memory_mb))
    verb = "costs" if len(tie) == 1 else "cost"
    if all(best.p50_ms < other.p50_ms * (1 - _FASTER) for other in tie):
        return f"{names} {verb} the same as far as can be told, and {best.memory_mb} MB is faster."
    return f"{names} {verb} the same as far as can be told."


def _unproven(candidates: list[_Candidate], plan: Plan) -> Recommendation:
    best = next(candidate for candidate in candidates if candidate.verdict == "unproven")
    more = to_be_sure(best.evidence, plan)
    cost = money(more.usd, best.evidence.tariff.currency, 4)
    sentence = (
        f"Unproven: no size is proven to meet {_targets(plan)} at {plan.confidence:.0%} confidence; "
        f"{best.memory_mb} MB is the {_SUPERLATIVE[plan.strategy]} that may. "
        f"About {more.invocations} more calls ({cost}, {more.minutes:.1f} min) would settle it{_range(more)}."
    )
    return Recommendation(
        "unproven", sentence, plan.confidence, to_be_sure=more,
        frontier_mb=tuple(sorted(candidate.memory_mb for candidate in _frontier(candidates))),
    )  # fmt: skip


def _range(more: ToBeSure) -> str:
    """Return how far off the number of missing calls may be, as the rest of a sentence."""
    if more.invocations_range is None:
        return ""
    low, high = more.invocations_range
    return (
        f" (as few as {low} or as many as {high})" if high is not None else f" (as few as {low}, or no number of calls)"
    )


def _missed(candidates: list[_Candidate], plan: Plan) -> Recommendation:
    proven = sum(candidate.verdict == "misses" for candidate in candidates)
    each = f"each of the {proven} sizes measured misses it"
    if proven < len(candidates):
        each = (
            f"{proven} of the {len(candidates)} sizes measured are proven to miss it, and the others are slower "
            "than one of those"
        )
    sentence = f"No size meets {_targets(plan)}: {each} ({plan.confidence:.0%} confidence)."
    for candidate in sorted(candidates, key=lambda candidate: shortfall(candidate.evidence)):
        targets = nearest_feasible(candidate.evidence)
        if targets is not None:
            break
    else:
        return Recommendation("missed", f"{sentence} {_estimate(candidates, plan)}", plan.confidence)
    names = tuple(map(str, targets))
    sentence += f" The nearest that {candidate.memory_mb} MB meets is {' and '.join(names)}."
    return Recommendation(
        "missed", sentence, plan.confidence, nearest_feasible=names,
        frontier_mb=tuple(sorted(candidate.memory_mb for candidate in _frontier(candidates))),
    )  # fmt: skip


def _estimate(candidates: list[_Candidate], plan: Plan) -> str:
    """Return what the fastest size is about like, where too few calls were made to prove it."""
    fastest = min(candidates, key=lambda candidate: candidate.p50_ms)
    said = []
    for target in plan.targets:
        times_ms = fastest.evidence.times_ms(target)
        if len(times_ms) and np.isfinite(value := nearest_rank(times_ms, target.quantile)):
            said.append(f"{target.population}.{target.clock}.p{target.percentile:g} of about {value:.3g} ms")
    found = " and ".join(said) or f"p50 of {fastest.p50_ms:.1f} ms"
    return f"The fastest, {fastest.memory_mb} MB, has a {found} ({fastest.evidence.calls} calls, not proven)."


def _without_answer(evidence: Sequence[CellEvidence], plan: Plan) -> Recommendation:
    reasons = [f"{cell.cell.memory_mb} MB: {reason}" for cell in evidence if (reason := cell.failure())]
    if not reasons:
        return Recommendation("unproven", "Unproven: too few calls were measured to say anything.", plan.confidence)
    return Recommendation("invalid", f"No call succeeded at any size. {'; '.join(reasons)}.", plan.confidence)


def _frontier(candidates: list[_Candidate]) -> list[_Candidate]:
    """Return the candidates that no other beats in cost and in median at once, cheapest first."""
    frontier: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: (candidate.cost, candidate.p50_ms)):
        if not frontier or candidate.p50_ms < frontier[-1].p50_ms:
            frontier.append(candidate)
    return frontier


def _alternatives(best: _Candidate, candidates: list[_Candidate]) -> tuple[Alternative, ...]:
    """Return what else a user may prefer: sizes of the frontier that are faster, or cheaper, than the advice."""
    others = [
        candidate
        for candidate in _frontier([candidate for candidate in candidates if candidate.verdict != "misses"])
        if candidate is not best and abs(candidate.p50_ms - best.p50_ms) > _FASTER * best.p50_ms
    ]
    others.sort(key=lambda candidate: abs(candidate.score - best.score))
    return tuple(
        Alternative(candidate.memory_mb, candidate.cost, _comparison(candidate, best))
        for candidate in sorted(others[:_MAX_ALTERNATIVES], key=lambda candidate: candidate.cost)
    )


def _comparison(candidate: _Candidate, best: _Candidate) -> str:
    difference_ms = best.p50_ms - candidate.p50_ms
    word = "faster" if difference_ms > 0 else "slower"
    unproven = " (unproven)" if candidate.verdict == "unproven" and candidate.evidence.targets else ""
    return (
        f"{candidate.memory_mb} MB is {abs(difference_ms):.1f} ms {word} at p50 "
        f"for {candidate.cost / best.cost - 1:+.0%} cost{unproven}"
    )


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
