"""The table and the sentence: the result as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.reports.cold_start_table import cold_start_lines
from lambdatune.reports.gate_table import gate_lines
from lambdatune.reports.mode_table import mode_table
from lambdatune.reports.plain_table import UNKNOWN, is_unbounded, ms, table
from lambdatune.reports.wording import (
    billed,
    currency_sign,
    failed_calls,
    function_of,
    is_best,
    margin,
    mode_of,
    remarks,
    targets_of,
    verdict_words,
)

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, RunResult

_HEADERS = (
    ("", "MB"),
    ("cold", "n"),
    ("", "init p50"),
    ("", "p50"),
    ("", "p95"),
    ("", "p99"),
    ("warm", "n"),
    ("", "p50"),
    ("", "p95"),
    ("", "p99"),
    ("", "errors"),
    ("per 1M", "$"),
    ("", "verdict"),
)


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
    lines += [f"{kind}: {sentence}" for kind, sentence in remarks(result)]
    lines += ["", result.recommendation.sentence]
    lines += [f"  or: {alternative.sentence}" for alternative in result.recommendation.alternatives]
    lines += [] if result.gate is None else gate_lines(result.gate)
    lines += cold_start_lines(result)
    return "\n".join(lines) + "\n"


def _title(result: RunResult) -> str:
    mode = mode_of(result)
    by = "" if mode == "invoke" else f" by {mode}"
    return (
        f"{result.function.name} ({function_of(result)}){by}, {targets_of(result)}: "
        f"{result.spend.invocations} calls, {billed(result)}, run {result.id}"
    )


def _table(result: RunResult) -> list[str]:
    sign = currency_sign(result)
    headers = [(group, header.replace("$", sign)) for group, header in _HEADERS]
    return table(headers, [_cells(cell, best=is_best(cell, result)) for cell in result.cells])


def _cells(cell: CellResult, *, best: bool) -> list[str]:
    cold, warm = cell.cold, cell.warm
    cost = cell.cost_usd_per_million.blended
    verdict = verdict_words(cell)
    return [
        str(cell.memory_mb),
        str(cold.count), ms(cold.init_ms, "p50"),
        ms(cold.total_ms, "p50"), ms(cold.total_ms, "p95"), ms(cold.total_ms, "p99"),
        str(warm.count), ms(warm.duration_ms, "p50"), ms(warm.duration_ms, "p95"), ms(warm.duration_ms, "p99"),
        str(failed_calls(cell)),
        UNKNOWN if cost is None else f"{cost:.2f}{margin(cell.cost_usd_per_million)}",
        f"{verdict}  ★ best" if best else verdict,
    ]  # fmt: skip


def _has_unbounded(result: RunResult) -> bool:
    return any(
        is_unbounded(stats, percentile)
        for cell in result.cells
        for stats in (cell.cold.init_ms, cell.cold.total_ms, cell.warm.duration_ms)
        for percentile in ("p50", "p95", "p99")
    )
