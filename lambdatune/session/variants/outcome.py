"""What a comparison means for the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.errors import ExitCode

if TYPE_CHECKING:
    from lambdatune.model.compared import Comparison


def exit_code(comparison: Comparison, *, all_written: bool = True) -> ExitCode:
    """Return the exit code of a comparison that came to its end.

    A variant that was not validly measured, or of which no call succeeded, leaves the question open: the comparison is
    invalid. With targets there has to be a best that meets them.
    """
    code = _measured(comparison)
    return code if all_written else code or ExitCode.INTERNAL


def _measured(comparison: Comparison) -> ExitCode:
    statuses = {run.status for run in comparison.runs}
    silent = [run for run in comparison.runs if not any(c.warm.count or c.cold.count for c in run.cells)]
    if "invalid" in statuses or silent:
        return ExitCode.INVALID
    if not comparison.targets:
        return ExitCode.UNPROVEN if "unproven" in statuses else ExitCode.OK
    if comparison.best is not None:
        return ExitCode.OK
    return ExitCode.UNPROVEN if "unproven" in statuses else ExitCode.TARGET_MISSED
