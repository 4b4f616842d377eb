"""What the calls of a size prove about a target, and how the error is shared between sizes.

**Meets.** "This size meets" is said of a size that was picked because it looked good, so the calls that made
it look good must not count again. The first calls of every size are its *screen*: they only choose. When a
size gets calls beyond its screen, it is *attempted*, and the proof (an e-process) is made of the calls after
the screen alone. The j-th size that is attempted has the share ``1 / (j (j + 1))`` of the error
``alpha = 1 - confidence``; the shares sum to 1. Given everything that was seen before an attempt, its proof is
false with probability at most its share (Ville's inequality), so that over all attempts, however many there
are and however they were chosen, a false proof has probability at most alpha. Nothing is assumed about how
sizes compare. (Alpha spending over attempts: Foster & Stine, "Alpha-investing", JRSS B 70, 2008; reference:
statistics.md 5.3, step 3.)

Few fixed sizes need no choosing: up to `FLAT_SIZES` sizes of a list share the error evenly from their first
call on (Bonferroni), because the calls of a screen would cost more than the even share does.

**Misses.** The statement that matters is "no size meets": it is false only if some size that meets is
refuted, and for that one size the error is alpha. Refutations therefore need no sharing between sizes, and they
use every call, the screen's too. Several targets share alpha evenly, as one refuted target refutes the size.
A size that is said to meet must meet every target; each of those proofs may have the whole share of the size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.result import Certificate
from lambdatune.stats.certificate import SequentialTest

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import CertificateStatus
    from lambdatune.model.target import Target
    from lambdatune.stats.rows import Mask

SCREEN_CALLS = 8
"""Warm calls of a size that only choose. Eight tell the median of a size to about 1.25 sigma / sqrt(8), 4 % at
sigma = 0.1, and the shape is pooled over sizes; more would be lost to the proof."""

FLAT_SIZES = 3
"""Up to so many sizes of a list share the error evenly: ln(3) is less than ln(2) and a screen of eight calls."""


class ErrorBudget:
    """Hands out shares of the error to the sizes that are attempted.

    Args:
        plan: its confidence, its memory sizes and its cold starts, which are the screen of cold calls.

    Attributes:
        attempts: sizes attempted so far.
        screen_calls: calls of a size that only choose, warm and cold.
    """

    def __init__(self, plan: Plan) -> None:
        self.confidence = plan.confidence
        self.attempts = 0
        sizes = len(plan.memory.sizes_mb)
        self._flat_sizes = sizes if 0 < sizes <= FLAT_SIZES else None
        self.screen_calls = {
            "warm": 0 if self._flat_sizes else max(SCREEN_CALLS, plan.warm_block),
            "cold": 0 if self._flat_sizes else plan.cold_starts,
        }

    def next_share(self) -> float:
        """Return the share of the error for one more size, and count it as attempted."""
        share = self.upcoming_share()
        self.attempts += 1
        return share

    def upcoming_share(self) -> float:
        """Return the share that the next size to be attempted will have."""
        if self._flat_sizes is not None:
            return 1 / self._flat_sizes
        number = self.attempts + 1
        return 1 / (number * (number + 1))


class TargetProof:
    """The two tests of one target at one size.

    Args:
        target: what is to be proven.
        confidence: of the plan.
        targets: how many targets there are.

    Attributes:
        calls: calls that count for the target, those of the screen among them.
        exceedances: calls among them that exceeded.
        proof: the test of "meets", made of the calls after the screen; None before the size is attempted.
        refutation: the test of "misses", made of all calls.
    """

    def __init__(self, target: Target, confidence: float, targets: int) -> None:
        self.target = target
        self.confidence = confidence
        self.calls = 0
        self.exceedances = 0
        self.refutation = SequentialTest(target.exceedance, 1 - (1 - confidence) / targets, sides=("misses",))
        self.proof: SequentialTest | None = None
        self.status: CertificateStatus = "undecided"

    def attempt(self, share: float) -> None:
        """Begin the proof, with `share` of the error."""
        error = share * (1 - self.confidence)
        self.proof = SequentialTest(self.target.exceedance, 1 - error, sides=("meets",))

    def update(self, exceeds: Mask, fresh: Mask) -> None:
        """Look at further calls.

        Args:
            exceeds: whether each exceeded, shape ``(n,)``.
            fresh: whether each came after the screen, shape ``(n,)``.
        """
        seen_before = self.refutation.calls
        fresh_before = self.proof.calls if self.proof else 0
        self.refutation.update(exceeds)
        self.calls += len(exceeds)
        self.exceedances += int(np.count_nonzero(exceeds))
        if self.proof is not None:
            self.proof.update(exceeds[fresh])
        if self.status != "undecided":
            return
        # Where a batch holds both decisions, the first of them counts, as if each call had been looked at.
        misses_at = self.refutation.decided_at
        met_at = self.proof.decided_at if self.proof else None
        if met_at is not None:
            position = seen_before + int(np.flatnonzero(fresh)[met_at - fresh_before - 1]) + 1
            self.status = "meets" if misses_at is None or position <= misses_at else "misses"
        elif misses_at is not None:
            self.status = "misses"

    def certificate(self, attempt: int | None) -> Certificate:
        """Return what is proven; `attempt` is the number of the size among those attempted."""
        proof_calls = self.proof.calls if self.proof else 0
        return Certificate(
            str(self.target), self.status, self.confidence, self.calls, self.exceedances,
            attempt=attempt, screen_calls=self.calls - proof_calls,
        )  # fmt: skip
