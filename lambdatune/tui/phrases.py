"""The words of the Result screen: what the evidence of an advice is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.quantities import format_number
from lambdatune.recommend.compare import clock_stats
from lambdatune.stats.summary import PERCENTILES
from lambdatune.tui.charts.scale import format_ms, format_usd, with_unit
from lambdatune.tui.figures import bounded_ms, percentile_ms

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, Delivery, RunResult
    from lambdatune.model.target import Target

_FIELDS = {percentile: name for name, percentile in PERCENTILES.items()}


def spoken_of(result: RunResult) -> CellResult | None:
    """Return the cell that the advice speaks of: the one advised, the one that may be, or the fastest measured."""
    advice = result.recommendation
    wanted = advice.memory_mb
    if wanted is None and advice.to_be_sure is not None:
        wanted = advice.to_be_sure.memory_mb
    measured = [cell for cell in result.cells if cell.warm.duration_ms.p50 is not None]
    named = [cell for cell in measured if cell.memory_mb == wanted]
    if named:
        return named[0]
    return min(measured, key=lambda cell: cell.warm.duration_ms.p50 or 0.0, default=None)


def evidence_line(result: RunResult, target: Target) -> str:
    """Return what was measured of the size that the advice speaks of, with intervals."""
    cell = spoken_of(result)
    if cell is None:
        return "no size has a warm call that succeeded"
    parts = [f"{cell.memory_mb} MB: {_percentile(cell, target, result.recommendation.confidence)}"]
    if target.population != "cold" and cell.cold.total_ms.p99 is not None:
        parts.append(f"cold p99 {with_unit(bounded_ms(cell.cold.total_ms, 'p99'))}")
    cost = cell.cost_usd_per_million
    if cost.blended is not None:
        interval = cost.intervals.get("blended")
        margin = f" ±{100 * (interval[1] - cost.blended) / cost.blended:.0f}%" if interval and cost.blended else ""
        parts.append(f"${format_usd(cost.blended)}{margin} per million")
    if cell.environments is not None:
        parts.append(f"{cell.environments} environment" + ("" if cell.environments == 1 else "s"))
    now = _now(result, cell, target)
    return " · ".join([*parts, now] if now else parts)


def delivery_line(memory_mb: int, delivery: Delivery) -> str:
    """Return what became of the messages of a size; what did not go well is marked.

    Executed of sent, of these those retried and those executed more than once, then those given up and those lost;
    messages of an invocation, the time from the last send to the last end, and the throughput.
    """
    parts = [f"{memory_mb} MB: {delivery.executed}/{delivery.sent} executed"]
    refused = delivery.sent - delivery.accepted
    bad = {"refused": refused} if refused else {}
    bad |= {
        "retried": delivery.retried, "twice": delivery.duplicated,
        "dead-lettered": delivery.dead_lettered, "lost": delivery.lost,
    }  # fmt: skip
    parts += [f"⚠ {count} {word}" if count else f"0 {word}" for word, count in bad.items()]
    if delivery.batch_size_mean is not None:
        parts.append(f"batch {delivery.batch_size_mean:.1f} (max {delivery.batch_size_max})")
    if delivery.drain_ms is not None:
        parts.append(f"drain {with_unit(format_ms(delivery.drain_ms))}")
    if delivery.throughput_per_s is not None:
        parts.append(f"{delivery.throughput_per_s:.3g}/s")
    return " · ".join(parts)


def _percentile(cell: CellResult, target: Target, confidence: float) -> str:
    """Return the percentile of `target` with its interval, as far as it is known."""
    name = f"{target.population} p{format_number(target.percentile)}"
    text = f"{name} {with_unit(format_ms(percentile_ms(cell, target)))}"
    if target.population == "all" or target.percentile not in _FIELDS:
        return text
    stats = clock_stats(cell, target.population, target.clock)
    interval = stats.intervals.get(_FIELDS[target.percentile])
    if interval is None:
        return f"{text} of {stats.count} calls"
    low, high = interval
    upper = "not bounded" if high is None else format_ms(high)
    return f"{text} ({confidence:.0%} interval {format_ms(low)} to {upper}) of {stats.count} calls"


def _now(result: RunResult, cell: CellResult, target: Target) -> str | None:
    """Return how the size that the function has now compares, where it was measured."""
    if result.plan["function"]["is_path"] or result.function.memory_mb == cell.memory_mb:
        return None
    for other in result.cells:
        if other.memory_mb == result.function.memory_mb and other.cost_usd_per_million.blended is not None:
            figure = format_ms(percentile_ms(other, target))
            cost = format_usd(other.cost_usd_per_million.blended)
            return f"now {other.memory_mb} MB: p{format_number(target.percentile)} {with_unit(figure)}, ${cost}"
    return None
