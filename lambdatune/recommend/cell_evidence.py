"""What has been measured of one cell, as far as decisions need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Start, Status
from lambdatune.pricing.snap_start import is_snap_start_free
from lambdatune.recommend.billed import Billed
from lambdatune.recommend.proof import ErrorBudget, TargetProof
from lambdatune.stats.environments import groups_of
from lambdatune.stats.intervals import design_effect
from lambdatune.stats.means import mean_error
from lambdatune.stats.rows import (
    clock_ms,
    counted_times_ms,
    counts_for,
    empty_rows,
    invocations_of,
    is_cold,
    is_ok,
    is_throttled,
    is_warm,
)
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.model.cell import Cell
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import Certificate, Verdict
    from lambdatune.model.target import Population, Target
    from lambdatune.pricing.cost import Tariff
    from lambdatune.stats.environments import Environments
    from lambdatune.stats.rows import Rows


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows as they came: what they were meant for, and from which on they lie beyond the screen."""

    rows: Rows
    meant_for: Population
    fresh_from: int


class CellEvidence:
    """The rows of a cell and the proofs that are made of them.

    Args:
        cell: what is measured.
        plan: its targets and its confidence.
        budget: hands out the error to the cells that are attempted; shared by all cells of a plan.
        tariff: prices of the region and architecture.

    Attributes:
        attempt: the number of this cell among those attempted, from 1; None while it is only screened.
        share: its share of the error; None while it is only screened.
        failed_reason: why it cannot be measured at all; None when it can.
        ended: whether a person wants no more calls of it.
        aside: batches of rows that answer another question: they were paid for, and are in no figure.
        known_environments: which environment served each call; None when it is not known.
    """

    def __init__(self, cell: Cell, plan: Plan, budget: ErrorBudget, tariff: Tariff) -> None:
        self.cell = cell
        self.plan = plan
        self.tariff = tariff
        self.attempt: int | None = None
        self.share: float | None = None
        self.failed_reason: str | None = None
        self.ended = False
        self.aside: list[Rows] = []
        self.known_environments: Environments | None = None
        self.warm_billed = Billed()
        self.cold_billed = Billed()
        self.calls = 0
        self.cold_calls = 0
        self._ok_calls = 0
        self._warm_sent = 0
        self._invocations = 0.0
        self._billed_ms_sum = 0.0
        self._spilled_ms_sum = 0.0
        self._restores = 0
        self._longest_billed_ms: float | None = None
        self._budget = budget
        self._screened = {"warm": 0, "cold": 0}
        self._batches: list[_Batch] = []
        self._pending: list[_Batch] = []
        self._joined: Rows | None = None
        self._served_by: tuple[Rows, NDArray[np.int64] | None] | None = None
        self._p50_ms: float | None = None
        self._proofs = tuple(TargetProof(target, plan.confidence, len(plan.targets)) for target in plan.targets)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All must hold."""
        return self.plan.targets

    def add(self, rows: Rows, *, cold: bool = False) -> None:
        """Take in rows of this cell, in the order in which they were measured.

        Args:
            rows: invocation rows.
            cold: whether the calls were sent to start cold; a call that failed without a REPORT line
                counts against the targets of what it was meant to be.
        """
        meant_for: Population = "cold" if cold else "warm"
        # Cold starts are counted as they came: a burst that found idle environments is sent again.
        counted = np.cumsum(is_cold(rows)) if cold else np.arange(1, len(rows) + 1)
        left = self._budget.screen_calls[meant_for] - self._screened[meant_for]
        screened = int(np.searchsorted(counted, left, side="right"))
        self._screened[meant_for] += int(counted[screened - 1]) if screened else 0
        if len(rows) > screened and self.share is None:
            self.share = self._budget.next_share()
            self.attempt = self._budget.attempts
            # What waits to be looked at came before the attempt; the proof's state does not depend on when it is.
            for proof in self.proofs:
                proof.attempt(self.share)
        batch = _Batch(rows, meant_for, screened)
        self._warm_sent += 0 if cold else len(rows)
        self._batches.append(batch)
        self._pending.append(batch)
        self._joined = self._p50_ms = None
        self._count(rows)

    def _count(self, rows: Rows) -> None:
        ok, cold = is_ok(rows), is_cold(rows)
        billed_ms, invocations = rows["billed_ms"], invocations_of(rows)
        self.calls += len(rows)
        self.cold_calls += int(np.count_nonzero(cold))
        self._ok_calls += int(np.count_nonzero(ok))
        warm = ok & is_warm(rows)
        self.warm_billed.add(billed_ms[warm], invocations[warm])
        self.cold_billed.add(billed_ms[ok & cold], invocations[ok & cold])
        known_ms = billed_ms[~np.isnan(billed_ms)]
        if len(known_ms):
            self._longest_billed_ms = max(self._longest_billed_ms or 0.0, float(known_ms.max()))
        self._pay_for(rows)

    def set_aside(self, rows: Rows) -> None:
        """Take note of rows that were paid for and answer another question, as those of another load do."""
        self.aside.append(rows)
        self._pay_for(rows)

    def _pay_for(self, rows: Rows) -> None:
        ran = rows[~is_throttled(rows)]
        self._invocations += float(np.sum(invocations_of(ran)))
        self._billed_ms_sum += float(np.sum(np.nan_to_num(ran["billed_ms"])))
        start = ran["start"]
        if len(start) and start.max() > Start.WARM:  # most batches are warm, and there are many
            # A call that starts cold is served on demand, also where others find provisioned environments.
            self._spilled_ms_sum += float(np.sum(np.nan_to_num(ran["billed_ms"][start == Start.COLD])))
            self._restores += int(np.count_nonzero(start == Start.RESTORED))

    @property
    def rows(self) -> Rows:
        """All rows so far."""
        if self._joined is None:
            batches = [batch.rows for batch in self._batches]
            self._joined = np.concatenate(batches) if batches else empty_rows(0)
        return self._joined

    def environments(self) -> NDArray[np.int64] | None:
        """Return the environment of each row as a number; None where that is not known."""
        if self.known_environments is None:
            return None
        if self._served_by is None or self._served_by[0] is not self.rows:
            self._served_by = self.rows, self.known_environments.of(self.rows)
        return self._served_by[1]

    def billed_error_ms(self, billed: Billed) -> tuple[float, int] | None:
        """Return the standard error of a mean billed time of this cell and how many independent calls it rests on.

        Args:
            billed: `warm_billed` or `cold_billed`.
        """
        environments = self.environments()
        if environments is None:
            error_ms = billed.standard_error_ms
            return None if error_ms is None else (error_ms, billed.calls)
        rows = self.rows
        chosen = is_ok(rows) & (is_cold(rows) if billed is self.cold_billed else is_warm(rows))
        return mean_error(rows["billed_ms"][chosen], groups_of(environments[chosen]))

    def design_effect(self, target: Target) -> float | None:
        """Return how many calls weigh as much as one independent call for `target`; None where that is not known."""
        environments = self.environments()
        if environments is None:
            return None
        masks = [counts_for(batch.rows, target, meant_for=batch.meant_for) for batch in self._batches]
        groups = groups_of(environments[np.concatenate(masks)])
        if groups is None:
            return None
        _, index = np.unique(groups, return_inverse=True)
        return design_effect(self.times_ms(target) > target.threshold_ms, index)

    @property
    def warm_sent(self) -> int:
        """Calls that were sent to start warm, whatever became of them."""
        return self._warm_sent

    @property
    def warm_calls(self) -> int:
        """Warm calls that succeeded."""
        return self.warm_billed.calls

    @property
    def proofs(self) -> tuple[TargetProof, ...]:
        """What is proven of each target, from all rows so far."""
        pending, self._pending = self._pending, []
        for batch in _merged(pending):
            fresh = np.arange(len(batch.rows)) >= batch.fresh_from
            for proof in self._proofs:
                counted = counts_for(batch.rows, proof.target, meant_for=batch.meant_for)
                times_ms = counted_times_ms(batch.rows[counted], proof.target)
                proof.update(times_ms > proof.target.threshold_ms, fresh[counted])
        return self._proofs

    def certificates(self) -> tuple[Certificate, ...]:
        """Return what is proven of each target."""
        return tuple(proof.certificate(self.attempt) for proof in self.proofs)

    def times_ms(self, target: Target, *, only_fresh: bool = False) -> NDArray[np.float64]:
        """Return the times of the calls that count for `target`, infinite where no result came.

        Args:
            target: of which population and clock matter.
            only_fresh: leave out the calls of the screen.
        """
        found = [np.empty(0)]
        for batch in self._batches:
            rows = batch.rows[batch.fresh_from if only_fresh else 0 :]
            found.append(counted_times_ms(rows[counts_for(rows, target, meant_for=batch.meant_for)], target))
        return np.concatenate(found)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the targets together: one that misses decides, all must meet."""
        if self.calls == 0 and not self.failed_reason:
            return "not-tried"
        if self.failed_reason or not self._ok_calls:
            return "failed"
        statuses = {proof.status for proof in self.proofs}
        if "misses" in statuses:
            return "misses"
        return "meets" if statuses == {"meets"} else "unproven"

    @property
    def decided(self) -> bool:
        """Whether more calls would not change the verdict."""
        return bool(self.targets) and self.verdict in {"meets", "misses", "failed"}

    def upcoming_share(self) -> float:
        """Return the cell's share of the error, or what it would be if it were attempted next."""
        return self._budget.upcoming_share() if self.share is None else self.share

    def p50_ms(self) -> float:
        """Return the median Duration of the successful warm calls (of all successful ones where none is warm)."""
        if self._p50_ms is None:
            rows = self.rows
            ok = is_ok(rows)
            warm = ok & is_warm(rows)
            self._p50_ms = nearest_rank(clock_ms(rows[warm if warm.any() else ok], "duration"), 0.5)
        return self._p50_ms

    def cost_per_million(self, *, cold: bool) -> float | None:
        """Return dollars per million warm (or cold) calls, None when none succeeded.

        Of messages in batches a million messages, which take fewer invocations.
        """
        billed = self.cold_billed if cold else self.warm_billed
        if billed.mean_ms is None:
            return None
        tariff = self.tariff.on_demand if cold else self.tariff
        return tariff.per_million(billed.mean_ms, self.cell.memory_mb, invocations=billed.invocations_per_call)

    @property
    def invocations_per_call(self) -> float:
        """How many invocations a call stands for in the mean: 1, or less where it is a message of a batch."""
        billed = self.warm_billed if self.warm_billed.calls else self.cold_billed
        return billed.invocations_per_call

    def spent_usd(self) -> float:
        """Return what all calls so far cost, restores of SnapStart included.

        A call without a REPORT line costs its request fee at least.
        """
        # Whole milliseconds add up exactly, so that the sum is the same in whatever batches the rows came.
        memory_mb, tariff = self.cell.memory_mb, self.tariff
        fees = self._invocations * tariff.per_call(0.0, memory_mb)
        usd = fees + self._billed_ms_sum / 1000 * tariff.per_second(memory_mb)
        if tariff.is_provisioned:
            dearer = tariff.on_demand.per_second(memory_mb) - tariff.per_second(memory_mb)
            usd += self._spilled_ms_sum / 1000 * dearer
        if self._restores and not is_snap_start_free(self.cell.runtime):
            usd += self._restores * tariff.per_restore(memory_mb)
        return usd

    def dearest_call_usd(self) -> float | None:
        """Return what the dearest call so far cost, None when none was billed."""
        longest_ms = self._longest_billed_ms
        return None if longest_ms is None else self.tariff.on_demand.per_million(longest_ms, self.cell.memory_mb) / 1e6

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
        if self.calls == 0 or self._ok_calls:
            return None
        kinds, counts = np.unique(self.rows["status"], return_counts=True)
        worst = Status(int(kinds[np.argmax(counts)]))
        error = self.rows["error"][self.rows["status"] == worst][0].decode("ascii", "replace")
        said = f" ({error})" if error else ""
        return f"all {self.calls} calls ended as {worst.name.lower().replace('_', ' ')}{said}"


def _merged(batches: list[_Batch]) -> list[_Batch]:
    """Return the same rows in fewer batches: neighbours that are wholly fresh and meant for the same."""
    merged: list[list[_Batch]] = []
    for batch in batches:
        last = merged[-1][-1] if merged else None
        if last is not None and batch.fresh_from == 0 and last.meant_for == batch.meant_for:
            merged[-1].append(batch)
        else:
            merged.append([batch])
    return [
        _Batch(np.concatenate([batch.rows for batch in group]), group[0].meant_for, group[0].fresh_from)
        if len(group) > 1
        else group[0]
        for group in merged
    ]
