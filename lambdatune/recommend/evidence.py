"""What has been measured of each cell, as far as decisions need it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np

from lambdatune.model.result import Spend
from lambdatune.recommend.cell_evidence import CellEvidence
from lambdatune.recommend.proof import ErrorBudget
from lambdatune.stats.rows import (
    is_cold,
    is_warm,
)

if TYPE_CHECKING:
    from lambdatune.model.cell import Cell
    from lambdatune.model.plan import Plan
    from lambdatune.pricing.cost import Tariff
    from lambdatune.stats.environments import Environments
    from lambdatune.stats.rows import Mask, Rows


def _nothing(_memory_mb: int) -> float:
    return 0.0


class Evidence(Sequence[CellEvidence]):
    """The evidence of every cell of a plan; cells are added while it runs and never removed.

    Args:
        cells: those that are known from the start; at least one.
        plan: targets, confidence and cold rate.
        tariff: prices of the region and architecture.

    Attributes:
        standing_usd: returns dollars that the run cost so far beside its calls: provisioned environments, snapshots.
        version_usd: returns dollars that another version at a memory size costs at once beside its calls.
    """

    def __init__(self, cells: Sequence[Cell], plan: Plan, tariff: Tariff) -> None:
        self.plan = plan
        self.tariff = tariff
        self.standing_usd: Callable[[], float] = float
        self.version_usd: Callable[[int], float] = _nothing
        self._budget = ErrorBudget(plan)
        self._template = cells[0]
        self._cells = [CellEvidence(cell, plan, self._budget, tariff) for cell in cells]
        self._index = {cell.memory_mb: index for index, cell in enumerate(cells)}
        self._environments: Environments | None = None

    @overload
    def __getitem__(self, index: int) -> CellEvidence: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CellEvidence]: ...
    def __getitem__(self, index: int | slice) -> CellEvidence | Sequence[CellEvidence]:
        return self._cells[index]

    def __len__(self) -> int:
        return len(self._cells)

    def index_of(self, memory_mb: int) -> int:
        """Return the index of the cell of a memory size, which is added when there is none yet."""
        if memory_mb not in self._index:
            cell = replace(self._template, memory_mb=memory_mb)
            self._index[memory_mb] = len(self._cells)
            self._cells.append(CellEvidence(cell, self.plan, self._budget, self.tariff))
            self._cells[-1].known_environments = self._environments
        return self._index[memory_mb]

    def decide_for(self, plan: Plan, *, set_aside_until: int = 0) -> None:
        """Begin the proofs anew for another plan, from all rows so far, as if they were recorded ones.

        Args:
            plan: the same function and mode, with other targets, sizes or load.
            set_aside_until: see `take_in`.
        """
        before, self.plan = self._cells, plan
        self._budget = ErrorBudget(plan)
        self._cells = [CellEvidence(old.cell, plan, self._budget, self.tariff) for old in before]
        for old, new in zip(before, self._cells, strict=True):
            new.failed_reason, new.ended, new.known_environments = old.failed_reason, old.ended, self._environments
            for rows in old.aside:
                new.set_aside(rows)
        measured = np.concatenate([cell.rows for cell in before])
        self.take_in(measured[np.argsort(measured["order"], kind="stable")], set_aside_until=set_aside_until)

    def know_environments(self, environments: Environments | None) -> None:
        """Take note of which environment served each call; the cells' intervals then allow for it."""
        self._environments = environments
        for cell in self._cells:
            cell.known_environments = environments

    def take_in(self, rows: Rows, *, set_aside_until: int = 0) -> None:
        """Add recorded rows of a whole run, as if they had come order by order.

        Whether an order was to start cold is not recorded with its rows: it was when more of its calls of known
        start were cold than warm.

        Args:
            rows: in the order in which they came; the cell column points into this evidence.
            set_aside_until: number of the last order that was sent under another load; its warm calls, and those of the
                orders before, are paid for and in no figure.
        """
        if not len(rows):
            return
        first_of_order = np.flatnonzero(np.diff(rows["order"].astype(np.int64), prepend=-1))
        colder = is_cold(rows).astype(np.int64) - is_warm(rows)
        sizes = np.diff(first_of_order, append=len(rows))
        meant_cold = np.repeat(np.add.reduceat(colder, first_of_order) > 0, sizes)
        aside = ~meant_cold & (rows["order"] <= set_aside_until)
        for index in np.unique(rows["cell"][aside]).tolist():
            self[index].set_aside(rows[aside & (rows["cell"] == index)])
        rows, meant_cold = rows[~aside], meant_cold[~aside]
        # Cells are attempted in the order in which their screens ended; beyond that they do not touch each other.
        by_cell = [np.flatnonzero(rows["cell"] == index) for index in range(len(self))]
        ends = [self._end_of_screen(rows[mine], meant_cold[mine]) for mine in by_cell]
        positions = [int(mine[end]) if end < len(mine) else len(rows) for mine, end in zip(by_cell, ends, strict=True)]
        for index in np.argsort(positions, kind="stable").tolist():
            mine = by_cell[index]
            runs = np.flatnonzero(np.diff(meant_cold[mine].astype(np.int8))) + 1
            for part in np.split(mine, runs):
                if len(part):
                    self[index].add(rows[part], cold=bool(meant_cold[part[0]]))

    def _end_of_screen(self, rows: Rows, meant_cold: Mask) -> int:
        """Return which of a cell's rows is the first beyond its screen; their number when none is."""
        warm = np.cumsum(~meant_cold)
        cold = np.cumsum(meant_cold & is_cold(rows))
        beyond = (~meant_cold & (warm > self._budget.screen_calls["warm"])) | (
            meant_cold & (cold > self._budget.screen_calls["cold"])
        )
        return int(np.argmax(beyond)) if beyond.any() else len(rows)


def gather(cells: Sequence[Cell], plan: Plan, tariff: Tariff) -> Evidence:
    """Return empty evidence for each of `cells`, one at least."""
    return Evidence(cells, plan, tariff)


def spend(evidence: Evidence) -> Spend:
    """Return what the run has cost so far, at the price of the region: failed calls are billed too.

    What is billed beside the calls is in it: provisioned environments, snapshots and restores of SnapStart.
    """
    calls = sum(cell.calls + sum(map(len, cell.aside)) for cell in evidence)
    return Spend(math.fsum(cell.spent_usd() for cell in evidence) + evidence.standing_usd(), calls)
