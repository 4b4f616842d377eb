from __future__ import annotations

import heapq
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lambdatune.load.order import Burst, ClosedLoop, ConstantRate, Order, Poisson, connections_of, split_order
from lambdatune.load.pacers import make_pacer
from lambdatune.model.errors import UsageError

MS = 1_000_000


def simulate(pacing, calls: int, service_ns, seed: int = 0) -> list[tuple[int, int]]:
    """Carry out `calls` calls in virtual time; return intended and done times in the order of sending."""
    pacer = make_pacer(pacing, seed)
    in_flight: list[int] = []
    made: list[tuple[int, int]] = []
    now = 0
    while len(made) < calls or in_flight:
        due = pacer.due_ns() if len(made) < calls else None
        if due is not None and (not in_flight or max(due, now) <= in_flight[0]):
            now = max(now, due)
            pacer.take()
            done = now + next(service_ns)
            made.append((due, done))
            heapq.heappush(in_flight, done)
        else:
            now = heapq.heappop(in_flight)
            pacer.ended(now)
    return made


def most_at_once(made: list[tuple[int, int]]) -> int:
    steps = sorted([(start, 1) for start, _ in made] + [(end, -1) for _, end in made])
    return max(itertools.accumulate(step for _, step in steps))


@settings(max_examples=60, deadline=None)
@given(
    concurrency=st.integers(1, 20),
    calls=st.integers(1, 120),
    think_ms=st.sampled_from([0.0, 0.5, 20.0]),
    times=st.lists(st.integers(1, 50 * MS), min_size=1, max_size=30),
)
def test_closed_loop_keeps_its_concurrency_and_calls_when_an_answer_came(concurrency, calls, think_ms, times):
    made = simulate(ClosedLoop(concurrency, think_ms), calls, itertools.cycle(times))
    assert most_at_once(made) <= concurrency
    starts = [start for start, _ in made]
    assert starts[:concurrency] == [0] * min(concurrency, calls)
    ends = sorted(end + round(think_ms * MS) for _, end in made)
    assert sorted(starts[concurrency:]) == ends[: max(calls - concurrency, 0)]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 20), calls=st.integers(1, 100), times=st.lists(st.integers(1, 50 * MS), min_size=1))
def test_a_wave_starts_at_one_instant_when_the_last_one_has_ended(size, calls, times):
    made = simulate(Burst(size), calls, itertools.cycle(times))
    waves = [made[at : at + size] for at in range(0, calls, size)]
    for wave in waves:
        assert len({start for start, _ in wave}) == 1
    for before, after in itertools.pairwise(waves):
        assert after[0][0] == max(end for _, end in before)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.5, 50_000), calls=st.integers(1, 200), shards=st.integers(1, 5))
def test_constant_arrivals_do_not_drift_and_shards_interleave(rate, calls, shards):
    order = Order(0, 0, "fn", ConstantRate(rate, 10), calls)
    starts: list[int] = []
    for part in split_order(order, shards):
        if part is not None:
            starts += [start for start, _ in simulate(part.pacing, part.calls, itertools.repeat(1000 * MS))]
    wanted = [number * 1e9 / rate for number in range(calls)]
    assert sorted(starts) == pytest.approx(wanted, abs=2)


def test_poisson_arrivals_have_the_rate_and_repeat():
    pacing = Poisson(1000, 10)
    starts = [start for start, _ in simulate(pacing, 20_000, itertools.repeat(MS), seed=5)]
    assert starts == [start for start, _ in simulate(pacing, 20_000, itertools.repeat(9 * MS), seed=5)]
    assert starts != [start for start, _ in simulate(pacing, 20_000, itertools.repeat(MS), seed=6)]
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(MS, rel=0.03)
    assert variance**0.5 == pytest.approx(mean, rel=0.05)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from([ClosedLoop, Burst, lambda n: ConstantRate(100.0, n), lambda n: Poisson(100.0, n)]),
    connections=st.integers(1, 50),
    calls=st.integers(1, 500),
    shards=st.integers(1, 8),
)
def test_a_split_preserves_calls_connections_and_rate(kind, connections, calls, shards):
    order = Order(0, 0, "fn", kind(connections), calls)
    parts = [part for part in split_order(order, shards) if part is not None]
    assert sum(part.calls for part in parts) == calls
    assert all(part.calls > 0 for part in parts)
    total = sum(connections_of(part.pacing) for part in parts)
    assert total == connections or (total < connections and calls < shards)
    assert len({part.seed for part in parts}) == len(parts)
    if isinstance(order.pacing, ConstantRate | Poisson):
        assert sum(part.pacing.rate_per_s for part in parts) == pytest.approx(100.0)
    if isinstance(order.pacing, Burst):
        waves = {-(-part.calls // connections_of(part.pacing)) for part in parts}
        assert max(waves) == -(-calls // connections)


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (Order(0, 0, "fn", ClosedLoop(0), 1), "connection"),
        (Order(0, 0, "fn", ClosedLoop(1), 0), "calls"),
        (Order(0, 0, "", ClosedLoop(1), 1), "function"),
        (Order(0, 70_000, "fn", ClosedLoop(1), 1), "cell"),
        (Order(0, 0, "fn", ClosedLoop(1), 1, payloads=()), "payload"),
        (Order(0, 0, "fn", ClosedLoop(1), 1, timeout_s=0), "timeout"),
        (Order(0, 0, "fn", Poisson(0, 1), 1), "rate"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_a_sentence(order, word):
    with pytest.raises(UsageError, match=word):
        split_order(order, 1)
