"""Cages: a control group per execution environment, for its CPU quota, its memory limit and its certain end.

Layout: ``<base>/lambdatune-<pid>-<start>/<environment>``, in every controller's hierarchy (v1) or once (v2). The
name carries the endpoint's pid and start time, so that what a dead endpoint left behind can be told from the groups
of a living one. Kernel documentation: admin-guide/cgroup-v1/memory, scheduler/sched-bwc, admin-guide/cgroup-v2.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from lambdatune.local.hierarchy import Hierarchy, remove_tree

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


class Cage(Protocol):
    """What holds one execution environment."""

    def join_files(self) -> list[Path]:
        """Files into which the child writes ``0`` to join."""

    def set_quota(self, quota_us: int | None) -> None:
        """Limit CPU time per period, in microseconds; None lifts the limit."""

    def cpu_ns(self) -> int | None:
        """CPU time used so far by all processes inside, in nanoseconds; None when it is not counted here."""

    def peak_bytes(self) -> int | None:
        """Most memory in use at once so far; None when memory is not held here."""

    def oom_killed(self) -> bool:
        """Whether the kernel killed a process for the memory limit."""

    def kill(self) -> bool:
        """SIGKILL everything inside; return whether the cage is empty already."""

    def remove(self) -> bool:
        """Remove the empty cage; return False while the kernel still holds it."""

    def close(self) -> None:
        """Close the files that are kept open."""


class CageV1:
    """A cage in cgroup v1: one directory per controller.

    Args:
        cpu: directory below the cpu controller, or None when CPU is not limited here.
        memory: directory below the memory controller, or None.
        cpuacct: directory below the cpuacct controller (may be the same as `cpu`), or None.
        memory_mb: the memory limit in MB.
        period_us: the quota period in microseconds.
    """

    def __init__(
        self, cpu: Path | None, memory: Path | None, cpuacct: Path | None, *, memory_mb: int, period_us: int
    ) -> None:
        self._cpu, self._memory, self._cpuacct = cpu, memory, cpuacct
        self._peak_fd: int | None = None
        for directory in self._directories():
            directory.mkdir(exist_ok=True)
        if cpu is not None:
            (cpu / "cpu.cfs_period_us").write_text(str(period_us))
        if memory is not None:
            limit = str(memory_mb << 20)
            (memory / "memory.limit_in_bytes").write_text(limit)
            with suppress(OSError):  # absent when the kernel does not account swap
                (memory / "memory.memsw.limit_in_bytes").write_text(limit)
            self._peak_fd = os.open(memory / "memory.max_usage_in_bytes", os.O_RDONLY)

    def _directories(self) -> list[Path]:
        return list(dict.fromkeys(d for d in (self._cpu, self._memory, self._cpuacct) if d is not None))

    def join_files(self) -> list[Path]:
        """Return one ``cgroup.procs`` per directory."""
        return [directory / "cgroup.procs" for directory in self._directories()]

    def set_quota(self, quota_us: int | None) -> None:
        """Write cpu.cfs_quota_us; -1 is no limit."""
        if self._cpu is not None:
            (self._cpu / "cpu.cfs_quota_us").write_text(str(-1 if quota_us is None else quota_us))

    def cpu_ns(self) -> int | None:
        """Read cpuacct.usage."""
        return int((self._cpuacct / "cpuacct.usage").read_text()) if self._cpuacct is not None else None

    def peak_bytes(self) -> int | None:
        """Read memory.max_usage_in_bytes."""
        return int(os.pread(self._peak_fd, 32, 0)) if self._peak_fd is not None else None

    def oom_killed(self) -> bool:
        """Read the oom_kill counter of memory.oom_control."""
        return self._memory is not None and _counter(self._memory / "memory.oom_control", "oom_kill") > 0

    def kill(self) -> bool:
        """SIGKILL the members of every directory."""
        killed = [kill_members(directory) for directory in self._directories()]  # every one, not up to the first
        return not any(killed)

    def remove(self) -> bool:
        """Remove every directory."""
        removed = [remove_tree(directory) for directory in self._directories()]
        return all(removed)

    def close(self) -> None:
        """Close the peak counter."""
        if self._peak_fd is not None:
            os.close(self._peak_fd)
            self._peak_fd = None


class CageV2:
    """A cage in cgroup v2: one directory.

    Args:
        directory: the group's directory; its parent has cpu and memory in cgroup.subtree_control.
        memory_mb: the memory limit in MB, or None when memory is not limited here.
        period_us: the quota period in microseconds, or None when CPU is not limited here.
    """

    def __init__(self, directory: Path, *, memory_mb: int | None, period_us: int | None) -> None:
        self._directory = directory
        self._memory = memory_mb is not None
        self._period_us = period_us
        self._seen_bytes = 0
        directory.mkdir(exist_ok=True)
        if memory_mb is not None:
            (directory / "memory.max").write_text(str(memory_mb << 20))
            with suppress(OSError):  # absent without swap accounting
                (directory / "memory.swap.max").write_text("0")
            with suppress(OSError):  # since Linux 4.19
                (directory / "memory.oom.group").write_text("1")

    def join_files(self) -> list[Path]:
        """Return ``cgroup.procs``."""
        return [self._directory / "cgroup.procs"]

    def set_quota(self, quota_us: int | None) -> None:
        """Write cpu.max."""
        if self._period_us is not None:
            quota = "max" if quota_us is None else str(quota_us)
            (self._directory / "cpu.max").write_text(f"{quota} {self._period_us}")

    def cpu_ns(self) -> int | None:
        """Read usage_usec of cpu.stat, which every v2 group has."""
        return _counter(self._directory / "cpu.stat", "usage_usec") * 1_000

    def peak_bytes(self) -> int | None:
        """Read memory.peak; before Linux 5.19 the highest memory.current that was seen."""
        if not self._memory:
            return None
        peak = self._directory / "memory.peak"
        source = peak if peak.exists() else self._directory / "memory.current"
        self._seen_bytes = max(self._seen_bytes, int(source.read_text()))
        return self._seen_bytes

    def oom_killed(self) -> bool:
        """Read the oom_kill counter of memory.events."""
        return self._memory and _counter(self._directory / "memory.events", "oom_kill") > 0

    def kill(self) -> bool:
        """Use cgroup.kill (Linux 5.14), and signals where it is missing."""
        with suppress(OSError):
            if (self._directory / "cgroup.kill").exists():
                (self._directory / "cgroup.kill").write_text("1")
        return not kill_members(self._directory)

    def remove(self) -> bool:
        """Remove the directory."""
        return remove_tree(self._directory)

    def close(self) -> None:
        """Nothing is kept open."""


class CageFactory:
    """Makes the cages of one endpoint inside its own group.

    Args:
        hierarchy: where this host lets us make groups.
        name: directory name of this endpoint's group.
        cpu: whether CPU is limited by cgroup.
        memory: whether memory is limited by cgroup.
        period_us: the quota period in microseconds.
    """

    def __init__(self, hierarchy: Hierarchy, name: str, *, cpu: bool, memory: bool, period_us: int) -> None:
        self._period_us = period_us
        self._version = hierarchy.version
        self._hierarchy = hierarchy
        wanted = [kind for kind, on in (("cpu", cpu), ("memory", memory), ("cpuacct", cpu or memory)) if on]
        self._groups = {kind: base / name for kind, base in hierarchy.bases.items() if kind in wanted}
        self._cpu, self._memory = cpu, memory
        for group in self.groups:
            group.mkdir(exist_ok=True)
            if self._version == 2:
                (group / "cgroup.subtree_control").write_text("+cpu +memory")

    @property
    def groups(self) -> list[Path]:
        """The directories that hold the cages."""
        return list(dict.fromkeys(self._groups.values()))

    def make(self, name: str, memory_mb: int) -> Cage:
        """Make the cage `name` with a memory limit in MB and, at first, no CPU quota."""
        inside = {kind: group / name for kind, group in self._groups.items()}
        if self._version == 2:
            return CageV2(
                inside["cpu"] if self._cpu else inside["memory"],
                memory_mb=memory_mb if self._memory else None,
                period_us=self._period_us if self._cpu else None,
            )
        return CageV1(
            inside.get("cpu"),
            inside.get("memory"),
            inside.get("cpuacct"),
            memory_mb=memory_mb,
            period_us=self._period_us,
        )

    def remove(self) -> None:
        """Remove the endpoint's own groups; the cages are gone by now."""
        for group in self.groups:
            if not remove_tree(group):
                _log.warning("cgroup %s could not be removed; the next start will", group)
        self._hierarchy.restore()


def members(directory: Path) -> list[int]:
    """Return the pids in a group, without those of its children; none when the group is gone."""
    try:
        return [int(pid) for pid in (directory / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def kill_members(directory: Path) -> bool:
    """SIGKILL the members of a group; return whether there were any."""
    pids = members(directory)
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def _counter(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
