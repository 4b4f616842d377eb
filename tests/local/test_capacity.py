"""The honest gate and the start rate, on a clock of their own."""

from __future__ import annotations

import asyncio

from lambdatune.local.capacity import Capacity
from lambdatune.local.throttles import StartRate


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


async def test_what_fits_does_not_wait() -> None:
    capacity = Capacity(2, 0.25)
    assert [await capacity.acquire(0.0724) for _ in range(10)] == [0] * 10
    assert capacity.busy < 1.75
    assert capacity.queued_count == 0


async def test_first_come_first_served_even_when_a_later_one_would_fit() -> None:
    clock = Clock()
    capacity = Capacity(2, 0.25, clock)
    order: list[str] = []

    async def work(name: str, share: float) -> int:
        waited_ns = await capacity.acquire(share)
        order.append(name)
        return waited_ns

    await capacity.acquire(1.0)
    large, small = asyncio.create_task(work("large", 1.0)), asyncio.create_task(work("small", 0.1))
    await asyncio.sleep(0)
    assert capacity.waiting == 2
    clock.now_ns = 5_000_000
    capacity.release(1.0)
    assert [await large, await small] == [5_000_000, 5_000_000]
    assert order == ["large", "small"]
    assert (capacity.queued_count, capacity.queued_max_ns) == (2, 5_000_000)


async def test_one_always_runs() -> None:
    capacity = Capacity(2, 0.25)
    assert await capacity.acquire(5.79) == 0  # 10,240 MB on two cores
    waiting = asyncio.create_task(capacity.acquire(0.1))
    await asyncio.sleep(0)
    assert not waiting.done()
    capacity.release(5.79)
    await waiting
    capacity.release(0.1)
    assert capacity.busy == 0


async def test_who_gives_up_leaves_the_queue() -> None:
    capacity = Capacity(1, 0.0)
    await capacity.acquire(1.0)
    gives_up, stays = asyncio.create_task(capacity.acquire(1.0)), asyncio.create_task(capacity.acquire(1.0))
    await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.gather(gives_up, return_exceptions=True)
    capacity.release(1.0)
    await stays
    capacity.release(1.0)
    assert capacity.busy == 0


def test_as_many_inits_as_cores() -> None:
    assert Capacity(4, 0.5).init_weight * 4 == 3.5


def test_start_rate_is_a_thousand_and_a_hundred_a_second() -> None:
    now_s = [0.0]
    rate = StartRate(lambda: now_s[0])
    assert sum(rate.take() for _ in range(1_500)) == 1_000
    now_s[0] = 1.0
    assert sum(rate.take() for _ in range(1_500)) == 100
    now_s[0] = 1_000.0
    assert sum(rate.take() for _ in range(1_500)) == 1_000
