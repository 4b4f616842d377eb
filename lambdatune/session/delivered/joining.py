"""Rows of what was sent, joined to the executions that the log tells of.

A joiner serves one order. It says what is still awaited while the log is read, and makes the rows at the end: a message
may be executed again after it seemed done.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambdatune.model.invocation import Start, Status, was_preinitialised
from lambdatune.model.report_line import start_kind
from lambdatune.stats.rows import is_ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.aws.executions import Execution
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.session.delivered.linking import LinkRecord
    from lambdatune.stats.rows import Mask, Rows

_NS_PER_MS = 1_000_000
_HALF_MS = 0.5
"""Log lines have whole milliseconds, rounded down: on average an execution starts half of one later."""

NEVER_RAN = (Status.THROTTLED, Status.REFUSED, Status.CONNECTION_ERROR)
"""What became of a call that has no execution to be found."""


class Joiner(Protocol):
    """Joins the rows of one order to executions."""

    def take(self, executions: Sequence[Execution], endings: Sequence[Ending]) -> None:
        """Take note of what was read since the last time."""

    def awaited(self, rows: Rows) -> int:
        """Return how many of the rows sent so far are not known to have ended."""

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with what is known of their executions."""

    def unknown(self, joined: Rows) -> Mask:
        """Mark the joined rows of which it is not known what became of them."""


class CallsById:
    """Calls that wait for their result, whose answer names the request id of the REPORT line.

    Args:
        writer: of the order.
    """

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._executions: dict[bytes, Execution] = {}

    def take(self, executions: Sequence[Execution], endings: Sequence[Ending]) -> None:  # noqa: ARG002  of the protocol
        """Take note of executions; nothing ends elsewhere."""
        for execution in executions:
            self._executions[execution.request_id.encode()] = execution

    def awaited(self, rows: Rows) -> int:
        """Return how many calls that named an execution have no REPORT line yet."""
        ids = rows["request_id"][~np.isin(rows["status"], NEVER_RAN)].tolist()
        return sum(1 for request_id in ids if request_id and request_id not in self._executions)

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with the figures of their REPORT lines, where these were found."""
        made = rows.copy()
        for index, request_id in enumerate(rows["request_id"].tolist()):
            execution = self._executions.get(request_id)
            if execution is not None:
                self._writer.answered(made, index, execution)
                self._writer.refuse_misrouted(made, index, [execution])
        return made

    def unknown(self, joined: Rows) -> Mask:
        """Mark none: a call without a REPORT line is a call that ended."""
        return np.zeros(len(joined), dtype=np.bool_)


class MessagesById:
    """Messages that are delivered, of which AWS names the request id of their executions.

    A destination of the clone tells of every end.

    Args:
        writer: of the order.
    """

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._executions: defaultdict[str, list[Execution]] = defaultdict(list)
        self._endings: defaultdict[bytes, list[Ending]] = defaultdict(list)

    def take(self, executions: Sequence[Execution], endings: Sequence[Ending]) -> None:
        """Take note of executions, and of the ends that a destination tells of."""
        for execution in executions:
            self._executions[execution.request_id].append(execution)
        for ending in endings:
            if ending.message_id is not None:
                self._endings[ending.message_id.encode()].append(ending)

    def awaited(self, rows: Rows) -> int:
        """Return how many messages have no end yet, or an end without the REPORT line of its execution."""
        return sum(1 for message_id in rows["request_id"][is_ok(rows)].tolist() if not self._is_over(message_id))

    def _is_over(self, message_id: bytes) -> bool:
        endings = self._endings.get(message_id)
        if not endings:
            return False
        return all(
            ending.outcome == "dead-lettered" or ending.request_id is None or ending.request_id in self._executions
            for ending in endings
        )

    def joined(self, rows: Rows) -> Rows:
        """Return the rows with what became of their messages."""
        made = rows.copy()
        accepted = is_ok(rows)
        for index, message_id in enumerate(rows["request_id"].tolist()):
            if accepted[index]:
                self._join(made, index, self._endings.get(message_id, []))
        return made

    def _join(self, made: Rows, index: int, endings: list[Ending]) -> None:
        ids = dict.fromkeys(ending.request_id for ending in endings if ending.request_id)
        ran = [execution for request_id in ids for execution in self._executions.get(request_id, ())]
        well = sum(ending.outcome == "executed" for ending in endings)
        self._writer.executions(made, index, sorted(ran, key=_by_start), [1] * len(ran))
        self._writer.leave_out_waits_of_others(made, index)
        if well:
            status = Status.DUPLICATED if well > 1 else Status.RETRIED if len(ran) > 1 else Status.OK
            made["attempts"][index] = max(len(ran), well)
        elif endings:
            status = Status.DEAD_LETTERED
            made["error"][index] = endings[0].error.encode("ascii", "replace")
        else:
            status = Status.LOST
        made["status"][index] = status
        self._writer.refuse_misrouted(made, index, ran)

    def unknown(self, joined: Rows) -> Mask:
        """Mark messages whose end was not told."""
        return np.asarray(joined["status"] == Status.LOST)


def _by_start(execution: Execution) -> float:
    return execution.started_ms


class RowWriter:
    """Writes what the log tells of executions into the rows of one order.

    Args:
        memory_mb: size that the order is for.
        links: takes note of executions at another size.
    """

    def __init__(self, memory_mb: int, links: LinkRecord) -> None:
        self._memory_mb = memory_mb
        self._links = links

    def executions(self, made: Rows, index: int, executions: Sequence[Execution], sizes: Sequence[int]) -> None:
        """Write into a row what the executions of its message tell.

        Args:
            made: rows that may be changed.
            index: of the row.
            executions: that the message was in, in order of time.
            sizes: messages in each of them.
        """
        if not executions:
            return
        last = executions[-1]
        self.report(made, index, last)
        made["started_ns"][index] = round((executions[0].started_ms + _HALF_MS) * _NS_PER_MS)
        made["finished_ns"][index] = round((last.finished_ms + _HALF_MS) * _NS_PER_MS)
        made["attempts"][index] = min(len(executions), 255)
        made["batch_size"][index] = min(sizes[-1], 65_535)
        made["invocations"][index] = sum(1 / size for size in sizes)
        made["billed_ms"][index] = sum(
            execution.report.billed_ms / size for execution, size in zip(executions, sizes, strict=True)
        )

    def leave_out_waits_of_others(self, made: Rows, index: int) -> None:
        """Take a cold start for one of an environment that was initialised before, where its message did not wait.

        The init comes before the start: a message that waited for less than that did not wait for it.
        """
        waited_ms = float(made["started_ns"][index] - made["done_ns"][index]) / _NS_PER_MS
        if made["start"][index] == Start.COLD and was_preinitialised(float(made["init_ms"][index]), 0.0, waited_ms):
            made["start"][index] = Start.PREINITIALISED

    def answered(self, made: Rows, index: int, execution: Execution) -> None:
        """Write the figures of a call's execution into its row; an init that the caller did not wait for is told."""
        self.report(made, index, execution)
        waited_ms = float(made["done_ns"][index] - made["sent_ns"][index]) / _NS_PER_MS
        init_ms, duration_ms = float(made["init_ms"][index]), float(made["duration_ms"][index])
        if made["start"][index] == Start.COLD and was_preinitialised(init_ms, duration_ms, waited_ms):
            made["start"][index] = Start.PREINITIALISED

    def report(self, made: Rows, index: int, execution: Execution) -> None:
        """Write the figures of an execution's REPORT line into a row."""
        report = execution.report
        made["request_id"][index] = execution.request_id.encode()
        made["start"][index] = start_kind(report)
        made["duration_ms"][index] = report.duration_ms
        made["init_ms"][index] = np.nan if report.init_ms is None else report.init_ms
        made["restore_ms"][index] = np.nan if report.restore_ms is None else report.restore_ms
        made["billed_ms"][index] = report.billed_ms
        made["max_memory_used_mb"][index] = report.max_memory_used_mb

    def refuse_misrouted(self, made: Rows, index: int, executions: Sequence[Execution]) -> None:
        """Take a message out of all figures that an older version of the clone executed, at another size."""
        others = {each.report.memory_size_mb for each in executions} - {self._memory_mb}
        if others:
            self._links.misrouted += 1
            made["status"][index] = Status.REFUSED
            made["start"][index] = Start.UNKNOWN
            made["error"][index] = f"executed at {min(others)} MB".encode()
