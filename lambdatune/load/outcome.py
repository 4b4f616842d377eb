"""What became of an order: the reports of its shards, added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lambdatune.load.lags import LagHistogram
from lambdatune.model.invocation import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.load.messages import OrderDone

ClockInForce = Literal["kernel", "user", "mixed"]


@dataclass(frozen=True, slots=True)
class Setup:
    """How long connections took to open, TLS handshake included; none of it is in a row.

    Attributes:
        opened: connections that were opened, before and during the order.
        reopened: of those, the ones that were opened while the order ran.
        p50_ms: median.
        max_ms: longest.
    """

    opened: int
    reopened: int
    p50_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What became of an order.

    Attributes:
        order: its id.
        counts: rows by status.
        unmade: calls that were not made because the order was stopped.
        overdue: of those, calls whose intended time had come.
        was_stopped: whether it was stopped before its last call.
        complete: whether every shard reported; False after a shard died.
        setup: of the connections.
        clock: whose receive times the rows hold: the kernel's, the process's own, or some of each.
        send_delay_p50_ms: from the intended to the actual send, median.
        send_delay_p99_ms: the same, 99th percentile; above 1 ms the generator is the bottleneck.
        receive_lag_p99_ms: from the kernel's receive stamp to reading it; 0 with the process's own clock.
        cpu_utilisation: CPU time of the busiest shard as a share of one core.
        waited: calls that found no free connection when they were due.
        stalled_ms: time during which the parent did not take rows fast enough.
        clock_step_ms: largest jump of the wall clock; above a few ms, times across it are wrong.
        wall_s: from the start to the last answer.
        messages: first message of each kind of error, keyed as the rows' `error`.
        connections: of each shard, where arrivals do not wait for answers, so that a call may wait for one.
        lost: calls of the shares of shards that were lost: not made, or made and not recorded.
        shards_lost: how many shards were lost.
    """

    order: int
    counts: Mapping[Status, int]
    unmade: int
    overdue: int
    was_stopped: bool
    complete: bool
    setup: Setup
    clock: ClockInForce
    send_delay_p50_ms: float
    send_delay_p99_ms: float
    receive_lag_p99_ms: float
    cpu_utilisation: float
    waited: int
    stalled_ms: float
    clock_step_ms: float
    wall_s: float
    messages: Mapping[str, str]
    connections: Mapping[int, int]
    lost: int = 0
    shards_lost: int = 0

    @property
    def calls(self) -> int:
        """Calls that were made: one row each."""
        return sum(self.counts.values())


def merge_outcomes(
    order: int,
    reports: Sequence[OrderDone],
    *,
    complete: bool,
    connections: Mapping[int, int],
    lost: int = 0,
    shards_lost: int = 0,
) -> OrderOutcome:
    """Return the outcome of the order with id `order` from the reports of the shards that made one."""
    setup, send_delay, receive_lag = LagHistogram(), LagHistogram(), LagHistogram()
    messages: dict[str, str] = {}
    for report in reports:
        setup.add(report.setup)
        send_delay.add(report.send_delay)
        receive_lag.add(report.receive_lag)
        messages = {**report.messages, **messages}
    kernel = sum(report.kernel_stamps for report in reports)
    user = sum(report.user_stamps for report in reports)
    return OrderOutcome(
        order=order,
        counts={status: sum(report.counts[status] for report in reports) for status in Status},
        unmade=sum(report.unmade for report in reports),
        overdue=sum(report.overdue for report in reports),
        was_stopped=any(report.was_stopped for report in reports),
        complete=complete,
        setup=Setup(
            setup.total,
            sum(report.reopened for report in reports),
            setup.percentile_ms(50),
            setup.percentile_ms(100),
        ),
        clock="mixed" if kernel and user else "kernel" if kernel else "user",
        send_delay_p50_ms=send_delay.percentile_ms(50),
        send_delay_p99_ms=send_delay.percentile_ms(99),
        receive_lag_p99_ms=receive_lag.percentile_ms(99),
        cpu_utilisation=max((report.cpu_ns / max(report.wall_ns, 1) for report in reports), default=0.0),
        waited=sum(report.waited for report in reports),
        stalled_ms=sum(report.stalled_ns for report in reports) / 1e6,
        clock_step_ms=max((report.clock_step_ns for report in reports), default=0) / 1e6,
        wall_s=max((report.wall_ns for report in reports), default=0) / 1e9,
        messages=messages,
        connections=connections,
        lost=lost,
        shards_lost=shards_lost,
    )
