"""The detector against disturbances whose effect is known, because the same window is made without them."""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
import pytest

from lambdatune.model.invocation import Status
from lambdatune.stats.distortion import MOST_SHIFT, generator_delays_ms, shift_of
from lambdatune.stats.rows import clock_ms, empty_rows

NS_PER_MS = 1_000_000
BEGIN_NS = 1_790_000_000_000_000_000
WINDOWS = 1_000


class Loop:
    """A generator's loop: when it gets to do what is due at a time."""

    def __init__(self, random: np.random.Generator, blocks: list[tuple[float, float]], steal: float) -> None:
        self._random = random
        self._blocks = blocks
        self._steal = steal

    def late(self, at_ms: float) -> float:
        at_ms += self._random.uniform(0.01, 0.06)
        if self._random.random() < self._steal:
            at_ms += self._random.exponential(4.0)
        for begin_ms, end_ms in self._blocks:
            if begin_ms <= at_ms < end_ms:
                at_ms = end_ms + self._random.uniform(0.0, 0.3)
        return at_ms


def simulate(intended_ms: Any, service_ms: Any, connections: int, loop: Loop | None) -> tuple[Any, Any]:
    """Return when calls were sent and when they had ended; without a loop by a generator that takes no time."""
    free = [0.0] * connections
    sent_ms, done_ms = np.zeros(len(intended_ms)), np.zeros(len(intended_ms))
    for number, (due_ms, took_ms) in enumerate(zip(intended_ms, service_ms, strict=True)):
        start_ms = max(due_ms, heapq.heappop(free))
        sent_ms[number] = start_ms if loop is None else loop.late(start_ms)
        done_ms[number] = sent_ms[number] + took_ms
        heapq.heappush(free, done_ms[number])
    return sent_ms, done_ms


def rows_of(intended_ms: Any, sent_ms: Any, done_ms: Any, throttled: Any) -> Any:
    rows = empty_rows(len(intended_ms))
    for name, times_ms in (("intended_ns", intended_ms), ("sent_ns", sent_ms), ("done_ns", done_ms)):
        rows[name] = BEGIN_NS + (times_ms * NS_PER_MS).astype(np.int64)
    rows["status"] = np.where(throttled, Status.THROTTLED, Status.OK)
    return rows


def p99(times_ms: Any) -> float:
    return float(np.sort(times_ms)[math.ceil(0.99 * len(times_ms)) - 1])


def window(random: np.random.Generator, disturbance: str) -> tuple[bool, bool]:
    """Make a window; return whether its p99 moved by the generator or a throttle, and whether it is flagged."""
    calls = int(random.integers(200, 1_200))
    rate = random.uniform(0.05, 1.0)
    gaps = np.full(calls, 1 / rate) if random.random() < 0.5 else random.exponential(1 / rate, calls)
    intended_ms = np.cumsum(gaps)
    service_ms = random.uniform(3, 60) * random.lognormal(0.0, random.uniform(0.05, 0.6), calls)
    if disturbance == "slow server":
        begin = random.uniform(0, intended_ms[-1] * 0.8)
        service_ms[(intended_ms > begin) & (intended_ms < begin + intended_ms[-1] / 8)] *= random.uniform(2, 10)
    # Enough on the average, so that calls wait for a connection only now and then.
    connections = max(int(rate * service_ms.mean() * random.uniform(1.3, 4)), 2)
    blocks = []
    if disturbance == "blocked":
        for _ in range(random.integers(1, 5)):
            begin = random.uniform(0, intended_ms[-1])
            blocks.append((begin, begin + random.exponential(80.0)))
    throttled = random.random(calls) < (random.uniform(0.002, 0.08) if disturbance == "throttled" else 0.0)
    loop = Loop(random, blocks, random.uniform(0.0, 0.2) if disturbance == "stolen" else 0.0)

    sent_ms, done_ms = simulate(intended_ms, service_ms, connections, loop)
    rows = rows_of(intended_ms, sent_ms, done_ms, throttled)
    delays_ms = generator_delays_ms(rows, {(0, 0): connections})
    response_ms = clock_ms(rows, "response")
    shift = shift_of(response_ms[~throttled], delays_ms[~throttled], 99, throttled=int(throttled.sum()))

    _, true_ms = simulate(intended_ms, service_ms, connections, None)
    moved = abs(p99(response_ms[~throttled]) / p99(true_ms - intended_ms) - 1) > MOST_SHIFT
    return moved, shift.is_too_far


def test_windows_that_the_generator_moved_are_flagged_and_quiet_ones_are_not() -> None:
    random = np.random.default_rng(20_261_123)
    disturbances = ("none", "blocked", "stolen", "throttled", "slow server")
    seen: dict[str, list[tuple[bool, bool]]] = {name: [] for name in disturbances}
    for number in range(WINDOWS):
        name = disturbances[number % len(disturbances)]
        seen[name].append(window(random, name))
    moved = [flagged for windows in seen.values() for was_moved, flagged in windows if was_moved]
    quiet = [flagged for name in ("none", "slow server") for was_moved, flagged in seen[name] if not was_moved]
    assert len(moved) > 150
    assert sum(moved) / len(moved) >= 0.99, (sum(moved), len(moved))
    assert len(quiet) > 350
    assert sum(quiet) / len(quiet) <= 0.01, (sum(quiet), len(quiet))
    # A slow server is what is measured.
    assert not any(flagged for _, flagged in seen["slow server"])


def test_callers_that_wake_together_do_no_harm_to_a_slow_function_and_do_to_a_fast_one() -> None:
    late_ms = np.tile(np.linspace(0.0, 1.0, 20), 10)
    assert not shift_of(100.0 + late_ms, late_ms, 99).is_too_far
    assert shift_of(3.0 + late_ms, late_ms, 99).is_too_far


def test_a_wait_for_a_connection_is_the_servers_doing() -> None:
    intended_ms = np.arange(10.0)
    sent_ms, done_ms = simulate(intended_ms, np.full(10, 50.0), 1, None)
    rows = rows_of(intended_ms, sent_ms, done_ms, np.zeros(10, dtype=bool))
    assert generator_delays_ms(rows, {(0, 0): 1}).max() < 1e-3
    assert generator_delays_ms(rows).max() == pytest.approx(441.0, abs=1.0)
    other_shard = generator_delays_ms(rows, {(0, 1): 1})
    assert other_shard.max() == pytest.approx(441.0, abs=1.0)


def test_a_call_that_was_never_sent_is_not_late() -> None:
    rows = empty_rows(2)
    rows["intended_ns"] = rows["done_ns"] = BEGIN_NS
    assert generator_delays_ms(rows, {(0, 0): 1}).tolist() == [0.0, 0.0]


def test_throttled_calls_bound_a_percentile() -> None:
    times_ms = np.arange(1.0, 101.0)
    assert shift_of(times_ms, 0.0, 50, throttled=0).share == 0
    # p95 of 102 is rank 97; two that were faster than all would make it the 95th that was seen.
    near = shift_of(times_ms, 0.0, 95, throttled=2)
    assert (near.reported_ms, near.undisturbed_ms) == (95.0, 97.0)
    far = shift_of(times_ms, 0.0, 99, throttled=2)
    assert far.undisturbed_ms == math.inf or far.undisturbed_ms >= 98.0
    unbounded = shift_of(times_ms, 0.0, 99, throttled=10)
    assert unbounded.undisturbed_ms == math.inf
    assert unbounded.is_too_far
    assert shift_of(np.zeros(0), 0.0, 50, throttled=3) is None
