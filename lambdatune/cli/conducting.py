"""What every session without a screen has: the question before it, signals, reports at its end."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from lambdatune.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambdatune.cli.narration import BarNarration, PlainNarration
    from lambdatune.cli.report_files import ReportFiles
    from lambdatune.model.compared import Comparison
    from lambdatune.model.result import RunResult

Result = TypeVar("Result", covariant=True)  # noqa: PLC0105  what a session gives is its result

_SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}


class Conductor(Protocol[Result]):
    """What is run, and ended by a signal."""

    async def run(self) -> Result | None:
        """Run to the end; None when it was not confirmed."""

    def stop(self, *, abandon: bool = False) -> None:
        """End early."""


def write_reports(result: RunResult | Comparison, reports: ReportFiles, watcher: PlainNarration | BarNarration) -> bool:
    """Write the reports that go to files, and say what could not be; return whether all are there."""
    failures = reports.write(result)
    unsummarised = reports.write_summary(result)
    for sentence in (*failures, *([unsummarised] if unsummarised else [])):
        watcher.narrate(f"error: {sentence}")
    return not failures


async def conduct(
    session: Conductor[Result], watcher: PlainNarration | BarNarration
) -> tuple[Result | None, ExitCode | None]:
    """Run a session that signals end; return its result and the exit code of the first signal."""
    loop = asyncio.get_running_loop()
    received: list[ExitCode] = []

    def on_signal(number: signal.Signals) -> None:
        received.append(_SIGNALS[number])
        if len(received) == 1:
            watcher.narrate("stopping: waiting for calls in flight, 30 s at most, then undoing (again: at once)")
        session.stop(abandon=len(received) > 1)

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        result = await session.run()
    finally:
        watcher.__exit__(None, None, None)
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return result, received[0] if received else None


def confirm(
    lines: Sequence[str], watcher: PlainNarration | BarNarration, *, costs_money: bool, assume_yes: bool
) -> bool:
    """Show what would be done, and ask where it costs money; return whether to go ahead, with the narration begun.

    Raises:
        UsageError: when there is nobody to ask.
    """
    for line in lines:
        watcher.narrate(line)
    if costs_money and not assume_yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "this plan makes real calls on AWS, and there is no terminal to ask on",
                hint="add --yes to go ahead",
            )
        with _interruptible():
            if not click.confirm("Go ahead?", err=True):
                return False
    watcher.__enter__()
    return True


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question: the event loop's own handler would only run after the answer."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def closed_terminal() -> Iterator[None]:
    """Let a terminal that was closed in the middle be: the result is in the run directory, and no one is there."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
