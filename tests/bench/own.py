"""lambdatune's own driver, as the session uses it: rows through the pipe into numpy."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from peers import Cost
from servers import pin

from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.order import ClosedLoop, Order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from servers import Cores, Server

    from lambdatune.load.order import Pacing
    from lambdatune.load.outcome import OrderOutcome

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session-token")


@contextlib.asynccontextmanager
async def started(
    server: Server, cores: Cores, *, shards: int = 1, authority: Path | None = None
) -> AsyncIterator[LoadDriver]:
    """Start a driver; its shards take turns on the load's core and the second one."""
    endpoint = endpoint_from_url(server.url, "us-east-1", ca_file=str(authority) if authority else None)
    async with LoadDriver.start(endpoint, CREDENTIALS, shards=shards) as driver:
        for number, shard in enumerate(driver._shards):
            pin(shard.pid, cores.second if number % 2 else cores.load)
        yield driver


async def rows_of(driver: LoadDriver, server: Server, pacing: Pacing, calls: int) -> tuple[np.ndarray, OrderOutcome]:
    batches = [batch async for batch in driver.run(Order(1, 0, server.function, pacing, calls))]
    outcome = driver.last_outcome
    assert outcome is not None
    rows = np.concatenate(batches)
    assert len(rows) == calls
    bad = int((rows["status"] != 0).sum() + (rows["start"] != 1).sum())
    if bad:
        raise SystemExit(f"{bad} of {calls} calls went wrong: {dict(outcome.messages)}")
    return rows, outcome


async def closed_loop(driver: LoadDriver, server: Server, callers: int, calls: int) -> Cost:
    """Return the cost of a closed loop, of all shards together."""
    shards = [Path("/proc", str(shard.pid), "stat") for shard in driver._shards]
    before = [_cpu_s(stat) for stat in shards]
    began = time.monotonic()
    _, outcome = await rows_of(driver, server, ClosedLoop(callers), calls)
    if len(shards) == 1:
        return Cost(calls, outcome.cpu_utilisation * outcome.wall_s, outcome.wall_s)
    used_s = sum(_cpu_s(stat) for stat in shards) - sum(before)
    return Cost(calls, used_s, min(outcome.wall_s, time.monotonic() - began))


def _cpu_s(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def peak_mb(driver: LoadDriver) -> float:
    """Return the largest resident size that a shard has had, in MB."""
    peaks = []
    for shard in driver._shards:
        lines = Path("/proc", str(shard.pid), "status").read_text().splitlines()
        peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return max(peaks)


@contextlib.contextmanager
def disturbed(kind: str, cores: Cores) -> Iterator[None]:
    """Let a `hog` or a `screen` run on the load's core; with ``quiet`` nothing."""
    if kind == "quiet":
        yield
        return
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("disturbers.py")), kind])
    pin(process.pid, cores.load)
    time.sleep(0.5)
    try:
        yield
    finally:
        process.kill()
        process.wait()
