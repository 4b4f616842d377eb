"""Who makes a run now: its directory is held for as long, so that no other goes on with it or changes its function.

The lock is the kernel's (flock), and goes with the process that holds it, however that ends. The owner in the journal
says more, a process and its host, but not that this process has done with the run, as one that makes many runs has.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.session.liveness import is_alive, why_in_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.session.run_directory import RunDirectory


@contextmanager
def hold(run: RunDirectory) -> Iterator[None]:
    """Hold the directory of a run.

    Raises:
        UsageError: when it is held already, by this process or another one.
    """
    handle = os.open(run.path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _going(run) from error
        yield
    finally:
        os.close(handle)


def is_held(run: RunDirectory) -> bool:
    """Return whether a run is made now, by this process or another one on this machine."""
    if not run.path.is_dir():
        return False
    try:
        with hold(run):
            return False
    except UsageError:
        return True


def refuse_going(run: RunDirectory, *, finished: bool) -> None:
    """Refuse a run that is still made, or on another machine may still be.

    Args:
        run: recorded.
        finished: whether its run.json says when it ended.

    Raises:
        UsageError: naming the process.
    """
    with hold(run):
        pass
    owner = run.journal.owner()
    if owner is None or finished or is_alive(owner) is not None:
        return
    reason = why_in_use(run.id, owner)
    if reason is not None:
        raise UsageError(reason, hint="go on there, or a day after it was started")


def _going(run: RunDirectory) -> UsageError:
    owner = run.journal.owner()
    process = f", in process {owner.split(':')[1]}" if owner else ""
    return UsageError(f"run {run.id} is still going{process}", hint="stop it first, or wait for its end")
