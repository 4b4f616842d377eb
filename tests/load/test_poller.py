"""Waiting for the next send: awake shortly before it, asleep until then."""

from __future__ import annotations

import time

import pytest

from lambdatune.load.poller import make_poller

pytestmark = pytest.mark.alone


@pytest.fixture
def poller():
    poller = make_poller()
    yield poller
    poller.close()


def wait_until(poller, due_ns: int) -> int:
    """Wait as the engine does; return how often it looked."""
    looks = 0
    while (left_ns := due_ns - time.monotonic_ns()) > 0:
        poller.wait(left_ns, precise=True)
        looks += 1
    return looks


def test_a_wait_never_ends_after_the_send_is_due_by_a_scheduler_tick(poller) -> None:
    late_ns = []
    for _ in range(50):
        due_ns = time.monotonic_ns() + 2_000_000
        wait_until(poller, due_ns)
        late_ns.append(time.monotonic_ns() - due_ns)
    assert sorted(late_ns)[25] < 1_000_000


def test_dense_sends_do_not_keep_a_core_busy(poller) -> None:
    # The first wait is long, and so is its end awake: the short ones that follow must not take over its length.
    due_ns = time.monotonic_ns() + 5_000_000
    began_cpu_ns, began_ns = time.process_time_ns(), time.monotonic_ns()
    for _ in range(1_000):
        wait_until(poller, due_ns)
        due_ns += 200_000
    assert time.process_time_ns() - began_cpu_ns < 0.8 * (time.monotonic_ns() - began_ns)
