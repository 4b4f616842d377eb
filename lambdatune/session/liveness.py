"""Which process makes a run, and whether it still lives: what a living run made is not undone from under it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
from pathlib import Path

import psutil

SURELY_OVER = dt.timedelta(hours=24)
"""A run on another machine cannot be asked whether it still goes: after this time it is taken to have ended."""

_OWNER = re.compile(r"(?P<host>[^:\s]+):(?P<pid>\d+):(?P<start>\d+)")


def own_mark() -> str:
    """Return ``host:pid:start`` of this process."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_start_time(pid)}"


def host_of(owner: str) -> str:
    """Return the host that an owner's mark names."""
    return owner.partition(":")[0]


def is_alive(owner: str) -> bool | None:
    """Return whether the process with this mark still runs; None when it is, or was, on another host."""
    match = _OWNER.fullmatch(owner)
    if match is None or match["host"] != _host():
        return None
    return _start_time(int(match["pid"])) == int(match["start"])


def why_in_use(run_id: str, owner: str | None) -> str | None:
    """Return why what a run made may still be in use; None when the run has ended.

    Args:
        run_id: begins with when the run was started (`new_run_id`).
        owner: its process; None when nothing tells.
    """
    alive = is_alive(owner) if owner else None
    if alive:
        return f"run {run_id} is still going"
    started = dt.datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=dt.UTC)
    if alive is None and dt.datetime.now(dt.UTC) - started < SURELY_OVER:
        who = f"on {host_of(owner)}" if owner else "whose machine is not known"
        return f"run {run_id} {who} may still be going"
    return None


def _host() -> str:
    return re.sub(r"[^\w.-]", "-", platform.node()) or "unnamed"


def _start_time(pid: int) -> int | None:
    """Return a number that is fixed for the life of a process; None when there is none.

    Linux: clock ticks since boot (proc(5), stat field 22), which does not move with the wall clock.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        if stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            return None if fields[0] in {"Z", "X"} else int(fields[19])
        return int(psutil.Process(pid).create_time() * 1_000)
    except (OSError, psutil.Error):
        return None
