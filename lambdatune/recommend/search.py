"""The search: which sizes get the next calls.

`Search` is the seam: the session asks it for the next block after every block. `TuningSearch` screens sizes with
a few calls each, in randomised blocks so that a drift of the host hits all alike; then a model of duration
against memory (`lambdatune.recommend.shape`) says where calls are worth their price. Over a range it proposes
sizes at any 1 MB step. With targets it attempts the best size that is likely to meet them, until that is proven or
not worth more calls, then the next best. Without targets it compares the best few.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambdatune.recommend.outlook import Outlook, measured_score, relative_error
from lambdatune.recommend.proof import SCREEN_CALLS, ErrorBudget
from lambdatune.recommend.sizes import spread_sizes

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for calls: so many at one memory size, all warm as far as can be, or each on a fresh environment."""

    memory_mb: int
    calls: int
    cold: bool = False


class Search(Protocol):
    """Decides which sizes get the next calls."""

    def next_block(self, evidence: Evidence) -> tuple[Ask, ...]:
        """Return the next calls to make, in the order in which to make them; empty when it is over."""

    def calls_expected(self, evidence: Evidence) -> int:
        """Return about how many calls the search will have made when it is over."""

    def for_plan(self, plan: Plan) -> Search:
        """Return a search that goes on under another plan."""


WARM_CALLS_WITHOUT_TARGET = 100
"""Warm calls of a size of a list when no target asks for more: p90 and p95 have bounded intervals from 36 and
72."""

MIN_WARM_CALLS = 30
"""Warm calls of every size of a list without a target, before it may be left as too dear."""

WARM_CALLS_OF_RANGE = 120
"""Warm calls over all sizes of a range without a target."""

PATIENCE = 30
"""A size gets at most this many times the calls that prove it when none is slow; about 0.75 of the share of slow
calls allowed is proven by then (statistics.md 5.2: calls to decide)."""

MOST_CALLS = 4_500
"""No size gets more calls than this for a proof unless a flawless one needs them; it is twelve times a flawless
p99."""

_MAX_PROPOSALS = 6
"""Sizes of a range that are added to the spread at the most."""

_WORTHWHILE = 0.03
"""A size must promise to be this much better than a proven one to be attempted after it."""

_WORTH_A_SCREEN = 0.01
"""A size of a range must promise to be this much better than every measured one to be measured."""

_ROOM = 0.35
"""A proposed size should be slow in at most this share of the calls that may be: nearer to what is allowed, the
proof takes many times the calls."""

_LONG_SHOT = 1.3
"""When nothing is likely to meet, sizes up to this multiple of the allowed share of slow calls get a chance."""

_GIVE_UP_CALLS = 10
"""Calls after which a size of which every call failed is left alone."""

_SAME_SIZE = 0.015
"""Sizes closer than this share are not told apart."""

_FINALISTS = 3


class TuningSearch:
    """Screens, predicts and proves.

    Args:
        plan: sizes, targets, strategy, cold starts, concurrency and seed.
        cold_batch: cold starts forced at once.
    """

    def __init__(self, plan: Plan, *, cold_batch: int) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311  an order of measuring, not a secret
        self._cold_batch = max(cold_batch, 1)
        self._screen_calls = max(SCREEN_CALLS, plan.warm_block)
        self._tried_cold: dict[int, int] = {}
        self._asked_for_proof: dict[int, int] = {}
        self._proposals = 0
        self._outlook: Outlook | None = None
        self._outlook_basis = (0, 0)
        self._expected = self._expected_at_start()

    def next_block(self, evidence: Evidence) -> tuple[Ask, ...]:
        """Return the calls of the screen until every size has had it, then those of proofs or comparisons."""
        asks = self._cold_screen(evidence) or self._warm_screen(evidence)
        if not asks:
            outlook = self._current_outlook(evidence)
            asks = self._prove(evidence, outlook) if self._plan.targets else self._compare(evidence, outlook)
            for ask in asks:
                asked = self._asked_for_proof.get(ask.memory_mb, 0)
                self._asked_for_proof[ask.memory_mb] = asked + ask.calls
        for ask in asks:
            if ask.cold:
                self._tried_cold[ask.memory_mb] = self._tried_cold.get(ask.memory_mb, 0) + ask.calls
        made = sum(cell.calls for cell in evidence)
        self._expected = max(self._expected, made + sum(ask.calls for ask in asks)) if asks else made
        self._random.shuffle(asks)
        return tuple(asks)

    def for_plan(self, plan: Plan) -> TuningSearch:
        """Return a search that goes on under another plan; what was tried for cold starts stays tried."""
        search = TuningSearch(plan, cold_batch=self._cold_batch)
        search._tried_cold.update(self._tried_cold)
        return search

    def _current_outlook(self, evidence: Evidence) -> Outlook:
        """Return the outlook; its curves are fitted anew when a tenth more calls were made, or at a new size."""
        basis = len(evidence), int(math.log(max(sum(cell.calls for cell in evidence), 1), 1.1))
        if self._outlook is None or basis != self._outlook_basis:
            self._outlook, self._outlook_basis = Outlook(evidence, self._plan), basis
        return self._outlook

    def calls_expected(self, evidence: Evidence) -> int:
        """Return the calls made so far, or those of a search whose first attempt succeeds if they are more."""
        return max(self._expected, sum(cell.calls for cell in evidence))

    def _expected_at_start(self) -> int:
        plan = self._plan
        sizes = len(spread_sizes(plan.memory))
        cold = sizes * plan.cold_starts
        if not plan.targets:
            if plan.memory.is_range:
                return cold + max(WARM_CALLS_OF_RANGE, sizes * plan.in_blocks(self._screen_calls))
            list_calls = plan.in_blocks(WARM_CALLS_WITHOUT_TARGET) + (sizes - 1) * plan.in_blocks(MIN_WARM_CALLS)
            return cold + list_calls
        error = ErrorBudget(plan).next_share() * (1 - plan.confidence)
        flawless = max(flawless_calls(target.exceedance, error) for target in plan.targets)
        return cold + sizes * plan.in_blocks(self._screen_calls) + plan.in_blocks(flawless)

    # The screen.

    def _cold_screen(self, evidence: Evidence) -> list[Ask]:
        asks = []
        for cell in evidence:
            memory_mb, wanted = cell.cell.memory_mb, self._plan.cold_starts
            tried = self._tried_cold.get(memory_mb, 0)
            if _given_up(cell):
                continue
            # A burst may find an environment that is still idle: what was tried is bounded, not only what came.
            calls = min(wanted - cell.cold_calls, 2 * wanted - tried, self._cold_batch)
            if calls > 0:
                asks.append(Ask(memory_mb, calls, cold=True))
        return asks

    def _warm_screen(self, evidence: Evidence) -> list[Ask]:
        half = max(math.ceil(self._screen_calls / 2), self._plan.warm_block)
        asks = []
        for cell in evidence:
            wanted = self._screen_calls - cell.warm_sent
            if wanted > 0 and not _given_up(cell):
                asks.append(Ask(cell.cell.memory_mb, min(half, wanted)))
        return asks

    # Proofs.

    def _prove(self, evidence: Evidence, outlook: Outlook) -> list[Ask]:
        """Return calls for the best size that is likely to meet the targets and is not proven yet."""
        scores = {cell: score for cell in evidence if (score := measured_score(cell, self._plan)) is not None}
        proven = min((score for cell, score in scores.items() if cell.verdict == "meets"), default=math.inf)
        undecided = [
            cell for cell in scores if cell.verdict == "unproven" and not cell.ended and not doomed(cell, evidence)
        ]
        open_cells = [cell for cell in undecided if self._room(cell) > 0]
        likely = [cell for cell in open_cells if self._is_likely(cell, outlook)]
        best = min(likely, key=scores.__getitem__, default=None)
        to_beat = min(proven * (1 - _WORTHWHILE), math.inf if best is None else scores[best])
        proposed = self._proposal(evidence, outlook, to_beat)
        if proposed is not None:
            return [Ask(proposed, self._first_block())]
        if best is not None and scores[best] < proven * (1 - _WORTHWHILE):
            return self._proof_calls(best, outlook)
        if proven < math.inf:
            return []
        chances = {cell: self._excess(cell, outlook) for cell in open_cells}
        long_shots = [cell for cell in open_cells if chances[cell] <= _LONG_SHOT]
        if long_shots:
            return self._proof_calls(min(long_shots, key=chances.__getitem__), outlook)
        return self._refute(open_cells, outlook) if undecided else self._nearest_feasible(scores)

    def _refute(self, open_cells: list[CellEvidence], outlook: Outlook) -> list[Ask]:
        """Return calls that prove that a hopeless size misses, the fastest first: smaller ones are left with it.

        Only then is it certain that no size meets, and the nearest target that one does meet can be named.
        """
        missing = {cell: self._calls_to_refute(cell, outlook) for cell in open_cells}
        within_reach = [cell for cell in open_cells if missing[cell][0] <= self._room(cell)]
        if not within_reach:
            return []
        fastest = min(within_reach, key=lambda cell: cell.p50_ms())
        wanted, cold = missing[fastest]
        fewest = self._cold_batch if cold else self._first_block()
        calls = math.ceil(min(max(wanted / 2, fewest), max(self._cold_batch if cold else _MAX_BLOCK, fewest)))
        return [Ask(fastest.cell.memory_mb, min(calls, max(self._room(fastest), 1)), cold=cold)]

    def _calls_to_refute(self, cell: CellEvidence, outlook: Outlook) -> tuple[float, bool]:
        """Return about how many more calls prove that a size misses a target, and whether they are cold."""
        return min(
            (outlook.calls_to_miss(cell, proof), proof.target.population == "cold")
            for proof in cell.proofs
            if proof.status == "undecided"
        )

    def _proof_calls(self, cell: CellEvidence, outlook: Outlook) -> list[Ask]:
        """Return about half of the calls that would prove what is still open at a size."""
        asks = []
        for cold in (True, False):
            wanted = [
                outlook.calls_to_meet(cell, proof)
                for proof in cell.proofs
                if proof.status == "undecided" and (proof.target.population == "cold") == cold
            ]
            if not wanted:
                continue
            fewest = self._cold_batch if cold else self._first_block()
            most = self._cold_batch if cold else _MAX_BLOCK
            calls = math.ceil(min(max(max(wanted) / 2, fewest), max(most, fewest)))
            asks.append(Ask(cell.cell.memory_mb, min(calls, max(self._room(cell), 1)), cold=cold))
        return asks

    def _first_block(self) -> int:
        return max(SCREEN_CALLS // 2, self._plan.warm_block)

    def _room(self, cell: CellEvidence) -> int:
        """Return how many more calls a size may get."""
        error = cell.upcoming_share() * (1 - self._plan.confidence)
        flawless = max(flawless_calls(target.exceedance, error) for target in self._plan.targets)
        most = max(min(PATIENCE * flawless, MOST_CALLS), 2 * flawless, 2 * self._plan.whole_block)
        return most - self._asked_for_proof.get(cell.cell.memory_mb, 0)

    def _is_likely(self, cell: CellEvidence, outlook: Outlook) -> bool:
        return max(outlook.calls_to_meet(cell, proof) for proof in cell.proofs) <= self._room(cell)

    def _excess(self, cell: CellEvidence, outlook: Outlook) -> float:
        """Return the expected share of slow calls as a multiple of what is allowed, of the worst target."""
        return max(outlook.cell_slow_share(cell, proof) / proof.target.exceedance for proof in cell.proofs)

    def _nearest_feasible(self, scores: dict[CellEvidence, float]) -> list[Ask]:
        """Return calls at the fastest size when none meets: they prove which target it would meet."""
        scores = {cell: score for cell, score in scores.items() if not cell.ended}
        if not scores:
            return []
        fastest = min(scores, key=lambda cell: cell.p50_ms())
        error = fastest.upcoming_share() * (1 - self._plan.confidence)
        asks = []
        for cold in (True, False):
            wanted = 0
            for proof in fastest.proofs:
                if (proof.target.population == "cold") == cold:
                    fresh = proof.proof.calls if proof.proof else 0
                    wanted = max(
                        wanted, min(_MOST_FOR_NEAREST, 2 * flawless_calls(proof.target.exceedance, error)) - fresh
                    )
            # What was asked is bounded, not only what counts: calls without a REPORT line would never suffice.
            if wanted > 0 and self._asked_for_proof.get(fastest.cell.memory_mb, 0) < MOST_CALLS + _MOST_FOR_NEAREST:
                most = self._cold_batch if cold else _MAX_BLOCK
                asks.append(Ask(fastest.cell.memory_mb, max(min(wanted, most), self._plan.warm_block), cold=cold))
        return asks

    # Proposals over a range.

    def _proposal(self, evidence: Evidence, outlook: Outlook, to_beat: float) -> int | None:
        """Return a size of the range that promises to be better than `to_beat`, None when there is none."""
        memory = self._plan.memory
        if not memory.is_range or self._proposals >= _MAX_PROPOSALS:
            return None
        sizes = np.arange(memory.low_mb, memory.high_mb + 1, dtype=np.float64)
        scores = outlook.scores(sizes)
        if scores is None:
            return None
        allowed = np.ones(len(sizes), dtype=np.bool_)
        for target in self._plan.targets:
            allowed &= outlook.slow_share(target, sizes) <= max(_ROOM * target.exceedance, _FLOOR_OF_POOL)
        for cell in evidence:
            # A little more memory than that of a measured size is that size over again.
            allowed &= np.abs(np.log(sizes / cell.cell.memory_mb)) > _SAME_SIZE
            if self._plan.targets and cell.verdict == "misses":
                allowed &= sizes > cell.cell.memory_mb
            if cell.verdict == "failed":
                allowed &= sizes > cell.cell.memory_mb
        if not allowed.any():
            return None
        index = int(np.argmin(np.where(allowed, scores, np.inf)))
        if scores[index] >= to_beat * (1 - _WORTH_A_SCREEN):
            return None
        self._proposals += 1
        return int(sizes[index])

    # Comparisons without a target.

    def _compare(self, evidence: Evidence, outlook: Outlook) -> list[Ask]:
        """Return calls for the sizes that may be the best."""
        scores = {cell: score for cell in evidence if (score := measured_score(cell, self._plan)) is not None}
        if not scores:
            return []
        best = min(scores, key=scores.__getitem__)
        contenders = [
            cell for cell in scores if not cell.ended and _may_be_better(scores[cell], cell, scores[best], best)
        ]
        if not self._plan.memory.is_range:
            return [
                Ask(cell.cell.memory_mb, min(wanted, max(SCREEN_CALLS, self._plan.warm_block)))
                for cell in scores
                if not cell.ended
                and (wanted := (WARM_CALLS_WITHOUT_TARGET if cell in contenders else MIN_WARM_CALLS) - cell.warm_sent)
                > 0
            ]
        left = WARM_CALLS_OF_RANGE - sum(cell.warm_sent for cell in evidence)
        if left >= 2 * self._screen_calls:
            proposed = self._proposal(evidence, outlook, scores[best])
            if proposed is not None:
                return [Ask(proposed, self._first_block())]
        if left < self._screen_calls:
            return []
        finalists = sorted(contenders, key=scores.__getitem__)[: min(_FINALISTS, left // self._screen_calls)]
        return [Ask(cell.cell.memory_mb, self._screen_calls) for cell in finalists]


_MAX_BLOCK = 200
"""Calls in one go at the most, so that a decision is looked at often enough."""

_MOST_FOR_NEAREST = 1_000
"""Calls spent on finding the nearest target that can be met."""

_FLOOR_OF_POOL = 0.002
"""A pool of a hundred calls cannot show less than this, however fast the size."""


def doomed(cell: CellEvidence, evidence: Evidence) -> bool:
    """Return whether a larger size, no slower in its median, is proven to miss.

    That less memory is not faster is assumed, not proven: it saves calls, and a size left for this reason is
    reported as unproven, never as missing.
    """
    return any(
        other.cell.memory_mb > cell.cell.memory_mb and other.verdict == "misses" and other.p50_ms() <= cell.p50_ms()
        for other in evidence
    )


def flawless_calls(exceedance: float, error: float) -> int:
    """Return the fewest calls that can prove a target, none of them slow: ln(error) / ln(1 - exceedance)."""
    return math.ceil(math.log(error) / math.log1p(-exceedance))


def _may_be_better(score: float, cell: CellEvidence, best_score: float, best: CellEvidence) -> bool:
    """Return whether a size may be as good as the best: their means are within three standard errors."""
    error = math.hypot(relative_error(cell), relative_error(best))
    return math.log(score / best_score) <= 3 * error


def _given_up(cell: CellEvidence) -> bool:
    return cell.ended or cell.failed_reason is not None or (cell.verdict == "failed" and cell.calls >= _GIVE_UP_CALLS)
