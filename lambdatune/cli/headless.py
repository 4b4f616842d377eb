"""A session without a screen: question, signals, result on stdout, reports in files."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from lambdatune.cli.conducting import closed_terminal, conduct, confirm, write_reports
from lambdatune.cli.narration import narration
from lambdatune.model.errors import ExitCode, LambdatuneError
from lambdatune.reports.tuning_table import beside
from lambdatune.session.replay import open_run
from lambdatune.session.run_directory import default_output
from lambdatune.session.session import Session, exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambdatune.cli.narration import BarNarration, PlainNarration
    from lambdatune.cli.report_files import ReportFiles
    from lambdatune.model.plan import Plan
    from lambdatune.model.power_tuning import PowerTuning
    from lambdatune.model.result import RunResult
    from lambdatune.session.continuing import Continuation
    from lambdatune.session.gating import Gate
    from lambdatune.session.run_directory import RunDirectory


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
    gate_calls: int | None = None,
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
        gate: what the run is held against.
        gate_calls: warm calls that the advised size gets at the least.
        figures: another tool's, told beside those of the run.
        gate: what the run is judged against besides its targets.
        is_applied: whether the function is set to the size that the run advises.

    Raises:
        LambdatuneError: when the run could not be made or undone.
    """
    watcher = narration(plain=plain, quiet=quiet)
    session = Session(
        plan,
        output=output or default_output(),
        observer=watcher,
        confirm=lambda card: confirm(card.lines(), watcher, costs_money=card.costs_money, assume_yes=assume_yes),
        continued=continued,
        gate=gate,
        gate_calls=gate_calls,
    )
    try:
        result, signalled = asyncio.run(conduct(session, watcher))
    except LambdatuneError:
        if session.run_directory is not None:
            path = session.run_directory.path
            watcher.narrate(f"what was measured is in {path}: `lambdatune show {path}` shows it")
            with suppress(LambdatuneError):  # which says why there is no result; the one that ended the run is told
                write_reports(open_run(session.run_directory), reports, watcher)
        raise
    if result is None:
        watcher.narrate("nothing was changed and nothing was called")
        return signalled or ExitCode.OK
    all_written = write_reports(result, reports, watcher)
    with closed_terminal():
        reports.show(result)
    _tell_more(result, session.run_directory, figures, watcher)
    code = signalled if result.status == "interrupted" and signalled is not None else exit_code(result)
    if is_applied:
        watcher.narrate(_apply(session.run_directory, result, code, assume_yes=assume_yes, quiet=quiet))
    return code if all_written else code or ExitCode.INTERNAL


def _tell_more(
    result: RunResult,
    run: RunDirectory | None,
    figures: Sequence[PowerTuning],
    watcher: PlainNarration | BarNarration,
) -> None:
    """Tell what goes with the result: another tool's figures, where the run is, and what may be asked of it."""
    for tuning in figures:
        watcher.narrate(f"\n{beside(tuning, result)}\n")
    if run is None:
        return
    watcher.narrate(f"recorded in {run.path}")
    if _could_tell_of_cold_starts(result):
        watcher.narrate(
            f"what its cold starts cost a month, and what would pay: lambdatune show {run.path} --traffic 50/s"
        )


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
