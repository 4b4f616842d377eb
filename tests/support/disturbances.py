"""Windows of load in which something is planted, ruled as a run is, and judged by the server's own record.

The truth of a window is what its calls would have taken with a generator that takes no time at all, and without
throttles: each call begins when it was intended, or when a connection became free, and takes what the server says
that it took; a throttled one what the server says that it would have taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.load.order import ConstantRate, Order, Poisson
from lambdatune.model.cell import Cell
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.generator import GeneratorWatch
from lambdatune.session.outcome import Outcome
from lambdatune.session.validity import rule
from lambdatune.stats.rows import clock_ms, is_ok, is_throttled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from lambdatune.load.driver import LoadDriver
    from lambdatune.stats.rows import Rows
    from support.stub import StubProcess

QUIET = ("quiet", "slow server")
"""Nothing is done to the generator."""
KINDS = (*QUIET, "loop blocked", "CPU stolen", "throttles")
CALLS = 200
CONNECTIONS = 120
FEW_CONNECTIONS = 12


@dataclass(frozen=True)
class Window:
    """What came of a window.

    Attributes:
        kind: what was planted.
        load: function and rate, for people.
        reported_ms: p99 of the response time of the answered calls.
        true_ms: p99 of the truth.
        flagged: whether a run of this window alone is ruled invalid.
    """

    kind: str
    load: str
    reported_ms: float
    true_ms: float
    flagged: bool

    @property
    def share(self) -> float:
        """By how much the p99 moved."""
        return abs(self.reported_ms / self.true_ms - 1)


async def window(driver: LoadDriver, stub: StubProcess, kind: str, randomness: random.Random) -> Window:
    """Make the calls of a window while something is planted, and rule on it."""
    function, connections = _function(kind, randomness)
    rate = randomness.choice((300, 600))
    pacing = randomness.choice((ConstantRate, Poisson))(rate, connections)
    order = Order(1, 0, function, pacing, CALLS, seed=randomness.randrange(1 << 30))
    throttled_before = len(stub.stats()["throttled_ms"])
    async with planted(kind, driver._shards[0].pid, randomness):
        rows = np.concatenate([batch async for batch in driver.run(order)])
    would_be_ms = stub.stats()["throttled_ms"][throttled_before:]
    return Window(
        kind,
        f"{function} at {rate}/s {pacing.__class__.__name__}",
        p99(clock_ms(rows[is_ok(rows)], "response")),
        p99(np.concatenate([true_response_ms(rows, connections), would_be_ms])),
        is_flagged(driver, rows),
    )


def _function(kind: str, randomness: random.Random) -> tuple[str, int]:
    """Return a behaviour of the stub, and for how many connections."""
    ms = randomness.choice((8, 20, 60))
    if kind == "throttles":
        permille = randomness.choice((5, 10, 20, 40))
        return f"vary_{ms}_0_{permille}_{randomness.choice(('any', 'slow'))}", CONNECTIONS
    if kind == "slow server":
        return f"vary_{ms}_{randomness.choice((20, 50, 200))}", randomness.choice((FEW_CONNECTIONS, CONNECTIONS))
    return randomness.choice((f"delay_{ms}", f"vary_{ms}")), CONNECTIONS


def is_flagged(driver: LoadDriver, rows: Rows) -> bool:
    """Return whether a run with a target on the p99 of the response time would be ruled invalid."""
    plan = Plan(FunctionSource("f"), parse_memory("512"), (parse_target("response.p99<=10s"),), cold_starts=0)
    evidence = gather([Cell("f", 512, "x86_64", "python3.12", "invoke")], plan, Tariff.of("us-east-1", "x86_64", 512))
    evidence[0].add(rows)
    watch = GeneratorWatch()
    assert driver.last_outcome is not None
    watch.note(driver.last_outcome)
    return not rule(evidence, plan, Outcome(generator=watch.record()), None).valid


def true_response_ms(rows: Rows, connections: int) -> np.ndarray:
    """Return what each answered call would have taken with a generator that takes no time, shape ``(answered,)``."""
    free_at_ms = [0.0] * connections
    begun_ms = float(rows["intended_ns"].min()) / 1e6
    found: list[float] = []
    for row in np.sort(rows, order="intended_ns"):
        intended_ms = float(row["intended_ns"]) / 1e6 - begun_ms
        took_ms = float(row["duration_ms"]) if row["status"] == 0 else 0.0
        ended_ms = max(intended_ms, free_at_ms[0]) + took_ms
        heapq.heapreplace(free_at_ms, ended_ms)
        if row["status"] == 0:
            found.append(ended_ms - intended_ms)
    assert len(found) + int(is_throttled(rows).sum()) == len(rows)
    return np.array(found)


def p99(times_ms: np.ndarray) -> float:
    return float(np.sort(times_ms)[math.ceil(0.99 * len(times_ms)) - 1])


@contextlib.asynccontextmanager
async def planted(kind: str, pid: int, randomness: random.Random) -> AsyncIterator[None]:
    """Disturb the shard whose process is `pid`, if the disturbance is one of the shard."""
    if kind == "loop blocked":
        stopping = asyncio.create_task(_stop_now_and_then(pid, randomness))
        try:
            yield
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
    elif kind == "CPU stolen":
        with _hogs(pid, randomness.choice((1, 2))):
            yield
    else:
        yield


async def _stop_now_and_then(pid: int, randomness: random.Random) -> None:
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
def _hogs(pid: int, count: int) -> Iterator[None]:
    """Share the shard's core with processes that never rest."""
    cores = os.sched_getaffinity(pid)
    core = {max(cores)}
    os.sched_setaffinity(pid, core)
    code = f"import os\nos.sched_setaffinity(0, {core})\nwhile os.getppid() == {os.getpid()}: pass"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
        os.sched_setaffinity(pid, cores)
