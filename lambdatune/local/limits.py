"""Which limiters are in force, and the quota and the delay that a memory size stands for."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from lambdatune.local.cgroups import CageFactory
from lambdatune.local.hierarchy import find_hierarchy, own_cpu_quota
from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import FULL_VCPU_MB, cpu_share

if TYPE_CHECKING:
    from lambdatune.local.cgroups import Cage

_LEAST_QUOTA_US = 1_000
"""The kernel accepts no quota below 1 ms (scheduler/sched-bwc)."""

_TREE_SCAN_NS = 100_000_000
"""Calls shorter than this are not searched for child processes: looking costs milliseconds of CPU itself."""


@dataclass(slots=True)
class Limits:
    """The limiters of one endpoint.

    Attributes:
        cpu: cgroup-v1, cgroup-v2, delay or none.
        memory: cgroup-v1, cgroup-v2 or rss.
        period_us: the CPU quota period in microseconds.
        factory: makes cages, or None when nothing is limited by cgroup.
    """

    cpu: str
    memory: str
    period_us: int
    factory: CageFactory | None

    def quota_us(self, memory_mb: int) -> int:
        """Return the CPU time per period of a memory size, in microseconds."""
        return max(_LEAST_QUOTA_US, self.period_us * memory_mb // FULL_VCPU_MB)

    def make_cage(self, name: str, memory_mb: int) -> Cage | None:
        """Make the cage of one execution environment."""
        return self.factory.make(name, memory_mb) if self.factory is not None else None

    def delay_ns(self, cpu_ns: int, memory_mb: int) -> int:
        """Return how long the delay model holds an answer that cost `cpu_ns` of CPU; 0 for the other limiters."""
        share = cpu_share(memory_mb)
        return int(cpu_ns * (1 / share - 1)) if self.cpu == "delay" and share < 1 else 0

    def remove(self) -> None:
        """Remove the endpoint's own groups."""
        if self.factory is not None:
            self.factory.remove()


def choose_limits(cpu: str, memory: str, *, name: str, period_us: int) -> Limits:
    """Find out what this host allows and set it up.

    Args:
        cpu: auto, cgroup, delay or none.
        memory: auto, cgroup or rss.
        name: directory name of this endpoint's groups.
        period_us: CPU quota period in microseconds.

    Raises:
        UsageError: when ``cgroup`` is demanded and this host does not let us make such groups.
    """
    wanted = "cgroup" in {cpu, memory} or "auto" in {cpu, memory}
    hierarchy = find_hierarchy(name) if wanted else None
    has_cpu = hierarchy is not None and hierarchy.has("cpu")
    has_memory = hierarchy is not None and hierarchy.has("memory")
    for kind, asked, has in (("cpu", cpu, has_cpu), ("memory", memory, has_memory)):
        if asked == "cgroup" and not has:
            raise UsageError(
                f"--{kind}-limiter cgroup is not possible here: no {kind} control group can be made",
                hint=f"use --{kind}-limiter {'delay' if kind == 'cpu' else 'rss'}, or run where cgroups are writable",
            )
    use_cpu = cpu in {"auto", "cgroup"} and has_cpu
    use_memory = memory in {"auto", "cgroup"} and has_memory
    factory = None
    if hierarchy is not None and (use_cpu or use_memory):
        factory = CageFactory(hierarchy, name, cpu=use_cpu, memory=use_memory, period_us=period_us)
    cgroup = f"cgroup-v{hierarchy.version}" if hierarchy is not None else ""
    return Limits(
        cpu=cgroup if use_cpu else "none" if cpu == "none" else "delay",
        memory=cgroup if use_memory else "rss",
        period_us=period_us,
        factory=factory,
    )


def host_cores() -> float:
    """Return the cores this process may use: its CPU affinity, and the CPU quota of its own control group."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = own_cpu_quota()
    return usable if quota is None or quota >= usable else quota


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time of one process with all its threads and the children it has waited for, in nanoseconds.

    Raises:
        ProcessLookupError: when there is no such process.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        try:
            # CPUCLOCK_SCHED of another process (linux/posix-timers.h): exact, and exited threads are included.
            own_ns = time.clock_gettime_ns((~pid << 3) | 2)
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError as error:
            raise ProcessLookupError(pid) from error
        ticks = int(fields[13]) + int(fields[14])
        return own_ns + ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error as error:
        raise ProcessLookupError(pid) from error
    return int((times.user + times.system + times.children_user + times.children_system) * 1e9)


def tree_cpu_ns(pid: int, elapsed_ns: int) -> int:
    """Return the CPU time of a process and, after a long call, of its living descendants, in nanoseconds.

    Raises:
        ProcessLookupError: when there is no such process.
    """
    total_ns = process_cpu_ns(pid)
    if elapsed_ns >= _TREE_SCAN_NS:
        for child in _descendants(pid):
            try:
                total_ns += process_cpu_ns(child.pid)
            except ProcessLookupError:
                continue
    return total_ns


def tree_rss_bytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in bytes; 0 when it is gone."""
    total = 0
    try:
        processes = [psutil.Process(pid), *_descendants(pid)]
    except psutil.Error:
        return 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
