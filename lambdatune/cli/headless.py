"""A session without a screen: question, signals, result on stdout, reports in files."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from lambdatune.cli.narration import narration
from lambdatune.model.errors import ExitCode, LambdatuneError, UsageError
from lambdatune.reports.tuning_table import beside
from lambdatune.session.replay import open_run
from lambdatune.session.run_directory import default_output
from lambdatune.session.session import Session, exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lambdatune.cli.narration import BarNarration, PlainNarration
    from lambdatune.cli.report_files import ReportFiles
    from lambdatune.model.plan import Plan
    from lambdatune.model.power_tuning import PowerTuning
    from lambdatune.model.result import RunResult
    from lambdatune.session.continuing import Continuation
    from lambdatune.session.gating import Gate
    from lambdatune.session.plan_card import PlanCard
    from lambdatune.session.run_directory import RunDirectory

_SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}


def run_headless(
    plan: Plan,
    *,
    output: Path | None,
    reports: ReportFiles,
    plain: bool,
    quiet: bool,
    assume_yes: bool,
    continued: Continuation | None = None,
    gate: Gate | None = None,
    figures: Sequence[PowerTuning] = (),
    is_applied: bool = False,
) -> ExitCode:
    """Run `plan` to its end, or go on with a recorded run; print the result and return the exit code it means.

    Args:
        plan: what to measure.
        output: where run directories are made.
        reports: where reports go.
        plain: whether to narrate without a bar.
        quiet: whether to narrate at all.
        assume_yes: whether nobody is asked.
        continued: the run to go on with.
        figures: another tool's, told beside those of the run.
        is_applied: whether the function is set to the size that the run advises.

    Raises:
        LambdatuneError: when the run could not be made or undone.
    """
    watcher = narration(plain=plain, quiet=quiet)
    session = Session(
        plan,
        output=output or default_output(),
        observer=watcher,
        confirm=lambda card: _confirm(card, watcher, assume_yes=assume_yes),
        continued=continued,
        gate=gate,
    )
    try:
        result, signalled = asyncio.run(_conduct(session, watcher))
    except LambdatuneError:
        if session.run_directory is not None:
            path = session.run_directory.path
            watcher.narrate(f"what was measured is in {path}: `lambdatune show {path}` shows it")
            with suppress(LambdatuneError):  # which says why there is no result; the one that ended the run is told
                _write_reports(open_run(session.run_directory), reports, watcher)
        raise
    if result is None:
        watcher.narrate("nothing was changed and nothing was called")
        return signalled or ExitCode.OK
    all_written = _write_reports(result, reports, watcher)
    with _closed_terminal():
        reports.show(result)
    for tuning in figures:
        watcher.narrate(f"\n{beside(tuning, result)}\n")
    if session.run_directory is not None:
        watcher.narrate(f"recorded in {session.run_directory.path}")
        if _could_tell_of_cold_starts(result):
            watcher.narrate(
                "what its cold starts cost a month, and what would pay: "
                f"lambdatune show {session.run_directory.path} --traffic 50/s"
            )
    code = signalled if result.status == "interrupted" and signalled is not None else exit_code(result)
    if is_applied:
        told = _apply(session.run_directory, result, code, assume_yes=assume_yes, quiet=quiet)
        watcher.narrate(told)
    return code if all_written else code or ExitCode.INTERNAL


def _apply(run: RunDirectory | None, result: RunResult, code: ExitCode, *, assume_yes: bool, quiet: bool) -> str:
    """Set the function to the advice of a run that ended as it should; return what is true then."""
    from lambdatune.cli.applying import NOTHING, apply_advice  # noqa: PLC0415  few runs apply anything

    if run is None or code != ExitCode.OK:
        return f"--apply: the run ends with exit code {int(code)}: {NOTHING}"
    return apply_advice(run, result, assume_yes=assume_yes, quiet=quiet)


def _could_tell_of_cold_starts(result: RunResult) -> bool:
    """Return whether a traffic is all that is missing to say what cold starts cost."""
    measured = any(cell.cold.count and cell.warm.count for cell in result.cells)
    return measured and result.cold_start_advice is None and result.recommendation.status != "invalid"


def _write_reports(result: RunResult, reports: ReportFiles, watcher: PlainNarration | BarNarration) -> bool:
    """Write the reports that go to files, and say what could not be; return whether all are there."""
    failures = reports.write(result)
    unsummarised = reports.write_summary(result)
    for sentence in (*failures, *([unsummarised] if unsummarised else [])):
        watcher.narrate(f"error: {sentence}")
    return not failures


async def _conduct(
    session: Session, watcher: PlainNarration | BarNarration
) -> tuple[RunResult | None, ExitCode | None]:
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


def _confirm(card: PlanCard, watcher: PlainNarration | BarNarration, *, assume_yes: bool) -> bool:
    for line in card.lines():
        watcher.narrate(line)
    if card.costs_money and not assume_yes:
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
def _closed_terminal() -> Iterator[None]:
    """Let a terminal that was closed in the middle be: the result is in the run directory, and no one is there."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
