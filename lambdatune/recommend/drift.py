"""Drift: a figure that creeps over the last runs, in steps that no gate would see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lambdatune.model.gate import Drift
from lambdatune.stats.trend import FEWEST, trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.result import RunResult

_WORTH_TELLING = 0.02
"""A change over the whole span that is worth telling: less is lost in what runs differ by."""

_SHOWN = 0.05
_FEWEST_CALLS = 20
"""Warm calls from which on the median of a run is one of the figures."""


def drift_of(runs: Sequence[RunResult], memory_mb: int) -> Drift:
    """Return whether the median of the warm Duration at a size crept over runs of the same function.

    Shown is what has a two-sided p of 5 % at the most (Mann and Kendall) and makes 2 % or more over the whole span
    (Theil and Sen), which takes five runs at the least.

    Args:
        runs: comparable ones, oldest first.
        memory_mb: the size; runs that did not measure it well are left out.
    """
    found = [(run.id, p50) for run in runs if (p50 := _median_ms(run, memory_mb)) is not None]
    ids, figures = tuple(each for each, _ in found), tuple(p50 for _, p50 in found)
    name = f"warm.duration.p50 at {memory_mb} MB"
    outcome: Literal["slower", "faster", "steady", "too few runs"] = "too few runs"
    if len(found) < FEWEST:
        change = trend(figures).change if len(found) > 1 else None
        sentence = f"{name}: {len(found)} comparable run{'s' if len(found) != 1 else ''}, and a drift takes {FEWEST}"
        return Drift(memory_mb, "warm.duration.p50", ids, figures, change, None, outcome, sentence)
    seen = trend(figures)
    is_shown = seen.p_value is not None and seen.p_value <= _SHOWN and abs(seen.change) >= _WORTH_TELLING
    outcome = "steady" if not is_shown else "slower" if seen.change > 0 else "faster"
    span = f"{len(found)} runs since {ids[0]}"
    told = f"{100 * seen.change:+.0f} % over {span} ({figures[0]:.1f} to {figures[-1]:.1f} ms, p = {seen.p_value:.3f})"
    sentence = {
        "slower": f"DRIFT: {name} creeps up, {told}: each step may be below the margin of a gate",
        "faster": f"{name} creeps down, {told}",
        "steady": f"{name} shows no drift: {told}",
    }[outcome]
    return Drift(memory_mb, "warm.duration.p50", ids, figures, seen.change, seen.p_value, outcome, sentence)


def size_to_follow(runs: Sequence[RunResult], wanted_mb: int | None) -> int | None:
    """Return the size whose drift is looked at: the wanted one, or that which most runs measured; None without any."""
    counts: dict[int, int] = {}
    for run in runs:
        for cell in run.cells:
            if _median_ms(run, cell.memory_mb) is not None:
                counts[cell.memory_mb] = counts.get(cell.memory_mb, 0) + 1
    if not counts:
        return None
    if wanted_mb is not None and counts.get(wanted_mb, 0) >= min(FEWEST, max(counts.values())):
        return wanted_mb
    return max(counts, key=counts.__getitem__)


def _median_ms(run: RunResult, memory_mb: int) -> float | None:
    cell = next((cell for cell in run.cells if cell.memory_mb == memory_mb), None)
    if cell is None or cell.warm.duration_ms.count < _FEWEST_CALLS:
        return None
    p50 = cell.warm.duration_ms.p50
    return p50 or None
