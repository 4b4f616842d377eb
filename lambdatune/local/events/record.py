"""The endpoint's own record of every message, against which a measuring tool can be checked."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.local.outcomes import Outcome

_MOST = 200_000
_PAGE = 10_000

EXECUTED = "executed"
FAILED = "failed"
DEAD_LETTERED = "dead-lettered"
DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from.

    Attributes:
        source: event, sqs, sns, s3, eventbridge, kinesis or dynamodb-streams.
        message_id: the identifier that its sender was given.
        accepted_ns: when it was accepted, in nanoseconds of Unix time.
    """

    source: str
    message_id: str
    accepted_ns: int


class Row(msgspec.Struct, frozen=True, gc=False):
    """One attempt at one message; times are nanoseconds of Unix time, None for what did not happen.

    Attributes:
        sequence: counts the rows from 1.
        source: event, sqs, sns, s3, eventbridge, kinesis or dynamodb-streams.
        message_id: the identifier that its sender was given.
        function: bare name.
        accepted_ns: when the message was accepted.
        started_ns: when the runtime got the event.
        finished_ns: when the call ended.
        host_queued_ns: how much of the time before the start was a wait for this host's CPU, which AWS has not.
        attempt: counts the executions of this message from 1.
        request_id: of the invocation, as in the REPORT line.
        outcome: executed, failed (it is tried again), dead-lettered or dropped.
        batch_size: messages in the invocation.
    """

    sequence: int
    source: str
    message_id: str
    function: str
    accepted_ns: int
    started_ns: int | None
    finished_ns: int | None
    host_queued_ns: int
    attempt: int
    request_id: str | None
    outcome: str
    batch_size: int


class Messages:
    """The last 200,000 attempts."""

    def __init__(self, most: int = _MOST) -> None:
        self._rows: deque[Row] = deque(maxlen=most)
        self._sequence = itertools.count(1)
        self._encode = msgspec.json.Encoder().encode_lines

    def add(
        self,
        origin: Origin,
        function: str,
        outcome: str,
        *,
        call: Outcome | None = None,
        attempt: int = 0,
        request_id: str | None = None,
        batch_size: int = 1,
    ) -> None:
        """Record an attempt.

        Args:
            origin: the message.
            function: bare name of the function.
            outcome: executed, failed, dead-lettered or dropped.
            call: how the invocation went; None when there was none.
            attempt: executions of this message so far.
            request_id: of the invocation.
            batch_size: messages in the invocation.
        """
        row = Row(
            next(self._sequence),
            origin.source,
            origin.message_id,
            function,
            origin.accepted_ns,
            None if call is None else call.began_ns,
            None if call is None else call.ended_ns,
            0 if call is None else call.host_queued_ns,
            attempt,
            request_id,
            outcome,
            batch_size,
        )
        self._rows.append(row)

    def page(self, query: Mapping[str, str]) -> bytes:
        """Return rows as JSON lines, in the order in which the attempts ended.

        Args:
            query: ``after`` (a sequence), ``limit`` (default 10,000), ``function`` and ``source`` choose rows.

        Raises:
            ValueError: when a number is none.
        """
        after, limit = int(query.get("after", "0")), int(query.get("limit", str(_PAGE)))
        function, source = query.get("function"), query.get("source")
        first = self._rows[0].sequence if self._rows else 1
        rows = itertools.islice(self._rows, max(after - first + 1, 0), None)
        chosen = (r for r in rows if function in {None, r.function} and source in {None, r.source})
        return self._encode(list(itertools.islice(chosen, max(limit, 0))))
