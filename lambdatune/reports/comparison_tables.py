"""Runs side by side in tables and lines, as every report of a comparison tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.recommend.cold_start_words import amount
from lambdatune.recommend.compare import clock_stats
from lambdatune.reports import gate_table
from lambdatune.reports.plain_table import UNKNOWN, ms, ms_and_interval
from lambdatune.reports.wording import failed_calls, margin, verdict_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambdatune.model.compared import ComparedRun, Comparison, MonthAtTraffic
    from lambdatune.model.comparison import PairVerdict
    from lambdatune.model.result import CellResult
    from lambdatune.model.target import ClockName

_CLOCKS: dict[ClockName, str] = {
    "duration": "the function's own Duration",
    "response": "until the answer, from when the call was due",
    "service": "until the answer, from when the call was sent",
    "e2e": "until the execution has ended, or the answer where a call waits for it, from when it was due",
}

COLD_HEADERS = ("run", "MB", "starts", "init p50", "p50", "p95", "p99")
PAIR_HEADERS = ("MB", "of", "against", "verdict")


def warm_headers(comparison: Comparison) -> tuple[str, ...]:
    """Return the columns of `warm_rows`."""
    sign = "$" if comparison.currency == "USD" else comparison.currency
    return ("run", "MB", "calls", "p50", "p95", "p99", "errors", f"{sign} per 1M", "verdict")


def shown_cells(comparison: Comparison) -> Iterator[tuple[ComparedRun, CellResult]]:
    """Yield the cells that tables show, run by run: the best of each, and the sizes that all have."""
    common = set.intersection(*({cell.memory_mb for cell in run.cells} for run in comparison.runs))
    for run in comparison.runs:
        for cell in run.cells:
            if cell.memory_mb == run.best_memory_mb or cell.memory_mb in common:
                yield run, cell


def warm_rows(comparison: Comparison) -> list[list[str]]:
    """Return a row of texts for each cell that is shown."""
    rows, clock = [], clock_of(comparison)
    for run, cell in shown_cells(comparison):
        times, cost = clock_stats(cell, "warm", clock), cell.cost_usd_per_million
        rows.append([
            run.label, str(cell.memory_mb), str(cell.warm.count),
            *(ms_and_interval(times, name) for name in ("p50", "p95", "p99")),
            str(failed_calls(cell)), UNKNOWN if cost.blended is None else f"{cost.blended:.2f}{margin(cost)}",
            _verdict(comparison, run, cell),
        ])  # fmt: skip
    return rows


def clock_of(comparison: Comparison) -> ClockName:
    """Return the clock that the verdicts, and so the tables, are on."""
    return comparison.pairs[0].clock if comparison.pairs else "duration"


def is_best_overall(comparison: Comparison, run: ComparedRun, cell: CellResult) -> bool:
    """Return whether a cell is the best of all runs."""
    best = comparison.best
    return best is not None and (run.label, cell.memory_mb) == (best.label, best.memory_mb)


def _verdict(comparison: Comparison, run: ComparedRun, cell: CellResult) -> str:
    if is_best_overall(comparison, run, cell):
        mark = "★ best"
    else:
        mark = "☆ best of its run" if cell.memory_mb == run.best_memory_mb and len(run.cells) > 1 else ""
    return "  ".join(filter(None, (verdict_words(cell), mark)))


def cold_rows(comparison: Comparison) -> list[list[str]]:
    """Return a row of texts for each cell that is shown; none when nothing started cold."""
    cells = [(run, cell) for run, cell in shown_cells(comparison)]
    if not any(cell.cold.count for _, cell in cells):
        return []
    return [
        [
            run.label, str(cell.memory_mb), str(cell.cold.count), ms(cell.cold.init_ms, "p50"),
            *(ms_and_interval(cell.cold.total_ms, name) for name in ("p50", "p95", "p99")),
        ]
        for run, cell in cells
    ]  # fmt: skip


def pair_lines(comparison: Comparison) -> list[str]:
    """Return the verdicts of pairs, at the best sizes and at those that both have, and what each costs at a traffic."""
    told = [pair.sentence for pair in comparison.pairs]
    told += [f"at {pair.base_memory_mb} MB: {pair.sentence}" for pair in _others(comparison)]
    return told + [_month(month, comparison.currency) for month in comparison.months]


def _month(month: MonthAtTraffic, currency: str) -> str:
    """Return what a side costs a month at a traffic, in a sentence."""
    told = (
        f"{month.label} at {month.memory_mb} MB costs {amount(month.usd_per_month, currency)} a month at "
        f"{month.traffic_per_s:g}/s on demand"
    )
    if month.cold_usd_per_month is None:
        return told
    cold = amount(max(month.cold_usd_per_month, 0.0), currency)
    return f"{told}, of it {cold} for cold starts, {month.cold_calls_per_day:,.0f} a day"


def _others(comparison: Comparison) -> list[PairVerdict]:
    """Return the pairs at common sizes that are not among those at the best sizes."""
    known = {(pair.base, pair.other, pair.base_memory_mb, pair.other_memory_mb) for pair in comparison.pairs}
    return [
        pair
        for pair in comparison.at_common_sizes
        if (pair.base, pair.other, pair.base_memory_mb, pair.other_memory_mb) not in known
    ]


def title(comparison: Comparison) -> str:
    """Return what is compared, in a line."""
    targets = " and ".join(comparison.targets) or "no target"
    names = dict.fromkeys(run.function.name for run in comparison.runs)
    return f"{' and '.join(names)}, {targets}: {len(comparison.runs)} compared"


def legend(comparison: Comparison) -> str:
    """Return how the tables are to be read."""
    return (
        f"ms, with intervals at {comparison.confidence:.0%} confidence; warm: {_CLOCKS[clock_of(comparison)]}; "
        f"cold: init and handler. A verdict's two "
        f"answers, on time and on cost, hold together at that confidence"
    )


def notes(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what a reader has to know besides the figures: of each, its kind and a sentence."""
    found = [("note", caution) for caution in comparison.cautions]
    found += [("drift", drift.sentence) for drift in comparison.drift]
    if comparison.gate is not None:
        known = {sentence for _, sentence in found}
        found += [(kind, each) for kind, each in gate_table.gate_remarks(comparison.gate) if each not in known]
    return found


def conclusion(comparison: Comparison) -> str:
    """Return the last word: of the gate where there is one, else which is best, else that none is."""
    if comparison.gate is not None:
        return comparison.gate.sentence
    if comparison.best is not None:
        return comparison.best.sentence
    if len(comparison.runs) < 2:
        return "; ".join(drift.sentence for drift in comparison.drift) or "nothing to compare with"
    return "no best overall: no size of these runs is shown to meet the targets"


def labels(runs: Sequence[ComparedRun]) -> str:
    """Return the runs by name, the base first."""
    return ", ".join(run.label if run.label == run.id else f"{run.label} ({run.id})" for run in runs)
