"""Messages matched to executions, against a simulation of a queue that knows which were together."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.stats.matching import OrderMatch, match_in_order
from lambdatune.stats.nesting import match_nested

MS = 1_000_000
EPOCH_NS = 1_790_000_000_000_000_000
VISIBLE_S = 2.0


@dataclass
class Truth:
    """What a simulated queue did; times are nanoseconds."""

    sent: Any
    started: Any
    finished: Any
    failed: Any
    first: Any
    last: Any
    attempts: Any

    def match(self, batch_size: int, **options: Any) -> OrderMatch:
        logged = self.started // MS * MS  # as a log tells it
        return match_in_order(
            self.sent, self.sent + 2 * MS, logged, self.finished, self.failed,
            batch_size=batch_size, **{"retry_after_s": VISIBLE_S, **options},
        )  # fmt: skip


def simulate(
    *, seed: int, rate: float, count: int, pollers: int, batch_size: int, duration_ms: float, window_ms: float = 0.0,
    failing: float = 0.0, retry_s: float = VISIBLE_S, latency_ms: float = 3.0,
) -> Truth:  # fmt: skip
    """Run a queue of virtual time: pollers take what is there, in order of availability, when they are free."""
    random = np.random.default_rng(seed)
    sent = np.cumsum(random.exponential(1e3 / rate, count))
    waiting = [(at, number) for number, at in enumerate(sent.tolist())]
    heapq.heapify(waiting)
    free = [0.0] * pollers
    first, last, attempts = np.full(count, -1), np.full(count, -1), np.zeros(count, dtype=int)
    executions: list[tuple[float, float, bool, list[int]]] = []
    again: list[int] = []  # of a stream: the batch that is tried again
    while waiting or again:
        now = max(heapq.heappop(free), waiting[0][0] if not again else 0.0)
        until = now + window_ms
        batch, again = again, []
        is_retry = bool(batch)
        while not is_retry and waiting and len(batch) < batch_size and waiting[0][0] <= until:
            at, number = heapq.heappop(waiting)
            now = max(now, at)
            batch.append(number)
        close = now if len(batch) == batch_size else until
        start = close + random.uniform(0.5, 2 * latency_ms - 0.5)
        end = start + random.uniform(0.8, 1.2) * duration_ms
        failed = bool(random.random() < failing)
        executions.append((start, end, failed, batch))
        heapq.heappush(free, end)
        if failed and retry_s == 0:
            again = batch
            continue
        for number in batch if failed else ():
            heapq.heappush(waiting, (start + retry_s * 1e3, number))
    executions.sort()
    for index, (_, _, _, batch) in enumerate(executions):
        for number in batch:
            first[number] = index if first[number] < 0 else first[number]
            last[number] = index
            attempts[number] += 1
    times = (EPOCH_NS + np.array([e[:2] for e in executions]) * MS).astype(np.int64)
    sent_ns = (EPOCH_NS + sent * MS).astype(np.int64)
    failures = np.array([e[2] for e in executions])
    return Truth(sent_ns, times[:, 0], times[:, 1], failures, first, last, attempts)


def far_ms(truth: Truth, match: OrderMatch, share: float) -> tuple[float, float]:
    """Return how far queue delay and e2e of the match are from the truth at a percentile."""
    known = match.last >= 0
    queue = np.percentile(truth.started[match.first[known]] - truth.sent[known], share)
    e2e = np.percentile(truth.finished[match.last[known]] - truth.sent[known], share)
    true_queue = np.percentile(truth.started[truth.first] - truth.sent, share)
    true_e2e = np.percentile(truth.finished[truth.last] - truth.sent, share)
    return abs(queue - true_queue) / MS, abs(e2e - true_e2e) / MS


CASES: dict[str, dict[str, Any]] = {
    "low load": {"rate": 20, "count": 400, "pollers": 5, "batch_size": 10, "duration_ms": 30},
    "low load, long calls": {"rate": 20, "count": 400, "pollers": 20, "batch_size": 10, "duration_ms": 300},
    "busy": {"rate": 300, "count": 3_000, "pollers": 10, "batch_size": 10, "duration_ms": 100},
    "saturated": {"rate": 300, "count": 3_000, "pollers": 2, "batch_size": 10, "duration_ms": 100},
    "one at a time": {"rate": 50, "count": 600, "pollers": 1, "batch_size": 10, "duration_ms": 40},
    "batches of one": {"rate": 100, "count": 800, "pollers": 10, "batch_size": 1, "duration_ms": 60},
}


def conserved(truth: Truth, match: OrderMatch, batch_size: int) -> None:
    """See that each message is in executions that it can be in, and each execution has 1 to `batch_size`."""
    matched = match.last >= 0
    assert (match.attempts[matched] >= 1).all()
    assert (match.attempts[~matched] == 0).all()
    sizes = np.bincount(match.last[matched], minlength=len(truth.started))
    assert sizes.max() <= batch_size
    assert (match.batch_size[matched] <= batch_size).all()
    assert (truth.started[match.first[matched]] >= truth.sent[matched] - 3 * MS).all()
    assert match.invocations.sum() == pytest.approx(len(truth.started) - len(match.idle))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_queue_delay_and_e2e_are_within_5_ms_of_the_truth(name: str, seed: int) -> None:
    truth = simulate(seed=seed, **CASES[name])
    match = truth.match(CASES[name]["batch_size"])
    conserved(truth, match, CASES[name]["batch_size"])
    assert len(match.idle) == 0
    assert (match.last >= 0).all()
    for share, queue_ms, e2e_ms in (
        (50, match.queue_delay_error.p50_ms, match.e2e_error.p50_ms),
        (95, match.queue_delay_error.p95_ms, match.e2e_error.p95_ms),
    ):
        queue, e2e = far_ms(truth, match, share)
        # One message more in an early batch of a queue that grows moves all that follow.
        assert queue < (5 if name != "saturated" else 5 + queue_ms)
        assert e2e < (5 if name != "saturated" else 5 + e2e_ms)


@pytest.mark.parametrize("seed", range(3))
def test_of_a_batch_window_the_batches_are_found(seed: int) -> None:
    truth = simulate(
        seed=seed, rate=100, count=1_000, pollers=5, batch_size=10, duration_ms=50, window_ms=200
    )  # fmt: skip
    match = truth.match(10)
    conserved(truth, match, 10)
    assert max(*far_ms(truth, match, 50), *far_ms(truth, match, 95)) < 5


@pytest.mark.parametrize("seed", range(3))
def test_with_failures_the_retries_are_found(seed: int) -> None:
    truth = simulate(seed=seed, rate=100, count=2_000, pollers=10, batch_size=10, duration_ms=100, failing=0.1)
    match = truth.match(10)
    conserved(truth, match, 10)
    assert np.mean(match.attempts > 1) == pytest.approx(np.mean(truth.attempts > 1), abs=0.02)
    for share in (50, 95):
        queue, _ = far_ms(truth, match, share)
        assert queue < 5
    assert far_ms(truth, match, 50)[1] < 5
    assert match.is_finished.mean() > 0.97


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_tries_the_same_batch_again(seed: int) -> None:
    truth = simulate(
        seed=seed, rate=50, count=800, pollers=1, batch_size=10, duration_ms=40, failing=0.1, retry_s=0
    )  # fmt: skip
    match = truth.match(10, retry_after_s=0, lanes=1)
    assert match.is_lane_known
    conserved(truth, match, 10)
    assert match.is_finished.all() or not match.is_finished[match.last == len(truth.started) - 1].any()
    assert match.attempts.max() == truth.attempts.max()
    assert np.mean(match.attempts > 1) == pytest.approx(np.mean(truth.attempts > 1), abs=0.02)
    assert far_ms(truth, match, 50)[0] < 5
    assert far_ms(truth, match, 95)[0] < 5
    assert not truth.match(10, retry_after_s=0, lanes=4).is_lane_known


def test_the_error_covers_a_latency_that_is_long() -> None:
    truth = simulate(seed=1, rate=200, count=2_000, pollers=2, batch_size=10, duration_ms=60, latency_ms=20)
    match = truth.match(10)
    for share, told in ((50, match.queue_delay_error.p50_ms), (95, match.queue_delay_error.p95_ms)):
        assert far_ms(truth, match, share)[0] <= told + 1


def test_messages_and_executions_without_a_partner_are_named() -> None:
    sent = EPOCH_NS + np.arange(3) * 100 * MS
    started = EPOCH_NS + np.array([-50, 10, 110]) * MS
    match = match_in_order(
        sent, sent, started, started + MS, np.zeros(3, dtype=bool), batch_size=10, retry_after_s=30
    )  # fmt: skip
    assert match.first.tolist() == [1, 2, -1]
    assert match.attempts.tolist() == [1, 1, 0]
    assert match.idle.tolist() == [0]
    none = np.zeros(0, dtype=np.int64)
    empty = match_in_order(sent, sent, none, none, none.astype(bool), batch_size=1, retry_after_s=1)
    assert (empty.last == -1).all()
    assert np.isnan(empty.e2e_error.p50_ms)
    assert len(match_in_order(none, none, started, started, np.zeros(3, bool), batch_size=1, retry_after_s=1).idle) == 3


def test_a_message_is_given_up_after_its_attempts() -> None:
    sent = np.array([EPOCH_NS])
    started = EPOCH_NS + np.array([5, 1_005, 2_005]) * MS
    match = match_in_order(
        sent, sent, started, started + MS, np.ones(3, dtype=bool), batch_size=1, retry_after_s=1, max_attempts=3
    )
    assert (match.attempts.tolist(), match.is_finished.tolist(), match.idle.tolist()) == ([3], [False], [])
    assert match.invocations.tolist() == [3.0]
    assert (match.first.tolist(), match.last.tolist()) == ([0], [2])


def test_twenty_thousand_messages_take_well_under_a_second() -> None:
    truth = simulate(seed=3, rate=500, count=20_000, pollers=30, batch_size=3, duration_ms=100, failing=0.02)
    began = time.process_time()
    truth.match(3)
    assert time.process_time() - began < 1


times = st.lists(st.integers(0, 300), max_size=30)


@given(sent=times, started=times, batch_size=st.integers(1, 5), retry=st.sampled_from([0.0, 0.05]), data=st.data())
def test_any_input_keeps_the_bounds(
    sent: list[int], started: list[int], batch_size: int, retry: float, data: st.DataObject
) -> None:
    failed = np.array(data.draw(st.lists(st.booleans(), min_size=len(started), max_size=len(started))), dtype=bool)
    sent_ns = EPOCH_NS + np.array(sent, dtype=np.int64) * MS
    started_ns = EPOCH_NS + np.array(started, dtype=np.int64) * MS
    match = match_in_order(
        sent_ns, sent_ns, started_ns, started_ns + 10 * MS, failed, batch_size=batch_size, retry_after_s=retry,
        max_attempts=data.draw(st.sampled_from([None, 1, 3])),
    )  # fmt: skip
    matched = match.last >= 0
    assert ((match.first >= 0) == matched).all()
    assert ((match.attempts > 0) == matched).all()
    if len(started):
        sizes = np.bincount(match.last[matched], minlength=len(started))
        assert sizes.max(initial=0) <= batch_size
        assert (started_ns[match.first[matched]] >= sent_ns[matched] - 2 * MS).all()
        by_time = np.argsort(sent_ns[matched], kind="stable")
        assert (np.diff(started_ns[match.first[matched]][by_time]) >= 0).all()
    assert match.invocations.sum() == pytest.approx(len(started) - len(match.idle))


@pytest.mark.parametrize("offset_ms", [0, 400, -400])
def test_calls_are_matched_to_the_executions_that_they_hold(offset_ms: int) -> None:
    random = np.random.default_rng(5)
    sent = EPOCH_NS + np.cumsum(random.exponential(20, 2_000) * MS).astype(np.int64)
    started = sent + (random.uniform(3, 8, 2_000) * MS).astype(np.int64)
    finished = started + (random.uniform(5, 90, 2_000) * MS).astype(np.int64)
    done = finished + (random.uniform(3, 8, 2_000) * MS).astype(np.int64)
    order = random.permutation(2_000)
    match = match_nested(sent, done, (started + offset_ms * MS)[order], (finished + offset_ms * MS)[order])
    assert abs(match.offset_ns + offset_ms * MS) < 12 * MS
    assert np.mean(match.execution >= 0) > 0.98
    assert 0 < match.ambiguous < 2_000
    known = match.execution >= 0
    duration = (finished - started)[order][match.execution[known]]
    assert np.percentile(np.abs(duration - (finished - started)[known]), 90) < 5 * MS


def test_a_call_without_an_execution_has_none() -> None:
    sent, done = np.array([0, 100, 200]) * MS, np.array([90, 190, 290]) * MS
    match = match_nested(sent, done, np.array([110, 10]) * MS, np.array([120, 20]) * MS)
    assert (match.execution.tolist(), match.ambiguous, match.offset_ns) == ([1, 0, -1], 0, 0)
    none = np.zeros(0, dtype=np.int64)
    assert match_nested(sent, done, none, none).execution.tolist() == [-1] * 3
