"""Answers without a REPORT line: what the tool is blind without, told early and in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Start
from lambdatune.stats.rows import is_ok

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.recommend.cell_evidence import CellEvidence


def silent_calls(evidence: Iterable[CellEvidence]) -> int:
    """Return how many calls succeeded when not one of all calls brought a REPORT line; else 0."""
    silent = 0
    for cell in evidence:
        if np.any(cell.rows["start"] != Start.UNKNOWN):
            return 0
        silent += int(np.count_nonzero(is_ok(cell.rows)))
    return silent


def silence(calls: int) -> str:
    """Return the sentence about `calls` successful calls of which none brought a REPORT line."""
    return (
        f"none of {calls} successful calls brought a REPORT line in its log tail (X-Amz-Log-Result) or log group, so "
        "that Duration, init, memory and cost are unknown: this endpoint does not give it, a log level hides it, or an "
        "extension delays it"
    )
