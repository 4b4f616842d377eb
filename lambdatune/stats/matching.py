"""Messages and calls matched to executions in the order of their times, where AWS gives nothing that links them.

**Messages of a queue or stream** (`match_in_order`). A batch takes what is there when it is gathered, the oldest first,
up to its largest size. Of each execution its start is known, which comes a little after that, and after its init; how
many messages it took is not. So each execution, in that order, is given all messages that had been sent by then and
were not taken yet, up to the batch size, unless that left too few for the executions after it, or more than these can
hold. What failed comes back: of a queue after its visibility timeout, of a stream at once and as the same batch.

Standard queues keep no order, and lanes of a stream only their own: the times of neighbours may be exchanged, which
moves no percentile by much. Where batches wait between being gathered and being started, as they do for a core on an
embedded endpoint that is busy, the first of them are given too many messages.

How far that may be off is bounded by matching again, as if nothing had been taken that came within `GATHERED_BEFORE_MS`
before.

**Calls through an API** (`match_nested`). An execution lies within its call; of several such calls, the first to end.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Times = NDArray[np.int64]

MOST_ATTEMPTS = 3
"""Executions of a message before it is given up, in what the modes set up."""

GATHERED_BEFORE_MS = 20.0
"""A batch is gathered, handed over and started within about this time."""

_FOREIGN_NS = 1_000_000_000
"""An execution that began so long before any message that is left was sent belongs to none of them."""

_RESOLUTION_NS = 1_000_000
"""Log lines have whole milliseconds: what began at 5.9 ms is told to have begun at 5 ms."""

_TOLERANCE_NS = 2_000_000
"""What the resolution and two clocks that are not each other's may make of simultaneous events."""


@dataclass(slots=True)
class Matching:
    """Which executions each message was in.

    Attributes:
        executions: of each message the indices of its executions, in order of time; empty where none is left for it.
        sizes: of each execution, how many messages it took; 0 where no message is left for it.
        is_done: whether the last execution of each message ended well, shape ``(messages,)``.
    """

    executions: list[list[int]]
    sizes: list[int]
    is_done: NDArray[np.bool_]

    @property
    def spare(self) -> int:
        """Executions for which no message is left."""
        return sum(size == 0 for size in self.sizes)

    def last(self) -> NDArray[np.int64]:
        """Return the last execution of each message, -1 where there is none."""
        return np.array([found[-1] if found else -1 for found in self.executions], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Runs:
    """Executions in the order in which their batches were handed over.

    Attributes:
        handed_ns: when its batch was handed over: before the init of a cold start. Ascending, shape ``(executions,)``.
        finished_ns: of each.
        failed: whether it ended in an error.
    """

    handed_ns: Times
    finished_ns: Times
    failed: Sequence[bool]


@dataclass(slots=True)
class _Line:
    """Messages that wait, the oldest first; those that are given up in the end are known."""

    hopeless: NDArray[np.bool_]
    waiting: list[tuple[int, int]] = field(default_factory=list)
    doomed: list[tuple[int, int]] = field(default_factory=list)

    def put(self, available_ns: int, message: int) -> None:
        heapq.heappush(self.doomed if self.hopeless[message] else self.waiting, (available_ns, message))

    def take(self, most: int, by_ns: int, *, failed: bool) -> list[int]:
        """Take up to `most` messages that were there at `by_ns`; only executions that failed take hopeless ones."""
        taken: list[int] = []
        for line in (self.doomed, self.waiting) if failed else (self.waiting,):
            while line and len(taken) < most and line[0][0] <= by_ns:
                taken.append(heapq.heappop(line)[1])
        return taken


def match_in_order(
    available_ns: Times,
    runs: Runs,
    *,
    batch_size: int,
    retry_after_ns: int,
    hopeless: NDArray[np.bool_] | None = None,
    most_attempts: int = MOST_ATTEMPTS,
    gathered_before_ns: int = 0,
) -> Matching:
    """Return which executions messages were in.

    Args:
        available_ns: when each message was sent, ascending, shape ``(messages,)``.
        runs: all executions of these messages.
        batch_size: most messages of an execution.
        retry_after_ns: from the hand-over of an execution that failed until its messages are there again; 0: at once,
            and as the same batch, as streams do.
        hopeless: which messages are known to have been given up; None for none.
        most_attempts: executions after which a message is given up.
        gathered_before_ns: how long before it was handed over a batch was gathered.
    """
    count = len(available_ns)
    given_up = np.zeros(count, dtype=np.bool_) if hopeless is None else hopeless
    line = _Line(given_up)
    for message, at_ns in enumerate(available_ns.tolist()):
        line.put(at_ns, message)
    matching = Matching([[] for _ in range(count)], [], np.zeros(count, dtype=np.bool_))
    again: deque[tuple[int, list[int]]] = deque()
    still_well = sum(not failed for failed in runs.failed)
    left = count - int(np.count_nonzero(given_up))
    for number, (handed_ns, finished_ns, failed) in enumerate(
        zip(runs.handed_ns.tolist(), runs.finished_ns.tolist(), runs.failed, strict=True)
    ):
        still_well -= not failed
        if again and again[0][0] <= handed_ns + _TOLERANCE_NS:
            taken = again.popleft()[1]
        else:
            taken = _gathered(line, handed_ns, batch_size, left, still_well, failed=failed, before=gathered_before_ns)
        matching.sizes.append(len(taken))
        for message in taken:
            matching.executions[message].append(number)
        if not failed:
            matching.is_done[taken] = True
            left -= len(taken)
            continue
        tries = [message for message in taken if len(matching.executions[message]) < most_attempts]
        if retry_after_ns == 0:
            if tries:
                again.append((finished_ns, tries))
            continue
        for message in tries:
            line.put(handed_ns + retry_after_ns, message)
    return matching


def _gathered(
    line: _Line, handed_ns: int, batch_size: int, left: int, still_well: int, *, failed: bool, before: int
) -> list[int]:
    """Return the messages that an execution took; none where it belongs to another order."""
    by_ns = handed_ns + _RESOLUTION_NS - before
    if failed:
        return line.take(batch_size, by_ns, failed=True) or line.take(1, handed_ns + _FOREIGN_NS, failed=True)
    # Each execution after this one that ends well takes one at the least, and a whole batch at the most.
    most = max(min(batch_size, left - still_well), 1)
    least = min(max(left - batch_size * still_well, 1), batch_size)
    taken = line.take(most, by_ns, failed=False)
    if len(taken) < least:
        taken += line.take(least - len(taken), handed_ns + _FOREIGN_NS, failed=False)
    return taken


def match_nested(
    sent_ns: Times, done_ns: Times, started_ns: Times, finished_ns: Times
) -> tuple[NDArray[np.int64], int]:
    """Return the execution of each call, -1 where none fits, and how many had another call that would fit too.

    Args:
        sent_ns: of each call, shape ``(calls,)``.
        done_ns: arrival of its answer.
        started_ns: of each execution, shape ``(executions,)``.
        finished_ns: of each execution.
    """
    found = np.full(len(sent_ns), -1, dtype=np.int64)
    calls = np.argsort(sent_ns, kind="stable").tolist()
    inside: list[tuple[int, int]] = []
    ambiguous = position = 0
    for execution in np.argsort(started_ns, kind="stable").tolist():
        while position < len(calls) and sent_ns[calls[position]] <= started_ns[execution] + _TOLERANCE_NS:
            call = calls[position]
            insort(inside, (int(done_ns[call]), call))
            position += 1
        # What ended before this execution began holds none that begins later.
        del inside[: bisect_left(inside, (int(started_ns[execution]) - _TOLERANCE_NS, -1))]
        fitting = bisect_left(inside, (int(finished_ns[execution]) - _TOLERANCE_NS, -1))
        if fitting < len(inside):
            ambiguous += fitting + 1 < len(inside)
            found[inside.pop(fitting)[1]] = execution
    return found, ambiguous
