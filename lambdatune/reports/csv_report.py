"""One line per cell: the figures of the table in full precision, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import TYPE_CHECKING

from lambdatune.model.result import Delivery

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, RunResult, Stats

_FIGURES = ("count", "min", "mean", "p50", "p90", "p95", "p99", "p99_9", "max")
_OF_MODE = ("first_byte_ms", "queue_delay_ms", "e2e_ms")
_WARM = ("duration_ms", "response_ms", "service_ms", *_OF_MODE)
_COLD = ("init_ms", "duration_ms", "total_ms", "response_ms", "service_ms", *_OF_MODE)
_DELIVERY = tuple(field.name for field in fields(Delivery))


def render_csv(result: RunResult) -> str:
    """Return a header line and a line per cell; an unknown figure is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_header())
    for cell in result.cells:
        writer.writerow(_line(cell))
    return buffer.getvalue()


def _header() -> list[str]:
    names = [
        "function",
        "memory_mb",
        "architecture",
        "runtime",
        "mode",
        "verdict",
        "invocations",
        "errors",
        "throttles",
    ]
    for start, quantities in (("warm", _WARM), ("cold", _COLD)):
        names += [f"{start}_{quantity}_{figure}" for quantity in quantities for figure in _FIGURES]
        names.append(f"{start}_billed_ms_mean")
    names += [f"cost_per_million_{kind}" for kind in ("warm", "cold", "blended")]
    return [*names, "max_memory_used_mb", *_DELIVERY]


def _line(cell: CellResult) -> list[object]:
    line: list[object] = [
        cell.function, cell.memory_mb, cell.architecture, cell.runtime, cell.mode, cell.verdict, cell.invocations,
        sum(cell.errors.values()), cell.throttles,
    ]  # fmt: skip
    for stats, quantities in ((cell.warm, _WARM), (cell.cold, _COLD)):
        for quantity in quantities:
            line += _figures(getattr(stats, quantity))
        line.append(stats.billed_ms_mean)
    cost = cell.cost_usd_per_million
    delivery = [None if cell.delivery is None else getattr(cell.delivery, name) for name in _DELIVERY]
    return [*line, cost.warm, cost.cold, cost.blended, cell.max_memory_used_mb, *delivery]


def _figures(stats: Stats | None) -> list[float | None]:
    return [None if stats is None else getattr(stats, figure) for figure in _FIGURES]
