"""The output of aws-lambda-power-tuning, so that what reads it reads a run of lambdatune as well.

The shape is that of its state machine's output (README, "State Machine Output"), the encoding of the visualization URL
that of `buildVisualizationURL` in its ``lambda/utils.js``: sizes as int16, mean durations in ms and costs of a call as
float32, little-endian, each list in base64, joined by semicolons.

Two figures mean more than there: costs hold the request fee, and nothing is cut off before the mean, since cold starts,
for whose sake the other tool does so, are left out as such.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdatune.reports.wording import is_best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lambdatune.model.result import CellResult, RunResult

SITE = "https://lambda-power-tuning.show/"
"""The other tool's own page; all of the data is in the part of the URL that no browser sends."""

_PER_MILLION = 1_000_000


def render_power_tuning(result: RunResult) -> str:
    """Return the result as aws-lambda-power-tuning's output; power, cost and duration are null without an advice."""
    cells = _alike(result)
    best = next((cell for cell in cells if is_best(cell, result)), None)
    stats = [_stats(cell) for cell in cells]
    document = {
        "power": None if best is None else best.memory_mb,
        "cost": None if best is None else _cost(best),
        "duration": None if best is None else best.warm.duration_ms.mean,
        "stateMachine": {
            "executionCost": 0.0,
            "lambdaCost": result.spend.usd,
            "visualization": visualization_url(
                [each["value"] for each in stats],
                [each["averageDuration"] for each in stats],
                [each["averagePrice"] for each in stats],
                is_in_china=str(result.environment.get("region") or "").startswith("cn-"),
            ),
        },
        "stats": stats,
    }
    return json.dumps(document, indent=2) + "\n"


def visualization_url(
    sizes_mb: Sequence[int], durations_ms: Sequence[float], costs: Sequence[float], *, is_in_china: bool = False
) -> str:
    """Return the URL of the page that shows a tuning.

    Args:
        sizes_mb: ascending.
        durations_ms: mean duration at each.
        costs: of a call at each.
        is_in_china: whether costs are in CNY.
    """
    parts = (_encoded(sizes_mb, "<i2"), _encoded(durations_ms, "<f4"), _encoded(costs, "<f4"))
    return f"{SITE}{'?currency=CNY' if is_in_china else ''}#{';'.join(parts)}"


def _encoded(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.asarray(values, dtype=kind).tobytes()).decode("ascii")


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
