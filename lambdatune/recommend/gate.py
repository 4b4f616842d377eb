"""The regression gate: whether a run is slower, dearer or more faulty than its baseline by more than a margin.

Of each size that both measured well enough four figures are held against the baseline's: the tail (the percentile that
the targets name, p95 without one), the median, the cost per million calls, and the share of calls that failed. Each is
a regression when the lower confidence bound of its ratio is above the margin. **Error**: ``1 - confidence`` is split
over the sizes (half of it for the one that the baseline advises), and over the figures of a size as in `WEIGHTS`, so
that a run that is no worse gets no regression at all with probability `confidence` at least.

**Which sizes, and which tail.** Those at which both sides have the calls that bound a tail at all: where they are too
few for the percentile that is asked about, the highest of `LADDER` that they bound. It depends on numbers of calls, so
that choosing is no look at the figures.

**A red is measured again** before it fails (`lambdatune.session.gating`). What is red at the first look and not at the
second is none, so that the second look alone decides how often a false red comes out; it has the whole error.

**Two runs, two moments.** A baseline was measured at another time, and maybe on other hosts of the same kind: what runs
of the same code differ by (`RUNS_DIFFER`) is supposed and added to each interval. On a host whose cores other programs
keep busy it is more, as much as the orders of a run differ from each other: what comes and goes within seconds comes
and goes within minutes as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.gate import GateCheck, GateReport
from lambdatune.recommend.verdict_words import measure_name
from lambdatune.recommend.verdicts import Question, mean_cost, times_of
from lambdatune.stats.counts import chance_of_as_many
from lambdatune.stats.resampling import calls_that_bound, mean_ratio, quantile_ratios, spread_between
from lambdatune.stats.rows import clock_ms, is_cold, is_error, is_ok, is_throttled, is_warm
from lambdatune.stats.summary import described, nearest_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambdatune.model.gate import GateOutcome, Inconclusive
    from lambdatune.model.plan import Plan
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.stats.comparison import Ratio
    from lambdatune.stats.resampling import Sample

GATE_MARGIN = 0.05
"""More than the 3 % that two sizes of one run may differ by, since two runs were made at different times; and below the
10 % that most gates on a point estimate take (statistics.md 6)."""

MUST_SEE = 0.25
"""A check that leaves a slow-down of this much open has not checked: it is inconclusive."""

RUNS_DIFFER = 0.015
"""Standard deviation of the logarithm of a figure between runs of the same code on hosts of the same kind."""

WEIGHTS = {"tail": 0.4, "median": 0.2, "cost": 0.2, "errors": 0.2}
"""Shares of a size's error. The tail needs the most calls, so it has the most."""

LADDER = (99.0, 95.0, 90.0)
"""Percentiles that stand in for a higher one that the calls do not bound."""

_TAIL = 95.0
_FEWEST_OF_A_TAIL = 10
"""Calls of an order from which on its p90 is not just its slowest call."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How a run is held against a baseline.

    Attributes:
        margin: a ratio up to ``1 + margin`` is no regression in practice; 0 or more.
        inconclusive: whether what is inconclusive passes.
    """

    margin: float = GATE_MARGIN
    inconclusive: Inconclusive = "pass"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a run is held against.

    Attributes:
        id: of the run.
        started: when it was measured.
        evidence: its rows.
        best_mb: the size that it advises; None without one.
        is_shaken: whether it, or the run, was measured on a host whose cores were busy.
    """

    id: str
    started: str
    evidence: Sequence[CellEvidence]
    best_mb: int | None = None
    is_shaken: bool = False


def gate(baseline: Baseline, evidence: Sequence[CellEvidence], plan: Plan, settings: GateSettings) -> GateReport:
    """Return what the rows of a run show against its baseline.

    Args:
        baseline: what the run is held against.
        evidence: of the run.
        plan: of the run: its targets name the percentile, its confidence is that of the whole gate.
        settings: margin, and what becomes of what is inconclusive.
    """
    question = gate_question(plan)
    gated, not_gated, lowered = _gated_sizes(baseline, evidence, question, plan.confidence)
    sizes = [base.cell.memory_mb for base, _, _ in gated]
    checks = [
        check
        for base, other, tail in gated
        for check in _checks(
            _Pair(
                base, other, plan, replace(question, percentile=tail), settings,
                error=(1 - plan.confidence) * _share(base.cell.memory_mb, sizes, baseline.best_mb),
                is_shaken=baseline.is_shaken,
            )
        )
    ]  # fmt: skip
    report = GateReport(
        baseline=baseline.id,
        baseline_started=baseline.started,
        margin=settings.margin,
        confidence=plan.confidence,
        inconclusive=settings.inconclusive,
        outcome="inconclusive",
        sentence="",
        checks=tuple(checks),
        not_gated=tuple(not_gated),
        cautions=tuple(lowered),
    )
    return told(report, best_mb=baseline.best_mb)


def _share(memory_mb: int, sizes: list[int], best_mb: int | None) -> float:
    """Return a size's share of the error: half is the advised size's, which is the one in use."""
    if best_mb not in sizes or len(sizes) == 1:
        return 1 / len(sizes)
    return 0.5 if memory_mb == best_mb else 0.5 / (len(sizes) - 1)


def told(report: GateReport, *, best_mb: int | None) -> GateReport:
    """Return a report with its outcome and sentence as its checks give them.

    A regression at any size is one. What is inconclusive makes the whole so at the size that the baseline advises;
    where it advises none, at any.
    """
    red = [check for check in report.checks if check.outcome == "regression"]
    decisive = {check.memory_mb for check in report.checks if check.memory_mb == best_mb or best_mb is None}
    open_ = [check for check in report.checks if check.outcome == "inconclusive" and check.memory_mb in decisive]
    against = f"against baseline {report.baseline} ({report.baseline_started[:10]})"
    if red:
        worst = "; ".join(check.sentence for check in red[:3])
        more = f"; and {len(red) - 3} more" if len(red) > 3 else ""
        return replace(report, outcome="regression", sentence=f"REGRESSION {against}: {worst}{more}")
    then = (
        "it passes, because what is inconclusive passes unless told otherwise (--inconclusive fail)"
        if report.inconclusive == "pass"
        else "it fails, as --inconclusive fail asks"
    )
    if not report.checks:
        why = "; ".join(report.not_gated[:2]) or "the two runs have no size in common"
        return replace(
            report, outcome="inconclusive", sentence=f"INCONCLUSIVE {against}: NOTHING WAS CHECKED: {why}; {then}"
        )
    missing = best_mb is not None and all(check.memory_mb != best_mb for check in report.checks)
    if open_ or missing:
        why = "; ".join(check.sentence for check in open_[:3])
        if missing:
            advised = next((each for each in report.not_gated if each.startswith(f"{best_mb} MB")), None)
            why = "; ".join(
                filter(None, (advised or f"{best_mb} MB, which the baseline advises, was not checked", why))
            )
        return replace(report, outcome="inconclusive", sentence=f"INCONCLUSIVE {against}: {why}; {then}")
    sizes = sorted({check.memory_mb for check in report.checks})
    at = ", ".join(map(str, sizes))
    highs = [check.high for check in report.checks if check.high is not None and check.memory_mb in decisive]
    where = "" if best_mb is None else f" at {best_mb} MB"
    most = f"; nothing{where} is more than {100 * (max(highs) - 1):.0f} % worse" if highs and max(highs) > 1 else ""
    return replace(
        report,
        outcome="no regression shown",
        sentence=f"no regression shown {against}: {len(report.checks)} checks at {at} MB, margin "
        f"{100 * report.margin:g} %{most}",
    )


def gate_question(plan: Plan) -> Question:
    """Return what the gate's tail is: the percentile that the targets name; p95 of warm calls without one."""
    return Question.of(plan) if plan.targets else Question(percentile=_TAIL)


def calls_needed(percentile: float, confidence: float) -> int:
    """Return the calls of a size that each side needs for a percentile to be checked, were it the only size."""
    return calls_that_bound(percentile / 100, 1 - (1 - confidence) * WEIGHTS["tail"] * 2)


def counted(cell: CellEvidence, question: Question) -> int:
    """Return how many calls of a cell tell of its tail."""
    return len(times_of(cell, question.population, question.clock).values)


def _tail_of(question: Question, calls: int, confidence: float) -> float | None:
    """Return the percentile to check with so many calls on the side that has fewer; None when none is bounded."""
    lower = (percentile for percentile in LADDER if percentile < question.percentile)
    for percentile in (question.percentile, *lower):
        if calls >= calls_needed(percentile, confidence):
            return percentile
    return None


def _gated_sizes(
    baseline: Baseline, evidence: Sequence[CellEvidence], question: Question, confidence: float
) -> tuple[list[tuple[CellEvidence, CellEvidence, float]], list[str], list[str]]:
    """Return the cells to check with the tail of each, why other sizes are not checked, and where the tail is lower."""
    others = {cell.cell.memory_mb: cell for cell in evidence}
    gated: list[tuple[CellEvidence, CellEvidence, float]] = []
    not_gated, lowered = [], []
    asked = measure_name(question.percentile).replace("_", ".")
    for base in sorted(baseline.evidence, key=lambda cell: cell.cell.memory_mb):
        size = base.cell.memory_mb
        other = others.get(size)
        if not base.calls:
            continue
        if other is None or not other.calls:
            not_gated.append(f"{size} MB was not measured in this run")
            continue
        before, here = counted(base, question), counted(other, question)
        # A size of which every call failed has no tail: that they fail is what is checked.
        fewest = before if not is_ok(other.rows).any() else min(before, here)
        tail = _tail_of(question, fewest, confidence)
        calls = f"{before} {question.population} calls in the baseline and {here} in this run"
        if tail is None:
            needed = calls_needed(LADDER[-1], confidence)
            not_gated.append(
                f"{size} MB has too few calls to check: {calls}, and p{LADDER[-1]:g} takes {needed} in each"
            )
            continue
        if tail != question.percentile:
            needed = calls_needed(question.percentile, confidence)
            lowered.append(f"{size} MB is checked at p{tail:g}: {asked} takes {needed} in each, and there are {calls}")
        gated.append((base, other, tail))
    return gated, not_gated, lowered


@dataclass(frozen=True, slots=True)
class _Pair:
    """One size of both runs, and how it is checked.

    Attributes:
        question: which calls, and the tail.
        error: of all of its checks together.
        is_shaken: whether one of the runs was measured on a busy host.
    """

    base: CellEvidence
    other: CellEvidence
    plan: Plan
    question: Question
    settings: GateSettings
    error: float
    is_shaken: bool

    @property
    def cells(self) -> tuple[CellEvidence, CellEvidence]:
        return self.base, self.other


def _checks(pair: _Pair) -> list[GateCheck]:
    return [*_time_checks(pair), _cost_check(pair), _errors_check(pair)]


def _time_checks(pair: _Pair) -> list[GateCheck]:
    question = pair.question
    weights = {question.percentile: WEIGHTS["tail"]}
    if question.percentile > 50:
        weights = {50.0: WEIGHTS["median"], **weights}
    checks = []
    # On a quiet host all percentiles of a run differ from another's alike, and share their draws.
    for percentiles in [[each] for each in weights] if pair.is_shaken else [list(weights)]:
        sides = [
            _apart(times_of(cell, question.population, question.clock), _runs_differ(pair, cell, percentiles[-1]))
            for cell in pair.cells
        ]
        confidences = [1 - 2 * pair.error * weights[percentile] for percentile in percentiles]
        quantiles = [percentile / 100 for percentile in percentiles]
        ratios = quantile_ratios(sides[1], sides[0], quantiles, confidences, np.random.default_rng(pair.plan.seed))
        fewest = min(len(side.values) for side in sides)
        for percentile, confidence, ratio in zip(percentiles, confidences, ratios, strict=True):
            figures = [nearest_rank(side.values, percentile / 100) if len(side.values) else None for side in sides]
            measure = f"{question.population}.{question.clock}.{measure_name(percentile)}"
            needed = calls_that_bound(percentile / 100, confidence)
            thin = f"{fewest} calls, and {needed} in each run would bound it" if fewest < needed else None
            checks.append(_check(pair, measure, figures, ratio, thin))
    return checks


def _cost_check(pair: _Pair) -> GateCheck:
    means = [mean_cost(cell, pair.plan.cold_rate, unseen=_runs_differ(pair, cell, 50.0)) for cell in pair.cells]
    confidence = 1 - 2 * pair.error * WEIGHTS["cost"]
    found = None if means[0] is None or means[1] is None else mean_ratio(means[1], means[0], confidence)
    return _check(pair, "cost", [None if mean is None else mean.point for mean in means], found, None)


def _runs_differ(pair: _Pair, cell: CellEvidence, percentile: float) -> float:
    """Return the spread of a figure between runs that is supposed: on a busy host at least that between orders.

    Waiting for a core makes the tail of an order differ more than its mean does.
    """
    if not pair.is_shaken:
        return RUNS_DIFFER
    rows, question = cell.rows, pair.question
    chosen = described(rows) & (is_cold(rows) if question.population == "cold" else is_warm(rows))
    times_ms = clock_ms(rows[chosen], question.clock)
    known = ~np.isnan(times_ms)
    times_ms, orders = times_ms[known], rows["order"][chosen][known].astype(np.int64)
    apart = spread_between(times_ms, orders)
    if percentile > 50:
        apart = max(apart, _tails_differ(times_ms, orders))
    return math.hypot(RUNS_DIFFER, apart)


def _tails_differ(times_ms: NDArray[np.float64], orders: NDArray[np.int64]) -> float:
    """Return the standard deviation of the logarithm of the p90 of orders; 0 for fewer than two with calls enough."""
    tails = [
        nearest_rank(times_ms[orders == order], 0.9)
        for order in np.unique(orders)
        if np.count_nonzero(orders == order) >= _FEWEST_OF_A_TAIL
    ]
    return float(np.std(np.log(tails), ddof=1)) if len(tails) > 1 and min(tails) > 0 else 0.0


def _check(pair: _Pair, measure: str, figures: list[float | None], ratio: Ratio | None, thin: str | None) -> GateCheck:
    size, settings = pair.other.cell.memory_mb, pair.settings
    name = f"{measure.replace('_', '.')} at {size} MB"
    low, high = (None, None) if ratio is None else (ratio.low, ratio.high)
    outcome: GateOutcome = "no regression shown"
    if ratio is None:
        return GateCheck(
            size, measure, figures[0], figures[1], None, None, None, settings.margin,
            "inconclusive", f"{name} is not known: no call of it succeeded",
        )  # fmt: skip
    interval = f"{_end(low)} to {_end(high)}"
    times = f"{name} is {ratio.point:.2f}x the baseline's ({interval})"
    if low is not None and low > 1 + settings.margin:
        outcome, sentence = "regression", f"{times}, at least {100 * (low - 1):.0f} % more"
    elif high is None or high > 1 + max(MUST_SEE, settings.margin):
        outcome = "inconclusive"
        sentence = f"{times}: that leaves {'any' if high is None else f'up to {100 * (high - 1):.0f} %'} more open"
        sentence += f" ({thin})" if thin else ""
    elif low is None:
        outcome, sentence = "inconclusive", f"{times} ({thin})" if thin else times
    else:
        sentence = times
    return GateCheck(size, measure, figures[0], figures[1], ratio.point, low, high, settings.margin, outcome, sentence)


def _end(value: float | None) -> str:
    return "not bounded" if value is None else f"{value:.2f}x"


def _errors_check(pair: _Pair) -> GateCheck:
    """Return whether the share of calls that failed rose: Fisher's exact test, one-sided."""
    size, error = pair.other.cell.memory_mb, pair.error * WEIGHTS["errors"]
    (failed_before, before), (failed, calls) = (_failed(cell) for cell in pair.cells)
    shares = [failed_before / before if before else None, failed / calls if calls else None]
    told_ = f"{failed} of {calls} calls at {size} MB failed, and {failed_before} of {before} of the baseline"
    outcome: GateOutcome = "no regression shown"
    if not calls or not before:
        outcome = "inconclusive"
    elif shares[1] is not None and shares[0] is not None and shares[1] > shares[0]:
        chance = chance_of_as_many(failed, calls, failed_before, before)
        outcome = "regression" if chance <= error or failed == calls else "inconclusive"
    return GateCheck(size, "errors", shares[0], shares[1], None, None, None, pair.settings.margin, outcome, told_)


def _failed(cell: CellEvidence) -> tuple[int, int]:
    """Return how many calls failed, of how many that were not throttled."""
    rows = cell.rows
    return int(np.count_nonzero(is_error(rows))), int(np.count_nonzero(~is_throttled(rows)))


def _apart(sample: Sample, apart: float) -> Sample:
    return replace(sample, unseen=math.hypot(sample.unseen, apart))
