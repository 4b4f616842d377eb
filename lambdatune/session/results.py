"""From evidence to the result: what run.json says of each cell and of the whole."""

from __future__ import annotations

import datetime as dt
import platform
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import lambdatune
from lambdatune.model.invocation import Status
from lambdatune.model.result import (
    CellResult,
    FunctionInfo,
    Recommendation,
    RunResult,
    Validity,
)
from lambdatune.recommend.costs import cost_of
from lambdatune.recommend.decide import recommend
from lambdatune.recommend.evidence import spend
from lambdatune.recommend.health import warnings
from lambdatune.stats.rows import is_cold, is_error, is_ok, is_throttled, is_unknown, is_warm
from lambdatune.stats.summary import cold_stats, histogram_of, warm_stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.model.result import RunStatus
    from lambdatune.model.target import ClockName
    from lambdatune.recommend.evidence import CellEvidence, Evidence
    from lambdatune.session.measure import Outcome
    from lambdatune.session.subject import Subject
    from lambdatune.stats.rows import Rows

MAX_THROTTLE_SHARE = 0.05
"""Above this share of throttled calls the concurrency limit was measured, not the function."""

_CLOCKS: tuple[ClockName, ...] = ("duration", "response", "service")


def _cell_result(evidence: CellEvidence, plan: Plan) -> CellResult:
    """Return what was measured of one cell."""
    rows, cell = evidence.rows, evidence.cell
    memory_used = rows["max_memory_used_mb"]
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
        warm=warm_stats(rows, plan.confidence),
        cold=cold_stats(rows, plan.confidence),
        cost_usd_per_million=cost_of(evidence, plan),
        max_memory_used_mb=int(memory_used.max()) if len(rows) and memory_used.max() >= 0 else None,
        certificates=evidence.certificates(),
        histograms=_histograms(rows),
        reason=evidence.failure(),
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a result says of a run besides its numbers.

    Attributes:
        started: UTC, as text.
        finished: UTC, as text; None while it runs.
        environment: versions, region and, on an embedded endpoint, what it says of its host.
    """

    id: str
    started: str
    finished: str | None
    function: FunctionInfo
    environment: dict[str, Any]

    @classmethod
    def of(cls, run_id: str, started: dt.datetime, subject: Subject) -> Facts:
        """Return the facts of a run that starts now on `subject`."""
        found = subject.description
        return cls(
            id=run_id,
            started=_timestamp(started),
            finished=None,
            function=FunctionInfo(found.name, found.arn, found.runtime, found.architecture, found.memory_mb),
            environment={
                "lambdatune": lambdatune.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "region": subject.place.region,
                "endpoint_url": subject.place.endpoint_url,
                "ephemeral_storage_mb": found.ephemeral_storage_mb,
                "embedded": subject.host,
            },
        )

    def finished_now(self) -> Facts:
        """Return the facts with the time as it is now as the end."""
        return replace(self, finished=_timestamp(dt.datetime.now(dt.UTC)))


def compose(plan: Plan, evidence: Evidence, facts: Facts, status: RunStatus, outcome: Outcome) -> RunResult:
    """Return the result of a run from what was measured: cells, validity and advice."""
    ruled = _validity(evidence, plan, outcome, facts.environment.get("embedded"))
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
        recommendation=_advice(plan, evidence, facts.function.memory_mb, ruled, outcome),
        spend=spend(evidence),
    )


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return the plan as run.json holds it: text forms, and of the payloads only sizes and weights."""
    record = asdict(plan)
    record["memory"] = str(plan.memory)
    record["targets"] = [str(target) for target in plan.targets]
    record["payloads"] = [{"bytes": len(payload.body), "weight": payload.weight} for payload in plan.payloads]
    return record


def _advice(
    plan: Plan, evidence: Evidence, current_memory_mb: int, ruled: Validity, outcome: Outcome
) -> Recommendation:
    if not ruled.valid:
        return Recommendation("invalid", f"No advice: {'; '.join(ruled.reasons)}.", plan.confidence)
    advice = recommend(evidence, plan, current_memory_mb=current_memory_mb)
    if advice.status == "none" and outcome.ended_by == "limit":
        # Without a target nothing was proven anyway; but the sizes were to get more calls than they did.
        return replace(advice, status="unproven")
    return advice


def _validity(evidence: Sequence[CellEvidence], plan: Plan, outcome: Outcome, host: dict[str, Any] | None) -> Validity:
    """Rule whether the numbers describe the function."""
    calls = sum(cell.calls for cell in evidence)
    throttles = sum(int(np.count_nonzero(is_throttled(cell.rows))) for cell in evidence)
    reasons: list[str] = []
    notes = [*_uncounted(evidence), *warnings(evidence, plan, on_aws=host is None)]
    if calls and throttles / calls > MAX_THROTTLE_SHARE:
        reasons.append(
            f"{throttles} of {calls} calls were throttled ({_throttle_reasons(evidence)}): "
            "lower --concurrency, or ask for a higher limit"
        )
    if outcome.ended_by == "limit":
        notes.append(f"{outcome.ended_because} ended the run")
    if host is not None:
        limiter = host.get("cpu_limiter")
        notes.append(f"measured on the embedded endpoint (CPU limiter: {limiter}), not on AWS")
    return Validity(
        valid=not reasons,
        reasons=tuple(reasons),
        notes=tuple(notes),
        loop_lag_ms_p99=outcome.loop_lag_ms_p99,
        send_slip_ms_p99=outcome.send_slip_ms_p99,
        throttles=throttles,
    )


def _uncounted(evidence: Sequence[CellEvidence]) -> list[str]:
    """Tell of successful calls that no statement about warm or cold could use."""
    silent = sum(int(np.count_nonzero(is_ok(cell.rows) & is_unknown(cell.rows))) for cell in evidence)
    if not silent:
        return []
    return [f"{silent} successful calls had no readable REPORT line: they count neither as warm nor as cold"]


def _timestamp(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _errors(rows: Rows) -> dict[str, int]:
    kinds, counts = np.unique(rows["status"][is_error(rows)], return_counts=True)
    return {Status(kind).name.lower(): count for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)}


def _throttle_reasons(evidence: Sequence[CellEvidence]) -> str:
    reasons = {
        reason.decode("ascii", "replace")
        for cell in evidence
        for reason in np.unique(cell.rows["error"][is_throttled(cell.rows)]).tolist()
    }
    return ", ".join(sorted(filter(None, reasons))) or "no reason given"


def _histograms(rows: Rows) -> dict[str, str]:
    found = {}
    for start, calls in (("warm", rows[is_warm(rows)]), ("cold", rows[is_cold(rows)])):
        for clock in _CLOCKS:
            histogram = histogram_of(calls, clock)
            if histogram.count:
                found[f"{start}.{clock}"] = histogram.encode()
    return found
