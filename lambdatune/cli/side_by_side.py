"""A comparison without a screen: variants measured side by side, and what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lambdatune.cli.conducting import closed_terminal, conduct, confirm, write_reports
from lambdatune.cli.narration import narration
from lambdatune.model.errors import ExitCode, LambdatuneError
from lambdatune.session.run_directory import default_output
from lambdatune.session.variants.outcome import exit_code
from lambdatune.session.variants.session import ComparisonSession

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambdatune.cli.report_files import ReportFiles
    from lambdatune.session.plan_card import PlanCard
    from lambdatune.session.variants.settings import Variant


def run_side_by_side(
    variants: Sequence[Variant],
    *,
    output: Path | None,
    reports: ReportFiles,
    plain: bool,
    quiet: bool,
    assume_yes: bool,
) -> ExitCode:
    """Measure variants side by side to the end; print how they compare and return the exit code that it means.

    Raises:
        LambdatuneError: when one of them could not be measured or undone.
    """
    watcher = narration(plain=plain, quiet=quiet)

    def asked(cards: Sequence[tuple[str, PlanCard]]) -> bool:
        lines = [f"comparing {', '.join(name for name, _ in cards)}: their orders take turns, in random order"]
        lines += [f"{name}: {line}" for name, card in cards for line in card.lines()]
        costs_money = any(card.costs_money for _, card in cards)
        return confirm(lines, watcher, costs_money=costs_money, assume_yes=assume_yes)

    session = ComparisonSession(variants, output=output or default_output(), observer=watcher, confirm=asked)
    try:
        comparison, signalled = asyncio.run(conduct(session, watcher))
    except LambdatuneError:
        if session.directory is not None:
            path = session.directory.path
            watcher.narrate(f"what was measured is in {path}: `lambdatune show {path}` shows it")
        raise
    if comparison is None and session.directory is None:
        watcher.narrate("nothing was changed and nothing was called")
        return signalled or ExitCode.OK
    if comparison is None:
        return signalled or ExitCode.UNPROVEN
    all_written = write_reports(comparison, reports, watcher)
    with closed_terminal():
        reports.show(comparison)
    if session.directory is not None:
        watcher.narrate(f"recorded in {session.directory.path}")
    return signalled or exit_code(comparison, all_written=all_written)
