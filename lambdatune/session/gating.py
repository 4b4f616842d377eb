"""A baseline at work: read from its files, held against a run while that measures, and against recorded runs.

Kept where a baseline is: a run's directory with ``run.json``, ``invocations.csv`` and, where there is one,
``environments.csv``; in a repository as in the user's data directory.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.model.errors import InvalidMeasurement, LambdatuneError, UsageError
from lambdatune.model.quantities import parse_share
from lambdatune.recommend.compare import cautions, require_comparable
from lambdatune.recommend.drift import drift_of, size_to_follow
from lambdatune.recommend.gate import GATE_MARGIN, Baseline, GateSettings, counted, gate, gate_question
from lambdatune.recommend.search import Ask
from lambdatune.session.comparing import open_reference
from lambdatune.session.replay import WhatIf
from lambdatune.session.run_directory import RUN_FILE, list_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lambdatune.model.gate import Drift, GateReport
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import RunResult
    from lambdatune.recommend.evidence import CellEvidence, Evidence
    from lambdatune.session.comparing import Reference
    from lambdatune.session.setting_table import Given

DRIFT_RUNS = 10
"""Runs that a drift is looked for in, when no number is given."""

_ROUNDS = 4
"""Rounds in which a red is measured again, each on environments of its own."""

_FEWEST_AGAIN, _MOST_AGAIN = 100, 600
"""Warm calls of a red size at the second look besides those of the first, which they at least equal between these."""

_MOST_ENVIRONMENTS = 10
_BLOCK = 50
"""Calls of an order at the most when the run gets as many as its baseline."""


class Gate:
    """Holds runs against a baseline.

    Args:
        reference: the baseline.
        settings: margin, and what becomes of what is inconclusive.

    Raises:
        InvalidMeasurement: when the baseline tells nothing: it is invalid, or no call of it succeeded.
    """

    def __init__(self, reference: Reference, settings: GateSettings | None = None) -> None:
        self.reference = reference
        self.settings = settings or GateSettings()
        self._counts: dict[int, int] | None = None
        record = reference.run.result()
        why = None
        if not record.validity.valid:
            why = f"it is invalid: {'; '.join(record.validity.reasons)}"
        elif not any(cell.warm.duration_ms.count or cell.cold.total_ms.count for cell in record.cells):
            why = "no call of it succeeded"
        if why is not None:
            raise InvalidMeasurement(
                f"run {record.id} is no baseline: {why}", hint="measure one on the code that is known to be good"
            )

    @property
    def id(self) -> str:
        """The baseline's id."""
        return self.reference.run.record.id

    @property
    def advised_mb(self) -> int | None:
        """The size that the baseline advises, or the one that was named of it."""
        return self.reference.memory_mb or self.reference.run.record.recommendation.memory_mb

    def calls_at(self, memory_mb: int, plan: Plan) -> int:
        """Return how many calls of the baseline at a size tell of the tail that `plan` asks about."""
        if self._counts is None:
            cells = self.reference.run.evidence(self.reference.run.plan)
            self._counts = {cell.cell.memory_mb: counted(cell, gate_question(plan)) for cell in cells}
        return self._counts.get(memory_mb, 0)

    def check(self, result: RunResult, plan: Plan) -> None:
        """Check that a run can be held against the baseline, before it is made or after.

        Raises:
            UsageError: naming what differs.
        """
        require_comparable(result, self.reference.run.record, clock=gate_question(plan).clock)

    def report(self, evidence: Sequence[CellEvidence], plan: Plan) -> GateReport:
        """Return what the rows of a run show against the baseline."""
        recorded = self.reference.run
        asked = WhatIf(plan.targets, plan.strategy, plan.confidence, plan.cold_rate)
        before = recorded.evidence(asked.applied_to(recorded.plan))
        chosen = tuple(cell for cell in before if self.reference.memory_mb in {None, cell.cell.memory_mb})
        baseline = Baseline(recorded.record.id, recorded.record.started, chosen, self.advised_mb)
        return gate(baseline, evidence, plan, self.settings)


class RedAgain:
    """Asks for the calls that a gate takes beyond those of the search.

    Where the run has fewer than the baseline at the size that this advises, it gets as many. What is red then is
    measured again before it fails: as many calls once more, in rounds on environments of their own.

    Args:
        gate: what the run is held against.
        narrate: is told what is red.
    """

    def __init__(self, gate: Gate, narrate: Callable[[str], None]) -> None:
        self._gate = gate
        self._narrate = narrate
        self._levelled: int | None = None
        self._rounds: list[tuple[Ask, ...]] | None = None
        self._first: GateReport | None = None

    def further(self, evidence: Evidence, plan: Plan) -> tuple[Ask, ...]:
        """Return the next calls to make when the search is satisfied; none when nothing is red, or it was done."""
        missing = self._missing(evidence, plan) if self._rounds is None else None
        if missing is not None:
            return (missing,)
        if self._rounds is None:
            self._first = self._gate.report(evidence, plan)
            red = [check for check in self._first.checks if check.outcome == "regression"]
            if red:
                self._narrate(f"red against baseline {self._gate.id}: {'; '.join(check.sentence for check in red)}")
                self._narrate("measuring that again before it fails")
            sizes = sorted({check.memory_mb for check in red})
            self._rounds = _rounds([cell for cell in evidence if cell.cell.memory_mb in sizes], plan)
        return self._rounds.pop(0) if self._rounds else ()

    def _missing(self, evidence: Evidence, plan: Plan) -> Ask | None:
        """Return some of the warm calls that the run has fewer than the baseline at the size that this advises."""
        size = self._gate.advised_mb
        question = gate_question(plan)
        cell = next((cell for cell in evidence if cell.cell.memory_mb == size), None)
        # A size of which no call succeeds gets no more.
        if cell is None or question.population == "cold" or (cell.calls and not cell.warm_calls):
            return None
        short = min(self._gate.calls_at(cell.cell.memory_mb, plan), _MOST_AGAIN) - counted(cell, question)
        if short <= 0 or self._levelled == cell.warm_sent:
            return None
        if self._levelled is None:
            self._narrate(f"{short} more calls at {size} MB, as many as the baseline {self._gate.id} has")
        # Calls that bring nothing that counts are not asked for again.
        self._levelled = cell.warm_sent
        return Ask(cell.cell.memory_mb, max(min(short, _BLOCK), plan.warm_block))

    def told(self, report: GateReport) -> GateReport:
        """Return the report of the last look with what was found at the first."""
        first = self._first
        red = () if first is None else tuple(each.sentence for each in first.checks if each.outcome == "regression")
        if not red:
            return report
        if self._rounds:
            return replace(
                report, cautions=(*report.cautions, "a limit ended the run before the red was measured again")
            )
        return replace(report, looks=2, measured_again=red)


def _rounds(cells: list[CellEvidence], plan: Plan) -> list[tuple[Ask, ...]]:
    """Return calls for red sizes in rounds: new environments, then warm calls on them, the sizes in random order."""
    rng = random.Random(plan.seed)  # noqa: S311  an order of measuring, not a secret
    fresh = min(plan.concurrency, _MOST_ENVIRONMENTS) if plan.cold_starts and plan.isolation != "current" else 0
    rounds = []
    for _ in range(_ROUNDS if cells else 0):
        asks = []
        for cell in rng.sample(cells, len(cells)):
            calls = min(max(cell.warm_sent, _FEWEST_AGAIN), _MOST_AGAIN)
            part = max(math.ceil(calls / _ROUNDS), plan.warm_block)
            asks += [Ask(cell.cell.memory_mb, fresh, cold=True)] if fresh else []
            asks.append(Ask(cell.cell.memory_mb, part))
        rounds.append(tuple(asks))
    return rounds


def gate_of(given: Mapping[str, Given], output: Path) -> Gate | None:
    """Return the gate that options and a profile ask for; None without a baseline.

    Args:
        given: ``baseline``, ``gate-margin`` and ``inconclusive``, as far as they are given.
        output: where runs are looked for.

    Raises:
        UsageError: naming the option or key that is wrong.
        InvalidMeasurement: when the baseline tells nothing.
    """
    settings = gate_settings(given)
    baseline = given.get("baseline")
    if baseline is None:
        if given:
            name = next(iter(given))
            raise UsageError(f"{given[name].origin} belongs to a gate, and there is no baseline", hint="add --baseline")
        return None
    placed = baseline.directory / baseline.value
    text = str(placed) if placed.exists() else str(baseline.value)
    return Gate(open_baseline(text, output, baseline.origin), settings)


def gate_settings(given: Mapping[str, Given]) -> GateSettings:
    """Return margin and treatment of the inconclusive.

    Raises:
        UsageError: naming the option or key that is wrong.
    """
    settings = GateSettings()
    if "gate-margin" in given:
        setting = given["gate-margin"]
        try:
            settings = replace(settings, margin=parse_share(setting.value))
        except UsageError as error:
            raise UsageError(
                f"{setting.origin}: {error.message}", hint=f"for example {100 * GATE_MARGIN:g}%"
            ) from error
    if "inconclusive" in given:
        setting = given["inconclusive"]
        if setting.value not in {"pass", "fail"}:
            raise UsageError(f"{setting.origin}: `{setting.value}` is not a way to end", hint="pass or fail")
        settings = replace(settings, inconclusive=setting.value)
    return settings


def open_baseline(text: str, output: Path, origin: str) -> Reference:
    """Return the baseline that `text` names.

    Raises:
        UsageError: naming `origin`, and what is missing of a baseline that is kept in a repository.
    """
    path = Path(text)
    directory = path.parent if path.name == RUN_FILE else path
    if path.exists() and not (directory / RUN_FILE).is_file():
        raise UsageError(
            f"{origin}: `{path}` is no baseline: it has no {RUN_FILE}",
            hint="copy a run's directory there: run.json, invocations.csv and environments.csv",
        )
    try:
        return open_reference(text, output)
    except UsageError as error:
        raise UsageError(f"{origin}: {error.message}", hint=error.hint) from error


def gate_recorded(gate: Gate, reference: Reference) -> GateReport:
    """Return what a recorded run shows against the baseline.

    Raises:
        UsageError: when they must not be compared.
        InvalidMeasurement: when the run is invalid, or no call of it succeeded.
    """
    recorded, plan = reference.run, reference.run.plan
    record = recorded.result()
    gate.check(record, plan)
    if not record.validity.valid:
        raise InvalidMeasurement(
            f"run {record.id} is invalid: {'; '.join(record.validity.reasons)}", hint="measure it again"
        )
    if not any(cell.warm.duration_ms.count or cell.cold.total_ms.count for cell in record.cells):
        raise InvalidMeasurement(
            f"no call of run {record.id} succeeded: there is nothing to hold against a baseline",
            hint=f"`lambdatune show {record.id}` tells how its calls ended",
        )
    evidence = recorded.evidence(plan)
    chosen = [cell for cell in evidence if reference.memory_mb in {None, cell.cell.memory_mb}]
    report = gate.report(chosen, plan)
    if report.outcome == "regression":
        again = "a recorded run is not measured again: `lambdatune run --baseline` does so before it fails"
        report = replace(report, cautions=(*report.cautions, again))
    return with_cautions(report, record, gate)


def with_cautions(report: GateReport, result: RunResult, gate: Gate) -> GateReport:
    """Return a report with what a reader should know of both runs."""
    return replace(report, cautions=(*report.cautions, *cautions(result, gate.reference.run.record)))


def drifts(result: RunResult, output: Path, runs: int = DRIFT_RUNS, memory_mb: int | None = None) -> tuple[Drift, ...]:
    """Return the drift over the last runs below `output` that a run may be compared with, itself the last.

    Args:
        result: the run.
        output: where the runs are.
        runs: how many at the most, the run among them.
        memory_mb: the size to follow; that of the advice where it is None.
    """
    found = [result]
    for directory in reversed(list_runs(output)):
        if len(found) >= runs:
            break
        if directory.id >= result.id:
            continue
        try:
            other = directory.read()
            require_comparable(result, other)
        except LambdatuneError:
            continue
        if other.function.name == result.function.name and other.status == "complete" and other.validity.valid:
            found.append(other)
    found.reverse()
    size = size_to_follow(found, memory_mb or result.recommendation.memory_mb)
    return () if size is None else (drift_of(found, size),)
