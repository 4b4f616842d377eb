"""Undoing what a run changed: at its end, or later from its journal."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import psutil

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.clone import delete_function, delete_log_group
from lambdatune.model.errors import LambdatuneError, NotUndone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.session.events import Observer
    from lambdatune.session.journal import Change, Place
    from lambdatune.session.run_directory import OwedUndo, RunDirectory


async def undo(run: RunDirectory, access: AwsAccess, observer: Observer) -> None:
    """Put back every change of `run` that is still pending, last first.

    Raises:
        NotUndone: naming each thing that is left and the command that removes it.
    """
    left: list[tuple[Change, LambdatuneError]] = []
    for change in run.journal.pending():
        try:
            if change.kind == "create-function":
                there = await delete_function(access, change.name)
            else:
                there = await delete_log_group(access, change.name)
        except LambdatuneError as error:
            left.append((change, error))
            continue
        run.journal.undone(change)
        if there:
            observer.narrate(f"deleted {change}")
    if left:
        names = "; ".join(f"{change} ({error.message})" for change, error in left)
        commands = " && ".join(change.command() for change, _ in left)
        raise NotUndone(
            f"run {run.id} left something behind: {names}",
            hint=f"`lambdatune restore {run.path}` tries again, or by hand: {commands}",
        )


async def restore_run(run: RunDirectory, owed: OwedUndo, observer: Observer) -> int:
    """Undo what `run` left behind; return how many changes were put back.

    Raises:
        NotUndone: naming each thing that is left.
    """
    pending = run.journal.pending()
    by_place: dict[Place, list[Change]] = {}
    for change in pending:
        by_place.setdefault(change.place, []).append(change)
    for place, changes in by_place.items():
        if place.embedded_pid is not None and not _is_embedded_endpoint(place.embedded_pid):
            # The run's own endpoint has ended, and all that it held with it.
            for change in changes:
                run.journal.undone(change)
            continue
        async with AwsAccess(
            region=place.region, aws_profile=place.aws_profile, endpoint_url=place.endpoint_url
        ) as access:
            await undo(run, access, observer)
    owed.settle(run)
    return len(pending)


async def restore_all(runs: Iterable[RunDirectory], owed: OwedUndo, observer: Observer) -> int:
    """Undo what every given run left behind, and what dead embedded endpoints left on this machine.

    Raises:
        NotUndone: after every run was tried, naming each thing that is left.
    """
    restored = 0
    failures: list[LambdatuneError] = []
    for run in runs:
        try:
            restored += await restore_run(run, owed, observer)
        except LambdatuneError as error:
            failures.append(error)
    await sweep_embedded()
    if failures:
        raise NotUndone(
            "; ".join(failure.message for failure in failures),
            hint="\n      ".join(failure.hint for failure in failures if failure.hint),
        )
    return restored


async def sweep_embedded() -> None:
    """Remove the processes, control groups and directories that dead embedded endpoints left behind.

    Raises:
        NotUndone: when something could not be removed, with what the sweep said.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lambdatune.local", "--sweep",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    if process.returncode != 0:
        said = errors.decode("utf-8", "replace").strip().splitlines()
        raise NotUndone(
            f"leftovers of an embedded endpoint could not be removed: {said[-1] if said else 'no reason given'}"
        )


def _is_embedded_endpoint(pid: int) -> bool:
    """Return whether `pid` still is an embedded endpoint, and not another program that got its number."""
    try:
        return "lambdatune.local" in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return False  # another user's process: ours have our own user
