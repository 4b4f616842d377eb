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
from lambdatune.recommend.matched import best_as_measured
from lambdatune.recommend.search import Ask
from lambdatune.recommend.verdicts import ENOUGH_CLUSTERS
from lambdatune.session.comparing import open_reference
from lambdatune.session.replay import WhatIf
from lambdatune.session.run_directory import RUN_FILE, list_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lambdatune.model.gate import Drift, GateReport
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import RunResult
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.comparing import Reference
    from lambdatune.session.setting_table import Given

DRIFT_RUNS = 10
"""Runs that a drift is looked for in, when no number is given."""

GATE_CALLS = 200
"""Warm calls at the size that the baseline advises: they find a slow-down of 25 % (statistics.md 6)."""

_FEWEST_AGAIN, _MOST_CALLS = 100, 600
"""Warm calls of a size that a gate asks for at the least at its second look, and at the most at each."""

_MOST_ENVIRONMENTS = 10
_BUSY_HOST_PERCENT = 90.0
"""From here on calls wait for a core now and then; what is not in use is too little for the next call."""


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
        plan = reference.run.plan
        self._best_mb = record.recommendation.memory_mb or best_as_measured(reference.run.evidence(plan), plan)

    @property
    def id(self) -> str:
        """The baseline's id."""
        return self.reference.run.record.id

    @property
    def advised_mb(self) -> int | None:
        """The size that was named of the baseline, or that it advises; without an advice its best as measured."""
        return self.reference.memory_mb or self._best_mb

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

    def report(self, evidence: Sequence[CellEvidence], plan: Plan, result: RunResult | None = None) -> GateReport:
        """Return what the rows of a run show against the baseline.

        Args:
            evidence: the rows.
            plan: of the run.
            result: of the run; None while it goes on, when it is not known yet how busy the host was.
        """
        recorded = self.reference.run
        asked = WhatIf(plan.targets, plan.strategy, plan.confidence, plan.cold_rate)
        before = recorded.evidence(asked.applied_to(recorded.plan))
        chosen = tuple(cell for cell in before if self.reference.memory_mb in {None, cell.cell.memory_mb})
        is_shaken = any(run is not None and _busy(run) for run in (result, recorded.record))
        baseline = Baseline(recorded.record.id, recorded.record.started, chosen, self.advised_mb, is_shaken)
        return gate(baseline, evidence, plan, self.settings)


class GateCalls:
    """Asks for the calls that a gate takes beyond those of the search.

    The size that the baseline advises (of a run that is to be one: its own advice) gets as many warm calls as are
    wanted, in rounds on environments of their own. What is red then is measured again before it fails: as many calls
    once more.

    Args:
        gate: what the run is held against; None for a run that is to be a baseline.
        calls: wanted at the least; as many as the baseline has where that is more.
        narrate: is told what is red.
    """

    def __init__(self, gate: Gate | None, calls: int, narrate: Callable[[str], None]) -> None:
        self._gate = gate
        self._calls = calls
        self._narrate = narrate
        self._level: list[tuple[Ask, ...]] | None = None
        self._again: list[tuple[Ask, ...]] | None = None
        self._first: GateReport | None = None

    def further(self, evidence: Evidence, plan: Plan) -> tuple[Ask, ...]:
        """Return the next calls to make when the search is satisfied; none when all were made."""
        if self._level is None:
            self._level = self._missing(evidence, plan)
        if self._level:
            return self._level.pop(0)
        if self._gate is None:
            return ()
        if self._again is None:
            self._first = self._gate.report(evidence, plan)
            red = [check for check in self._first.checks if check.outcome == "regression"]
            if red:
                self._narrate(f"red against baseline {self._gate.id}: {'; '.join(check.sentence for check in red)}")
                self._narrate("measuring that again before it fails")
            sizes = sorted({check.memory_mb for check in red})
            cells = [cell for cell in evidence if cell.cell.memory_mb in sizes]
            wanted = {cell: min(max(cell.warm_sent, _FEWEST_AGAIN), _MOST_CALLS) for cell in cells}
            self._again = _rounds(wanted, plan)
        return self._again.pop(0) if self._again else ()

    def _missing(self, evidence: Evidence, plan: Plan) -> list[tuple[Ask, ...]]:
        """Return calls for the advised size, in rounds; none where it has as many, or none of its calls succeeds."""
        gate = self._gate
        size = best_as_measured(evidence, plan) if gate is None else gate.advised_mb
        cell = next((cell for cell in evidence if cell.cell.memory_mb == size), None)
        if cell is None or (cell.calls and not cell.warm_calls):
            return []
        wanted = self._calls if gate is None else max(self._calls, gate.calls_at(cell.cell.memory_mb, plan))
        short = min(wanted, _MOST_CALLS) - counted(cell, replace(gate_question(plan), population="warm"))
        if short <= 0:
            return []
        self._narrate(f"{short} more calls at {size} MB, for the gate")
        return _rounds({cell: short}, plan)

    def told(self, report: GateReport) -> GateReport:
        """Return the report of the last look with what was found at the first."""
        first = self._first
        red = () if first is None else tuple(each.sentence for each in first.checks if each.outcome == "regression")
        if report.outcome == "regression" and (self._again or first is None):
            cut = "a limit ended the run before what is red was measured again"
            return replace(report, cautions=(*report.cautions, cut))
        return replace(report, looks=2, measured_again=red) if red else report


def _rounds(wanted: Mapping[CellEvidence, int], plan: Plan) -> list[tuple[Ask, ...]]:
    """Return warm calls of cells in rounds: new environments first, then calls on them, the sizes in random order.

    There are as many rounds as make an interval allow for what environments differ by.
    """
    rng = random.Random(plan.seed)  # noqa: S311  an order of measuring, not a secret
    fresh = min(plan.concurrency, _MOST_ENVIRONMENTS) if plan.cold_starts and plan.isolation != "current" else 0
    rounds = []
    for _ in range(ENOUGH_CLUSTERS if wanted else 0):
        asks = []
        for cell in rng.sample(list(wanted), len(wanted)):
            asks += [Ask(cell.cell.memory_mb, fresh, cold=True)] if fresh else []
            asks.append(Ask(cell.cell.memory_mb, max(math.ceil(wanted[cell] / ENOUGH_CLUSTERS), plan.warm_block)))
        rounds.append(tuple(asks))
    return rounds


def gate_of(given: Mapping[str, Given], output: Path) -> Gate | None:
    """Return the gate that options and a profile ask for; None without a baseline.

    Args:
        given: those of `GATE_SETTINGS` that are given.
        output: where runs are looked for.

    Raises:
        UsageError: naming the option or key that is wrong.
        InvalidMeasurement: when the baseline tells nothing.
    """
    settings = gate_settings(given)
    baseline = given.get("baseline")
    if baseline is None:
        of_a_gate = next((setting for name, setting in given.items() if name != "gate-calls"), None)
        if of_a_gate is not None:
            raise UsageError(f"{of_a_gate.origin} belongs to a gate, and there is no baseline", hint="add --baseline")
        return None
    placed = baseline.directory / baseline.value
    text = str(placed) if placed.exists() else str(baseline.value)
    return Gate(open_baseline(text, output, baseline.origin), settings)


def gate_calls(given: Mapping[str, Given]) -> int | None:
    """Return how many warm calls the advised size gets at the least; None: as many as the search makes."""
    if "gate-calls" in given:
        return int(given["gate-calls"].value)
    return GATE_CALLS if "baseline" in given else None


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
    report = gate.report(chosen, plan, record)
    if report.outcome == "regression":
        again = "a recorded run is not measured again: `lambdatune run --baseline` does so before it fails"
        report = replace(report, cautions=(*report.cautions, again))
    return with_cautions(report, record, gate)


def with_cautions(report: GateReport, result: RunResult, gate: Gate) -> GateReport:
    """Return a report with what a reader should know of both runs."""
    base = gate.reference.run.record
    busy = [why for run in (result, base) if (why := _busy(run)) is not None]
    return replace(report, cautions=(*report.cautions, *busy, *cautions(result, base)))


def _busy(run: RunResult) -> str | None:
    """Return that calls waited for this host's cores, which the function shares on the embedded endpoint; else None."""
    percent = run.validity.host_cpu_percent
    if not run.environment.get("embedded") or percent is None or percent <= _BUSY_HOST_PERCENT:
        return None
    return (
        f"this host's cores were {percent:.0f} % busy in run {run.id}, and its calls waited for them: the gate "
        "supposes that runs differ as much as the orders of one do"
    )


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
