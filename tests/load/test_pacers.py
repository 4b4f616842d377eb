from __future__ import annotations

import heapq
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lambdatune.load.order import (
    Burst,
    ClosedLoop,
    ConstantRate,
    Order,
    Poisson,
    Stages,
    TimedBurst,
    connections_of,
    split_order,
)
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
    kind=st.sampled_from(
        [
            ClosedLoop,
            Burst,
            lambda n: ConstantRate(100.0, n),
            lambda n: Poisson(100.0, n),
            lambda n: Stages(((3.0, 100.0),), n),
        ]
    ),
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
        (Order(0, 0, "fn", Stages((), 1), 1), "no stage"),
        (Order(0, 0, "fn", Stages(((1, -5),), 1), 1), "below zero"),
        (Order(0, 0, "fn", Stages(((float("nan"), 5),), 1), 1), "no number"),
        (Order(0, 0, "fn", Stages(((1, 10), (1, 0)), 1), 20), "after 10"),
        (Order(0, 0, "fn", Stages(((1, 10), (1, 0)), 1, is_poisson=True), 5), "Poisson"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_a_sentence(order, word):
    with pytest.raises(UsageError, match=word):
        split_order(order, 1)


def integral(pacing: Stages, at_s: float) -> float:
    """Arrivals until `at_s`, summed up in small steps from the definition."""
    steps = 4000
    total = 0.0
    for step in range(steps):
        middle = at_s * (step + 0.5) / steps
        begin, rate = 0.0, pacing.start_rate_per_s
        for duration_s, next_rate in pacing.stages:
            if middle < begin + duration_s:
                rate += (next_rate - rate) * (middle - begin) / duration_s
                break
            begin, rate = begin + duration_s, next_rate
        total += rate * at_s / steps
    return total


stages = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 7.5]), st.sampled_from([0.0, 1.0, 20.0, 333.0])), min_size=1, max_size=4
).map(lambda made: (*made, (1.0, 50.0)))


def starts_of(order: Order, shards: int = 1) -> list[int]:
    starts: list[int] = []
    for part in split_order(order, shards):
        if part is not None:
            made = simulate(part.pacing, part.calls, itertools.repeat(1), part.seed)
            starts += [start for start, _ in made]
    return sorted(starts)


@settings(max_examples=40, deadline=None)
@given(shape=stages, start=st.sampled_from([0.0, 10.0]), shards=st.integers(1, 5))
def test_stages_reach_each_arrival_when_the_integral_of_the_rate_does(shape, start, shards):
    pacing = Stages(shape, 10, start_rate_per_s=start)
    calls = int(pacing.arrivals) + 30
    starts = starts_of(Order(0, 0, "fn", pacing, calls))
    assert starts == sorted(starts)
    assert len(starts) == calls
    for number in range(0, calls, max(calls // 5, 1)):
        # The sum over small steps is off by a step of the steepest stage where the rate jumps.
        assert integral(pacing, starts[number] / 1e9) == pytest.approx(number, abs=0.02 * max(number, 25))
    assert starts_of(Order(0, 0, "fn", pacing, calls), shards) == pytest.approx(starts, abs=100)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 20),
    every_ms=st.integers(1, 5000),
    calls=st.integers(1, 100),
    times=st.lists(st.integers(1, 50 * MS), min_size=1),
    shards=st.integers(1, 6),
)
def test_timed_bursts_come_at_their_times_whatever_the_answers(size, every_ms, calls, times, shards):
    pacing = TimedBurst(size, every_ms / 1000, 30)
    wanted = [number // size * every_ms * MS for number in range(calls)]
    assert [start for start, _ in simulate(pacing, calls, itertools.cycle(times))] == wanted
    order = Order(0, 0, "fn", pacing, calls)
    assert starts_of(order, shards) == wanted
    parts = [part.pacing for part in split_order(order, shards) if part is not None]
    assert sum(part.connections for part in parts) <= 30
    assert all(part.connections >= part.concurrency for part in parts)


def test_a_ramp_is_the_square_root_and_holds_its_last_rate():
    starts = starts_of(Order(0, 0, "fn", Stages(((10, 100),), 10), 700))
    assert starts[:501] == pytest.approx([(number / 5) ** 0.5 * 1e9 for number in range(501)], abs=2)
    assert starts[500:] == pytest.approx([10e9 + number * 1e7 for number in range(200)], abs=2)


def test_stages_that_end_at_zero_make_their_calls():
    pacing = Stages(((2, 100), (2, 0)), 10)
    starts = starts_of(Order(0, 0, "fn", pacing, 200))
    assert len(starts) == 200
    assert starts[-1] < 4e9
    assert sum(start < 2e9 for start in starts) == 100
    for shards in range(1, 6):
        assert len(starts_of(Order(0, 0, "fn", pacing, 201), shards)) == 201


@pytest.mark.parametrize("shards", [1, 3])
def test_poisson_stages_have_the_rate_of_each_stage(shards):
    pacing = Stages(((10, 1000), (5, 1000), (0, 200), (10, 200)), 10, is_poisson=True)
    starts = starts_of(Order(0, 0, "fn", pacing, 12_000, seed=3), shards)
    assert len(starts) == 12_000
    assert starts_of(Order(0, 0, "fn", pacing, 12_000, seed=3), shards) == starts
    for begin, end, wanted in ((0, 10, 5000), (5, 10, 3750), (10, 15, 5000), (15, 25, 2000)):
        count = sum(begin * 1e9 <= start < end * 1e9 for start in starts)
        assert count == pytest.approx(wanted, abs=5 * wanted**0.5)
    gaps = [b - a for a, b in itertools.pairwise(start for start in starts if 10e9 < start < 15e9)]
    mean = sum(gaps) / len(gaps)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(mean, rel=0.06)
