"""What has been measured of one cell, as far as decisions need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.model.result import Certificate, Spend
from lambdatune.stats.certificate import SequentialTest
from lambdatune.stats.rows import empty_rows, exceeds, is_cold, is_ok, is_throttled, is_warm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.cell import Cell
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import Verdict
    from lambdatune.model.target import Target
    from lambdatune.pricing.cost import Tariff
    from lambdatune.stats.rows import Rows

MIN_WARM_CALLS = 30
"""Warm calls before a cell's cost and median are worth comparing (reference: 30 per size in the screen)."""


class CellEvidence:
    """The rows of a cell and the tests that look at them.

    Args:
        cell: what is measured.
        targets: all must hold.
        confidence: of the statement over all cells together.
        attempts: how many cells may be claimed to meet the targets; the error is spent over them
            (Bonferroni), so that "this size meets" holds for the size that is picked afterwards.
        tariff: prices of the region and architecture.
    """

    def __init__(
        self, cell: Cell, targets: Sequence[Target], *, confidence: float, attempts: int, tariff: Tariff
    ) -> None:
        self.cell = cell
        self.targets = tuple(targets)
        self.confidence = confidence
        self.attempts = attempts
        self.tariff = tariff
        error = (1 - confidence) / max(attempts, 1)
        self._tests = tuple(SequentialTest(target.exceedance, 1 - error) for target in self.targets)
        self._batches: list[Rows] = []
        self._joined: Rows | None = None
        self.failed_reason: str | None = None

    def add(self, rows: Rows, *, cold: bool = False) -> None:
        """Take in rows of this cell, in the order in which they were measured.

        Args:
            rows: invocation rows.
            cold: whether the calls were sent to start cold; a call that failed without a REPORT line
                counts against the targets of what it was meant to be.
        """
        self._batches.append(rows)
        self._joined = None
        for target, test in zip(self.targets, self._tests, strict=True):
            test.update(exceeds(rows, target, meant_for="cold" if cold else "warm"))

    @property
    def rows(self) -> Rows:
        """All rows so far."""
        if self._joined is None:
            self._joined = np.concatenate(self._batches) if self._batches else empty_rows(0)
            self._batches = [self._joined]
        return self._joined

    @property
    def calls(self) -> int:
        """Calls made."""
        return len(self.rows)

    @property
    def warm_calls(self) -> int:
        """Warm calls that succeeded."""
        return int(np.count_nonzero(is_warm(self.rows) & is_ok(self.rows)))

    @property
    def cold_calls(self) -> int:
        """Cold starts seen, whatever became of the call."""
        return int(np.count_nonzero(is_cold(self.rows)))

    def certificates(self) -> tuple[Certificate, ...]:
        """Return what is proven of each target."""
        return tuple(
            Certificate(str(target), test.status, self.confidence, test.calls, test.exceedances)
            for target, test in zip(self.targets, self._tests, strict=True)
        )

    @property
    def verdict(self) -> Verdict:
        """The verdict of the targets together: one that misses decides, all must meet."""
        if self.calls == 0:
            return "not-tried"
        if self.failed_reason or not self._any_ok():
            return "failed"
        statuses = {test.status for test in self._tests}
        if "misses" in statuses:
            return "misses"
        if statuses == {"meets"}:
            return "meets"
        return "unproven"

    @property
    def decided(self) -> bool:
        """Whether more calls would not change the verdict."""
        return bool(self.targets) and self.verdict in {"meets", "misses", "failed"}

    def billed_ms(self, *, cold: bool) -> float | None:
        """Return the mean Billed Duration of the successful calls, None when there are none."""
        rows = self.rows
        mask = is_ok(rows) & (is_cold(rows) if cold else is_warm(rows))
        return float(np.mean(rows["billed_ms"][mask])) if mask.any() else None

    def cost_per_million(self, *, cold: bool) -> float | None:
        """Return dollars per million warm (or cold) calls, None when none succeeded."""
        billed_ms = self.billed_ms(cold=cold)
        return None if billed_ms is None else self.tariff.per_million(billed_ms, self.cell.memory_mb)

    def spent_usd(self) -> float:
        """Return what all calls so far cost; one without a REPORT line at least its request fee."""
        rows = self.rows
        ran = rows[~is_throttled(rows)]
        billed_ms = np.nan_to_num(ran["billed_ms"])
        return float(np.sum(self.tariff.per_call(billed_ms, self.cell.memory_mb)))

    def dearest_call_usd(self) -> float | None:
        """Return what the dearest call so far cost, None when none was billed."""
        billed_ms = self.rows["billed_ms"]
        known = billed_ms[~np.isnan(billed_ms)]
        return self.tariff.per_million(float(known.max()), self.cell.memory_mb) / 1e6 if len(known) else None

    def blended_cost_per_million(self, cold_rate: float) -> float | None:
        """Return dollars per million calls of which a share of `cold_rate` starts cold.

        Without a cold start the warm calls stand for all; without a warm call nothing can be said.
        """
        warm, cold = self.cost_per_million(cold=False), self.cost_per_million(cold=True)
        if warm is None or cold is None:
            return warm
        return (1 - cold_rate) * warm + cold_rate * cold

    def failure(self) -> str | None:
        """Return why the cell failed, in a sentence, or None when it did not."""
        if self.failed_reason:
            return self.failed_reason
        if self.calls == 0 or self._any_ok():
            return None
        kinds, counts = np.unique(self.rows["status"], return_counts=True)
        worst = Status(int(kinds[np.argmax(counts)]))
        error = self.rows["error"][self.rows["status"] == worst][0].decode("ascii", "replace")
        said = f" ({error})" if error else ""
        return f"all {self.calls} calls ended as {worst.name.lower().replace('_', ' ')}{said}"

    def _any_ok(self) -> bool:
        return bool(is_ok(self.rows).any())


def gather(cells: Sequence[Cell], plan: Plan, tariff: Tariff) -> list[CellEvidence]:
    """Return empty evidence for each of `cells`, with the plan's confidence spent over all of them."""
    return [
        CellEvidence(cell, plan.targets, confidence=plan.confidence, attempts=len(cells), tariff=tariff)
        for cell in cells
    ]


def spend(evidence: Sequence[CellEvidence]) -> Spend:
    """Return what all calls so far cost, at the price of the region: failed calls are billed too."""
    return Spend(sum(cell.spent_usd() for cell in evidence), sum(cell.calls for cell in evidence))
