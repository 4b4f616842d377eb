"""Messages and calls of which AWS names no execution: they are matched in the order of their times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.session.delivered.joining import NEVER_RAN
from lambdatune.stats.matching import match_in_order
from lambdatune.stats.nesting import match_nested
from lambdatune.stats.rows import is_ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambdatune.aws.executions import Execution
    from lambdatune.aws.modes.protocol import Ending, InvocationMode
    from lambdatune.session.delivered.joining import RowWriter
    from lambdatune.session.delivered.linking import LinkRecord
    from lambdatune.stats.matching import OrderMatch
    from lambdatune.stats.rows import Mask, Rows

_NS_PER_MS = 1_000_000
_NO_PAUSE_NS = 10_000_000
"""Between an end and the next start of a lane that had a batch waiting, at the most."""


def _ns(times_ms: Sequence[float]) -> NDArray[np.int64]:
    return np.round(np.array(times_ms, dtype=np.float64) * _NS_PER_MS).astype(np.int64)


def _taken_ms(execution: Execution) -> float:
    """Return until when an execution's batch was taken, in Unix ms: START comes after the init of a cold start."""
    report = execution.report
    return execution.started_ms - (report.init_ms or report.restore_ms or 0.0)


def began_with_an_end(taken_ns: NDArray[np.int64], finished_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the executions of a lane that began as the one before ended: their batch waited for it.

    Such a batch is what the last poll had brought, half a poll ago in the mean; any other is what a poll just brought.

    Args:
        taken_ns: until when each execution took messages, Unix nanoseconds, shape ``(n,)``; an init is subtracted.
        finished_ns: when it ended.
    """
    order = np.argsort(taken_ns, kind="stable")
    waited = np.zeros(len(taken_ns), dtype=np.bool_)
    waited[order[1:]] = taken_ns[order[1:]] - finished_ns[order[:-1]] < _NO_PAUSE_NS
    return waited


class CallsInOrder:
    """Calls that wait for their result, whose answer names nothing: an execution lies within the time of its call.

    Args:
        writer: of the order.
        links: takes note of how sure the links are.
    """

    def __init__(self, writer: RowWriter, links: LinkRecord) -> None:
        self._writer = writer
        self._links = links
        self._executions: list[Execution] = []

    def take(self, executions: Sequence[Execution], endings: Sequence[Ending]) -> None:  # noqa: ARG002  of the protocol
        """Take note of executions; nothing ends elsewhere."""
        self._executions += executions

    def awaited(self, rows: Rows) -> int:
        """Return how many more calls than executions there are."""
        ran = int(np.count_nonzero(~np.isin(rows["status"], NEVER_RAN)))
        return max(ran - len(self._executions), 0)

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with the figures of the executions that lie within them."""
        made = rows.copy()
        ran = np.flatnonzero(~np.isin(rows["status"], NEVER_RAN))
        match = match_nested(
            rows["sent_ns"][ran], rows["done_ns"][ran],
            _ns([each.started_ms for each in self._executions]), _ns([each.finished_ms for each in self._executions]),
        )  # fmt: skip
        for index, number in zip(ran.tolist(), match.execution.tolist(), strict=True):
            if number >= 0:
                execution = self._executions[number]
                self._writer.answered(made, index, execution)
                self._writer.refuse_misrouted(made, index, [execution])
        self._links.messages += len(ran)
        self._links.ambiguous += match.ambiguous
        return made

    def unknown(self, joined: Rows) -> Mask:
        """Mark none: a call without a REPORT line is a call that ended."""
        return np.zeros(len(joined), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is matched: the messages of an order that were accepted, in the order in which they were sent.

    Attributes:
        places: of each message, its row.
        sent_ns: when it was sent.
        accepted_ns: when the answer came.
        hopeless: whether it is known to have been given up.
    """

    places: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    accepted_ns: NDArray[np.int64]
    hopeless: NDArray[np.bool_]


class MessagesInOrder:
    """Messages of a queue or stream.

    Args:
        writer: of the order.
        mode: tells batch size, and when what failed is tried again.
        links: takes note of how sure the links are.
        latency_ms: longest time from the moment a batch is gathered to its start, for the error that is told.
        poll_ms: from one poll of a shard to the next, of a stream; 0 of a queue.
    """

    def __init__(
        self, writer: RowWriter, mode: InvocationMode, links: LinkRecord, *, latency_ms: float, poll_ms: float = 0.0
    ) -> None:
        self._writer = writer
        self._mode = mode
        self._most_attempts = math.inf if mode.most_attempts is None else mode.most_attempts
        self._latency_ns = round(latency_ms * _NS_PER_MS)
        self._half_poll_ns = round(poll_ms * _NS_PER_MS / 2)
        self._links = links
        self._executions: list[Execution] = []
        self._endings: list[Ending] = []
        self._looked_at = (0, 0, 0)
        self._awaited = 0

    def take(self, executions: Sequence[Execution], endings: Sequence[Ending]) -> None:
        """Take note of executions, and of messages that were given up."""
        self._executions += executions
        self._endings += endings

    def awaited(self, rows: Rows) -> int:
        """Return how many messages no execution is left for."""
        news = (len(rows), len(self._executions), len(self._endings))
        if news != self._looked_at:
            case = self._case(rows)
            match = self._match(case)
            is_over = match.is_finished | case.hopeless | (match.attempts >= self._most_attempts)
            self._looked_at, self._awaited = news, int(np.count_nonzero(~is_over))
        return self._awaited

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with the executions that they were matched to."""
        made = rows.copy()
        case = self._case(rows)
        match = self._match(case)
        for place, numbers, done, hopeless in zip(
            case.places.tolist(), match.executions, match.is_finished.tolist(), case.hopeless.tolist(), strict=True
        ):
            ran = [self._executions[number] for number in numbers]
            self._writer.executions(made, place, ran, match.sizes[list(numbers)].tolist())
            # Not every ending names its messages: those of a table's stream only say how many there were.
            if hopeless or (not done and self._endings and len(ran) >= self._most_attempts):
                made["status"][place] = Status.DEAD_LETTERED
            elif not done:
                made["status"][place] = Status.LOST
            else:
                made["status"][place] = Status.RETRIED if len(ran) > 1 else Status.OK
            self._writer.refuse_misrouted(made, place, ran)
        self._note(match)
        return made

    def unknown(self, joined: Rows) -> Mask:
        """Mark messages that no execution was left for."""
        return np.asarray(joined["status"] == Status.LOST)

    def _case(self, rows: Rows) -> _Case:
        places = np.flatnonzero(is_ok(rows))
        places = places[np.argsort(rows["sent_ns"][places], kind="stable")]
        sent = rows[places]
        return _Case(places, sent["sent_ns"], sent["done_ns"], self._given_up(sent["request_id"]))

    def _given_up(self, ids: NDArray[np.bytes_]) -> NDArray[np.bool_]:
        """Mark the messages that endings name: each, or the first one of a batch and those sent after it."""
        marked = np.zeros(len(ids), dtype=np.bool_)
        place_of = {message_id: place for place, message_id in enumerate(ids.tolist())}
        for ending in self._endings:
            name = ending.message_id or ending.first_sequence
            place = None if name is None else place_of.get(name[-36:].encode())
            if place is not None:
                marked[place : place + ending.batch_size] = True
        return marked

    def _match(self, case: _Case) -> OrderMatch:
        ran = self._executions
        # A poll of a stream does not wait for records, as that of a queue does for messages: it takes what had arrived,
        # which was between send and answer.
        is_stream = self._mode.retry_after_s == 0
        there_ns = (case.sent_ns + case.accepted_ns) // 2 if is_stream else case.sent_ns
        started_ns, finished_ns = _ns([each.started_ms for each in ran]), _ns([each.finished_ms for each in ran])
        taken_ns, latency_ns = _ns([_taken_ms(each) for each in ran]), self._latency_ns
        if self._half_poll_ns and self._mode.lanes == 1:
            waited = began_with_an_end(taken_ns, finished_ns)
            taken_ns = taken_ns - np.where(waited, self._half_poll_ns, 0)
            latency_ns += self._half_poll_ns if waited.any() else 0
        return match_in_order(
            there_ns, case.accepted_ns, started_ns, finished_ns,
            np.array([each.failed is True for each in ran], dtype=np.bool_),
            batch_size=self._mode.batch_size, retry_after_s=self._mode.retry_after_s or 0.0,
            max_attempts=self._mode.most_attempts, lanes=self._mode.lanes, hopeless=case.hopeless,
            taken_ns=taken_ns, latency_ns=latency_ns,
        )  # fmt: skip

    def _note(self, match: OrderMatch) -> None:
        """Take note of how far percentiles may be off."""
        links, error = self._links, match.e2e_error
        links.messages += len(match.last)
        links.spare += len(match.idle)
        links.error_ms_p50 = max(links.error_ms_p50, float(np.nan_to_num(error.p50_ms)))
        links.error_ms_p95 = max(links.error_ms_p95, float(np.nan_to_num(error.p95_ms)))
