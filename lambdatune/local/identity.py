"""Who an endpoint is: its pid and start time, so that a name left behind can be told from a living process."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil

from lambdatune.local.hierarchy import PREFIX

_NAME = re.compile(rf"{PREFIX}(?P<pid>\d+)-(?P<start>\d+)(?:-self|-probe)?")


def own_name() -> str:
    """Return ``lambdatune-<pid>-<start>`` of this process."""
    pid = os.getpid()
    return f"{PREFIX}{pid}-{start_time(pid)}"


def start_time(pid: int) -> int | None:
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


def is_dead(name: str) -> bool:
    """Whether `name` is the name of an endpoint that no longer lives; False for names that are not ours."""
    match = _NAME.fullmatch(name)
    return match is not None and start_time(int(match["pid"])) != int(match["start"])
