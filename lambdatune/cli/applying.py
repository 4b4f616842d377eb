"""Applying an advice from the command line: what will change is told, asked for, made, and put back."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from lambdatune.model.errors import UsageError
from lambdatune.session.advice import size_to_apply
from lambdatune.session.apply import apply, plan_apply, plan_undo, undo_apply
from lambdatune.session.run_directory import default_output

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult
    from lambdatune.session.apply import PlannedApply
    from lambdatune.session.run_directory import RunDirectory

NOTHING = "nothing was changed"


def refuse_unasked(option: str, *, assume_yes: bool) -> None:
    """Refuse to change a function without anyone to ask.

    Raises:
        UsageError: naming the option.
    """
    if not assume_yes and not sys.stdin.isatty():
        raise UsageError(
            f"{option} changes your function, and there is no terminal to ask on", hint="add --yes to go ahead"
        )


def apply_advice(run: RunDirectory, result: RunResult, *, assume_yes: bool, quiet: bool = False) -> str:
    """Set the function that a run measured to the size that it advises; return what is true then, as a sentence.

    Args:
        run: recorded.
        result: whose advice it is; of the run, or decided anew.
        assume_yes: whether nobody is asked.
        quiet: with the latter, whether what will change is not told either.

    Raises:
        UsageError: when there is no advice, or no function that it could be applied to.
        AwsRefused: when the function was changed meanwhile, or AWS refuses.
    """
    memory_mb = size_to_apply(result)
    planned = asyncio.run(plan_apply(run, memory_mb))
    if planned.from_mb == memory_mb:
        return f"function `{planned.function}` has {memory_mb} MB already: {NOTHING}"
    if not _agreed(planned, assume_yes=assume_yes, quiet=quiet):
        return NOTHING
    told = asyncio.run(apply(run, memory_mb, planned.revision_id))
    name = run.id if run.path.parent == default_output() else run.path
    return f"{told}; `lambdatune show {name} --undo-apply` puts it back"


def undo_advice(run: RunDirectory, *, assume_yes: bool) -> str:
    """Put back the size that the function had before the last one was applied; return what is true then.

    Raises:
        UsageError: when nothing of the run is applied.
        NotUndone: when someone else has changed the size since.
        AwsRefused: as `apply_advice`.
    """
    planned = asyncio.run(plan_undo(run))
    if not _agreed(planned, assume_yes=assume_yes):
        return NOTHING
    return asyncio.run(undo_apply(run, planned.revision_id))


def _agreed(planned: PlannedApply, *, assume_yes: bool, quiet: bool = False) -> bool:
    """Tell what will change, and ask."""
    if not (assume_yes and quiet):
        click.echo(f"function `{planned.function}`: {planned.from_mb} MB becomes {planned.to_mb} MB", err=True)
        click.echo(f"  {planned.call}", err=True)
        for warning in planned.warnings:
            click.echo(f"  ! {warning}", err=True)
    return assume_yes or click.confirm("Change it?", err=True)
