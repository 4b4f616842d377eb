"""The load driver against others and against the truth: ``python tests/bench [--quick]``.

Everything runs on loopback, side by side in one run: the rounds of all generators are interleaved, so that what
else the machine does hits them alike, and what is compared are ratios. Takes under five minutes; --quick under two.
``python tests/bench disturbances`` takes a quarter of an hour more, and is left out otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import disturbances
import numpy as np
import own
import peers
from peers import Cost
from quotas import Quotas
from servers import Cores, Programs, Server, build, pin

from lambdatune.load.driver import LoadDriver
from lambdatune.load.order import ConstantRate
from lambdatune.model.errors import UsageError

CALLERS = 100
PARTS = ("cpu", "latency", "stall", "shards")
DELAY_US = 5000
QUOTA = 0.3
"""Share of a core for a shard: two of them and the server fit on two cores with room to spare."""

Contender = Callable[[], Awaitable[Cost]]


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _peer(run: Callable[..., Cost], *arguments: object) -> Contender:
    async def contend() -> Cost:
        return await asyncio.to_thread(run, *arguments)

    return contend


async def throughput(programs: Programs, cores: Cores, rounds: int, seconds: float) -> None:
    """CPU per call in a closed loop, plain and over TLS."""
    async with AsyncExitStack() as stack:
        plain = stack.enter_context(Server(programs, cores))
        driver = await stack.enter_async_context(own.started(plain, cores))
        many = await stack.enter_async_context(own.started(plain, cores))
        calls = round(40_000 * seconds)
        contenders: dict[str, Contender] = {
            "lambdatune": lambda: own.closed_loop(driver, plain, CALLERS, calls),
            "lambdatune, 1,000 connections": lambda: own.closed_loop(many, plain, 1000, calls),
        }
        for name in ("wrk", "hey", "vegeta"):
            if peers.installed(name):
                contenders[name] = _peer(getattr(peers, name), plain, cores, CALLERS, seconds)
        contenders["aioboto3"] = _peer(peers.aioboto3, plain, cores, CALLERS, seconds)
        if programs.certificate:
            tls = stack.enter_context(Server(programs, cores, tls=True))
            secure = await stack.enter_async_context(own.started(tls, cores, authority=programs.authority))
            contenders["lambdatune, TLS"] = lambda: own.closed_loop(secure, tls, CALLERS, calls)
            if peers.installed("wrk"):
                contenders["wrk, TLS"] = _peer(peers.wrk, tls, cores, CALLERS, seconds)
            contenders["aioboto3, TLS"] = _peer(peers.aioboto3, tls, cores, CALLERS, seconds, programs.authority)
        costs = await _interleaved(contenders, rounds)
        say(f"CPU per call, closed loop, {CALLERS} in flight, one core, median of {rounds} interleaved rounds")
        say(f"  {'':32}{'us/call':>9}{'calls/s/core':>14}{'x wrk':>8}{'x aioboto3':>12}")
        for name, found in costs.items():
            suffix = ", TLS" if name.endswith("TLS") else ""
            us = statistics.median(cost.us for cost in found)
            to_wrk = _ratio(found, costs.get(f"wrk{suffix}"))
            to_aioboto3 = _ratio(costs[f"aioboto3{suffix}"], found)
            less = "" if to_aioboto3 is None else f"1/{to_aioboto3:.0f}" if to_aioboto3 > 1.5 else "1"
            more = "" if to_wrk is None else f"{to_wrk:.2f}"
            say(f"  {name:32}{us:9.1f}{1e6 / us:14,.0f}{more:>8}{less:>12}")
        say(f"  largest resident size of a shard: {own.peak_mb(driver):.0f} MB with {CALLERS} connections, "
            f"{own.peak_mb(many):.0f} MB with 1,000")  # fmt: skip
    missing = [name for name in ("wrk", "hey", "vegeta") if not peers.installed(name)]
    if missing:
        say(f"  not installed: {', '.join(missing)}")


async def _interleaved(contenders: dict[str, Contender], rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for number in range(rounds):
        # Every other round backwards, so that none always follows the same one.
        for name in list(contenders)[:: 1 if number % 2 else -1]:
            costs[name].append(await contenders[name]())
    return costs


def _ratio(above: list[Cost], below: list[Cost] | None) -> float | None:
    """Return the median over rounds of the ratio of costs."""
    if not below:
        return None
    return statistics.median(one.us / other.us for one, other in zip(above, below, strict=True))


async def accuracy(programs: Programs, cores: Cores, seconds: float) -> None:
    """Latency of each call as reported, minus the server's own record of it."""
    say(f"Error of the service time against the server's record, open loop, {DELAY_US / 1000:g} ms server, in us")
    say(f"  {'':18}{'calls/s':>9}{'made/s':>9}{'p50':>7}{'p99':>7}{'p99.9':>8}"
        f"   send delay {'p50':>5}{'p99':>12}{'core':>7}  clock")  # fmt: skip
    rates = (200, 1000, 2000, 10_000, 40_000) if programs.plain else (200, 1000, 2000)
    plan = [("quiet", rate) for rate in rates]
    plan += [(kind, rate) for kind in ("hog", "screen") for rate in rates if rate in {1000, 10_000}]
    names = {"quiet": "alone", "hog": "CPU hog on core", "screen": "screen on core"}
    with Server(programs, cores, delay_us=DELAY_US) as server:
        async with own.started(server, cores) as driver:
            for kind, rate in plan:
                with own.disturbed(kind, cores):
                    # Connections enough for a server that is late, and opened before the clock starts.
                    pacing = ConstantRate(rate, min(round(rate * 0.02) + 50, 900))
                    rows, outcome = await own.rows_of(driver, server, pacing, round(rate * max(seconds, 1000 / rate)))
                error_us = (rows["done_ns"] - rows["sent_ns"]) / 1e3 - rows["duration_ms"] * 1e3
                delay_us = (rows["sent_ns"] - rows["intended_ns"]) / 1e3
                p50, p99, p999 = np.percentile(error_us, [50, 99, 99.9])
                delays = np.percentile(delay_us, [50, 99])
                far = f"{p999:8.0f}" if len(rows) >= 2000 else f"{'-':>8}"
                made = (len(rows) - 1) / np.ptp(rows["sent_ns"]) * 1e9
                note = "  late: the machine is too busy for this rate" if made < 0.97 * rate else ""
                say(f"  {names[kind]:18}{rate:9,}{made:9,.0f}{p50:7.0f}{p99:7.0f}{far}"
                    f"   {delays[0]:16,.0f}{delays[1]:12,.0f}{outcome.cpu_utilisation:7.0%}"
                    f"  {outcome.clock}{note}")  # fmt: skip


async def stall(programs: Programs, cores: Cores, seconds: int) -> None:
    """A server that answers in 2 ms and stalls for one second in ten: what is reported of it."""
    say(f"Stall test: 2 ms server that stalls 1 s in every 10 s, 200 calls/s for {seconds} s, in ms")
    if not programs.plain:
        say("  not measured: it needs a C compiler")
        return
    say(f"  {'':56}{'p50':>8}{'p95':>8}{'p99':>8}")
    say(f"  {'truth, from the intended time of each call':56}{2:8.2f}{500:8.2f}{900:8.2f}")
    with Server(programs, cores, delay_us=2000, stall=(1000, 10_000)) as server:
        async with own.started(server, cores) as driver:
            rows, _ = await own.rows_of(driver, server, ConstantRate(200, 15), 200 * seconds)
    for name, times_ms in (
        ("response time, from the intended time (15 connections)", (rows["done_ns"] - rows["intended_ns"]) / 1e6),
        ("service time, from the send (15 connections)", (rows["done_ns"] - rows["sent_ns"]) / 1e6),
        ("server's record, from receiving to answering", rows["duration_ms"]),
    ):
        shown = np.percentile(times_ms, [50, 95, 99], method="inverted_cdf")
        say(f"  {name:56}" + "".join(f"{value:8.2f}" for value in shown))


async def scaling(programs: Programs, cores: Cores, rounds: int, seconds: float) -> None:
    """Calls per second of two shards against one: free-running, and with the same CPU quota for each shard."""
    count = len(os.sched_getaffinity(0)) if cores.load is None else os.cpu_count() or 1
    say(f"Shards: closed loop, {CALLERS} in flight, {count} cores, one of them the server's")
    calls = round(40_000 * seconds)
    with Server(programs, cores) as server:
        async with own.started(server, cores) as one, own.started(server, cores, shards=2) as two:
            await _one_against_two("free-running", server, one, two, calls, rounds)
        if count < 3:
            say("    (the second shard has the core of the server: at least 3 cores are needed to see shards scale so)")
        try:
            quotas = Quotas()
        except UsageError:
            say("  with a CPU quota for each shard: not measured, this host lets us make no control group")
            return
        # Together they leave room on the load's core, so that neither the server nor a core is what limits them.
        alone = Cores(cores.server, cores.load, cores.load)
        with quotas:
            async with own.started(server, alone) as one, own.started(server, alone, shards=2) as two:
                for driver in (one, two):
                    quotas.hold(driver, QUOTA)
                title = f"each shard with a CPU quota of {QUOTA:.0%} of a core"
                await _one_against_two(title, server, one, two, round(calls * QUOTA), rounds)


async def _one_against_two(
    title: str, server: Server, one: LoadDriver, two: LoadDriver, calls: int, rounds: int
) -> None:
    costs = await _interleaved(
        {
            "1": lambda: own.closed_loop(one, server, CALLERS, calls),
            "2": lambda: own.closed_loop(two, server, CALLERS, 2 * calls),
        },
        rounds,
    )
    say(f"  {title}")
    rates = {name: [cost.calls / cost.wall_s for cost in found] for name, found in costs.items()}
    for name, found in costs.items():
        us = statistics.median(cost.us for cost in found)
        say(f"    {name} shard{'s' if name == '2' else ' '}{statistics.median(rates[name]):12,.0f} calls/s"
            f"{us:8.1f} us CPU per call")  # fmt: skip
    gain = statistics.median(second / first for first, second in zip(rates["1"], rates["2"], strict=True))
    say(f"    2 shards make {gain:.2f} times the calls of 1")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--windows", type=int, default=1000, metavar="N", help="of disturbances (default 1000)")
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, "disturbances", []],
        help="only these parts; disturbances takes a second a window, and is measured only when asked for",
    )  # fmt: skip
    options = parser.parse_args()
    rounds, seconds = (3, 1.0) if options.quick else (5, 1.5)
    parts = set(options.parts or PARTS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384) if hard > 0 else 16_384, hard))
    cores = Cores.of_this_machine()
    with tempfile.TemporaryDirectory() as where:
        programs = build(Path(where))
        pin(0, cores.server)
        server = "C, kernel receive stamps" if programs.plain else "Python: no C compiler, it limits what is measured"
        say(f"Python {platform.python_version()}, {platform.system()} {platform.release().partition('-')[0]}, "
            f"{os.cpu_count()} cores; server: {server}; load average {os.getloadavg()[0]:.1f}")  # fmt: skip
        say()
        if "cpu" in parts:
            await throughput(programs, cores, rounds, seconds)
            say()
        if "latency" in parts:
            await accuracy(programs, cores, 2 if options.quick else 5)
            say()
        if "stall" in parts:
            await stall(programs, cores, 20 if options.quick else 40)
            say()
        if "shards" in parts:
            await scaling(programs, cores, rounds, seconds)
            say()
        if "disturbances" in parts:
            await disturbances.measure(cores, options.windows, say)


if __name__ == "__main__":
    asyncio.run(main())
