"""Messages matched to executions where AWS gives no identifier that links them: queues, streams, APIs without an id.

**In order** (`match_in_order`). Messages are taken in the order in which they became available, and a poller that
receives takes what is there. So only the sizes of the batches are unknown. With `C[k]` messages taken by the first
``k`` executions and `A[k]` available when execution ``k`` began, every assignment keeps

    1 <= C[k] - C[k-1] <= batch size,    C[k] <= A[k],    C[last] = messages that can be taken at all.

These are difference constraints: those of the largest `C` (each batch closed as late as its START allows) are a
cumulative minimum from either side. The largest is what is returned, with batches closed a few milliseconds before
START, as long as it took messages that were alone. The smallest plausible one leaves to later
executions whatever arrived within `latency_ns` before START, the longest time that a batch is under way from its
receive to its START. How far the percentiles move between the two is returned as the error.

**How exact.** Within 5 ms at p50 and p95 in simulations while pollers keep up, with a batch window too. In a queue that
grows, one message more or less in an early batch moves all that follow by the time between two messages: there the
error is that of the order (some tens of ms in seconds), and the told one covers it.

What the method cannot see, and the error does not hold: messages that a queue's hosts give out far from their order,
single messages of a batch that were reported as failed (``batchItemFailures``), and several batches at once that have
inits of different length before START, unless `taken_ns` allows for them.

**Nested** (`match_nested`). A call that waits for its result holds its execution in time.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.int64]

_NS_PER_MS = 1e6
_ROUNDING_NS = 2_000_000
"""Log timestamps are whole milliseconds, and the two clocks are not read at one instant."""

_FEWEST_ALONE = 3
_LONGEST_LEAD_NS = 10_000_000

_ROUNDS = 6
"""Sizes of failed batches decide when how many messages come back: after a few rounds they change no more."""


@dataclass(frozen=True, slots=True)
class MatchError:
    """How far a percentile moves between the extremes of what is possible, in ms; NaN without messages."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class OrderMatch:
    """What became of each message, arrays of one element a message, -1 or 0 where no execution is left for it.

    Attributes:
        first: index of its first execution.
        last: index of its last execution.
        attempts: executions that it was in.
        batch_size: messages in the last of them.
        invocations: its share of them: the sum of 1 / batch size.
        is_finished: whether the last of them did not fail.
        idle: indices of executions that no message is left for: of duplicates, or of somebody else's messages.
        queue_delay_error: of the time from accepted to START.
        e2e_error: of the time from sent to the end.
        is_lane_known: False when several batches of a stream ran at once: order only holds within a lane, and neither
            the assignment nor the errors know which message is in which.
    """

    first: Numbers
    last: Numbers
    attempts: Numbers
    batch_size: Numbers
    invocations: NDArray[np.float64]
    is_finished: Mask
    idle: Numbers
    queue_delay_error: MatchError
    e2e_error: MatchError
    is_lane_known: bool


@dataclass(frozen=True, slots=True)
class NestedMatch:
    """Which execution each call held.

    Attributes:
        execution: index of it; -1 for none.
        ambiguous: calls that could have held another one as well.
        offset_ns: what was added to the executions' clock.
    """

    execution: Numbers
    ambiguous: int
    offset_ns: int


@dataclass(frozen=True, slots=True)
class _Turns:
    """Executions in the order in which they took messages; of a stream, a batch and its retries are one turn.

    Attributes:
        taken_ns: until when each took.
        executions: indices of those of each.
        returns_ns: when its messages come back, -1 when they do not.
    """

    taken_ns: Times
    executions: list[list[int]]
    returns_ns: Times


def match_in_order(
    sent_ns: Times,
    accepted_ns: Times,
    started_ns: Times,
    finished_ns: Times,
    failed: Mask,
    *,
    batch_size: int,
    retry_after_s: float,
    max_attempts: int | None = None,
    lanes: int = 0,
    taken_ns: Times | None = None,
    latency_ns: int = 50_000_000,
) -> OrderMatch:
    """Match messages to executions in the order of their times.

    Args:
        sent_ns: when each message was sent, Unix nanoseconds; in any order.
        accepted_ns: when its sender knew that it was accepted.
        started_ns: when each execution began; in any order.
        finished_ns: when it ended.
        failed: which executions failed, so that their messages are taken again.
        batch_size: most messages of an execution.
        retry_after_s: seconds from a failed execution's start until its messages are there again (the visibility
            timeout of a queue); 0: the next execution is of the same batch, as in a stream.
        max_attempts: executions after which a message is given up; None for no end.
        lanes: batches of a stream that may be under way at once; 0 when there is no order to keep.
        taken_ns: until when each execution took messages; None for `started_ns`. Where an init came before START, it
            should be subtracted: the messages were received before it.
        latency_ns: longest time from a batch's receive to its START that the error allows for, its window included.
    """
    if taken_ns is None:
        taken_ns = started_ns
    if retry_after_s > 0:
        turns = _queue_turns(taken_ns, started_ns, failed, round(retry_after_s * 1e9))
    else:
        turns = _stream_turns(taken_ns, started_ns, finished_ns, failed, max_attempts)
    order = np.argsort(sent_ns, kind="stable")

    def matched(lead_ns: int = 0, wait_ns: int | None = None) -> OrderMatch:
        sizes = _settled_sizes(sent_ns[order], turns, batch_size, max_attempts, lead_ns, wait_ns)
        return _hand_out(sent_ns, order, turns, sizes, failed, max_attempts)

    draft = matched()
    lead_ns = min(_lead_ns(draft, sent_ns, started_ns), latency_ns)
    best = matched(lead_ns)
    matches = [best, matched(lead_ns, latency_ns)]
    queue_ms = [(_at(started_ns, match.first) - accepted_ns) / _NS_PER_MS for match in matches]
    e2e_ms = [(_at(finished_ns, match.last) - sent_ns) / _NS_PER_MS for match in matches]
    return OrderMatch(
        best.first, best.last, best.attempts, best.batch_size, best.invocations, best.is_finished, best.idle,
        _error(*queue_ms), _error(*e2e_ms), is_lane_known=lanes <= 1,
    )  # fmt: skip


def match_nested(sent_ns: Times, done_ns: Times, started_ns: Times, finished_ns: Times) -> NestedMatch:
    """Match calls to executions that lie within them; as many as can be matched are.

    Executions are taken by their start; each goes to the call that ends first of those that hold it: one that ends
    later can hold whatever this one can that comes later. The executions' clock is corrected by a constant when it
    must be for most executions to lie in calls.

    Args:
        sent_ns: when each call was sent, the client's clock.
        done_ns: when its answer was there.
        started_ns: when each execution began, AWS's clock.
        finished_ns: when it ended.
    """
    offset_ns = _offset_ns(sent_ns, done_ns, started_ns, finished_ns)
    starts, ends = started_ns + offset_ns, finished_ns + offset_ns
    found = np.full(len(sent_ns), -1, dtype=np.int64)
    by_sent = np.argsort(sent_ns, kind="stable").tolist()
    by_start = np.argsort(starts, kind="stable")
    slack_ns = _ROUNDING_NS
    open_calls: list[tuple[int, int]] = []
    position = 0
    for execution in by_start.tolist():
        while position < len(by_sent) and sent_ns[by_sent[position]] <= starts[execution] + slack_ns:
            insort(open_calls, (int(done_ns[by_sent[position]]), by_sent[position]))
            position += 1
        at = bisect_left(open_calls, (int(ends[execution]) - slack_ns, -1))
        if at < len(open_calls):
            found[open_calls.pop(at)[1]] = execution
    sorted_starts, sorted_ends = starts[by_start], ends[by_start]
    low = np.searchsorted(sorted_starts, sent_ns - slack_ns)
    high = np.searchsorted(sorted_starts, done_ns + slack_ns, side="right")
    ambiguous = sum(
        int(np.count_nonzero(sorted_ends[low[call] : high[call]] <= done_ns[call] + slack_ns) > 1)
        for call in np.flatnonzero(found >= 0).tolist()
    )
    return NestedMatch(found, ambiguous, offset_ns)


def _lead_ns(draft: OrderMatch, sent_ns: Times, started_ns: Times) -> int:
    """Return how long before START a batch was closed: as long as messages that were alone waited at the least."""
    alone = (draft.batch_size == 1) & (draft.attempts == 1)
    if np.count_nonzero(alone) < _FEWEST_ALONE:
        return 0
    waits_ns = (started_ns[draft.first[alone]] - sent_ns[alone]).astype(np.float64)
    return round(min(max(float(np.percentile(waits_ns, 5)), 1.0), _LONGEST_LEAD_NS))


def _queue_turns(taken_ns: Times, started_ns: Times, failed: Mask, retry_ns: int) -> _Turns:
    """Each execution is a turn; the messages of a failed one come back."""
    order = np.argsort(taken_ns, kind="stable")
    returns_ns = np.where(failed, started_ns + retry_ns, -1)[order]
    return _Turns(taken_ns[order], [[index] for index in order.tolist()], returns_ns)


def _stream_turns(
    taken_ns: Times, started_ns: Times, finished_ns: Times, failed: Mask, max_attempts: int | None
) -> _Turns:
    """Join retries: a batch that failed is tried again by the first execution after its end that is no other's."""
    chains: list[list[int]] = []
    waiting: deque[list[int]] = deque()
    for index in np.argsort(started_ns, kind="stable").tolist():
        # Chains wait in the order in which they ended, nearly: of a few lanes, the first that may be continued is.
        chain = next((c for c in waiting if finished_ns[c[-1]] <= started_ns[index] + _ROUNDING_NS), None)
        if chain is None:
            chain = [index]
            chains.append(chain)
        else:
            waiting.remove(chain)
            chain.append(index)
        if failed[index] and (max_attempts is None or len(chain) < max_attempts):
            waiting.append(chain)
    chains.sort(key=lambda c: int(taken_ns[c[0]]))
    firsts = np.array([chain[0] for chain in chains], dtype=np.int64)
    return _Turns(taken_ns[firsts], chains, np.full(len(chains), -1, dtype=np.int64))


def _settled_sizes(
    sent_ns: Times, turns: _Turns, batch_size: int, max_attempts: int | None, lead_ns: int, wait_ns: int | None
) -> Numbers:
    """Return how many messages each turn takes, those that come back counted."""
    back = turns.returns_ns >= 0
    sizes = np.ones(len(turns.taken_ns), dtype=np.int64)
    for _ in range(_ROUNDS if back.any() and max_attempts != 1 else 1):
        again_ns = np.repeat(turns.returns_ns[back], sizes[back])
        available_ns = np.sort(np.concatenate([sent_ns, again_ns])) if max_attempts != 1 else sent_ns
        before = sizes
        sizes = np.diff(_largest(available_ns, turns.taken_ns, batch_size, lead_ns), prepend=0)
        if wait_ns is not None:
            sizes = _smallest(available_ns, turns.taken_ns - wait_ns, sizes, batch_size)
        if np.array_equal(before, sizes):
            break
    return sizes


def _largest(available_ns: Times, taken_ns: Times, batch_size: int, lead_ns: int) -> Numbers:
    """Return the largest cumulative number of messages taken; 0 for first turns that none is left for."""
    turn = np.arange(len(taken_ns))
    there = np.searchsorted(available_ns, taken_ns + _ROUNDING_NS, side="right")
    # Batches were closed a while before START, but none without a message.
    slack_ns = 0 if lead_ns else _ROUNDING_NS
    early = np.searchsorted(available_ns, taken_ns + slack_ns - lead_ns, side="right")
    there = np.maximum(early, np.minimum(there, turn + 1))
    first = batch_size * (turn + 1)
    most = np.minimum(first, np.minimum.accumulate(there - batch_size * turn) + batch_size * turn)
    # Each later turn takes one at least.
    spared = np.minimum.accumulate((most - turn)[::-1])[::-1] + turn
    return np.asarray(np.maximum.accumulate(np.maximum(spared, 0)), dtype=np.int64)


def _smallest(available_ns: Times, taken_ns: Times, largest: Numbers, batch_size: int) -> Numbers:
    """Return batches that take what was there at `taken_ns` (a while before START), and one at least."""
    there = np.searchsorted(available_ns, taken_ns, side="right").tolist()
    most = np.cumsum(largest)
    count = len(there)
    total = int(most[-1]) if count else 0
    # What is left must fit into the turns that are left.
    needed = total - batch_size * (count - 1 - np.arange(count))
    taken = 0
    sizes = []
    for turn, (upper, lower) in enumerate(zip(most.tolist(), needed.tolist(), strict=True)):
        wanted = max(min(there[turn], taken + batch_size), taken + 1, lower)
        until = max(min(wanted, upper, taken + batch_size), taken)
        sizes.append(until - taken)
        taken = until
    return np.array(sizes, dtype=np.int64)


def _hand_out(
    sent_ns: Times, order: Numbers, turns: _Turns, sizes: Numbers, failed: Mask, max_attempts: int | None
) -> OrderMatch:
    """Give messages to turns, the longest available first."""
    count = len(sent_ns)
    first, last = [-1] * count, [-1] * count
    attempts, batch, share = [0] * count, [0] * count, [0.0] * count
    fresh, again = deque(order.tolist()), deque[tuple[int, int]]()
    idle: list[int] = []
    taken_ns, returns_ns = turns.taken_ns.tolist(), turns.returns_ns.tolist()
    for turn, size in enumerate(sizes.tolist()):
        until_ns, executions = taken_ns[turn] + _ROUNDING_NS, turns.executions[turn]
        taken: list[int] = []
        while len(taken) < size:
            came_back = bool(again) and (not fresh or again[0][0] < sent_ns[fresh[0]])
            if came_back and again[0][0] <= until_ns:
                taken.append(again.popleft()[1])
            elif not came_back and fresh and sent_ns[fresh[0]] <= until_ns:
                taken.append(fresh.popleft())
            else:
                break
        if not taken:
            idle += executions
        for message in taken:
            if first[message] < 0:
                first[message] = executions[0]
            last[message] = executions[-1]
            attempts[message] += len(executions)
            batch[message] = len(taken)
            share[message] += len(executions) / len(taken)
            if returns_ns[turn] >= 0 and (max_attempts is None or attempts[message] < max_attempts):
                again.append((returns_ns[turn], message))
    ends = np.array(last, dtype=np.int64)
    is_finished = np.zeros(count, dtype=np.bool_)
    is_finished[ends >= 0] = ~failed[ends[ends >= 0]]
    nothing = MatchError(float("nan"), float("nan"))
    return OrderMatch(
        np.array(first, dtype=np.int64), ends, np.array(attempts, dtype=np.int64), np.array(batch, dtype=np.int64),
        np.array(share, dtype=np.float64), is_finished, np.array(sorted(idle), dtype=np.int64), nothing, nothing,
        is_lane_known=True,
    )  # fmt: skip


def _at(times_ns: Times, index: Numbers) -> NDArray[np.float64]:
    if not len(times_ns):
        return np.full(len(index), np.nan)
    return np.where(index >= 0, times_ns[index].astype(np.float64), np.nan)


def _error(best_ms: NDArray[np.float64], other_ms: NDArray[np.float64]) -> MatchError:
    p50, p95 = (
        abs(_percentile(best_ms, share) - _percentile(other_ms, share)) for share in (50.0, 95.0)
    )  # fmt: skip
    return MatchError(p50, p95)


def _percentile(values_ms: NDArray[np.float64], share: float) -> float:
    known = values_ms[~np.isnan(values_ms)]
    return float(np.percentile(known, share)) if len(known) else float("nan")


def _offset_ns(sent_ns: Times, done_ns: Times, started_ns: Times, finished_ns: Times) -> int:
    """Return what to add to the executions' clock: nothing when they lie in calls already.

    In order of their starts, call and execution of one rank are nearly each other's: the correction is at least what
    puts nearly every START after its send, and at most what leaves nearly every end before its answer.
    """
    count = min(len(sent_ns), len(started_ns))
    if not count:
        return 0
    sent, done = np.sort(sent_ns)[:count], np.sort(done_ns)[:count]
    started, finished = np.sort(started_ns)[:count], np.sort(finished_ns)[:count]
    least = float(np.percentile((sent - started).astype(np.float64), 99)) - _ROUNDING_NS
    most = float(np.percentile((done - finished).astype(np.float64), 1)) + _ROUNDING_NS
    if least > most:
        return round((least + most) / 2)
    return round(min(max(0.0, least), most))
