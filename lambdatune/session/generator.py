"""What was seen of the load generator and of its host while a run measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdatune.load.outcome import ClockInForce, OrderOutcome

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class GeneratorRecord:
    """The generator over all orders so far.

    Attributes:
        clock: whose receive times the rows hold; None before the first order.
        loop_lag_ms_p99: how late answers were read after the kernel had them, worst order.
        send_slip_ms_p99: how late calls were sent, worst order.
        shard_cpu_share: CPU time of the busiest shard as a share of one core, over the time that orders ran.
        connections_reopened: connections that had to be opened again while an order ran.
        calls_waited: calls that found no free connection when they were due.
        rows_stalled_ms: time during which rows were not taken from the shards fast enough.
        clock_step_ms_max: largest jump of the wall clock.
        host_cpu_share: mean share of this host's cores that was in use, by whatever, while the run measured.
        shards_lost: load processes that were lost with their Dask workers.
        calls_lost: calls of their shares that are in no figure.
        given_up: calls in flight, at most, that an interrupted run did not wait for.
        connections: of each shard in each order with arrivals of its own, see `generator_delays_ms`.
    """

    clock: ClockInForce | None = None
    loop_lag_ms_p99: float | None = None
    send_slip_ms_p99: float | None = None
    shard_cpu_share: float | None = None
    connections_reopened: int = 0
    calls_waited: int = 0
    rows_stalled_ms: float = 0.0
    clock_step_ms_max: float = 0.0
    host_cpu_share: float | None = None
    shards_lost: int = 0
    calls_lost: int = 0
    given_up: int = 0
    connections: Mapping[tuple[int, int], int] = field(default_factory=dict)


class GeneratorWatch:
    """Adds up what orders tell of the generator, and watches this host's cores from its making on.

    Args:
        before: what was seen already, of a run that is continued.
    """

    def __init__(self, before: GeneratorRecord | None = None) -> None:
        self._before = before
        self._outcomes: list[OrderOutcome] = []
        self._connections: dict[tuple[int, int], int] = {}
        self._wall_s = self._cpu_s = 0.0
        self._host_before_s = _host_times_s()

    def note(self, outcome: OrderOutcome) -> None:
        """Take in what became of an order."""
        self._outcomes.append(outcome)
        self._wall_s += outcome.wall_s
        self._cpu_s += outcome.wall_s * outcome.cpu_utilisation
        for shard, connections in outcome.connections.items():
            self._connections[outcome.order, shard] = connections

    def record(self, *, given_up: int = 0) -> GeneratorRecord:
        """Return what was seen so far."""
        now = self._record(given_up)
        return now if self._before is None else joined(self._before, now)

    def _record(self, given_up: int) -> GeneratorRecord:
        orders = [outcome for outcome in self._outcomes if outcome.calls]
        if not orders:
            return GeneratorRecord(given_up=given_up)
        clocks: set[ClockInForce] = {outcome.clock for outcome in orders}
        return GeneratorRecord(
            clock=clocks.pop() if len(clocks) == 1 else "mixed",
            loop_lag_ms_p99=max(outcome.receive_lag_p99_ms for outcome in orders),
            send_slip_ms_p99=max(outcome.send_delay_p99_ms for outcome in orders),
            shard_cpu_share=self._cpu_s / self._wall_s if self._wall_s else None,
            connections_reopened=sum(outcome.setup.reopened for outcome in orders),
            calls_waited=sum(outcome.waited for outcome in orders),
            rows_stalled_ms=sum(outcome.stalled_ms for outcome in orders),
            clock_step_ms_max=max(outcome.clock_step_ms for outcome in orders),
            host_cpu_share=self._host_cpu_share(),
            shards_lost=sum(outcome.shards_lost for outcome in self._outcomes),
            calls_lost=sum(outcome.lost for outcome in self._outcomes),
            given_up=given_up,
            connections=dict(self._connections),
        )

    def _host_cpu_share(self) -> float | None:
        busy_s, all_s = (now - before for now, before in zip(_host_times_s(), self._host_before_s, strict=True))
        return busy_s / all_s if all_s > 0 else None


def joined(before: GeneratorRecord, now: GeneratorRecord) -> GeneratorRecord:
    """Return what was seen in two parts of a run: of shares and of what is the worst, the worse one."""
    return GeneratorRecord(
        clock=_worse(before.clock, now.clock, lambda one, other: one if one == other else "mixed"),
        loop_lag_ms_p99=_worse(before.loop_lag_ms_p99, now.loop_lag_ms_p99, max),
        send_slip_ms_p99=_worse(before.send_slip_ms_p99, now.send_slip_ms_p99, max),
        shard_cpu_share=_worse(before.shard_cpu_share, now.shard_cpu_share, max),
        connections_reopened=before.connections_reopened + now.connections_reopened,
        calls_waited=before.calls_waited + now.calls_waited,
        rows_stalled_ms=before.rows_stalled_ms + now.rows_stalled_ms,
        clock_step_ms_max=max(before.clock_step_ms_max, now.clock_step_ms_max),
        host_cpu_share=_worse(before.host_cpu_share, now.host_cpu_share, max),
        shards_lost=before.shards_lost + now.shards_lost,
        calls_lost=before.calls_lost + now.calls_lost,
        given_up=before.given_up + now.given_up,
        connections={**before.connections, **now.connections},
    )


def _worse(before: Value | None, now: Value | None, of: Callable[[Value, Value], Value]) -> Value | None:
    if before is None or now is None:
        return now if before is None else before
    return of(before, now)


def _host_times_s() -> tuple[float, float]:
    """Return busy and total CPU seconds of all cores since boot; waiting for a disk is not busy."""
    times = psutil.cpu_times()
    # Linux counts a guest's time in its user time as well.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total
