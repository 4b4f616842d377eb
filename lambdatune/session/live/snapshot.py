"""From a session under way to the snapshot that a screen shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from lambdatune.model.modes import MODES
from lambdatune.recommend.evidence import spend
from lambdatune.recommend.outlook import measured_score
from lambdatune.session.live.messages import LiveCell, Snapshot
from lambdatune.session.steering import describe_load

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.events import Progress
    from lambdatune.session.live.messages import OverTime
    from lambdatune.session.live.tally import Tally
    from lambdatune.session.measure import Measurement
    from lambdatune.session.session import Underway

CellState = Literal["queued", "running", "measured", "ended", "failed"]
State = Literal["running", "pausing", "paused", "stopping", "undoing"]


def snapshot_of(
    underway: Underway, tally: Tally, progress: Progress | None, *, elapsed_s: float, now_ns: int, followed: int | None
) -> Snapshot:  # fmt: skip
    """Return a running session as it is now.

    Args:
        underway: what is measured.
        tally: its figures.
        progress: the last that was told of it.
        elapsed_s: since the run was asked for.
        now_ns: Unix time.
        followed: cell whose latency over time is wanted; None for the one that is measured.
    """
    measurement, evidence, subject = underway.measurement, underway.evidence, underway.subject
    plan = measurement.plan_to_come
    serving = measurement.serving
    order = sorted(range(len(evidence)), key=lambda index: evidence[index].cell)
    place_of = {index: place for place, index in enumerate(order)}
    running = None if serving is None else serving.cell
    shown = followed if followed is not None and followed < len(order) else None
    # Between orders the picture of the last one stays.
    cell = order[shown] if shown is not None else measurement.last_cell
    clock = plan.targets[0].clock if plan.targets else "duration"
    over_time = None if cell is None else tally.over_time(cell, clock)
    leading = _leading(evidence, plan)
    spent = spend(evidence)
    description = subject.measured
    return Snapshot(
        run_id=underway.run.id,
        function=description.shown_name,
        place="on this machine" if subject.embedded else f"in {subject.place}",
        runtime=description.runtime,
        architecture=description.architecture,
        mode=plan.mode,
        state=_state(underway.measurement),
        step=progress.step if progress else "",
        elapsed_s=elapsed_s,
        paused_s=measurement.paused_s,
        calls=tally.calls,
        calls_expected=max(progress.calls_expected if progress else 0, tally.calls),
        usd=spent.usd,
        costs_money=subject.costs_money,
        currency=evidence.tariff.currency,
        max_invocations=plan.limits.max_invocations,
        max_usd=plan.limits.max_usd,
        max_minutes=plan.limits.max_minutes,
        calls_per_s=tally.calls_per_s(now_ns),
        in_flight=measurement.in_flight,
        cold_starts=tally.cold_starts,
        throttles=sum(tally.throttles(index) for index in order),
        errors=sum(tally.errors(index) for index in order),
        send_slip_ms_p99=measurement.outcome.generator.send_slip_ms_p99,
        loop_lag_ms_p99=measurement.outcome.generator.loop_lag_ms_p99,
        targets=tuple(map(str, plan.targets)),
        load=describe_load(plan),
        concurrency=plan.concurrency,
        rate=None if plan.rate_per_s is None else f"{plan.rate_per_s:g}/s",
        confidence=plan.confidence,
        cells=tuple(_live_cell(evidence[index], index, tally, is_running=index == running) for index in order),
        running=None if running is None else place_of[running],
        leading=None if leading is None else place_of[leading],
        over_time=None if over_time is None or cell is None else _at_place(over_time, place_of[cell]),
    )


def _at_place(over_time: OverTime, place: int) -> OverTime:
    return msgspec.structs.replace(over_time, cell=place)


def _state(measurement: Measurement) -> State:
    if measurement.is_over:
        return "undoing"
    if measurement.outcome.ended_by == "interrupt":
        return "stopping"
    if measurement.is_paused:
        return "paused" if measurement.serving is None else "pausing"
    return "running"


def _live_cell(cell: CellEvidence, index: int, tally: Tally, *, is_running: bool) -> LiveCell:
    verdict = cell.verdict
    reason = cell.failure() if verdict == "failed" else None
    state: CellState = "measured"
    if verdict == "failed":
        state = "failed"
    elif cell.ended:
        state, reason = "ended", "by hand"
    elif is_running:
        state = "running"
    elif not cell.calls:
        state = "queued"
    return LiveCell(
        function=cell.cell.function,
        memory_mb=cell.cell.memory_mb,
        architecture=cell.cell.architecture,
        mode=cell.cell.mode,
        state=state,
        verdict=verdict,
        calls=cell.calls,
        warm=tally.warm(index),
        cold=tally.cold(index),
        init_p50_ms=tally.init_p50_ms(index),
        errors=tally.errors(index),
        throttles=tally.throttles(index),
        cost_usd_per_million=cell.blended_cost_per_million(cell.plan.cold_rate),
        how_sure=_how_sure(cell),
        reason=reason,
        delivery=tally.delivery(index) if MODES[cell.cell.mode].is_delivered else None,
    )


def _how_sure(cell: CellEvidence) -> float | None:
    """Return the confidence that was reached for the verdict.

    A proof of "meets" is there when its e-value is above 1 / (share * (1 - confidence)); solved for the confidence,
    what an e-value has reached is 1 - 1 / (e * share) (`lambdatune.recommend.proof`).
    """
    if not cell.targets or not cell.calls:
        return None
    if cell.decided:
        return cell.plan.confidence
    share = cell.upcoming_share()
    reached = []
    for proof in cell.proofs:
        if proof.status == "meets":
            continue
        log_e = proof.proof.log_e_meets if proof.proof is not None else 0.0
        reached.append(max(1 - math.exp(-log_e) / share, 0.0) if log_e > 0 else 0.0)
    return min(reached, default=cell.plan.confidence)


def _leading(evidence: Evidence, plan: Plan) -> int | None:
    """Return the cell that is best by the plan's strategy: of those that are proven, or else of those still open."""
    scores = {index: score for index, cell in enumerate(evidence) if (score := measured_score(cell, plan)) is not None}
    for verdict in ("meets", "unproven"):
        candidates = [index for index in scores if evidence[index].verdict == verdict]
        if candidates:
            return min(candidates, key=scores.__getitem__)
    return None
