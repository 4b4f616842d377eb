"""A queue: what is sent, received, hidden for a while, deleted, or moved to the dead letter queue."""

from __future__ import annotations

import asyncio
import base64
import heapq
import itertools
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError
from lambdatune.local.events.sqs import settings
from lambdatune.local.events.sqs.lines import AnyOrder, GroupOrder
from lambdatune.local.events.sqs.message import AVAILABLE, DELAYED, GONE, IN_FLIGHT, Message, md5_of, sequence_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdatune.local.events.sqs.lines import Line

_DEDUPLICATION_NS = 300 * 1_000_000_000
_PURGE_NS = 60 * 1_000_000_000
_SLACK = 1_000
_MAX_IN_FLIGHT = 120_000
"""Per queue (AWS docs, "Amazon SQS message quotas")."""


class Queue:
    """One queue.

    Args:
        name: ends in ``.fifo`` for a FIFO queue.
        arn: its ARN.
        attributes: all that is not counted.
        tags: key to value.
        dead_letter: takes a message that was received too often: ARN of the dead letter queue, this queue, message;
            returns whether that queue took it.
    """

    def __init__(
        self,
        name: str,
        arn: str,
        attributes: dict[str, str],
        tags: dict[str, str],
        dead_letter: Callable[[str, Queue, Message], bool],
    ) -> None:
        self.name = name
        self.arn = arn
        self.is_fifo = name.endswith(".fifo")
        self.tags = tags
        self.is_deleted = False
        self.created_s = self.modified_s = int(time.time())
        self._dead_letter = dead_letter
        self._line: Line = GroupOrder() if self.is_fifo else AnyOrder()
        self._hidden: list[tuple[int, int, Message]] = []
        self._by_handle: dict[str, Message] = {}
        self._sequence = itertools.count(1)
        self._ties = itertools.count()
        self._seen: dict[str, tuple[int, Message]] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._counts = {AVAILABLE: 0, DELAYED: 0, IN_FLIGHT: 0, GONE: 0}
        self._purged_ns: int | None = None
        self.set(attributes)

    def set(self, attributes: dict[str, str]) -> None:
        """Replace the attributes, which were checked."""
        self.attributes = attributes
        self.modified_s = int(time.time())
        self.visibility_s = int(attributes["VisibilityTimeout"])
        self.wait_s = int(attributes["ReceiveMessageWaitTimeSeconds"])
        self.delay_s = int(attributes["DelaySeconds"])
        self.max_bytes = int(attributes["MaximumMessageSize"])
        self._retention_ns = int(attributes["MessageRetentionPeriod"]) * 1_000_000_000
        self._by_group = attributes.get("DeduplicationScope") == "messageGroup"
        self.redrive = settings.redrive_of(attributes)

    def all_attributes(self) -> dict[str, str]:
        """Return the attributes as GetQueueAttributes does, counts included."""
        self._release_due()
        return {
            "QueueArn": self.arn,
            "ApproximateNumberOfMessages": str(self._counts[AVAILABLE]),
            "ApproximateNumberOfMessagesNotVisible": str(self._counts[IN_FLIGHT]),
            "ApproximateNumberOfMessagesDelayed": str(self._counts[DELAYED]),
            "CreatedTimestamp": str(self.created_s),
            "LastModifiedTimestamp": str(self.modified_s),
            **self.attributes,
        }

    @property
    def backlog(self) -> int:
        """How many messages are available."""
        return self._counts[AVAILABLE]

    def send(
        self,
        body: str,
        attributes: Mapping[str, Mapping[str, Any]],
        *,
        delay_s: int | None = None,
        group: str | None = None,
        deduplication: str | None = None,
        trace_header: str | None = None,
    ) -> Message:
        """Add a message whose parts were checked; return it, or the earlier one that it is a duplicate of."""
        key = deduplication if not self._by_group else f"{group}\n{deduplication}"
        if self.is_fifo and key is not None:
            self._forget_seen()
            seen = self._seen.get(key)
            if seen is not None:
                return seen[1]
        message = Message(
            str(uuid.uuid4()), body, md5_of(body), attributes, time.time_ns(), next(self._sequence), group,
            deduplication, trace_header,
        )  # fmt: skip
        if self.is_fifo and key is not None:
            self._seen[key] = (time.monotonic_ns() + _DEDUPLICATION_NS, message)
        self._enter(message, self.delay_s if delay_s is None else delay_s)
        return message

    def take_dead_letter(self, message: Message, source_arn: str) -> None:
        """Add what another queue gives up; the identifier and the time when it was sent stay."""
        sequence = next(self._sequence)
        moved = replace(
            message, source_arn=source_arn, sequence=sequence, receives=0, handle="", consumer="", state=GONE
        )
        self._enter(moved, 0)

    def take(self, most: int, visibility_s: int | None = None) -> list[Message]:
        """Receive up to `most` messages without waiting.

        Raises:
            ApiError: OverLimit when too many are in flight.
        """
        self._release_due()
        if self._counts[IN_FLIGHT] >= _MAX_IN_FLIGHT:
            raise ApiError("OverLimit", f"Too many messages in flight for queue {self.name}.", 403)
        hidden_s = self.visibility_s if visibility_s is None else visibility_s
        taken: list[Message] = []
        while len(taken) < most:
            batch = self._line.take(most - len(taken))
            if not batch:
                break
            taken += [message for message in batch if self._give_out(message, hidden_s)]
        return taken

    async def receive(self, most: int, wait_s: float, visibility_s: int | None = None) -> list[Message]:
        """Receive up to `most` messages; wait up to `wait_s` seconds for the first one.

        Raises:
            ApiError: OverLimit, QueueDoesNotExist when the queue is deleted meanwhile.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + wait_s
        while True:
            if self.is_deleted:
                raise no_such_queue()
            taken = self.take(most, visibility_s)
            left_s = deadline_s - loop.time()
            if taken or left_s <= 0:
                return taken
            await self._wait(left_s)

    def delete(self, handle: str) -> None:
        """Delete the message of a receipt handle; one that is gone or was received again is left, as on AWS.

        Raises:
            ApiError: ReceiptHandleIsInvalid, and InvalidParameterValue for an expired one of a FIFO queue.
        """
        message = self._find(handle)
        if message is None:
            return
        if self.is_fifo and message.state != IN_FLIGHT:
            raise ApiError(
                "InvalidParameterValue",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            )
        self.remove(message)

    def remove(self, message: Message) -> None:
        """Delete a message."""
        if message.state == IN_FLIGHT:
            self._line.done(message)
        self._move(message, GONE)
        self._by_handle.pop(message.handle, None)
        if self.is_fifo:
            self._wake()  # its group may go on

    def change_visibility(self, handle: str, visibility_s: int) -> None:
        """Hide a message for another time from now on; 0 makes it available at once.

        Raises:
            ApiError: ReceiptHandleIsInvalid, MessageNotInflight.
        """
        self._release_due()
        message = self._find(handle)
        if message is None or message.state != IN_FLIGHT:
            raise ApiError("MessageNotInflight", "The specified message isn't in flight.")
        if visibility_s:
            self._hide(message, IN_FLIGHT, visibility_s)
        else:
            self._put_back(message)

    def give_back(self, message: Message) -> None:
        """Make a message available that was received in vain, which does not count as a receive."""
        if message.state == IN_FLIGHT:
            message.receives -= 1
            self._put_back(message)

    def purge(self) -> None:
        """Delete every message.

        Raises:
            ApiError: PurgeQueueInProgress within 60 seconds of another one.
        """
        now_ns = time.monotonic_ns()
        if self._purged_ns is not None and now_ns - self._purged_ns < _PURGE_NS:
            sentence = f"Only one PurgeQueue operation on {self.name} is allowed every 60 seconds."
            raise ApiError("PurgeQueueInProgress", sentence, 403)
        self._purged_ns = now_ns
        for _, _, message in self._hidden:
            message.state = GONE
        self._line = GroupOrder() if self.is_fifo else AnyOrder()
        self._hidden.clear()
        self._by_handle.clear()
        self._counts = dict.fromkeys(self._counts, 0)

    def close(self) -> None:
        """Mark as deleted and wake those who wait."""
        self.is_deleted = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiters:
            self._wake()

    # Where a message is.

    def _move(self, message: Message, state: str) -> None:
        self._counts[message.state] -= 1
        self._counts[state] += 1
        message.state = state

    def _enter(self, message: Message, delay_s: int) -> None:
        if delay_s:
            self._hide(message, DELAYED, delay_s)
            return
        self._move(message, AVAILABLE)
        self._line.add(message)
        self._wake()

    def _hide(self, message: Message, state: str, for_s: int) -> None:
        self._move(message, state)
        message.due_ns = time.monotonic_ns() + for_s * 1_000_000_000
        heapq.heappush(self._hidden, (message.due_ns, next(self._ties), message))
        if len(self._hidden) > _SLACK + 2 * (self._counts[IN_FLIGHT] + self._counts[DELAYED]):
            self._tidy()
        self._arm()

    def _tidy(self) -> None:
        """Forget entries of messages that were deleted, which would stay until their visibility timeout is over."""
        self._hidden = [entry for entry in self._hidden if _is_current(entry)]
        heapq.heapify(self._hidden)

    def _put_back(self, message: Message) -> None:
        self._move(message, AVAILABLE)
        self._line.put_back(message)
        self._wake()

    def _give_out(self, message: Message, hidden_s: int) -> bool:
        """Mark a message that the line gave out as received; return False when it goes another way."""
        now_ns = time.time_ns()
        if now_ns - message.accepted_ns > self._retention_ns:
            self._line.done(message)
            self._move(message, GONE)
            return False
        # Where the dead letter queue is gone, the message stays.
        if (
            self.redrive is not None
            and message.receives >= self.redrive[1]
            and self._dead_letter(self.redrive[0], self, message)
        ):
            self._line.done(message)
            self._by_handle.pop(message.handle, None)
            self._move(message, GONE)
            return False
        self._by_handle.pop(message.handle, None)
        message.receives += 1
        if not message.first_received_ms:
            message.first_received_ms = now_ns // 1_000_000
        text = f"{self.name}/{message.message_id}/{message.receives}"
        message.handle = base64.b64encode(text.encode()).decode()
        self._by_handle[message.handle] = message
        self._hide(message, IN_FLIGHT, hidden_s)
        return True

    def _release_due(self) -> None:
        """Make available what was hidden long enough."""
        now_ns = time.monotonic_ns()
        while self._hidden and self._hidden[0][0] <= now_ns:
            entry = heapq.heappop(self._hidden)
            message = entry[2]
            if not _is_current(entry):
                continue  # it was deleted or hidden anew since
            if message.state == IN_FLIGHT:
                self._put_back(message)
            else:
                self._move(message, AVAILABLE)
                self._line.add(message)
                self._wake()

    # Those who wait.

    async def _wait(self, for_s: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._arm()
        try:
            await asyncio.wait((waiter,), timeout=for_s)
        except asyncio.CancelledError:
            if waiter.done():
                self._wake()  # it was told and cannot go on: the next one may
            raise
        finally:
            with suppress(ValueError):
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _arm(self) -> None:
        """Look again when the next hidden message is due, if someone waits."""
        if not self._waiters or not self._hidden:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(self._hidden[0][0] - time.monotonic_ns(), 0) / 1e9
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._look)

    def _look(self) -> None:
        self._timer = None
        self._release_due()
        self._arm()

    def _find(self, handle: str) -> Message | None:
        message = self._by_handle.get(handle)
        if message is not None:
            return message
        try:
            name = base64.b64decode(handle, validate=True).decode().split("/")[0]
        except ValueError:
            name = ""
        if name != self.name:
            raise ApiError(
                "ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.', 404
            )
        return None

    def _forget_seen(self) -> None:
        """Let go of deduplication ids that are five minutes old; the oldest stand first."""
        now_ns = time.monotonic_ns()
        while self._seen:
            key, (until_ns, _) = next(iter(self._seen.items()))
            if until_ns > now_ns:
                return
            del self._seen[key]


def _is_current(entry: tuple[int, int, Message]) -> bool:
    """Whether a message is still hidden until the time of an entry."""
    due_ns, _, message = entry
    return message.due_ns == due_ns and message.state in {IN_FLIGHT, DELAYED}


def no_such_queue() -> ApiError:
    """Return AWS's refusal for a queue that is not there."""
    return ApiError("QueueDoesNotExist", "The specified queue does not exist.")


def send_view(message: Message, queue: Queue) -> dict[str, Any]:
    """Return the identifiers of a message that was sent."""
    view = {"MessageId": message.message_id, "MD5OfMessageBody": message.md5}
    if queue.is_fifo:
        view["SequenceNumber"] = sequence_number(message.sequence)
    return view
