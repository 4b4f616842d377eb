"""At which sizes two functions are compared: at their best ones, or at one where it is as good for both.

Which of two tied sizes is the best is chance. Compared there, two functions that are the same would differ by their
sizes, and a user asks for the difference between the functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.recommend.costs import TIE
from lambdatune.recommend.outlook import measured_score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.cell_evidence import CellEvidence


def best_as_measured(cells: Sequence[CellEvidence], plan: Plan) -> int | None:
    """Return the size that the strategy picks of those that meet the targets, or of all where none does."""
    scores = {cell.cell.memory_mb: score for cell in cells if (score := measured_score(cell, plan)) is not None}
    meeting = {cell.cell.memory_mb for cell in cells if cell.verdict == "meets"}
    allowed = {size: score for size, score in scores.items() if size in meeting} or scores
    return min(allowed, key=allowed.__getitem__) if allowed else None


def matched_sizes(
    one: Sequence[CellEvidence], other: Sequence[CellEvidence], one_mb: int, other_mb: int, plan: Plan
) -> tuple[int, int]:
    """Return at which sizes to compare: the best ones, or one of the two that is as good as the best of each.

    As good is: the same verdict, and no more than 3 % (`TIE`) worse by the plan's strategy.

    Args:
        one: the cells of one side.
        other: the cells of the other.
        one_mb: the best size of `one`.
        other_mb: the best size of `other`.
        plan: its strategy says what is good.
    """
    sides = [
        ({cell.cell.memory_mb: cell for cell in cells}, best) for cells, best in ((one, one_mb), (other, other_mb))
    ]
    loss: dict[int, float] = {}
    for size in (one_mb, other_mb):
        losses = [_loss(cells, size, best, plan) for cells, best in sides]
        if None not in losses:
            loss[size] = max(each for each in losses if each is not None)
    if not loss:
        return one_mb, other_mb
    size = min(loss, key=loss.__getitem__)
    return size, size


def _loss(cells: Mapping[int, CellEvidence], size: int, best: int, plan: Plan) -> float | None:
    """Return by which share a size is worse than the best; None where it is not as good, or not known."""
    if size not in cells or best not in cells:
        return None
    if plan.targets and cells[size].verdict != cells[best].verdict:
        return None
    score, of_best = measured_score(cells[size], plan), measured_score(cells[best], plan)
    if score is None or not of_best or score / of_best - 1 > TIE:
        return None
    return score / of_best - 1
