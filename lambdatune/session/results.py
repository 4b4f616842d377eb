"""From evidence to the result: what run.json says of each cell and of the whole."""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import lambdatune
from lambdatune.model.invocation import Status
from lambdatune.model.modes import MODES
from lambdatune.model.result import (
    CellResult,
    FunctionInfo,
    Recommendation,
    RunResult,
)
from lambdatune.recommend.cold_starts import Question, advise
from lambdatune.recommend.costs import cost_of
from lambdatune.recommend.decide import recommend
from lambdatune.recommend.evidence import spend
from lambdatune.session.delivered.linking import linking_notes
from lambdatune.session.fingerprint import GENERATOR, fingerprint_of, generator_host, overridden_of
from lambdatune.session.prices import price_record
from lambdatune.session.steered import steered_of
from lambdatune.session.validity import rule
from lambdatune.stats.delivery import delivery_of
from lambdatune.stats.environments import count_of
from lambdatune.stats.rows import clocks_of, is_cold, is_error, is_preinitialised, is_throttled, is_warm
from lambdatune.stats.summary import cold_stats, histogram_of, warm_stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.cold_starts import ColdStartAdvice
    from lambdatune.model.plan import Payload, Plan
    from lambdatune.model.result import RunStatus, Validity
    from lambdatune.model.target import ClockName
    from lambdatune.pricing.table import Prices
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.outcome import Outcome
    from lambdatune.session.subject import Subject
    from lambdatune.stats.rows import Rows

CONTINUED = "continued"
"""Key of run.json's environment: a list of when the run was continued, after how many calls, and how it had ended."""

DEFAULT_BODY = b"{}"
"""The event that is sent when none is given: it needs not be recorded to be sent again."""


def _cell_result(evidence: CellEvidence, plan: Plan) -> CellResult:
    """Return what was measured of one cell."""
    rows, cell = evidence.rows, evidence.cell
    memory_used, environments = rows["max_memory_used_mb"], evidence.environments()
    return CellResult(
        function=cell.function,
        memory_mb=cell.memory_mb,
        architecture=cell.architecture,
        runtime=cell.runtime,
        mode=cell.mode,
        verdict=evidence.verdict,
        invocations=len(rows),
        errors=_errors(rows),
        throttles=int(np.count_nonzero(is_throttled(rows))),
        warm=warm_stats(rows, plan.confidence, environments, mode=cell.mode),
        cold=cold_stats(rows, plan.confidence, environments, mode=cell.mode),
        cost_usd_per_million=cost_of(evidence, plan),
        max_memory_used_mb=int(memory_used.max()) if len(rows) and memory_used.max() >= 0 else None,
        certificates=evidence.certificates(),
        histograms=_histograms(rows, clocks_of(cell.mode)),
        reason=evidence.failure(),
        preinitialised=int(np.count_nonzero(is_preinitialised(rows))),
        environments=None if environments is None else count_of(environments),
        delivery=delivery_of(rows) if MODES[cell.mode].is_delivered else None,
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a result says of a run besides its numbers.

    Attributes:
        started: UTC, as text.
        finished: UTC, as text; None while it runs.
        environment: versions, region, prices and, on an embedded endpoint, what it says of its host.
    """

    id: str
    started: str
    finished: str | None
    function: FunctionInfo
    environment: dict[str, Any]

    @classmethod
    def of(cls, run_id: str, started: dt.datetime, subject: Subject, prices: Prices) -> Facts:
        """Return the facts of a run that starts now on `subject` and is reckoned at `prices`."""
        found = subject.description
        return cls(
            id=run_id,
            started=timestamp(started),
            finished=None,
            function=FunctionInfo(found.shown_name, found.arn, found.runtime, found.architecture, found.memory_mb),
            environment={
                "lambdatune": lambdatune.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "region": subject.place.region,
                "endpoint_url": subject.place.endpoint_url,
                "ephemeral_storage_mb": found.ephemeral_storage_mb,
                "embedded": subject.host,
                "prices": price_record(prices),
                **fingerprint_of(subject.measured),
                **overridden_of(found, subject.measured),
                GENERATOR: generator_host(),
            },
        )

    def finished_now(self) -> Facts:
        """Return the facts with the time as it is now as the end."""
        return replace(self, finished=timestamp(dt.datetime.now(dt.UTC)))


def compose(plan: Plan, evidence: Evidence, facts: Facts, status: RunStatus, outcome: Outcome) -> RunResult:
    """Return the result of a run from what was measured: cells, validity and advice."""
    ruled = rule(evidence, plan, outcome, facts.environment.get("embedded"))
    steered = tuple(entry.sentence for entry in steered_of(facts.environment))
    ruled = replace(
        ruled, notes=(*linking_notes(facts.environment), *ruled.notes, *steered, *continued_notes(facts.environment))
    )
    advice = _advice(plan, evidence, _current_memory_mb(plan, facts.function), ruled, outcome)
    return RunResult(
        id=facts.id,
        started=facts.started,
        finished=facts.finished,
        status=status,
        function=facts.function,
        plan=plan_record(plan),
        environment=facts.environment,
        validity=ruled,
        cells=tuple(_cell_result(cell, plan) for cell in sorted(evidence, key=lambda cell: cell.cell)),
        recommendation=advice,
        spend=spend(evidence),
        cold_start_advice=_of_cold_starts(plan, evidence, advice),
    )


def continued_notes(environment: dict[str, Any]) -> tuple[str, ...]:
    """Return what a reader should know of a run that was continued, in sentences."""
    return tuple(
        f"continued at {entry['at']} after {entry['calls']} calls, having {entry['ended']}: "
        "a drift in between is in the figures"
        for entry in environment.get(CONTINUED, ())
    )


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return the plan as run.json holds it: text forms, and of the payloads sizes and weights, unless it says more."""
    record = asdict(plan)
    record["memory"] = str(plan.memory)
    record["ramp"] = None if plan.ramp is None else str(plan.ramp)
    record["burst"] = None if plan.burst is None else str(plan.burst)
    record["mode_options"] = {
        option.name: list(value) if isinstance(value, tuple) else value
        for option in fields(plan.mode_options)
        if (value := getattr(plan.mode_options, option.name)) != option.default
    }
    record["targets"] = [str(target) for target in plan.targets]
    record["payloads"] = [_payload_record(payload, keep_body=plan.record_payloads) for payload in plan.payloads]
    return record


def _payload_record(payload: Payload, *, keep_body: bool) -> dict[str, Any]:
    """Return a payload as run.json holds it: events may hold what is private, so only on demand with their text."""
    record: dict[str, Any] = {"bytes": len(payload.body), "weight": payload.weight, "tokens": payload.tokens}
    record["sha256"] = hashlib.sha256(payload.body).hexdigest()[:16]
    record |= {"default": True} if payload.body == DEFAULT_BODY else {}
    # Lambda takes events in UTF-8 only, which was checked when they were read.
    return record | ({"body": payload.body.decode("utf-8")} if keep_body else {})


def _current_memory_mb(plan: Plan, function: FunctionInfo) -> int | None:
    """Return the size that the user runs the function at; code on this machine has none yet."""
    return None if plan.function.is_path else function.memory_mb


def _advice(
    plan: Plan, evidence: Evidence, current_memory_mb: int | None, ruled: Validity, outcome: Outcome
) -> Recommendation:
    if not ruled.valid:
        return Recommendation("invalid", f"No advice: {'; '.join(ruled.reasons)}.", plan.confidence)
    advice = recommend(evidence, plan, current_memory_mb=current_memory_mb)
    if advice.status == "none" and outcome.ended_by == "limit":
        # Without a target nothing was proven anyway; but the sizes were to get more calls than they did.
        return replace(advice, status="unproven")
    return advice


def _of_cold_starts(plan: Plan, evidence: Evidence, advice: Recommendation) -> ColdStartAdvice | None:
    """Return what cold starts cost at the plan's traffic, at the size that is advised, else the cheapest."""
    if plan.traffic_per_s is None or advice.status == "invalid":
        return None
    question = Question(plan.traffic_per_s, plan.traffic_cold_rate, advice.memory_mb)
    return advise(evidence, question)


def timestamp(moment: dt.datetime) -> str:
    """Return a moment, in UTC, as run.json has it."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _errors(rows: Rows) -> dict[str, int]:
    kinds, counts = np.unique(rows["status"][is_error(rows)], return_counts=True)
    return {Status(kind).name.lower(): count for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)}


def _histograms(rows: Rows, clocks: Sequence[ClockName]) -> dict[str, str]:
    found = {}
    for start, calls in (("warm", rows[is_warm(rows)]), ("cold", rows[is_cold(rows)])):
        for clock in clocks:
            histogram = histogram_of(calls, clock)
            if histogram.count:
                found[f"{start}.{clock}"] = histogram.encode()
    return found
