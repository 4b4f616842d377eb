"""Orders: which load goes to which function. Frozen values that cross into the load processes."""

import math
from collections.abc import Callable, Sequence

import msgspec

from lambdatune.load.forms import check_forms
from lambdatune.model.errors import UsageError
from lambdatune.model.request_form import RequestForm

DEFAULT_TIMEOUT_S = 930.0
"""Longest function timeout (900 s) and the time that Lambda needs to report it (AWS docs, quotas)."""


class ClosedLoop(msgspec.Struct, frozen=True, tag="closed"):
    """A fixed number of callers, each of which calls again when its answer has come.

    Attributes:
        concurrency: callers, and connections.
        think_time_ms: pause of a caller between an answer and its next call.
    """

    concurrency: int
    think_time_ms: float = 0.0


class Burst(msgspec.Struct, frozen=True, tag="burst"):
    """Waves of simultaneous calls, each connection exactly one call a wave; forces cold starts.

    The next wave begins when every call of the wave before has ended.

    Attributes:
        concurrency: calls of a wave, and connections.
    """

    concurrency: int


class TimedBurst(msgspec.Struct, frozen=True, tag="timed-burst"):
    """Waves of simultaneous calls at equal intervals, whether answers come or not (open loop).

    Attributes:
        concurrency: calls of a wave.
        every_s: from one wave to the next.
        connections: most calls in flight; calls beyond wait, and their clocks run from the intended time.
    """

    concurrency: int
    every_s: float
    connections: int


class ConstantRate(msgspec.Struct, frozen=True, tag="constant"):
    """Arrivals at equal intervals, whether answers come or not (open loop).

    Attributes:
        rate_per_s: arrivals per second.
        connections: most calls in flight; calls beyond wait, and their clocks run from the intended time.
        offset: of the first arrival, as a share of an interval; spreads the shards of one order evenly.
    """

    rate_per_s: float
    connections: int
    offset: float = 0.0


class Poisson(msgspec.Struct, frozen=True, tag="poisson"):
    """Arrivals at exponentially distributed intervals, whether answers come or not (open loop).

    Attributes:
        rate_per_s: mean arrivals per second.
        connections: most calls in flight; calls beyond wait, and their clocks run from the intended time.
    """

    rate_per_s: float
    connections: int


class Stages(msgspec.Struct, frozen=True, tag="stages"):
    """Arrivals whose rate changes linearly from stage to stage, whether answers come or not (open loop).

    `Stages(((60, 100), (300, 100)), 200)` rises from 0 to 100 per second in a minute, and stays there for five
    more. A stage of 0 seconds is a jump. After the last stage its rate goes on until the order's calls are made.

    Attributes:
        stages: of each, its length in seconds and the arrivals per second at its end.
        connections: most calls in flight; calls beyond wait, and their clocks run from the intended time.
        start_rate_per_s: arrivals per second at the beginning of the first stage.
        is_poisson: whether arrivals are a Poisson process of that rate, and not evenly spread.
        offset: of the first even arrival, in arrivals; spreads the shards of one order evenly.
    """

    stages: tuple[tuple[float, float], ...]
    connections: int
    start_rate_per_s: float = 0.0
    is_poisson: bool = False
    offset: float = 0.0

    @property
    def arrivals(self) -> float:
        """Arrivals of all stages, of a Poisson process on average: what an order usually makes as its calls."""
        total, before = 0.0, self.start_rate_per_s
        for duration_s, rate_per_s in self.stages:
            total += (before + rate_per_s) / 2 * duration_s
            before = rate_per_s
        return total


Pacing = ClosedLoop | Burst | TimedBurst | ConstantRate | Poisson | Stages


class WeightedPayload(msgspec.Struct, frozen=True):
    """One event, sent with a probability in proportion to its weight.

    Attributes:
        body: bytes of the event.
        weight: above zero.
        tokens: whether ``{{uuid}}`` (random), ``{{sequence}}`` (0, 1, ... in the order) and ``{{timestamp}}`` (Unix
            ms) in the body are replaced in every call, the same value at every place in it. Each call is then
            signed by itself, which costs some microseconds.
        form: how it is sent instead of by Invoke; `body` and `tokens` are not looked at then, the form has its own.
    """

    body: bytes
    weight: float = 1.0
    tokens: bool = False
    form: RequestForm | None = None


class Order(msgspec.Struct, frozen=True):
    """Send this load to this function.

    Attributes:
        id: number of the order in the session; it is in every row.
        cell: index into the plan's cells; it is in every row.
        function: name, ``name:alias`` or ARN.
        pacing: when calls are made.
        calls: how many calls are made, exactly, unless the order is stopped.
        qualifier: version or alias; None for what `function` names.
        payloads: the events, at least one; their forms go to one endpoint and are answered alike.
        seed: of the choice among payloads and of Poisson arrivals.
        timeout_s: how long an answer is waited for, from the send, before the call is given up.
        log_tail: whether AWS is asked for the log tail, which holds the REPORT line.
        first_sequence: what ``{{sequence}}`` is in the first call; set by `split_order`.
        sequence_step: from one call to the next; set by `split_order`.
    """

    id: int
    cell: int
    function: str
    pacing: Pacing
    calls: int
    qualifier: str | None = None
    payloads: tuple[WeightedPayload, ...] = (WeightedPayload(b"{}"),)
    seed: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S
    log_tail: bool = True
    first_sequence: int = 0
    sequence_step: int = 1


def connections_of(pacing: Pacing) -> int:
    """Return how many connections a pacing uses."""
    return pacing.concurrency if isinstance(pacing, ClosedLoop | Burst) else pacing.connections


def check_order(order: Order) -> None:
    """Check that an order can be carried out.

    Raises:
        UsageError: naming the first field that cannot be right.
    """

    def require(holds: bool, what: str) -> None:
        if not holds:
            raise UsageError(f"order {order.id} cannot be carried out: {what}")

    pacing = order.pacing
    require(0 <= order.id < 2**32, f"its id is {order.id}, expected 0 to 4294967295")
    require(0 <= order.cell < 2**16, f"its cell is {order.cell}, expected 0 to 65535")
    require(bool(order.function), "it names no function")
    require(order.calls >= 1, f"it makes {order.calls} calls, expected at least 1")
    require(connections_of(pacing) >= 1, "it has no connection, expected at least 1")
    require(order.timeout_s > 0, f"its timeout is {order.timeout_s} s, expected more than zero")
    require(bool(order.payloads), "it has no payload, expected at least one")
    require(all(payload.weight > 0 for payload in order.payloads), "a payload's weight is not above zero")
    check_forms(order, require)
    if isinstance(pacing, ConstantRate | Poisson):
        require(pacing.rate_per_s > 0, f"its rate is {pacing.rate_per_s} per s, expected more than zero")
    if isinstance(pacing, Stages):
        _check_stages(order, pacing, require)
    if isinstance(pacing, ClosedLoop):
        require(pacing.think_time_ms >= 0, "its think time is below zero")
    if isinstance(pacing, TimedBurst):
        require(pacing.concurrency >= 1, "its bursts have no call, expected at least 1")
        require(pacing.every_s > 0, f"its bursts come every {pacing.every_s} s, expected more than zero")


def _check_stages(order: Order, pacing: Stages, require: Callable[[bool, str], None]) -> None:
    require(bool(pacing.stages), "it has no stage, expected at least one")
    rates = [pacing.start_rate_per_s, *(rate_per_s for _, rate_per_s in pacing.stages)]
    numbers = [*rates, *(duration_s for duration_s, _ in pacing.stages)]
    require(
        all(0 <= number < math.inf for number in numbers), "a length or rate of its stages is below zero or no number"
    )
    require(
        rates[-1] > 0 or not pacing.is_poisson, "its last stage ends at 0 per s, where Poisson arrivals never end"
    )  # fmt: skip
    # The last of evenly spread arrivals is one interval before the end of the stages, or on it.
    require(
        rates[-1] > 0 or order.calls - 1 + pacing.offset <= pacing.arrivals,
        f"it makes {order.calls} calls, but its stages end at 0 per s after {pacing.arrivals:.0f}",
    )


def split_order(order: Order, shards: int) -> tuple[Order | None, ...]:
    """Return one order per shard, whose calls, concurrency and rate add up exactly to those of `order`.

    A shard that has nothing to do gets None. Waves of a burst stay whole: every wave is spread over the
    shards in the same way.
    """
    check_order(order)
    pacing = order.pacing
    connections = connections_of(pacing)
    wave = pacing.concurrency if isinstance(pacing, ClosedLoop | Burst | TimedBurst) else connections
    parts = _spread(wave, shards)
    connection_parts = _spread(connections, shards)
    calls = _calls_of_parts(order, parts)
    busy = sum(1 for count in calls if count)
    orders: list[Order | None] = []
    for number, (part, count) in enumerate(zip(parts, calls, strict=True)):
        if not count:
            orders.append(None)
            continue
        share: Pacing
        if isinstance(pacing, ClosedLoop | Burst):
            share = msgspec.structs.replace(pacing, concurrency=part)
        elif isinstance(pacing, TimedBurst):
            share = TimedBurst(part, pacing.every_s, max(connection_parts[number], 1))
        elif isinstance(pacing, ConstantRate):
            # Every shard takes each n-th arrival, so that together they keep the interval of the whole.
            share = ConstantRate(pacing.rate_per_s / busy, part, (pacing.offset + number) / busy)
        elif isinstance(pacing, Stages):
            share = msgspec.structs.replace(
                pacing,
                stages=tuple((duration_s, rate_per_s / busy) for duration_s, rate_per_s in pacing.stages),
                connections=part,
                start_rate_per_s=pacing.start_rate_per_s / busy,
                offset=(pacing.offset + number) / busy,
            )
        else:
            share = Poisson(pacing.rate_per_s / busy, part)
        # Shards draw from streams of their own: 1 000 003 is prime, so that seeds do not meet.
        orders.append(
            msgspec.structs.replace(
                order,
                pacing=share,
                calls=count,
                seed=order.seed + 1_000_003 * number,
                first_sequence=order.first_sequence + number * order.sequence_step,
                sequence_step=order.sequence_step * busy,
            )
        )
    return tuple(orders)


def _calls_of_parts(order: Order, parts: Sequence[int]) -> list[int]:
    """Share the calls of an order among shards that hold `parts` of its connections."""
    if isinstance(order.pacing, ConstantRate | Poisson | Stages):
        return _spread(order.calls, sum(1 for part in parts if part)) + [0] * parts.count(0)
    whole_rounds, rest = divmod(order.calls, sum(parts))
    calls = [whole_rounds * part for part in parts]
    while rest:
        for number, part in enumerate(parts):
            if rest and calls[number] - whole_rounds * part < part:
                calls[number] += 1
                rest -= 1
    return calls


def _spread(total: int, parts: int) -> list[int]:
    """Split `total` into `parts` whole numbers that differ by one at the most, the larger ones first."""
    each, rest = divmod(total, parts)
    return [each + (number < rest) for number in range(parts)]
