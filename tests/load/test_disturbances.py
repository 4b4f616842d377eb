"""The detector on real windows: a shard that is stopped, robbed of its core or left alone, and the server's record."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

from lambdatune.load.driver import LoadDriver
from lambdatune.load.order import ConstantRate
from lambdatune.stats.distortion import generator_delays_ms, shift_of
from lambdatune.stats.rows import clock_ms

pytestmark = pytest.mark.slow

WINDOWS = 30
CONNECTIONS = 120


def p99(times_ms) -> float:
    return float(np.sort(times_ms)[math.ceil(0.99 * len(times_ms)) - 1])


async def stop_now_and_then(pid: int, randomness: random.Random) -> None:
    """Block the shard's loop: it does nothing for a while, as in a long collection or a swapped-out page."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            await asyncio.sleep(randomness.uniform(0.05, 0.25))
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(randomness.uniform(0.005, 0.15))
            finally:
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def hog(pid: int):
    """Share the shard's core with a process that never rests."""
    cores = os.sched_getaffinity(pid)
    core = {min(cores)}
    os.sched_setaffinity(pid, core)
    code = f"import os\nos.sched_setaffinity(0, {core})\nwhile os.getppid() == {os.getpid()}: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield
        finally:
            process.kill()
            os.sched_setaffinity(pid, cores)


async def test_real_windows_are_flagged_when_the_server_did_not_see_what_was_reported(
    stub, credentials, collect, make_order
) -> None:
    randomness = random.Random(3)
    disagreements, moved_count = [], 0
    async with LoadDriver.start(stub.endpoint, credentials) as driver:
        pid = driver._shards[0].pid
        for number in range(WINDOWS):
            kind = ("quiet", "stopped", "hogged")[number % 3]
            function = randomness.choice(("delay_8", "delay_20", "delay_60"))
            order = make_order(function, 200, ConstantRate(randomness.choice((300, 600)), CONNECTIONS))
            with hog(pid) if kind == "hogged" else contextlib.nullcontext():
                stopping = asyncio.create_task(stop_now_and_then(pid, randomness)) if kind == "stopped" else None
                rows = await collect(driver, order)
                if stopping is not None:
                    stopping.cancel()
                    await asyncio.gather(stopping, return_exceptions=True)
            response_ms = clock_ms(rows, "response")
            flagged = shift_of(response_ms, generator_delays_ms(rows, {(7, 0): CONNECTIONS}), 99).is_too_far
            # The stub's Duration runs from the kernel's receive stamp to its answer: no generator is in it.
            share = p99(response_ms) / p99(rows["duration_ms"]) - 1
            moved_count += share > 0.07
            if (share > 0.07 and not flagged) or (share < 0.03 and flagged):
                disagreements.append((kind, function, share, flagged))
    assert disagreements == []
    assert moved_count >= 5
