"""How many more calls a test will take: its stopping time, played through for rates that are plausible."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.stats.certificate import log_e_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.stats.certificate import Statement

    Floats = NDArray[np.float64]

PATHS = 200
"""Futures that are played through: their median is within a few percent of that of all."""

_MOST_CALLS = 1_000_000
_STEP = 1.05
"""Ratio of the numbers of calls at which a future is looked at."""

_LEAST_SHARE, _MOST_SHARE, _SHARES = 0.01, 0.5, 256
"""Before its calls every share of slow calls between a hundredth of what is allowed and a half is as likely as
any, on a logarithmic scale: sizes that are looked at may be far from a target on either side."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a test stands.

    Attributes:
        side: the statement that it may prove.
        exceedance: p0, the share of calls that may exceed the threshold.
        confidence: of the statement.
        calls: calls seen.
        exceedances: calls among them that exceeded.
    """

    side: Statement
    exceedance: float
    confidence: float
    calls: int
    exceedances: int


def plausible_rates(exceedance: float, calls: int, exceedances: int) -> Floats:
    """Return `PATHS` rates of exceeding that calls so far leave plausible, at evenly spread levels, ascending.

    Args:
        exceedance: p0, the share of calls that may exceed.
        calls: calls seen.
        exceedances: calls among them that exceeded.
    """
    rates = np.geomspace(_LEAST_SHARE * exceedance, _MOST_SHARE, _SHARES)
    log_likelihood = exceedances * np.log(rates) + (calls - exceedances) * np.log1p(-rates)
    weights = np.exp(log_likelihood - log_likelihood.max())
    levels = (np.arange(PATHS) + 0.5) / PATHS
    return np.exp(np.interp(levels, (np.cumsum(weights) - weights / 2) / weights.sum(), np.log(rates)))


def further_calls_played(standings: tuple[Standing, ...], rates: Floats, seed: int) -> list[Floats]:
    """Return, for each test, how many further calls each future takes to prove its statement.

    In a future calls exceed at random, at its rate; all tests look at the same calls. The numbers are exact to
    5 %, and no less than what is needed. Infinite where a million calls prove nothing.

    Args:
        standings: of the tests, which share their calls from here on.
        rates: share of calls that exceeds in each future, shape ``(futures,)``.
        seed: of the random calls.

    Raises:
        ValueError: when a standing's exceedance or confidence is not between 0 and 1.
    """
    looks = np.unique(np.round(_STEP ** np.arange(math.ceil(math.log(_MOST_CALLS, _STEP)) + 1)))
    randomness = np.random.default_rng(seed)
    added = randomness.binomial(np.diff(looks, prepend=0).astype(np.int64), rates[:, None])
    exceeded = np.cumsum(added, axis=1, dtype=np.float64)
    found = []
    for standing in standings:
        calls = np.broadcast_to(standing.calls + looks, exceeded.shape).ravel()
        log_e, log_threshold = log_e_values(
            standing.exceedance, standing.confidence, standing.side,
            calls=calls, exceedances=standing.exceedances + exceeded.ravel(),
        )  # fmt: skip
        proven = log_e.reshape(exceeded.shape) >= log_threshold
        found.append(np.where(proven.any(axis=1), looks[np.argmax(proven, axis=1)], np.inf))
    return found
