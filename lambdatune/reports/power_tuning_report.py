"""The output of aws-lambda-power-tuning, so that what reads it reads a run of lambdatune as well.

The shape is that of its state machine's output (README, "State Machine Output"), with the URL of its page
(`lambdatune.model.power_tuning`).

Two figures mean more than there: costs hold the request fee, and nothing is cut off before the mean, since cold starts,
for whose sake the other tool does so, are left out as such.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdatune.model.power_tuning import PowerTuning
from lambdatune.reports.wording import is_best

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, RunResult

_PER_MILLION = 1_000_000


def render_power_tuning(result: RunResult) -> str:
    """Return the result as aws-lambda-power-tuning's output; power, cost and duration are null without an advice."""
    cells = _alike(result)
    best = next((cell for cell in cells if is_best(cell, result)), None)
    stats = [_stats(cell) for cell in cells]
    figures = PowerTuning(
        tuple(each["value"] for each in stats),
        tuple(each["averageDuration"] for each in stats),
        tuple(each["averagePrice"] for each in stats),
        "CNY" if str(result.environment.get("region") or "").startswith("cn-") else "USD",
    )
    document = {
        "power": None if best is None else best.memory_mb,
        "cost": None if best is None else _cost(best),
        "duration": None if best is None else best.warm.duration_ms.mean,
        "stateMachine": {
            "executionCost": 0.0,
            "lambdaCost": result.spend.usd,
            "visualization": figures.url,
        },
        "stats": stats,
    }
    return json.dumps(document, indent=2) + "\n"


def _alike(result: RunResult) -> list[CellResult]:
    """Return the cells with figures that differ in memory size alone: those like the advice, or like the first one."""
    known = [cell for cell in result.cells if cell.warm.duration_ms.mean is not None and _cost(cell) is not None]
    first = next((cell for cell in known if is_best(cell, result)), known[0] if known else None)
    alike = [cell for cell in known if first is not None and _kind(cell) == _kind(first)]
    return sorted(alike, key=lambda cell: cell.memory_mb)


def _kind(cell: CellResult) -> tuple[str, ...]:
    return cell.function, cell.architecture, cell.runtime, cell.mode


def _cost(cell: CellResult) -> float | None:
    """Return the mean cost of a warm call."""
    cost = cell.cost_usd_per_million.warm
    return None if cost is None else cost / _PER_MILLION


def _stats(cell: CellResult) -> dict[str, Any]:
    return {
        "value": cell.memory_mb, "averagePrice": _cost(cell), "averageDuration": cell.warm.duration_ms.mean,
    }  # fmt: skip
