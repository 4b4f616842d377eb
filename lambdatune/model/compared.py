"""Recorded runs side by side: what ``lambdatune compare`` finds, and what its reports render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lambdatune.model.comparison import PairVerdict  # noqa: TC001  msgspec reads the annotations
from lambdatune.model.gate import Drift, GateReport  # noqa: TC001
from lambdatune.model.result import CellResult, FunctionInfo  # noqa: TC001

COMPARISON_SCHEMA: Literal["lambdatune.comparison/1"] = "lambdatune.comparison/1"


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One side of a comparison.

    Attributes:
        label: how tables and sentences call it.
        id: of the run.
        started: when it was measured.
        function: what ran.
        status: of the advice, by the base's targets and strategy: met, missed, unproven, invalid or none.
        best_memory_mb: the size of that advice; None without one.
        cells: what was measured, without histograms; of a side that names a size, that alone.
    """

    label: str
    id: str
    started: str
    function: FunctionInfo
    status: str
    best_memory_mb: int | None
    cells: tuple[CellResult, ...]


@dataclass(frozen=True, slots=True)
class BestOverall:
    """The best size of all sides, by the base's targets and strategy.

    Attributes:
        label: of its side.
        memory_mb: the size.
        cost_usd_per_million: its cost, at the plan's cold rate.
        is_shown: whether its lead over every other side's best is shown, and not only measured.
        sentence: the same in words.
    """

    label: str
    memory_mb: int
    cost_usd_per_million: float | None
    is_shown: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class MonthAtTraffic:
    """What one side costs a month at the traffic that was given, at the size that its advice on cold starts is about.

    Attributes:
        label: of the side.
        memory_mb: the size.
        traffic_per_s: calls a second, the mean over the month.
        usd_per_month: of all calls on demand, in the comparison's currency.
        cold_usd_per_month: what cold calls cost of it beyond warm ones; None when no cold start was measured.
        cold_calls_per_day: calls that wait for an init.
    """

    label: str
    memory_mb: int
    traffic_per_s: float
    usd_per_month: float
    cold_usd_per_month: float | None
    cold_calls_per_day: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, or cells of runs, side by side.

    Attributes:
        targets: of the base; all sides are judged by them.
        strategy: of the base.
        confidence: of each pair's verdict and of each interval in the tables.
        currency: of all amounts.
        runs: the base first.
        pairs: each two sides at their best sizes.
        at_common_sizes: the base and each other side at every size that both measured.
        best: None when no side has a size that may be recommended.
        cautions: what a reader should know.
        gate: of the second run against the first; None when none was asked for.
        drift: of the runs before; empty when it was not asked for.
        months: of each side with advice on its cold starts; empty without a traffic.
        schema: name and version of this form.
    """

    targets: tuple[str, ...]
    strategy: str
    confidence: float
    currency: str
    runs: tuple[ComparedRun, ...]
    pairs: tuple[PairVerdict, ...]
    at_common_sizes: tuple[PairVerdict, ...]
    best: BestOverall | None
    cautions: tuple[str, ...]
    gate: GateReport | None = None
    drift: tuple[Drift, ...] = ()
    months: tuple[MonthAtTraffic, ...] = ()
    schema: Literal["lambdatune.comparison/1"] = COMPARISON_SCHEMA
