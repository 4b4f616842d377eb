"""Certificates: an anytime-valid test of "at most a share p0 of the calls exceeds the threshold".

"pNN <= T" holds exactly when the rate pi at which calls exceed T is at most p0 = 1 - NN/100. After n calls
with s exceedances, each alternative rate p_j has the likelihood ratio

    L_j = (p_j / p0)^s ((1 - p_j) / (1 - p0))^(n - s)

and the e-value of one side is the weighted mean of its L_j. With all p_j < p0 it is a supermartingale of
start 1 whenever pi >= p0, so by Ville's inequality it reaches 1/alpha with probability at most alpha,
*however often one looks*; the target is then certified. With all p_j > p0 the same holds whenever pi <=
p0, and the target is refuted. (Ville 1939; Howard & Ramdas, "Sequential estimation of quantiles with
applications to A/B testing and best-arm identification", Bernoulli 28(3), 2022.)

**How the error is spent.** Each side of one test has the whole alpha = 1 - confidence. That is no double
spending: only one of the two statements is false for any true rate, so the probability of a false statement
of either kind is at most alpha. How alpha is shared between sizes is `lambdatune.recommend.proof`'s.

The calls must be exchangeable under the boundary rate; calls that share an execution environment are
positively correlated, and load must be spread over many environments (reference: Woodruff intervals show
when it is not).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.model.result import CertificateStatus

Statement = Literal["meets", "misses"]

_MEETS_ODDS = (0.0, 0.1, 0.25, 0.4, 0.6, 0.8)
_MEETS_WEIGHTS = (0.45, 0.15, 0.12, 0.12, 0.10, 0.06)
_MISSES_ODDS = (1.25, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
_MISSES_WEIGHTS = (0.08, 0.14, 0.16, 0.16, 0.14, 0.12, 0.10, 0.10)
"""Alternatives as multiples of the odds p0 / (1 - p0), so that they are rates for every p0, and their
weights.

Any choice is valid; it only decides which true rates are settled quickly. A rate of zero gets most weight:
it is the usual case of a size that meets its target with room to spare.
"""


class _Side:
    """The e-process of one side.

    Args:
        exceedance: p0.
        odds: alternatives as multiples of the odds of p0.
        weights: of the alternatives, summing to 1.
    """

    def __init__(self, exceedance: float, odds: tuple[float, ...], weights: tuple[float, ...]) -> None:
        alternative_odds = np.array(odds) * (exceedance / (1 - exceedance))
        rates = alternative_odds / (1 + alternative_odds)
        with np.errstate(divide="ignore"):
            self._if_exceeds = np.log(rates / exceedance)
        self._if_within = np.log((1 - rates) / (1 - exceedance))
        self._log_weights = np.log(weights)

    def log_e(self, calls: NDArray[np.float64], exceedances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the natural logarithm of the e-value at each pair of counts, the shape of `calls`."""
        within = (calls - exceedances)[:, None]
        # A rate of zero has log ratio minus infinity, times no exceedance: that product is 0, not NaN.
        some = exceedances[:, None] > 0
        at_exceedances = np.where(some, np.where(some, exceedances[:, None], 1.0) * self._if_exceeds, 0.0)
        terms = self._log_weights + at_exceedances + within * self._if_within
        greatest = terms.max(axis=1)
        return np.asarray(greatest + np.log(np.exp(terms - greatest[:, None]).sum(axis=1)))


@lru_cache(maxsize=1024)
def _sides(exceedance: float, confidence: float) -> tuple[_Side, _Side, float]:
    if not 0 < exceedance < 1:
        raise ValueError(f"exceedance {exceedance} is not between 0 and 1")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    meets = _Side(exceedance, _MEETS_ODDS, _MEETS_WEIGHTS)
    misses = _Side(exceedance, _MISSES_ODDS, _MISSES_WEIGHTS)
    return meets, misses, -math.log1p(-confidence)


class SequentialTest:
    """Whether calls prove that a target is met or missed, looking after every one of them.

    Once decided the test stays decided; calls seen later are counted, and change the e-values only.

    Args:
        exceedance: p0, the share of calls that may exceed the threshold, 0.05 for p95.
        confidence: probability, at least, that neither statement is ever made falsely.
        sides: the statements that are looked for.

    Raises:
        ValueError: when an argument is not between 0 and 1.

    Attributes:
        exceedance: p0.
        confidence: as given.
        calls: calls seen.
        exceedances: calls among them that exceeded.
        status: ``meets``, ``misses`` or ``undecided``.
        decided_at: number of calls at which it was decided; None before.
        log_e_meets: natural logarithm of the e-value against "the target is missed", after all calls.
        log_e_misses: natural logarithm of the e-value against "the target is met", after all calls.
    """

    def __init__(
        self, exceedance: float, confidence: float, *, sides: tuple[Statement, ...] = ("meets", "misses")
    ) -> None:
        self._meets, self._misses, self._log_threshold = _sides(exceedance, confidence)
        self._sides = sides
        self.exceedance = exceedance
        self.confidence = confidence
        self.calls = 0
        self.exceedances = 0
        self.status: CertificateStatus = "undecided"
        self.decided_at: int | None = None
        self.log_e_meets = 0.0
        self.log_e_misses = 0.0

    def update(self, exceeds: NDArray[np.bool_]) -> None:
        """Look at further calls one by one, in their order.

        Args:
            exceeds: whether each call exceeded, shape ``(n,)``; n may be zero.
        """
        if not len(exceeds):
            return
        calls = self.calls + np.arange(1, len(exceeds) + 1, dtype=np.float64)
        exceedances = self.exceedances + np.cumsum(exceeds, dtype=np.float64)
        last = len(exceeds) - 1
        decided: list[tuple[int, Statement]] = []
        if "meets" in self._sides:
            # The e-value of "meets" falls at an exceedance and grows at every other call, so that it is greatest
            # just before each exceedance; only if it has reached the threshold there, its first time is looked for.
            peaks = np.append(np.flatnonzero(exceeds[1:]), last)
            log_e = self._meets.log_e(calls[peaks], exceedances[peaks])
            self.log_e_meets = float(log_e[-1])
            for peak in np.flatnonzero(log_e >= self._log_threshold)[:1]:
                run = np.arange(peaks[peak - 1] + 1 if peak else 0, peaks[peak] + 1)
                reached = self._meets.log_e(calls[run], exceedances[run]) >= self._log_threshold
                decided.append((int(run[np.argmax(reached)]), "meets"))
        if "misses" in self._sides:
            peaks = np.append(np.flatnonzero(exceeds), last)
            log_e = self._misses.log_e(calls[peaks], exceedances[peaks])
            self.log_e_misses = float(log_e[-1])
            decided += [(int(peaks[peak]), "misses") for peak in np.flatnonzero(log_e >= self._log_threshold)[:1]]
        if self.status == "undecided" and decided:
            first, self.status = min(decided)
            self.decided_at = self.calls + first + 1
        self.calls += len(exceeds)
        self.exceedances = int(exceedances[-1])


def log_e_values(
    exceedance: float,
    confidence: float,
    side: Statement,
    *,
    calls: NDArray[np.float64],
    exceedances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the natural logarithms of the e-value at pairs of counts, and the threshold that proves `side`.

    Args:
        exceedance: p0, the share of calls that may exceed the threshold.
        confidence: of the statement.
        side: the statement.
        calls: numbers of calls, shape ``(n,)``.
        exceedances: how many of each exceeded, shape ``(n,)``.

    Raises:
        ValueError: when `exceedance` or `confidence` is not between 0 and 1.
    """
    meets, misses, log_threshold = _sides(exceedance, confidence)
    return (meets if side == "meets" else misses).log_e(calls, exceedances), log_threshold


_MAX_CALLS = 10**9


def expected_calls(exceedance: float, confidence: float, assumed_rate: float) -> float:
    """Return about how many calls, from the first one, decide a target if calls exceed at `assumed_rate`.

    ``math.inf`` when that never happens: the rate is too near to `exceedance` to be told from it.

    Args:
        exceedance: p0, the share of calls that may exceed the threshold.
        confidence: of the certificate.
        assumed_rate: share of calls that exceeds, 0 to 1.

    Raises:
        ValueError: when an argument is out of its range.
    """
    if not 0 <= assumed_rate <= 1:
        raise ValueError(f"rate {assumed_rate} is not between 0 and 1")
    side: Statement = "meets" if assumed_rate < exceedance else "misses"
    return further_calls(exceedance, confidence, assumed_rate, side=side)


def further_calls(
    exceedance: float, confidence: float, assumed_rate: float, *, side: Statement, calls: int = 0, exceedances: int = 0
) -> float:
    """Return about how many more calls prove `side` if they exceed at `assumed_rate`; inf when none do.

    Of n further calls ``assumed_rate * n`` are taken to exceed, to the nearest whole number: a fraction of an
    exceedance would rule out the alternative of a rate of zero, which only a whole one does.

    Args:
        exceedance: p0, the share of calls that may exceed the threshold.
        confidence: of the statement.
        assumed_rate: share of further calls that exceeds, 0 to 1.
        side: the statement.
        calls: calls seen so far.
        exceedances: calls among them that exceeded.

    Raises:
        ValueError: when `exceedance` or `confidence` is not between 0 and 1.
    """
    meets, misses, log_threshold = _sides(exceedance, confidence)
    process = meets if side == "meets" else misses

    def log_e(more: NDArray[np.float64]) -> NDArray[np.float64]:
        return process.log_e(calls + more, exceedances + np.floor(assumed_rate * more + 0.5))

    # The first of a growing series that reaches the threshold and the one before about enclose the answer.
    series = np.unique(np.floor(np.exp2(np.arange(0, 30.25, 0.25))))
    reached = np.flatnonzero(log_e(series) >= log_threshold)
    if not len(reached) or series[reached[0]] > _MAX_CALLS:
        return math.inf
    high = int(series[reached[0]])
    low = int(series[reached[0] - 1]) if reached[0] else 0
    while high - low > 1:
        grid = np.unique(np.linspace(low, high, 33).astype(np.int64)).astype(np.float64)
        first = int(np.flatnonzero(log_e(grid) >= log_threshold)[0])
        low, high = int(grid[max(first - 1, 0)]), int(grid[first])
        if first == 0:
            break
    return float(high)
