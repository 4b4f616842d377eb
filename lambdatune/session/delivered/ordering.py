"""Messages and calls of which AWS names no execution: they are matched in the order of their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.stats.matching import GATHERED_BEFORE_MS, MOST_ATTEMPTS, Runs, match_in_order, match_nested
from lambdatune.stats.rows import is_ok
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambdatune.aws.executions import Execution
    from lambdatune.aws.modes.protocol import Ending, InvocationMode
    from lambdatune.session.delivered.joining import RowWriter
    from lambdatune.session.delivered.linking import LinkRecord
    from lambdatune.stats.matching import Matching
    from lambdatune.stats.rows import Mask, Rows

_NS_PER_MS = 1_000_000
_NEVER_RAN = (Status.THROTTLED, Status.REFUSED, Status.CONNECTION_ERROR)


def _ns(times_ms: Sequence[float]) -> NDArray[np.int64]:
    return np.round(np.array(times_ms, dtype=np.float64) * _NS_PER_MS).astype(np.int64)


def _handed_ms(execution: Execution) -> float:
    """Return when Lambda was handed an execution's batch, in Unix ms: START comes after the init of a cold start."""
    report = execution.report
    return execution.started_ms - (report.init_ms or report.restore_ms or 0.0)


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
        ran = int(np.count_nonzero(~np.isin(rows["status"], _NEVER_RAN)))
        return max(ran - len(self._executions), 0)

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with the figures of the executions that lie within them."""
        made = rows.copy()
        ran = np.flatnonzero(~np.isin(rows["status"], _NEVER_RAN))
        found, ambiguous = match_nested(
            rows["sent_ns"][ran], rows["done_ns"][ran],
            _ns([each.started_ms for each in self._executions]), _ns([each.finished_ms for each in self._executions]),
        )  # fmt: skip
        for index, number in zip(ran.tolist(), found.tolist(), strict=True):
            if number >= 0:
                execution = self._executions[number]
                self._writer.report(made, index, execution)
                self._writer.refuse_misrouted(made, index, [execution])
        self._links.messages += len(ran)
        self._links.ambiguous += ambiguous
        return made

    def unknown(self, joined: Rows) -> Mask:
        """Mark none: a call without a REPORT line is a call that ended."""
        return np.zeros(len(joined), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class _Case:
    """What is matched: the messages of an order that were accepted, in the order in which they were sent.

    Attributes:
        places: of each message, its row.
        sent_ns: when it was on its way: between send and answer.
        hopeless: whether it is known to have been given up.
    """

    places: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    hopeless: NDArray[np.bool_]


class MessagesInOrder:
    """Messages of a queue or stream.

    Args:
        writer: of the order.
        mode: tells batch size, and when what failed is tried again.
        links: takes note of how sure the links are.
    """

    def __init__(self, writer: RowWriter, mode: InvocationMode, links: LinkRecord) -> None:
        self._writer = writer
        self._batch_size = mode.batch_size
        self._retry_after_ns = round((mode.retry_after_s or 0.0) * 1_000 * _NS_PER_MS)
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
            matching = self._match(case)
            tries = np.array([len(found) for found in matching.executions])
            is_over = matching.is_done | case.hopeless | (tries >= MOST_ATTEMPTS)
            self._looked_at, self._awaited = news, int(np.count_nonzero(~is_over))
        return self._awaited

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with the executions that they were matched to."""
        made = rows.copy()
        case = self._case(rows)
        matching = self._match(case)
        for place, numbers, done, hopeless in zip(
            case.places.tolist(), matching.executions, matching.is_done.tolist(), case.hopeless.tolist(), strict=True
        ):
            ran = [self._executions[number] for number in numbers]
            self._writer.executions(made, place, ran, [matching.sizes[number] for number in numbers])
            # Not every ending names its messages: those of a table's stream only say how many there were.
            if hopeless or (not done and self._endings and len(ran) >= MOST_ATTEMPTS):
                made["status"][place] = Status.DEAD_LETTERED
            elif not done:
                made["status"][place] = Status.LOST
            else:
                made["status"][place] = Status.RETRIED if len(ran) > 1 else Status.OK
            self._writer.refuse_misrouted(made, place, ran)
        self._note(case, matching)
        return made

    def unknown(self, joined: Rows) -> Mask:
        """Mark messages that no execution was left for."""
        return np.asarray(joined["status"] == Status.LOST)

    def _case(self, rows: Rows) -> _Case:
        places = np.flatnonzero(is_ok(rows))
        # A message is there some time between its send and the answer.
        sent_ns = (rows["sent_ns"][places] + rows["done_ns"][places]) // 2
        order = np.argsort(sent_ns, kind="stable")
        places, sent_ns = places[order], sent_ns[order]
        return _Case(places, sent_ns, self._given_up(rows["request_id"][places]))

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

    def _match(self, case: _Case, *, gathered_before_ns: int = 0) -> Matching:
        self._executions.sort(key=_handed_ms)
        runs = Runs(
            _ns([_handed_ms(each) for each in self._executions]),
            _ns([each.finished_ms for each in self._executions]),
            [each.failed is True for each in self._executions],
        )
        return match_in_order(
            case.sent_ns, runs, batch_size=self._batch_size, retry_after_ns=self._retry_after_ns,
            hopeless=case.hopeless, gathered_before_ns=gathered_before_ns,
        )  # fmt: skip

    def _note(self, case: _Case, matching: Matching) -> None:
        """Take note of how far percentiles may be off: they are taken again as if batches were gathered earlier."""
        other = self._match(case, gathered_before_ns=round(GATHERED_BEFORE_MS * _NS_PER_MS))
        last, other_last = matching.last(), other.last()
        links = self._links
        links.messages += len(last)
        links.ambiguous += int(np.count_nonzero(last != other_last))
        links.spare += matching.spare
        known = (last >= 0) & (other_last >= 0)
        if not known.any():
            return
        finished_ns = _ns([each.finished_ms for each in self._executions])
        e2e_ms = (finished_ns[last[known]] - case.sent_ns[known]) / _NS_PER_MS
        other_ms = (finished_ns[other_last[known]] - case.sent_ns[known]) / _NS_PER_MS
        links.error_ms_p50 = max(links.error_ms_p50, abs(nearest_rank(e2e_ms, 0.5) - nearest_rank(other_ms, 0.5)))
        links.error_ms_p95 = max(links.error_ms_p95, abs(nearest_rank(e2e_ms, 0.95) - nearest_rank(other_ms, 0.95)))
