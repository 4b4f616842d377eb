"""The table and the sentence: the result as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.pricing.cost import money
from lambdatune.reports.mode_table import mode_table
from lambdatune.reports.plain_table import UNKNOWN, is_unbounded, ms, table

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, Cost, RunResult

_MARKS = {"meets": "✓", "misses": "✗", "unproven": "?", "failed": "!", "not-tried": "○"}
_HEADERS = (
    ("", "MB"),
    ("cold", "n"), ("", "init p50"), ("", "p50"), ("", "p95"), ("", "p99"),
    ("warm", "n"), ("", "p50"), ("", "p95"), ("", "p99"),
    ("", "errors"), ("per 1M", "$"), ("", "verdict"),
)  # fmt: skip


def render_text(result: RunResult) -> str:
    """Return the result as plain text: what was tuned, a line per size, and the advice."""
    lines = [_title(result), ""]
    lines += _table(result)
    lines.append("")
    legend = "ms; cold = init + handler"
    if _has_unbounded(result):
        legend += f"; + : these calls do not bound it from above at {result.recommendation.confidence:.0%} confidence"
    lines.append(legend)
    if result.recommendation.status == "met" and any(cell.verdict == "unproven" for cell in result.cells):
        lines.append("unproven: left early; one that might be better all the same is named in the advice")
    lines += mode_table(result)
    lines += _preinitialised(result)
    lines += [f"note: {note}" for note in result.validity.notes]
    lines += [f"INVALID: {reason}" for reason in result.validity.reasons]
    lines += [
        f"{cell.memory_mb} MB failed: {cell.reason}"
        for cell in result.cells
        if cell.verdict == "failed" and cell.reason
    ]
    if result.status != "complete":
        lines.append(f"status: {result.status}")
    lines += ["", result.recommendation.sentence]
    lines += [f"  or: {alternative.sentence}" for alternative in result.recommendation.alternatives]
    return "\n".join(lines) + "\n"


def _preinitialised(result: RunResult) -> list[str]:
    count = sum(cell.preinitialised for cell in result.cells)
    if not count:
        return []
    calls = f"{count} calls" if count > 1 else "1 call"
    note = (
        f"note: {calls} met an environment that was initialised ahead of time (provisioned concurrency, or AWS's own "
        "proactive initialisation): its init is in the REPORT line, but nobody waited for it; counted neither as cold "
        "nor as warm"
    )
    return [note]


def _title(result: RunResult) -> str:
    function = result.function
    targets = " and ".join(result.plan.get("targets", [])) or "no target"
    billed = money(result.spend.usd, _currency(result), 4) + (
        " at AWS prices" if result.environment.get("embedded") else ""
    )
    runtime = f"{function.runtime}, " if function.runtime else ""
    return (
        f"{function.name} ({runtime}{function.architecture}){_mode(result)}, {targets}: "
        f"{result.spend.invocations} calls, {billed}, run {result.id}"
    )


def _mode(result: RunResult) -> str:
    mode = result.plan.get("mode", "invoke")
    return "" if mode == "invoke" else f" by {mode}"


def _currency(result: RunResult) -> str:
    """Return the currency of a run's amounts; runs of before it was recorded had dollars."""
    currency: str = result.environment.get("prices", {}).get("currency", "USD")
    return currency


def _table(result: RunResult) -> list[str]:
    best = result.recommendation.memory_mb
    sign = "$" if _currency(result) == "USD" else _currency(result)
    headers = [(group, header.replace("$", sign)) for group, header in _HEADERS]
    return table(headers, [_cells(cell, best=cell.memory_mb == best) for cell in result.cells])


def _cells(cell: CellResult, *, best: bool) -> list[str]:
    cold, warm = cell.cold, cell.warm
    cost = cell.cost_usd_per_million.blended
    verdict = f"{_MARKS[cell.verdict]} {cell.verdict}" if cell.certificates or cell.verdict == "failed" else ""
    return [
        str(cell.memory_mb),
        str(cold.count), ms(cold.init_ms, "p50"),
        ms(cold.total_ms, "p50"), ms(cold.total_ms, "p95"), ms(cold.total_ms, "p99"),
        str(warm.count), ms(warm.duration_ms, "p50"), ms(warm.duration_ms, "p95"), ms(warm.duration_ms, "p99"),
        str(sum(cell.errors.values()) + cell.throttles),
        UNKNOWN if cost is None else f"{cost:.2f}{_margin(cell.cost_usd_per_million)}",
        f"{verdict}  ★ best" if best else verdict,
    ]  # fmt: skip


def _margin(cost: Cost) -> str:
    """Return how far the mean cost may be off at the plan's confidence, nothing where a single call leaves it open."""
    interval = cost.intervals.get("blended")
    if interval is None or not cost.blended:
        return ""
    return f" ±{100 * (interval[1] - cost.blended) / cost.blended:.0f}%"


def _has_unbounded(result: RunResult) -> bool:
    return any(
        is_unbounded(stats, percentile)
        for cell in result.cells
        for stats in (cell.cold.init_ms, cell.cold.total_ms, cell.warm.duration_ms)
        for percentile in ("p50", "p95", "p99")
    )
