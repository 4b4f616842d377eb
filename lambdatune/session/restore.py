"""Undoing what a run changed: at its end, later from its journal, or from what AWS's lists and tags say."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.refusals import UNREACHABLE
from lambdatune.aws.undo import undo_change
from lambdatune.model.errors import AwsRefused, LambdatuneError, NotUndone, UsageError
from lambdatune.session.holding import is_held
from lambdatune.session.liveness import is_alive, why_in_use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.model.change import Change, Place
    from lambdatune.session.events import Observer
    from lambdatune.session.run_directory import OwedUndo, RunDirectory

State = Literal["removed", "put back", "already gone", "in use", "left"]

_PATIENCE_S = 120.0
"""Seconds for one change to be undone, repeats and waits included: a network that is lost is not waited for longer."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one change.

    Attributes:
        what: the thing.
        where: region, and the endpoint if it is not AWS.
        state: what became of it.
        detail: why it is left, and the command that removes it; empty when it is not left.
        unreachable: whether it is left because nothing answered.
    """

    what: str
    where: str
    state: State
    detail: str = ""
    unreachable: bool = False


async def undo(run: RunDirectory, access: AwsAccess, observer: Observer) -> list[Undone]:
    """Put back every change of `run` that is still pending, last first; none stands in the way of the others.

    Raises:
        UsageError: when the journal cannot be read.
    """
    done: list[Undone] = []
    for change in run.journal.pending():
        # One change has been waited for: whatever does not answer is not waited for again for each of the others.
        lost = any(outcome.unreachable for outcome in done)
        outcome = not_tried(change) if lost else await undo_one(access, change)
        if outcome.state != "left":
            run.journal.undone(change)
            if outcome.state != "already gone":
                observer.narrate(f"{outcome.state}: {change}")
        done.append(outcome)
    return done


async def undo_one(access: AwsAccess, change: Change) -> Undone:
    """Undo one change, and say what became of it."""
    thing, where = change.thing, str(change.place)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            was_there = await undo_change(access, change)
    except TimeoutError:
        said = f"no answer within {_PATIENCE_S:.0f} s; by hand: {change.command()}"
        return Undone(thing, where, "left", said, unreachable=True)
    except AwsRefused as error:
        said = f"{error.message}; by hand: {change.command()}"
        return Undone(thing, where, "left", said, unreachable=error.code == UNREACHABLE)
    if not was_there:
        return Undone(thing, where, "already gone")
    return Undone(thing, where, "put back" if change.kind == "update-function" else "removed")


def not_tried(change: Change) -> Undone:
    """Return what becomes of a change where nothing has answered a moment ago."""
    said = f"not tried, since nothing answers there; by hand: {change.command()}"
    return Undone(change.thing, str(change.place), "left", said, unreachable=True)


def left_behind(run: RunDirectory, done: Iterable[Undone]) -> NotUndone | None:
    """Return the error that names everything that is left and the command for each; None when nothing is."""
    left = [outcome for outcome in done if outcome.state == "left"]
    if not left:
        return None
    names = "; ".join(f"{outcome.what} in {outcome.where} ({outcome.detail})" for outcome in left)
    return NotUndone(
        f"run {run.id} left something behind: {names}", hint=f"`lambdatune restore {run.path}` tries again"
    )


async def restore_run(run: RunDirectory, owed: OwedUndo, observer: Observer) -> list[Undone]:
    """Undo what `run` left behind; return what became of each change.

    Raises:
        UsageError: when the run is still going.
    """
    # A process that makes many runs, as that of the screens does, lives on when it has done with this one.
    if is_held(run):
        owner = run.journal.owner()
        pid = owner.split(":")[1] if owner else "?"
        raise UsageError(
            f"run {run.id} is still going, in process {pid}: it undoes its changes itself when it ends",
            hint=f"end it with Ctrl-C or `kill {pid}`; `restore` is for runs that were killed",
        )
    return await restore_dead(run, owed, observer)


async def restore_dead(run: RunDirectory, owed: OwedUndo, observer: Observer) -> list[Undone]:
    """Undo what a run left behind that surely is not going any more; return what became of each change."""
    by_place: dict[Place, list[Change]] = {}
    for change in run.journal.pending():
        by_place.setdefault(change.place, []).append(change)
    done: list[Undone] = []
    for place, changes in by_place.items():
        if place.embedded_pid is not None and not _is_embedded_endpoint(place.embedded_pid):
            # The run's own endpoint has ended, and all that it held with it.
            for change in changes:
                run.journal.undone(change)
                done.append(Undone(change.thing, "its embedded endpoint", "already gone"))
            continue
        async with AwsAccess(
            region=place.region, aws_profile=place.aws_profile, endpoint_url=place.endpoint_url
        ) as access:
            done += await undo(run, access, observer)
    if all(outcome.state != "left" for outcome in done):
        owed.settle(run)
    return done


async def restore_all(runs: Iterable[RunDirectory], owed: OwedUndo, observer: Observer) -> list[Undone]:
    """Undo what every given run left behind, and what dead embedded endpoints left on this machine.

    A run that is, or on another machine may be, still going is left to itself. A journal that cannot be read is
    reported as left, and does not stand in the way of the others.

    Raises:
        NotUndone: when something of an embedded endpoint could not be removed.
    """
    done: list[Undone] = []
    for run in runs:
        try:
            owner = run.journal.owner()
            has_ended = owner is not None and is_alive(owner) is True and not is_held(run)
            reason = why_in_use(run.id, owner) if owner and not has_ended else None
            if reason is None:
                done += await restore_dead(run, owed, observer)
                continue
            said = f"{reason}; if it is not: lambdatune restore {run.path}"
            done += [Undone(change.thing, str(change.place), "in use", said) for change in run.journal.pending()]
        except LambdatuneError as error:
            done.append(Undone(f"run {run.id}", str(run.path), "left", f"{error.message}; {error.hint or ''}"))
    await sweep_embedded()
    return done


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
