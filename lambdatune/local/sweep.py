"""Removes what endpoints that died without a chance to clean up have left behind. Touches nothing else."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from lambdatune.local.cgroups import kill_members
from lambdatune.local.hierarchy import PREFIX, candidate_bases, remove_tree
from lambdatune.local.identity import is_dead

_log = logging.getLogger(__name__)

_PATIENCE_S = 5.0
_GROUPS_FILE = "cgroups"
_LOCK_FILE = "lock"


def endpoint_directory(name: str) -> Path:
    """Return the directory of an endpoint's temporary files."""
    return Path(tempfile.gettempdir()) / name


def record_groups(directory: Path, groups: list[Path]) -> None:
    """Write down where an endpoint's groups are: a later sweep may start in another place of the hierarchy."""
    (directory / _GROUPS_FILE).write_text("".join(f"{group}\n" for group in groups))


def lock(directory: Path) -> IO[bytes]:
    """Hold an endpoint's directory until the returned file is closed, or its process ends in any way.

    Pids mean nothing across containers that share a directory; this lock does.
    """
    file = (directory / _LOCK_FILE).open("wb")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def sweep() -> int:
    """Kill the processes and remove the groups and files of dead endpoints; return how many things were removed."""
    directories = _dead_entries(Path(tempfile.gettempdir()))
    groups = {group for base in candidate_bases() for group in _dead_entries(base)}
    for directory in directories:
        with suppress(OSError):
            groups |= {Path(line) for line in (directory / _GROUPS_FILE).read_text().splitlines()}
    groups = {group for group in groups if _is_dead(group.name) and group.is_dir()}
    for group in sorted(groups):
        _remove_group(group)
    for directory in directories:
        kill_processes_of(directory)
        shutil.rmtree(directory, ignore_errors=True)
    removed = len(directories) + len(groups)
    if removed:
        _log.warning("removed %d leftovers of endpoints that had died", removed)
    return removed


def _dead_entries(base: Path) -> list[Path]:
    try:
        return [path for path in base.iterdir() if _is_dead(path.name) and _ours(path)]
    except OSError:
        return []


def _is_dead(name: str) -> bool:
    """Whether `name` is that of an endpoint whose process and whose lock are gone."""
    if not name.startswith(PREFIX) or not is_dead(name):
        return False
    try:
        with (endpoint_directory(name) / _LOCK_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _ours(path: Path) -> bool:
    return not path.is_symlink() and path.is_dir() and path.stat().st_uid == os.getuid()


def _remove_group(group: Path) -> None:
    """Kill everything inside and remove the group, for as long as the kernel needs."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        inside = [group]
        with suppress(OSError):  # another sweep may remove the same group
            inside += [child for child in group.iterdir() if child.is_dir()]
        alive = [kill_members(directory) for directory in inside]
        if not any(alive) and remove_tree(group):
            return
        if time.monotonic() > deadline:
            _log.warning("cgroup %s could not be removed", group)
            return
        time.sleep(0.005)


def kill_processes_of(directory: Path) -> None:
    """Kill processes whose task root lies in `directory`: those of an endpoint where there were no cgroups."""
    _kill_processes_with("LAMBDA_TASK_ROOT", f"{directory}{os.sep}")


def kill_daemons_of(log_stream: str) -> None:
    """Kill what still runs of one execution environment: processes that left their group, where no cgroup held them."""
    _kill_processes_with("AWS_LAMBDA_LOG_STREAM_NAME", log_stream)


def _kill_processes_with(variable: str, prefix: str) -> None:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(variable, "").startswith(prefix):
                process.send_signal(signal.SIGKILL)
