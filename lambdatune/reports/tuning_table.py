"""The figures of aws-lambda-power-tuning as text: by themselves, and beside those of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.reports.plain_table import UNKNOWN, table
from lambdatune.reports.wording import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.power_tuning import PowerTuning
    from lambdatune.model.result import CellResult, RunResult

_PER_MILLION = 1_000_000
_MEANING = "means of calls, the slowest and fastest cut off, cold starts not apart; costs without the request fee"


def render_tunings(tunings: Sequence[PowerTuning]) -> str:
    """Return what a visualization URL tells: a table of each tuning, and the size that each strategy takes there."""
    parts = []
    for tuning in tunings:
        sign = "$" if tuning.currency == "USD" else tuning.currency
        rows = [
            [str(size), f"{duration_ms:.1f}", f"{cost * _PER_MILLION:.2f}", ""]
            for size, duration_ms, cost in zip(tuning.sizes_mb, tuning.durations_ms, tuning.costs, strict=True)
        ]
        _, *lines = table([("", "MB"), ("", "ms"), ("", f"{sign} per 1M"), ("", "")], rows)
        choices = f"cheapest {tuning.cheapest_mb} MB, fastest {tuning.fastest_mb} MB, balanced {tuning.balanced_mb} MB"
        parts.append("\n".join([_title(tuning), "", *lines, "", choices]))
    return "\n\n".join([*parts, _MEANING]) + "\n"


def beside(tuning: PowerTuning, result: RunResult) -> str:
    """Return the figures of that tool beside those of a run at the same sizes."""
    cells = {cell.memory_mb: cell for cell in reversed(result.cells)}
    sign = "$" if tuning.currency == "USD" else tuning.currency
    rows = [
        [str(size), f"{duration_ms:.1f}", *_here(cells.get(size), duration_ms), f"{cost * _PER_MILLION:.2f}",
         _cost(cells.get(size)), ""]
        for size, duration_ms, cost in zip(tuning.sizes_mb, tuning.durations_ms, tuning.costs, strict=True)
    ]  # fmt: skip
    headers = [
        ("", "MB"), ("mean ms", "there"), ("", "here"), ("", "change"), (f"{sign} per 1M", "there"), ("", "here"),
        ("", ""),
    ]  # fmt: skip
    meaning = f"there: {_MEANING}; here: warm calls, all of them, with the request fee"
    return "\n".join([f"{_title(tuning)}, and this run's", *table(headers, rows), meaning])


def _title(tuning: PowerTuning) -> str:
    return "figures of aws-lambda-power-tuning" + (f": {printable(tuning.name)}" if tuning.name else "")


def _here(cell: CellResult | None, there_ms: float) -> tuple[str, str]:
    """Return the mean of warm calls, and its change to that of the other tool."""
    mean_ms = None if cell is None else cell.warm.duration_ms.mean
    if mean_ms is None:
        return UNKNOWN, UNKNOWN
    return f"{mean_ms:.1f}", f"{100 * (mean_ms / there_ms - 1):+.0f}%" if there_ms else UNKNOWN


def _cost(cell: CellResult | None) -> str:
    cost = None if cell is None else cell.cost_usd_per_million.warm
    return UNKNOWN if cost is None else f"{cost:.2f}"
