"""A recorded comparison, decided from the rows of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.session.comparing import Reference, compare
from lambdatune.session.replay import RecordedRun
from lambdatune.session.variants.agreement import FEWEST

if TYPE_CHECKING:
    from lambdatune.model.compared import Comparison
    from lambdatune.session.replay import WhatIf
    from lambdatune.session.variants.directory import ComparisonDirectory


def compare_recorded(directory: ComparisonDirectory, what_if: WhatIf | None = None) -> Comparison:
    """Return how the variants of a comparison compare, as far as they were measured.

    Args:
        directory: of the comparison.
        what_if: what to decide anew for; None: for what it was made for.

    Raises:
        UsageError: when fewer than two of them have calls, or their files cannot be read.
    """
    opened = {name: RecordedRun(run) for name, run in directory.runs().items()}
    measured = {name: run for name, run in opened.items() if len(run.rows)}
    if len(measured) < FEWEST:
        raise UsageError(
            f"comparison {directory.id} has nothing to compare: calls were made of "
            f"{' and '.join(measured) or 'none of its variants'}",
            hint=f"`lambdatune runs` lists what was recorded; each run in {directory.path} can be shown",
        )
    references = [Reference(name, run) for name, run in measured.items()]
    return compare(references, variants=list(measured), what_if=what_if)
