"""Batches of a stream that wait for the one before: what they hold was brought by an earlier poll."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.session.delivered.ordering import began_with_an_end
from lambdatune.stats.matching import match_in_order

MS = 1_000_000


def lane(rng: np.random.Generator, *, poll_ms: float, handler_ms: float, messages: int):
    """Return when messages were sent, when batches began and ended, and in which each message truly was."""
    sent = np.cumsum(rng.exponential(20.0, messages))
    batch_of = np.full(messages, -1)
    started, finished, free_at, read = [], [], 0.0, 0
    waiting: list[int] = []
    poll = rng.uniform(0, poll_ms)
    while read < messages or waiting:
        while read < messages and sent[read] <= poll:
            waiting.append(read)
            read += 1
        # A lane that became free since the last poll has begun with what was there; this poll's are for the next.
        if waiting and free_at <= poll:
            started.append(poll)
        elif waiting and free_at <= poll + poll_ms:
            started.append(free_at)
        if waiting and len(started) > len(finished):
            batch_of[waiting] = len(finished)
            waiting = []
            finished.append(started[-1] + handler_ms)
            free_at = finished[-1]
        poll += poll_ms
    times = (np.array(each) * MS for each in (sent, started, finished))
    return *(each.astype(np.int64) for each in times), batch_of


def queue_delays_ms(sent, started, batches):
    return (started[batches] - sent) / MS


@pytest.mark.parametrize("handler_ms", [60.0, 110.0])
def test_percentiles_are_nearer_with_half_a_poll_and_the_told_error_covers_them(handler_ms) -> None:
    rng = np.random.default_rng(3)
    worse, off = [], []
    for _ in range(20):
        poll_ms = 25.0
        sent, started, finished, truth = lane(rng, poll_ms=poll_ms, handler_ms=handler_ms, messages=200)
        waited = began_with_an_end(started, finished)
        assert waited.any()
        half_ns = round(poll_ms * MS / 2)
        common = {"batch_size": 100, "retry_after_s": 0.0, "lanes": 1}
        failed = np.zeros(len(started), dtype=np.bool_)
        plain = match_in_order(sent, sent, started, finished, failed, **common)
        found = match_in_order(
            sent, sent, started, finished, failed, **common,
            taken_ns=started - np.where(waited, half_ns, 0), latency_ns=half_ns + 5 * MS,
        )  # fmt: skip
        true_ms = queue_delays_ms(sent, started, truth)
        for percentile, told_ms in ((50, found.queue_delay_error.p50_ms), (95, found.queue_delay_error.p95_ms)):
            right_ms = np.percentile(true_ms, percentile)
            differ = [
                abs(np.percentile(queue_delays_ms(sent, started, match.first), percentile) - right_ms)
                for match in (plain, found)
            ]  # fmt: skip
            worse.append(differ[0])
            off.append((differ[1], told_ms))
    assert np.mean([each for each, _ in off]) < 0.7 * np.mean(worse)
    assert np.mean([each <= told for each, told in off]) > 0.95


def test_who_began_with_an_end_is_told_from_who_waited_for_a_poll() -> None:
    taken = np.array([0, 100, 161, 400]) * MS
    finished = np.array([60, 160, 221, 460]) * MS
    assert began_with_an_end(taken, finished).tolist() == [False, False, True, False]
    order = [2, 0, 3, 1]
    assert began_with_an_end(taken[order], finished[order]).tolist() == [True, False, False, False]
