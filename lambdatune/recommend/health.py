"""Warnings: what in the calls weakens the advice, what that means, and which option mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.modes import MODES
from lambdatune.stats.diagnostics import mann_kendall, sign_statistic, two_groups
from lambdatune.stats.environments import FEWEST, count_of
from lambdatune.stats.rows import clock_ms, is_ok, is_warm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.cell_evidence import CellEvidence

    Floats = NDArray[np.float64]

_FIRST_CALLS = 5
"""Warm calls of a size that may be slower because its environment is young."""

_BLOCK_CALLS = 8
_FEWEST_CALLS = 20
_ONE_IN_A_HUNDRED = 2.58
_ONE_IN_A_THOUSAND = 3.29
_NOTABLE_DRIFT = 0.05
_NOTABLE_WARM_UP = 0.10
_FEW_ENVIRONMENTS = 10
_NOTABLE_EFFECT = 1.5
_MOST_NAMED = 3


def warnings(evidence: Sequence[CellEvidence], plan: Plan, *, on_aws: bool) -> list[str]:
    """Return what a reader should know of the calls, a sentence or two each.

    Args:
        evidence: one per cell.
        plan: of the run.
        on_aws: whether the calls were spread over AWS's hosts; all calls of an embedded endpoint share one.
    """
    warm = {cell.cell.memory_mb: _warm_times(cell) for cell in evidence}
    warm = {size: (times, ms) for size, (times, ms) in warm.items() if len(ms) >= _FEWEST_CALLS}
    notes = [_drift(warm), _warm_up(warm), _bimodality({size: ms for size, (_, ms) in warm.items()})]
    notes += [_alike(cell) for cell in evidence]
    if on_aws and warm:
        notes.append(_environments([cell for cell in evidence if cell.cell.memory_mb in warm], plan))
    return [note for note in notes if note]


def _warm_times(cell: CellEvidence) -> tuple[Floats, Floats]:
    """Return when the successful warm calls were sent (in s) and how long they took (in ms), in order of time."""
    rows = cell.rows
    rows = rows[is_ok(rows) & is_warm(rows)]
    rows = rows[np.argsort(rows["intended_ns"], kind="stable")]
    return rows["intended_ns"] / 1e9, np.maximum(clock_ms(rows, "duration"), 1e-3)


def _drift(warm: dict[int, tuple[Floats, Floats]]) -> str | None:
    """Warn when medians of blocks of calls, each against the median of its size, have a trend over time."""
    when, levels = [], []
    for times, durations_ms in warm.values():
        settled = durations_ms[_FIRST_CALLS:]
        blocks = len(settled) // _BLOCK_CALLS
        if blocks < 2:
            continue
        level = np.log(np.median(settled))
        parts = settled[: blocks * _BLOCK_CALLS].reshape(blocks, -1)
        levels.append(np.log(np.median(parts, axis=1)) - level)
        moments = times[_FIRST_CALLS : _FIRST_CALLS + blocks * _BLOCK_CALLS].reshape(blocks, -1)
        when.append(moments.mean(axis=1))
    if not levels:
        return None
    series = np.concatenate(levels)[np.argsort(np.concatenate(when), kind="stable")]
    third = max(len(series) // 3, 1)
    change = float(np.exp(np.median(series[-third:]) - np.median(series[:third])) - 1)
    if abs(mann_kendall(series)) < _ONE_IN_A_HUNDRED or abs(change) < _NOTABLE_DRIFT:
        return None
    word = "slower" if change > 0 else "faster"
    return (
        f"drift: calls became {abs(change):.0%} {word} while the run went on. Sizes were measured in turns and stay "
        "comparable, but the times hold for this hour only: run again at another time, or with a smaller "
        "--max-minutes"
    )


def _warm_up(warm: dict[int, tuple[Floats, Floats]]) -> str | None:
    """Warn when the first warm calls of the sizes are slower than the later ones."""
    above = count = 0
    ratios: list[float] = []
    for _, durations_ms in warm.values():
        usual_ms = float(np.median(durations_ms[_FIRST_CALLS:]))
        first = durations_ms[:_FIRST_CALLS]
        above += int(np.count_nonzero(first > usual_ms))
        count += len(first)
        ratios += (first / usual_ms).tolist()
    if not ratios or sign_statistic(above, count) < _ONE_IN_A_THOUSAND:
        return None
    slower = float(np.median(ratios)) - 1
    if slower < _NOTABLE_WARM_UP:
        return None
    return (
        f"warm-up: the first {_FIRST_CALLS} warm calls of a size took {slower:.0%} longer than later ones (caches, "
        "just-in-time compilation). They count as warm calls, as they do in real traffic after a cold start; "
        "--concurrency 1 keeps their number small"
    )


def _bimodality(warm: dict[int, Floats]) -> str | None:
    """Warn of sizes whose calls fall into two groups."""
    found = {size: groups for size, ms in sorted(warm.items()) if (groups := two_groups(ms)) is not None}
    if not found:
        return None
    named = [
        f"{size} MB ({1 - groups.high_share:.0%} around {groups.low_ms:.1f} ms, "
        f"{groups.high_share:.0%} around {groups.high_ms:.1f} ms)"
        for size, groups in list(found.items())[:_MOST_NAMED]
    ]
    more = f" and {len(found) - len(named)} more" if len(found) > len(named) else ""
    return (
        f"two groups of calls at {', '.join(named)}{more}: a percentile that lies between the groups jumps from run "
        "to run. Usual causes: payloads of two kinds (give one --payload a run), or a CPU period of 20 ms that is "
        "just used up (a little more --memory)"
    )


def _alike(cell: CellEvidence) -> str | None:
    """Warn of a size whose proof counts calls as independent that are not."""
    effects = [effect for target in cell.targets if (effect := cell.design_effect(target)) is not None]
    effect = max(effects, default=1.0)
    if effect < _NOTABLE_EFFECT or cell.verdict not in {"meets", "misses"}:
        return None
    return (
        f"calls of one environment are alike at {cell.cell.memory_mb} MB: {effect:.1f} of them weigh as much as one "
        "independent call. Intervals allow for that, the proof does not: a larger "
        f"{_spread(cell.plan)} spreads the calls over more environments"
    )


def _environments(cells: Sequence[CellEvidence], plan: Plan) -> str | None:
    """Say where calls come from too few environments, or what is assumed where that is not known."""
    counts = [None if (found := cell.environments()) is None else count_of(found) for cell in cells]
    known = [count for count in counts if count is not None]
    if len(known) == len(counts):
        fewest = min(known)
        if fewest >= _FEW_ENVIRONMENTS:
            return None
        assumed = "" if fewest >= FEWEST else "; with fewer than 5, calls are taken as independent"
        return (
            f"few environments: {fewest} served the calls of a size, and a slow host looks like a slow function"
            f"{assumed}: {_spread(plan)} {_FEW_ENVIRONMENTS} spreads the calls over more hosts"
        )
    at_once = plan.concurrency if plan.burst is None else plan.burst.size
    if at_once >= _FEW_ENVIRONMENTS:
        return None
    about = "one environment" if at_once == 1 else f"{at_once} environments"
    return (
        f"few environments: calls are taken as independent, but about {about} at a time served each size, and a slow "
        f"host looks like a slow function: {_spread(plan)} {_FEW_ENVIRONMENTS} spreads the calls over more hosts"
    )


def _spread(plan: Plan) -> str:
    """Return the option that makes calls run at once: where messages are only accepted, calls in flight do not."""
    return "--burst" if MODES[plan.mode].is_delivered else "--concurrency"
