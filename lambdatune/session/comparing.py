"""Recorded runs, or sizes of runs, side by side: from their rows, by the targets of the first."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from lambdatune.model.compared import BestOverall, ComparedRun, Comparison, MonthAtTraffic
from lambdatune.model.errors import UsageError
from lambdatune.pricing.cost import decimals_of, money
from lambdatune.recommend.compare import cautions, require_comparable
from lambdatune.recommend.gate import RUNS_DIFFER
from lambdatune.recommend.matched import matched_sizes
from lambdatune.recommend.outlook import measured_score
from lambdatune.recommend.traffic import HOURS_PER_MONTH
from lambdatune.recommend.verdicts import MARGIN, Question, pair_verdict
from lambdatune.session.replay import RecordedRun, WhatIf
from lambdatune.session.run_directory import find_run
from lambdatune.session.standing_meter import StandingRates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lambdatune.model.comparison import PairVerdict
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import CellResult, RunResult
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence

_OF_A_SIZE = re.compile(r"(?P<run>.+):(?P<memory_mb>\d+)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A recorded run that a user named, and the size of it, where one was named.

    Attributes:
        text: as it was given.
        run: its rows.
        memory_mb: the size; None for all.
    """

    text: str
    run: RecordedRun
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, by the base's plan.

    Attributes:
        label: how it is called.
        result: of its run, decided by the base's targets.
        evidence: of its run.
        memory_mb: its only size; None for all.
    """

    label: str
    result: RunResult
    evidence: Evidence
    memory_mb: int | None

    @property
    def cells(self) -> tuple[CellResult, ...]:
        """What was measured of it."""
        return tuple(cell for cell in self.result.cells if self.memory_mb in {None, cell.memory_mb})

    def cell(self, memory_mb: int) -> CellEvidence:
        """Return the evidence at a size that it measured."""
        return next(cell for cell in self.evidence if cell.cell.memory_mb == memory_mb)

    @property
    def measured_mb(self) -> tuple[int, ...]:
        """Sizes of which there are calls, ascending."""
        return tuple(cell.memory_mb for cell in self.cells if cell.invocations)

    def best_mb(self, plan: Plan) -> int | None:
        """Return the size to compare at: that of the advice, else the best as far as measured; None without calls."""
        advised = self.result.recommendation.memory_mb
        if advised in self.measured_mb:
            return advised
        scores = {size: measured_score(self.cell(size), plan) for size in self.measured_mb}
        known = {size: score for size, score in scores.items() if score is not None}
        return min(known, key=known.__getitem__) if known else next(iter(self.measured_mb), None)


def open_reference(text: str, output: Path) -> Reference:
    """Return the recorded run that `text` names, as ``RUN`` or ``RUN:512``.

    Raises:
        UsageError: when it is not found, cannot be read, has no rows, or has no such size.
    """
    match = _OF_A_SIZE.fullmatch(text)
    try:
        run = find_run(text if match is None else match["run"], output)
    except UsageError:
        if match is None:
            raise
        run = find_run(text, output)  # a directory may have a colon in its name
        match = None
    recorded = RecordedRun(run)
    if recorded.record.spend.invocations and not len(recorded.rows):
        raise UsageError(
            f"run `{text}` has no rows to compare: {recorded.directory.rows_path} is missing or empty",
            hint="keep the whole directory of a run: run.json, invocations.csv and environments.csv",
        )
    if match is None:
        return Reference(text, recorded)
    size = int(match["memory_mb"])
    sizes = [cell.memory_mb for cell in recorded.record.cells]
    if size not in sizes:
        near = min(sizes, key=lambda each: abs(each - size)) if sizes else None
        raise UsageError(
            f"run {recorded.record.id} has not measured {size} MB: it has {', '.join(map(str, sizes))} MB",
            hint=f"the nearest is {match['run']}:{near}",
        )
    return Reference(text, recorded, size)


def compare(
    references: Sequence[Reference],
    *,
    margin: float = MARGIN,
    variants: Sequence[str] = (),
    what_if: WhatIf | None = None,
) -> Comparison:
    """Return recorded runs side by side, the first as the base.

    Args:
        references: two at least.
        margin: see `PairVerdict`.
        variants: what each is called, of runs that were measured side by side; empty for runs of different times,
            which what differs between the functions names.
        what_if: what to decide anew for; None: for what the base was made for.

    Raises:
        UsageError: when they must not be compared, naming what differs.
    """
    base = references[0].run
    plan = base.plan if what_if is None else what_if.applied_to(base.plan)
    question = Question.of_all([plan, *(reference.run.plan for reference in references[1:])])
    # Variants took turns; runs of different times differ by more than their calls tell.
    apart = 0.0 if variants else RUNS_DIFFER
    for reference in references[1:]:
        require_comparable(reference.run.record, base.record, clock=question.clock, together=bool(variants))
    sides = sides_of(references, plan, variants)
    told = [*_cautions(sides, together=bool(variants)), *_of_targets(references), *_of_standing(references, sides)]
    best_mb = {side.label: side.best_mb(plan) for side in sides}
    pairs = [
        pair
        for one, other in combinations(sides, 2)
        if (pair := _pair(one, other, *_sizes(one, other, best_mb, plan), plan, margin, question, apart)) is not None
    ]
    common = [
        pair
        for other in sides[1:]
        for size in sides[0].measured_mb
        if size in other.measured_mb and (sides[0].memory_mb is None or other.memory_mb is None)
        if (pair := _pair(sides[0], other, size, size, plan, margin, question, apart)) is not None
    ]
    return Comparison(
        targets=tuple(map(str, plan.targets)),
        strategy=plan.strategy,
        confidence=plan.confidence,
        currency=sides[0].evidence.tariff.currency,
        runs=tuple(_compared(side, best_mb[side.label]) for side in sides),
        pairs=tuple(pairs),
        at_common_sizes=tuple(common),
        best=_best(
            sides, pairs, plan, {side.label: each.run.plan for side, each in zip(sides, references, strict=True)}
        ),
        months=tuple(month for side in sides for month in _month_of(side)),
        cautions=tuple(dict.fromkeys([*told, *(caution for pair in pairs for caution in pair.cautions)])),
    )


def _sizes(one: Side, other: Side, best_mb: Mapping[str, int | None], plan: Plan) -> tuple[int | None, int | None]:
    """Return at which sizes two sides are compared."""
    one_mb, other_mb = best_mb[one.label], best_mb[other.label]
    if one_mb is None or other_mb is None or {one.memory_mb, other.memory_mb} != {None}:
        return one_mb, other_mb
    return matched_sizes(one.evidence, other.evidence, one_mb, other_mb, plan)


def sides_of(references: Sequence[Reference], plan: Plan, variants: Sequence[str] = ()) -> list[Side]:
    """Return each reference decided by the targets, strategy, confidence and cold rate of `plan`, with its label."""
    asked = WhatIf(
        plan.targets, plan.strategy, plan.confidence, plan.cold_rate, plan.traffic_per_s, plan.traffic_cold_rate
    )
    labels = variants or _labels(references)
    sides = []
    for reference, label in zip(references, labels, strict=True):
        run = reference.run
        evidence = run.evidence(asked.applied_to(run.plan))
        sides.append(Side(label, run.decide(asked), evidence, reference.memory_mb))
    return sides


def _labels(references: Sequence[Reference]) -> list[str]:
    """Return names that differ: of what differs between the functions, the size where one is named, else the run."""
    records = [reference.run.record for reference in references]
    parts = [
        (record.function.name, record.function.runtime, record.architectures, ", ".join(record.given))
        for record in records
    ]
    differ = [len(set(values)) > 1 for values in zip(*parts, strict=True)]
    # What differs names a side; where a run differs in nothing from another it is told by its id.
    shown = [[part for part, differs in zip(each, differ, strict=True) if differs and part] for each in parts]
    sizes = [None if reference.memory_mb is None else f"{reference.memory_mb} MB" for reference in references]
    named = [" ".join([*each, *([size] if size else [])]) for each, size in zip(shown, sizes, strict=True)]
    counts = Counter(named)
    ids = [reference.run.record.id for reference in references]
    return [
        name if name and counts[name] == 1 else f"{name} {run_id}".strip()
        for name, run_id in zip(named, ids, strict=True)
    ]


def _cautions(sides: Sequence[Side], *, together: bool) -> list[str]:
    base = sides[0].result
    return [caution for side in sides[1:] for caution in cautions(side.result, base, together=together)]


def _of_targets(references: Sequence[Reference]) -> list[str]:
    base = references[0].run.plan
    others = [each.run for each in references[1:] if each.run.plan.targets != base.targets]
    if not others:
        return []
    by = " and ".join(map(str, base.targets)) or "no target"
    return [f"run {run.record.id} had other targets: all are judged by those of the first, {by}" for run in others]


def _month_of(side: Side) -> tuple[MonthAtTraffic, ...]:
    """Return what a side costs a month at the traffic of the plan; nothing without one."""
    advice = side.result.cold_start_advice
    if advice is None:
        return ()
    on_demand = advice.options[0]
    return (
        MonthAtTraffic(
            side.label, advice.memory_mb, advice.traffic_per_s, on_demand.usd_per_month, advice.cold_usd_per_month,
            on_demand.cold_calls_per_day,
        ),
    )  # fmt: skip


def _of_standing(references: Sequence[Reference], sides: Sequence[Side]) -> list[str]:
    """Return what is billed beside the calls of a side, and so is in no cost per million of them."""
    found = []
    for reference, side in zip(references, sides, strict=True):
        environments, size = reference.run.plan.provisioned_concurrency, side.best_mb(reference.run.plan)
        if not environments or size is None:
            continue
        tariff = side.evidence.tariff
        usd = StandingRates(tariff.prices, environments).per_hour(size) * HOURS_PER_MONTH
        month = money(usd, tariff.currency, decimals_of(usd))
        found.append(
            f"the cost of {side.label} leaves out what its provisioned environments ({environments} of {size} MB) "
            f"cost by time, {month} a month whether calls come or not; `show RUN --traffic` reckons with both"
        )
    return found


def _pair(
    one: Side,
    other: Side,
    one_mb: int | None,
    other_mb: int | None,
    plan: Plan,
    margin: float,
    question: Question,
    apart: float,
) -> PairVerdict | None:
    if one_mb is None or other_mb is None:
        return None
    labels = [
        side.label if side.memory_mb is not None or one_mb == other_mb else f"{side.label} at {size} MB"
        for side, size in ((one, one_mb), (other, other_mb))
    ]
    verdict = pair_verdict(
        one.cell(one_mb),
        other.cell(other_mb),
        base_label=labels[0],
        other_label=labels[1],
        plan=plan,
        margin=margin,
        question=question,
        apart=0.0 if one.result.id == other.result.id else apart,
    )
    return replace(verdict, base=one.label, other=other.label)


def _compared(side: Side, best_mb: int | None) -> ComparedRun:
    result = side.result
    return ComparedRun(
        label=side.label,
        id=result.id,
        started=result.started,
        function=result.function,
        status=result.recommendation.status,
        best_memory_mb=best_mb,
        cells=tuple(replace(cell, histograms={}) for cell in side.cells),
    )


def _best(
    sides: Sequence[Side], pairs: Sequence[PairVerdict], plan: Plan, plans: Mapping[str, Plan]
) -> BestOverall | None:
    """Return the best size of all sides: of those that meet the targets, the one that the strategy picks."""
    scores: dict[str, tuple[float, int]] = {}
    for side in sides:
        size = side.best_mb(plan)
        advice = side.result.recommendation
        verdict = None if size is None else side.cell(size).verdict
        allowed = advice.status != "invalid" and (verdict == "meets" or not plan.targets)
        score = None if size is None or not allowed else measured_score(side.cell(size), plan)
        if size is not None and score is not None:
            scores[side.label] = score, size
    if not scores:
        return None
    label = min(scores, key=scores.__getitem__)
    size = scores[label][1]
    side = next(each for each in sides if each.label == label)
    cost = side.cell(size).blended_cost_per_million(plan.cold_rate)
    rivals = [pair for pair in pairs if label in {pair.base, pair.other} and {pair.base, pair.other} <= set(scores)]
    is_shown = all(_leads(pair, label, plan) for pair in rivals)
    whole = label if side.memory_mb is not None else f"{label} at {size} MB"
    superlative = {"cheapest": "cheapest", "fastest": "fastest", "balanced": "best balance of cost and time"}
    of = " of those that meet the targets" if plan.targets else ""
    lead = "" if is_shown or not rivals else ", by a lead that may be chance"
    if plans[label].provisioned_concurrency and plan.strategy != "fastest":
        lead += ", without what its provisioned environments cost by time"
    left = [each.label for each in sides if each.label not in scores]
    others = f"; {', '.join(left)} cannot be recommended" if left else ""
    return BestOverall(
        label, size, cost, is_shown, f"best overall: {whole}, the {superlative[plan.strategy]}{of}{lead}{others}"
    )


def _leads(pair: PairVerdict, label: str, plan: Plan) -> bool:
    """Whether a pair shows what the strategy picks by."""
    is_other = pair.other == label
    cheaper, faster = (
        effect.word == (less if is_other else more)
        for effect, less, more in ((pair.cost, "cheaper", "dearer"), (pair.time, "faster", "slower"))
    )
    return {"cheapest": cheaper, "fastest": faster, "balanced": cheaper or faster}[plan.strategy]
