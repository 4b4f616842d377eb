"""The ruling: whether the numbers of a run describe the function, or the generator, a throttle or the host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.model.modes import MODES
from lambdatune.model.result import Validity
from lambdatune.model.target import Target
from lambdatune.recommend.health import warnings
from lambdatune.session.clone_settings import AWS_NAMES
from lambdatune.session.silence import silence, silent_calls
from lambdatune.session.standing_costs import provisioned_starts, restored_starts, standing_costs
from lambdatune.stats.distortion import MOST_SHIFT, generator_delays_ms, shift_of
from lambdatune.stats.rows import clock_ms, counts_for, is_ok, is_throttled, is_unknown
from lambdatune.stats.summary import PERCENTILES, described

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.model.target import ClockName
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.generator import GeneratorRecord
    from lambdatune.session.outcome import Outcome
    from lambdatune.stats.distortion import Shift
    from lambdatune.stats.rows import Rows

MAX_THROTTLE_SHARE = 0.05
"""Above this share of throttled calls the concurrency limit was measured, not the function."""

_BUSY_SHARD = 0.85
"""CPU share of a shard from which its own clock is late (reference: driver, 4e)."""
_BUSY_HOST = 0.95
_LEAST_STEP_MS = 1.0
"""The watch on the clocks is exact to some tens of microseconds; a step of time synchronisation is longer."""


def rule(evidence: Evidence, plan: Plan, outcome: Outcome, host: dict[str, Any] | None) -> Validity:
    """Rule on a run: invalid when a percentile that a target is on may be off by more than 5 %.

    Args:
        evidence: what was measured, one per cell.
        plan: the targets and the load, for the warnings.
        outcome: how the measuring ended, and what was seen of the generator.
        host: what an embedded endpoint says of its host; None elsewhere.
    """
    seen = outcome.generator
    calls = sum(cell.calls for cell in evidence)
    throttles = sum(_throttled(cell.rows) for cell in evidence)
    silent = silent_calls(evidence)
    reasons = [silence(silent)] if silent else []
    notes = [
        *([] if silent else _uncounted(evidence)),
        *warnings(evidence, plan, on_aws=host is None),
        *restored_starts(evidence),
        *provisioned_starts(evidence),
        *standing_costs(evidence),
        *_ended_badly(evidence),
    ]
    if calls and throttles / calls > MAX_THROTTLE_SHARE:
        reasons.append(
            f"{throttles} of {calls} calls were throttled ({_throttle_reasons(evidence)}): "
            "lower --concurrency, or ask for a higher limit"
        )
    reasons += [reason for cell in evidence for reason in _off_targets(cell, seen)]
    if outcome.ended_by == "limit":
        notes.append(f"{outcome.ended_because} ended the run")
    shift = max((share for cell in evidence for share in _shares(cell, seen)), default=None)
    notes += _foreign_architectures(evidence, host)
    notes += _generator_notes(seen, shift, host, is_ruled=bool(reasons))
    return Validity(
        valid=not reasons,
        reasons=tuple(reasons),
        notes=tuple(notes),
        loop_lag_ms_p99=seen.loop_lag_ms_p99,
        send_slip_ms_p99=seen.send_slip_ms_p99,
        throttles=throttles,
        clock=seen.clock,
        generator_shift_percent_max=None if shift is None else 100 * shift,
        shard_cpu_percent=None if seen.shard_cpu_share is None else 100 * seen.shard_cpu_share,
        host_cpu_percent=None if seen.host_cpu_share is None else 100 * seen.host_cpu_share,
        connections_reopened=seen.connections_reopened,
        calls_waited=seen.calls_waited,
        rows_stalled_ms=seen.rows_stalled_ms,
        clock_step_ms_max=seen.clock_step_ms_max,
        shards_lost=seen.shards_lost,
        calls_lost=seen.calls_lost,
    )


def _ended_badly(evidence: Sequence[CellEvidence]) -> Iterator[str]:
    """Yield what became of delivered messages that were not executed once and well, and what that means."""
    told = {
        Status.RETRIED: "were executed after an execution of them had failed",
        Status.DUPLICATED: "were executed more than once, as at-least-once delivery allows",
        Status.DEAD_LETTERED: "were given up after their retries",
        Status.LOST: "were accepted, and neither executed nor given up while they were waited for",
    }
    for status, what in told.items():
        count = sum(int(np.count_nonzero(cell.rows["status"] == status)) for cell in evidence)
        if count:
            yield f"{count} messages {what}: each counts as one over every target, and its executions are in the costs"


def _off_targets(cell: CellEvidence, seen: GeneratorRecord) -> Iterator[str]:
    """Yield a reason for each target on the client's clock whose percentile may be more than 5 % off.

    The function's own clock runs on the other side: whatever the generator does, it stays what it is.
    """
    for target in cell.targets:
        if target.clock == "duration":
            continue
        where = f"at {cell.cell.memory_mb} MB, {target.population}.{target.clock} p{target.percentile:g}"
        answered, delays_ms = _of_target(cell.rows, target, seen)
        slip = shift_of(answered, delays_ms, target.percentile)
        if slip is None:
            continue
        if slip.is_too_far:
            yield f"{where} is {_figures(slip)} without the time by which the generator sent calls late"
        bounded = shift_of(answered, 0.0, target.percentile, throttled=_throttled(cell.rows))
        if bounded is not None and bounded.is_too_far:
            yield f"{where} is {_figures(bounded)} if its {_throttled(cell.rows)} throttled calls had run"
        step_ms = seen.clock_step_ms_max
        if step_ms > max(_LEAST_STEP_MS, MOST_SHIFT * slip.reported_ms):
            yield f"the clock of this host was set by {step_ms:.0f} ms while {where} was {slip.reported_ms:.1f} ms"
        if seen.clock != "kernel" and (seen.shard_cpu_share or 0.0) > _BUSY_SHARD:
            yield (
                f"{where} was taken by a load process that had {seen.shard_cpu_share:.0%} of a core to do, on a "
                "host whose kernel does not say when an answer came"
            )


def _of_target(rows: Rows, target: Target, seen: GeneratorRecord) -> tuple[Any, Any]:
    """Return the times of the answered calls of a target, and how much of each the generator caused."""
    chosen = rows[counts_for(rows, target) & is_ok(rows)]
    times_ms = clock_ms(chosen, target.clock)
    # The service time runs from the send: what came before is not in it.
    late_ms = (
        generator_delays_ms(chosen, seen.connections) if target.clock in {"response", "e2e"} else np.zeros(len(chosen))
    )
    return times_ms, late_ms


def _shares(cell: CellEvidence, seen: GeneratorRecord) -> Iterator[float]:
    """Yield by which share the generator moved the reported percentiles of the time that the sender sees.

    That of a message that is delivered ends with its execution: acceptance is no result.
    """
    rows = cell.rows
    clock: ClockName = "e2e" if MODES[cell.cell.mode].is_delivered else "response"
    for population in ("warm", "cold"):
        target = Target(population, clock, 50.0, math.inf)
        chosen = rows[counts_for(rows, target) & described(rows)]
        delays_ms = generator_delays_ms(chosen, seen.connections)
        for percentile in PERCENTILES.values():
            shift = shift_of(clock_ms(chosen, clock), delays_ms, percentile)
            if shift is not None:
                yield shift.share


def _generator_notes(
    seen: GeneratorRecord, shift: float | None, host: dict[str, Any] | None, *, is_ruled: bool
) -> Iterator[str]:
    """Yield what a reader should know of the generator and its host although it decides nothing."""
    if shift is not None and shift > MOST_SHIFT and not is_ruled:
        yield (
            f"response times hold the generator's own lateness, up to {shift:.0%} of a percentile; "
            "service times and the function's clock do not"
        )
    if seen.clock_step_ms_max > _LEAST_STEP_MS:
        yield f"the clock of this host was set by {seen.clock_step_ms_max:.0f} ms in the middle"
    if seen.shard_cpu_share is not None and seen.shard_cpu_share > _BUSY_SHARD:
        yield f"the busiest load process used {seen.shard_cpu_share:.0%} of a core: add --shards"
    if seen.clock == "user":
        yield "receive times are the load process's own clock, late by its own work: this host's kernel gives none"
    if seen.shards_lost:
        yield (
            f"load processes lost with their Dask workers: {seen.shards_lost}; up to {seen.calls_lost} calls of their "
            "share are in no figure, and some of them may have run"
        )
    if seen.given_up:
        yield f"up to {seen.given_up} calls in flight were given up: they are in no figure, and may still have run"
    if host is not None:
        limiter = host.get("cpu_limiter")
        yield f"measured on the embedded endpoint (CPU limiter: {limiter}), not on AWS"
        if seen.host_cpu_share is not None and seen.host_cpu_share > _BUSY_HOST:
            yield (
                f"this host's cores were {seen.host_cpu_share:.0%} busy: the function's own times hold waiting for a "
                "core, which AWS would not make it do"
            )


def _foreign_architectures(evidence: Sequence[CellEvidence], host: dict[str, Any] | None) -> Iterator[str]:
    """Yield a note for each architecture that an embedded endpoint did not have a CPU of."""
    machine = (host or {}).get("machine")
    if machine is None:
        return
    for architecture in sorted({cell.cell.architecture for cell in evidence} - {AWS_NAMES.get(machine, machine)}):
        yield (
            f"times are those of this host's {machine} CPU, not of {architecture}; "
            f"only the prices are of {architecture}"
        )


def _figures(shift: Shift) -> str:
    if math.isinf(shift.undisturbed_ms):
        return f"reported as {shift.reported_ms:.1f} ms, and not bounded"
    return f"reported as {shift.reported_ms:.1f} ms, and {shift.undisturbed_ms:.1f} ms"


def _throttled(rows: Rows) -> int:
    return int(np.count_nonzero(is_throttled(rows)))


def _uncounted(evidence: Sequence[CellEvidence]) -> list[str]:
    """Tell of successful calls that no statement about warm or cold could use."""
    silent = sum(int(np.count_nonzero(is_ok(cell.rows) & is_unknown(cell.rows))) for cell in evidence)
    if not silent:
        return []
    return [f"{silent} successful calls had no readable REPORT line: they count neither as warm nor as cold"]


def _throttle_reasons(evidence: Sequence[CellEvidence]) -> str:
    reasons = {
        reason.decode("ascii", "replace")
        for cell in evidence
        for reason in np.unique(cell.rows["error"][is_throttled(cell.rows)]).tolist()
    }
    return ", ".join(sorted(filter(None, reasons))) or "no reason given"
