"""OpenMetrics 1.0 text: the figures as gauges, for a textfile collector and so for dashboards and alerts.

Names hold their unit as OpenMetrics asks for (base units: seconds, bytes): ``lambdatune_duration_seconds``. An unknown
figure has no sample, and an end of an interval that the calls do not bound is ``+Inf``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.reports.wording import currency, is_best, mode_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lambdatune.model.result import CellResult, ColdStats, RunResult, Stats, WarmStats

_QUANTILES = {"0.5": "p50", "0.9": "p90", "0.95": "p95", "0.99": "p99", "0.999": "p99_9"}
_MS_PER_S = 1_000
_BYTES_PER_MB = 1024 * 1024
_PER_MILLION = 1_000_000

_TIMES = {
    "duration": "Duration of the REPORT line; of cold starts with init.",
    "init": "Init Duration or Restore Duration.",
    "response": "From the intended send to the answer.",
    "service": "From the actual send to the answer.",
    "first_byte": "From the send to the answer's first byte.",
    "queue_delay": "From accepted to the start of the execution.",
    "e2e": "From the intended send to the end of the execution.",
}

_FATES = ("sent", "accepted", "executed", "retried", "duplicated", "dead_lettered", "lost")


@dataclass(frozen=True, slots=True)
class _Family:
    """A metric: its name, what it means, its unit, and a value for each set of labels."""

    name: str
    meaning: str
    unit: str
    samples: list[tuple[Mapping[str, str], float]]


def render_openmetrics(result: RunResult) -> str:
    """Return the figures of a run as gauges with labels function, memory_mb, architecture, runtime and mode.

    Times have the labels start (warm, cold) and quantile too; their intervals are gauges of their own.
    """
    families = [*_of_run(result), *_of_cells(result), *_of_times(result)]
    lines = [line for family in families if family.samples for line in _lines(family)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _of_run(result: RunResult) -> Iterator[_Family]:
    labels = {"function": result.function.name}
    status = result.recommendation.status
    info = {
        **labels, "run": result.id, "status": result.status, "recommendation": status, "mode": mode_of(result),
        "lambdatune": str(result.environment.get("lambdatune") or ""),
        "region": str(result.environment.get("region") or ""), "currency": currency(result),
    }  # fmt: skip
    yield _Family("lambdatune_run", "The run that the figures come from; always 1.", "", [(info, 1)])
    yield _Family("lambdatune_run_valid", "1 when the numbers describe the function.", "",
                  [(labels, float(result.validity.valid))])  # fmt: skip
    yield _Family("lambdatune_run_started_timestamp_seconds", "When the run began.", "seconds",
                  [(labels, moment) for moment in _timestamp(result.started)])  # fmt: skip
    yield _Family("lambdatune_run_invocations", "Calls of the run.", "", [(labels, result.spend.invocations)])
    yield _Family("lambdatune_run_cost", "What the run's calls cost, in the run's currency.", "",
                  [(labels, result.spend.usd)])  # fmt: skip


def _of_cells(result: RunResult) -> Iterator[_Family]:
    cells = [(cell, _labels(cell)) for cell in result.cells]
    yield _Family("lambdatune_recommended", "1 of the size that is advised, else 0.", "",
                  [(labels, float(is_best(cell, result))) for cell, labels in cells])  # fmt: skip
    yield _Family("lambdatune_verdict", "1 of the verdict on the size.", "",
                  [({**labels, "verdict": cell.verdict}, 1) for cell, labels in cells])  # fmt: skip
    yield _Family("lambdatune_invocations", "Calls that were made.", "",
                  [(labels, cell.invocations) for cell, labels in cells])  # fmt: skip
    yield _Family("lambdatune_starts", "Calls by how they started.", "",
                  [({**labels, "start": start}, getattr(cell, start).count)
                   for cell, labels in cells for start in ("warm", "cold")])  # fmt: skip
    yield _Family("lambdatune_errors", "Calls that failed, by kind.", "",
                  [({**labels, "kind": kind}, count)
                   for cell, labels in cells for kind, count in sorted(cell.errors.items())])  # fmt: skip
    yield _Family("lambdatune_throttles", "Calls that AWS throttled.", "",
                  [(labels, cell.throttles) for cell, labels in cells])  # fmt: skip
    yield _Family("lambdatune_memory_used_max_bytes", "Max Memory Used of the REPORT line.", "bytes",
                  [(labels, cell.max_memory_used_mb * _BYTES_PER_MB)
                   for cell, labels in cells if cell.max_memory_used_mb is not None])  # fmt: skip
    yield _Family("lambdatune_cost_per_invocation", "Mean cost of a call, in the run's currency.", "",
                  [({**labels, "start": start}, cost / _PER_MILLION) for cell, labels in cells
                   for start in ("warm", "cold", "blended")
                   if (cost := getattr(cell.cost_usd_per_million, start)) is not None])  # fmt: skip
    yield _Family("lambdatune_messages", "Messages by what became of them, in modes in which they are delivered.", "",
                  [({**labels, "fate": name}, getattr(cell.delivery, name)) for cell, labels in cells
                   if cell.delivery is not None for name in _FATES])  # fmt: skip


def _of_times(result: RunResult) -> Iterator[_Family]:
    for name, meaning in _TIMES.items():
        told = [
            ({**_labels(cell), "start": start}, stats)
            for cell in result.cells
            for start, group in (("warm", cell.warm), ("cold", cell.cold))
            if (stats := _stats(group, name)) is not None and stats.count
        ]
        yield _Family(f"lambdatune_{name}_seconds", meaning, "seconds", [
            ({**labels, "quantile": quantile}, value / _MS_PER_S)
            for labels, stats in told for quantile, percentile in _QUANTILES.items()
            if (value := getattr(stats, percentile)) is not None
        ])  # fmt: skip
        yield _Family(f"lambdatune_{name}_mean_seconds", f"{meaning} Mean.", "seconds", [
            (labels, stats.mean / _MS_PER_S) for labels, stats in told if stats.mean is not None
        ])  # fmt: skip
        yield _Family(f"lambdatune_{name}_interval_seconds", f"{meaning} Ends of intervals.", "seconds", [
            ({**labels, "quantile": quantile, "end": end}, float("inf") if value is None else value / _MS_PER_S)
            for labels, stats in told for quantile, percentile in _QUANTILES.items()
            if percentile in stats.intervals
            for end, value in zip(("low", "high"), stats.intervals[percentile], strict=True)
        ])  # fmt: skip


def _stats(group: WarmStats | ColdStats, name: str) -> Stats | None:
    own = "total_ms" if name == "duration" and hasattr(group, "total_ms") else f"{name}_ms"
    stats: Stats | None = getattr(group, own, None)
    return stats


def _labels(cell: CellResult) -> dict[str, str]:
    return {
        "function": cell.function, "memory_mb": str(cell.memory_mb), "architecture": cell.architecture,
        "runtime": cell.runtime, "mode": cell.mode,
    }  # fmt: skip


def _timestamp(text: str) -> list[float]:
    try:
        return [dt.datetime.fromisoformat(text).timestamp()]
    except ValueError:
        return []


def _lines(family: _Family) -> Iterator[str]:
    yield f"# TYPE {family.name} gauge"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {_escaped(family.meaning)}"
    for labels, value in family.samples:
        told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield f"{family.name}{{{told}}} {_number(value)}"


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(float(value))


def _escaped(text: str) -> str:
    """Return text as a label's value holds it (OpenMetrics 1.0, "escaped-string")."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
