"""Messages of a queue or stream matched to executions, since AWS gives no identifier that links them.

**In order.** Messages are taken in the order in which they became available, and a poller that
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
"""

from __future__ import annotations

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
        executions: of each message the indices of all of its executions, in order.
        sizes: of each execution how many messages it took, 0 where none is left for it.
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
    executions: tuple[tuple[int, ...], ...]
    sizes: Numbers


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
    hopeless: Mask | None = None,
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
        hopeless: which messages are known to have been given up: no execution that ended well took one. None: none is
            known.
    """
    doomed = np.zeros(len(sent_ns), dtype=np.bool_) if hopeless is None else hopeless
    if taken_ns is None:
        taken_ns = started_ns
    if retry_after_s > 0:
        turns = _queue_turns(taken_ns, started_ns, failed, round(retry_after_s * 1e9))
    else:
        turns = _stream_turns(taken_ns, started_ns, finished_ns, failed, max_attempts)
    order = np.argsort(sent_ns, kind="stable")

    def matched(lead_ns: int = 0, wait_ns: int | None = None) -> OrderMatch:
        sizes = _settled_sizes(sent_ns[order], turns, batch_size, max_attempts, lead_ns, wait_ns)
        return _hand_out(sent_ns, order, turns, sizes, failed, max_attempts, doomed)

    draft = matched()
    lead_ns = min(_lead_ns(draft, sent_ns, started_ns, taken_ns), latency_ns)
    best = matched(lead_ns)
    matches = [best, matched(lead_ns, latency_ns)]
    queue_ms = [(_at(started_ns, match.first) - accepted_ns) / _NS_PER_MS for match in matches]
    e2e_ms = [(_at(finished_ns, match.last) - sent_ns) / _NS_PER_MS for match in matches]
    return OrderMatch(
        best.first, best.last, best.attempts, best.batch_size, best.invocations, best.is_finished, best.idle,
        _error(*queue_ms), _error(*e2e_ms), is_lane_known=lanes <= 1, executions=best.executions, sizes=best.sizes,
    )  # fmt: skip


def _lead_ns(draft: OrderMatch, sent_ns: Times, started_ns: Times, taken_ns: Times) -> int:
    """Return how long before START a batch was closed: as long as messages that were alone waited at the least.

    Those that are known to have waited for something else, an init or the batch before, tell nothing of it.
    """
    alone = (draft.batch_size == 1) & (draft.attempts == 1)
    alone[alone] = taken_ns[draft.first[alone]] == started_ns[draft.first[alone]]
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


class _Line:
    """Messages that wait to be taken, the longest available first."""

    def __init__(self, sent_ns: Times, messages: list[int]) -> None:
        self._fresh = deque((int(sent_ns[message]), message) for message in messages)
        self._again: deque[tuple[int, int]] = deque()

    def take(self, until_ns: int) -> int | None:
        """Return the next message that is there at `until_ns`; None when there is none."""
        line = self._again if self._again and (not self._fresh or self._again[0] < self._fresh[0]) else self._fresh
        if not line or line[0][0] > until_ns:
            return None
        return line.popleft()[1]

    def put_back(self, at_ns: int, message: int) -> None:
        """Let a message be taken again from `at_ns` on; those put back later come back later."""
        self._again.append((at_ns, message))


def _hand_out(
    sent_ns: Times, order: Numbers, turns: _Turns, sizes: Numbers, failed: Mask, max_attempts: int | None, doomed: Mask
) -> OrderMatch:
    """Give messages to turns, the longest available first."""
    count = len(sent_ns)
    ran: list[list[int]] = [[] for _ in range(count)]
    share = [0.0] * count
    batches = np.zeros(len(failed), dtype=np.int64)
    # Those that are given up in the end are taken by executions that fail, and before others: they made them fail.
    hopeless = _Line(sent_ns, [message for message in order.tolist() if doomed[message]])
    others = _Line(sent_ns, [message for message in order.tolist() if not doomed[message]])
    taken_ns, returns_ns = turns.taken_ns.tolist(), turns.returns_ns.tolist()
    for turn, size in enumerate(sizes.tolist()):
        until_ns, executions = taken_ns[turn] + _ROUNDING_NS, turns.executions[turn]
        taken: list[int] = []
        for line in (hopeless, others) if failed[executions[-1]] else (others,):
            while len(taken) < size and (message := line.take(until_ns)) is not None:
                taken.append(message)
        batches[executions] = len(taken)
        for message in taken:
            ran[message] += executions
            share[message] += len(executions) / len(taken)
            if returns_ns[turn] >= 0 and (max_attempts is None or len(ran[message]) < max_attempts):
                (hopeless if doomed[message] else others).put_back(returns_ns[turn], message)
    _place_rest(sent_ns, order, turns, failed, doomed, ran, share, batches)
    first = np.array([mine[0] if mine else -1 for mine in ran], dtype=np.int64)
    last = np.array([mine[-1] if mine else -1 for mine in ran], dtype=np.int64)
    ended = last >= 0
    is_finished, sizes_of_last = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.int64)
    is_finished[ended], sizes_of_last[ended] = ~failed[last[ended]], batches[last[ended]]
    nothing = MatchError(float("nan"), float("nan"))
    return OrderMatch(
        first, last, np.array([len(mine) for mine in ran], dtype=np.int64), sizes_of_last,
        np.array(share, dtype=np.float64), is_finished, np.flatnonzero(batches == 0), nothing, nothing,
        is_lane_known=True, executions=tuple(map(tuple, ran)), sizes=batches,
    )  # fmt: skip


def _place_rest(
    sent_ns: Times, order: Numbers, turns: _Turns, failed: Mask, doomed: Mask,
    ran: list[list[int]], share: list[float], batches: Numbers,
) -> None:  # fmt: skip
    """Give messages that did not end to executions that ended well and have none.

    Which message an execution that failed had is a guess where several were there; what came back then counts for
    another one. The numbers of both are right all the same.
    """
    rest = deque(
        message for message in order.tolist()
        if not doomed[message] and (not ran[message] or failed[ran[message][-1]])
    )  # fmt: skip
    free = [
        (chain[-1], taken_ns)
        for chain, taken_ns in zip(turns.executions, turns.taken_ns.tolist(), strict=True)
        if not batches[chain[-1]] and not failed[chain[-1]]
    ]
    for number, (execution, taken_ns) in enumerate(free):
        size = -(-len(rest) // (len(free) - number))
        taken: list[int] = []
        while rest and len(taken) < size and sent_ns[rest[0]] <= taken_ns + _ROUNDING_NS:
            taken.append(rest.popleft())
        batches[execution] = len(taken)
        for message in taken:
            ran[message].append(execution)
            share[message] += 1 / len(taken)


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
