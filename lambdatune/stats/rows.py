"""Invocation rows as numpy arrays: clocks, populations, and what counts for a target.

Which calls count for a target, and as what:

======================  ====================================================================================
status                  what it says about the target
======================  ====================================================================================
OK                      compared with the threshold on the target's clock
TRUNCATED               on the duration clock compared when its REPORT was read; otherwise an exceedance
FUNCTION_ERROR          an exceedance: the caller got no result, however fast the failure came
TIMEOUT, OUT_OF_MEMORY  an exceedance: right-censored, the result would have come later still
SERVICE_ERROR           an exceedance
CLIENT_TIMEOUT          an exceedance on every clock: leaving it out would hide the slowest calls
CONNECTION_ERROR        an exceedance; on the duration clock and the service clock only when the call was sent
RETRIED, DUPLICATED     an exceedance: the message was not executed exactly once and well, however fast
DEAD_LETTERED, LOST     an exceedance: there is no result
THROTTLED, REFUSED      does not count: the function never ran, so it says nothing about the function's time
======================  ====================================================================================

Throttles describe a concurrency limit of the account, not the size under test; they are counted and ruled on
apart (a run with many is invalid). A call whose start kind is unknown because no REPORT was read belongs

* if it failed: to the population its order was meant for (`meant_for`, warm unless the caller says
  otherwise), and to ``all``, so that no failure is left out;
* if it succeeded: to ``all`` only, and there only on the client's clocks. `uncounted` tells how many
  successful calls a target could not use; they are to be reported, never dropped in silence.

The first call of an environment that was initialised ahead of time (`Start.PREINITIALISED`) is a population of its
own: no cold start, because the caller did not wait for the init, and no warm call, because caches and connections
of the environment are still cold. It counts for targets on ``all`` and is reported apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import INVOCATION_COLUMNS, Start, Status
from lambdatune.model.modes import MODES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.model.modes import Mode
    from lambdatune.model.target import ClockName, Population, Target

    Rows = NDArray[np.void]
    Mask = NDArray[np.bool_]

ROW_DTYPE = np.dtype(list(INVOCATION_COLUMNS))
"""One invocation row; packed, little-endian, so that ``tobytes`` of a batch may cross machines."""

_NS_PER_MS = 1e6
_NOT_RUN = (Status.THROTTLED, Status.REFUSED)


def empty_rows(count: int) -> Rows:
    """Return `count` rows of zeros, with NaN and -1 where the columns say "unknown"."""
    rows = np.zeros(count, dtype=ROW_DTYPE)
    for name in ("duration_ms", "init_ms", "restore_ms", "billed_ms"):
        rows[name] = np.nan
    rows["max_memory_used_mb"] = -1
    return rows


def is_warm(rows: Rows) -> Mask:
    """Mark calls whose REPORT proves a warm environment."""
    return np.asarray(rows["start"] == Start.WARM)


def is_cold(rows: Rows) -> Mask:
    """Mark calls whose REPORT proves an init or a SnapStart restore."""
    return np.asarray((rows["start"] == Start.COLD) | (rows["start"] == Start.RESTORED))


def is_preinitialised(rows: Rows) -> Mask:
    """Mark first calls of environments that were initialised before the call came: neither warm nor cold."""
    return np.asarray(rows["start"] == Start.PREINITIALISED)


def is_unknown(rows: Rows) -> Mask:
    """Mark calls of which no REPORT was read."""
    return np.asarray(rows["start"] == Start.UNKNOWN)


def is_ok(rows: Rows) -> Mask:
    """Mark calls that returned a result."""
    return np.asarray(rows["status"] == Status.OK)


def is_throttled(rows: Rows) -> Mask:
    """Mark calls answered with HTTP 429."""
    return np.asarray(rows["status"] == Status.THROTTLED)


def is_error(rows: Rows) -> Mask:
    """Mark calls that failed; a throttle is not an error but a measurement of its own."""
    return ~is_ok(rows) & ~is_throttled(rows)


def is_delivered(rows: Rows) -> Mask:
    """Mark messages that were accepted and delivered to the function later, and those that got lost on the way."""
    gone = (rows["status"] == Status.DEAD_LETTERED) | (rows["status"] == Status.LOST)
    return np.asarray((rows["attempts"] > 0) | gone)


def queue_delay_ms(rows: Rows) -> NDArray[np.float64]:
    """Return for how long each delivered message waited, in ms: from accepted to the function's start; else NaN.

    Two clocks: that of this host, and that of AWS.
    """
    return np.where(rows["started_ns"] > 0, (rows["started_ns"] - rows["done_ns"]) / _NS_PER_MS, np.nan)


def first_byte_ms(rows: Rows) -> NDArray[np.float64]:
    """Return the time from the actual send to the answer's first byte in ms; NaN where none came."""
    came = (rows["first_byte_ns"] > 0) & (rows["sent_ns"] > 0)
    return np.where(came, (rows["first_byte_ns"] - rows["sent_ns"]) / _NS_PER_MS, np.nan)


def invocations_of(rows: Rows) -> NDArray[np.float64]:
    """Return how many invocations each row stands for: 1, or a message's share of those of its batches."""
    return np.where(rows["attempts"] > 0, rows["invocations"], 1.0)


def clocks_of(mode: Mode) -> tuple[ClockName, ...]:
    """Return the clocks that tell something of their own in a mode."""
    return ("duration", "response", "service", *(("e2e",) if MODES[mode].is_delivered else ()))


def clock_ms(rows: Rows, clock: ClockName) -> NDArray[np.float64]:
    """Return the time of each call in ms on one clock, shape ``(len(rows),)``; NaN where it is not known.

    * ``duration``: REPORT's Duration; for a cold call with the Init or Restore Duration added. An init that
      ran again inside the call has no Init Duration of its own: Duration holds it already. An init that was over
      before the call came (`is_preinitialised`) is not added: nobody waited for it.
    * ``response``: from the intended send to the last byte (or to when the call was given up).
    * ``service``: from the actual send to the last byte; NaN for a call that was never sent.
    * ``e2e``: from the intended send to the end of the execution of a message that is delivered, NaN where that is not
      known; as ``response`` for a call that waits for its result.
    """
    if clock == "duration":
        before_ms = np.nan_to_num(rows["init_ms"]) + np.nan_to_num(rows["restore_ms"])
        return np.asarray(rows["duration_ms"] + np.where(is_cold(rows), before_ms, 0.0))
    if clock == "e2e":
        delivered_ms = (rows["finished_ns"] - rows["intended_ns"]) / _NS_PER_MS
        known = np.where(rows["finished_ns"] > 0, delivered_ms, np.nan)
        return np.where(is_delivered(rows), known, (rows["done_ns"] - rows["intended_ns"]) / _NS_PER_MS)
    if clock == "response":
        return np.asarray((rows["done_ns"] - rows["intended_ns"]) / _NS_PER_MS)
    service_ms = (rows["done_ns"] - rows["sent_ns"]) / _NS_PER_MS
    return np.where(rows["sent_ns"] > 0, service_ms, np.nan)


def population_mask(rows: Rows, population: Population, *, meant_for: Population = "warm") -> Mask:
    """Mark the calls of a population, shape ``(len(rows),)``.

    Args:
        rows: invocation rows.
        population: which calls.
        meant_for: where failed calls of unknown start belong: what the order that sent them was to make.
    """
    if population == "all":
        return np.ones(len(rows), dtype=np.bool_)
    known = is_warm(rows) if population == "warm" else is_cold(rows)
    if population == meant_for:
        return known | (is_unknown(rows) & ~is_ok(rows))
    return known


def counts_for(rows: Rows, target: Target, *, meant_for: Population = "warm") -> Mask:
    """Mark the calls that say something about `target`, shape ``(len(rows),)``; see the module's table."""
    ran = ~np.isin(rows["status"], _NOT_RUN)
    member = ran & population_mask(rows, target.population, meant_for=meant_for)
    known = ~np.isnan(clock_ms(rows, target.clock))
    if target.clock == "response":
        failed = ~is_ok(rows)
    else:
        unsent = (rows["status"] == Status.CONNECTION_ERROR) & (rows["sent_ns"] <= 0)
        failed = ~is_ok(rows) & ~unsent
    return np.asarray(member & (known | failed))


def exceeds(rows: Rows, target: Target, *, meant_for: Population = "warm") -> Mask:
    """Return, for each call that counts for `target` and in the order of `rows`, whether it exceeds it.

    Failures are exceedances whatever their time: they are right-censored observations of a result that
    never came. The length is that of ``counts_for(rows, target).sum()``.
    """
    return counted_times_ms(rows[counts_for(rows, target, meant_for=meant_for)], target) > target.threshold_ms


def counted_times_ms(counted: Rows, target: Target) -> NDArray[np.float64]:
    """Return the time of each call that counts for `target` on its clock, infinite where no result came.

    Args:
        counted: rows that count for `target` (`counts_for`).
        target: of which only the clock matters.
    """
    times_ms = clock_ms(counted, target.clock)
    compared = is_ok(counted)
    if target.clock == "duration":
        compared |= (counted["status"] == Status.TRUNCATED) & ~np.isnan(times_ms)
    return np.where(compared, times_ms, np.inf)


def uncounted(rows: Rows, target: Target) -> int:
    """Return how many successful calls `target` cannot use: their REPORT was not read.

    For a target on warm or cold calls it is not known whether they belong to its population.
    """
    unusable = is_ok(rows) & is_unknown(rows)
    if target.population == "all" and target.clock != "duration":
        return 0
    return int(np.count_nonzero(unusable))
