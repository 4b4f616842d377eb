"""What this machine can do: open files, cores, kernel receive timestamps, the embedded endpoint's limiters."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from lambdatune.load.connection import HAS_KERNEL_STAMPS
from lambdatune.load.order import connections_of
from lambdatune.model.errors import LambdatuneError
from lambdatune.session.checks import Check
from lambdatune.session.embedded import EmbeddedEndpoint, host_facts
from lambdatune.session.pacing import warm_pacing

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan

_OWN_DESCRIPTORS = 64
"""Files that a load process has open besides its connections, with room to spare."""

_LIMITERS = {
    "cgroup-v1": "the kernel holds functions to memory / 1769 of a core (cgroup quota)",
    "cgroup-v2": "the kernel holds functions to memory / 1769 of a core (cgroup quota)",
    "delay": "functions run at full speed and their answers are delayed: no cgroup can be made here",
    "none": "functions run at full speed",
}


async def check_host(plan: Plan) -> list[Check]:
    """Return the checks of this machine for the load of `plan`."""
    return [_open_files(plan), _cores(plan), _timestamps(), await _limiters()]


def _open_files(plan: Plan) -> Check:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections_of(warm_pacing(plan)) // plan.shards + _OWN_DESCRIPTORS
    allowed = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    text = f"{allowed} allowed for each process, {needed} needed by this plan"
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return Check("host", "open files", "ok", text)
    return Check("host", "open files", "warning", text, hint=f"raise the hard limit: ulimit -Hn {needed}")


def _cores(plan: Plan) -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{cores} for {plan.shards} load process{'es' if plan.shards > 1 else ''} and lambdatune itself"
    if plan.shards < cores or plan.dask is not None:
        return Check("host", "cores", "ok", text)
    return Check("host", "cores", "warning", text, hint=f"leave one core to lambdatune: --shards {max(cores - 1, 1)}")


def _timestamps() -> Check:
    if HAS_KERNEL_STAMPS:
        return Check("host", "receive timestamps", "ok", "answers are stamped by the kernel")
    return Check(
        "host", "receive timestamps", "warning", "answers are stamped by the load process, which may be late to look",
        hint="run the load on Linux for exact response times",
    )  # fmt: skip


async def _limiters() -> Check:
    """Start an embedded endpoint, ask what holds its functions, and end it."""
    try:
        endpoint = await EmbeddedEndpoint.start()
    except LambdatuneError as error:
        return Check("host", "embedded endpoint", "warning", error.message, hint=error.hint)
    try:
        facts = await host_facts(endpoint.endpoint_url) or {}
    finally:
        await endpoint.stop()
    cpu, memory = str(facts.get("cpu_limiter", "unknown")), str(facts.get("memory_limiter", "unknown"))
    text = f"CPU limiter {cpu}: {_LIMITERS.get(cpu, 'not known here')}; memory limiter {memory}"
    return Check("host", "embedded endpoint", "ok" if cpu.startswith("cgroup") else "warning", text)
