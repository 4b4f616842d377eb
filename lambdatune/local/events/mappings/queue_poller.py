"""The poller of a mapping of a queue: gathers batches, scales as AWS does, and deletes what was processed.

Source: AWS docs, "Configuring scaling behavior for SQS event source mappings": five concurrent batches at first, 300
more a minute while messages wait, 1,000 at the most.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING

import msgspec

from lambdatune.local.errors import ApiError
from lambdatune.local.events.mappings.answers import MAX_EVENT_BYTES, failed_ids
from lambdatune.local.events.mappings.queue_batch import passes, record_of
from lambdatune.local.events.record import EXECUTED, FAILED, Origin

if TYPE_CHECKING:
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.mappings.records import Mapping
    from lambdatune.local.events.record import Messages
    from lambdatune.local.events.sqs.message import Message
    from lambdatune.local.events.sqs.queue import Queue

_log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_FIRST = 5
_MOST = 1_000
_PER_SECOND = 300 / 60
_LONG_POLL_S = 20.0
_ROOM_S = 0.01
_ABSENT_S = 0.1
_BACK_OFF_S = (0.1, 5.0)


class QueuePoller:
    """Polls one queue for one mapping until it is stopped.

    Args:
        mapping: what is asked for.
        queue: what is polled.
        invoker: runs the batches.
        messages: the record.
        region: named in events.
    """

    def __init__(self, mapping: Mapping, queue: Queue, invoker: Invoker, messages: Messages, region: str) -> None:
        self._mapping = mapping
        self._queue = queue
        self._invoker = invoker
        self._messages = messages
        self._region = region
        self._rules = mapping.rules
        self._allowed = float(_FIRST)
        self._scaled_s = time.monotonic()
        self._in_flight = 0
        self._done = asyncio.Event()
        self._batches: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Take no more messages; batches under way go on."""
        self._task.cancel()

    async def close(self) -> None:
        """Wait for the batches under way."""
        await asyncio.gather(self._task, *self._batches, return_exceptions=True)

    @property
    def concurrency(self) -> int:
        """How many batches may run at once now."""
        most = _MOST if self._mapping.max_concurrency is None else self._mapping.max_concurrency
        return min(int(self._allowed), most)

    async def _run(self) -> None:
        try:
            while not self._queue.is_deleted:
                await self._poll()
        except Exception:  # noqa: BLE001  the border of the task: the log gets the traceback, the mapping a sentence
            self._mapping.last_result = "PROBLEM: The embedded lambdatune endpoint failed; its log has details."
            _log.exception("the mapping of %s to %s stopped", self._queue.arn, self._mapping.function)
            return
        self._mapping.last_result = "PROBLEM: The event source is gone: the queue does not exist."

    async def _poll(self) -> None:
        """Begin one batch."""
        await self._room()
        try:
            batch = await self._gather()
        except ApiError as error:  # too many in flight, or the queue was deleted
            self._mapping.last_result = f"PROBLEM: {error.message}"
            await asyncio.sleep(_ABSENT_S)
            return
        self._scale(is_behind=False)
        if self._invoker.has(self._mapping.function, self._mapping.qualifier):
            self._begin(batch)
        else:
            self._give_back(batch)

    async def _room(self) -> None:
        """Wait until another batch may begin."""
        mapping = self._mapping
        while not self._invoker.has(mapping.function, mapping.qualifier):
            # Nothing is received for a function that is not there, so that nothing is received in vain.
            mapping.last_result = "PROBLEM: Function not found or not active"
            await asyncio.sleep(_ABSENT_S)
            self._scaled_s = time.monotonic()
        while True:
            self._scale(is_behind=self._queue.backlog > 0)
            self._done.clear()
            if self._in_flight >= self.concurrency:
                wait_s = 1 / _PER_SECOND
            elif not self._invoker.has_room(mapping.function, mapping.qualifier):
                wait_s = _ROOM_S
            else:
                return
            try:
                async with asyncio.timeout(wait_s):
                    await self._done.wait()
            except TimeoutError:
                continue

    def _scale(self, *, is_behind: bool) -> None:
        """Allow more batches for the time in which messages waited for their turn, fewer for that in which none did."""
        now_s = time.monotonic()
        step = (now_s - self._scaled_s) * _PER_SECOND
        self._scaled_s = now_s
        self._allowed = min(max(self._allowed + (step if is_behind else -step), float(_FIRST)), float(_MOST))

    async def _gather(self) -> list[Message]:
        """Receive a batch: what is there, or what comes within the batching window."""
        most = self._mapping.batch_size
        batch = await self._receive(most, _LONG_POLL_S)
        try:
            await self._fill(batch, most)
        except (asyncio.CancelledError, ApiError):
            self._give_back(batch)
            raise
        return batch

    async def _fill(self, batch: list[Message], most: int) -> None:
        until_s = time.monotonic() + self._mapping.window_s
        while self._mapping.window_s and batch and len(batch) < most:
            left_s = until_s - time.monotonic()
            size = sum(len(message.body) for message in batch)
            if left_s <= 0 or size >= MAX_EVENT_BYTES:
                break
            batch += await self._receive(most - len(batch), left_s)

    def _give_back(self, batch: list[Message]) -> None:
        for message in batch:
            self._queue.give_back(message)

    async def _receive(self, most: int, wait_s: float) -> list[Message]:
        """Receive messages that pass the filters; the others are deleted, as on AWS."""
        taken = await self._queue.receive(most, wait_s)
        if not self._rules:
            return taken
        kept: list[Message] = []
        for message in taken:
            if passes(self._rules, record_of(message, self._queue, self._region)):
                kept.append(message)
            else:
                self._queue.remove(message)
        return kept

    def _begin(self, batch: list[Message]) -> None:
        """Start a batch; what would make its event too large becomes a batch of its own."""
        records = [_encode(record_of(message, self._queue, self._region)) for message in batch]
        start = 0
        while start < len(batch):
            size, end = 0, start
            while end < len(batch) and (end == start or size + len(records[end]) < MAX_EVENT_BYTES):
                size += len(records[end]) + 1
                end += 1
            payload = b'{"Records":[' + b",".join(records[start:end]) + b"]}"
            self._in_flight += 1
            self._invoker.begin(self._mapping.function)
            task = asyncio.get_running_loop().create_task(
                self._process(batch[start:end], payload, self._mapping.function, self._mapping.qualifier)
            )
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
            start = end

    async def _process(self, batch: list[Message], payload: bytes, function: str, qualifier: str | None) -> None:
        self._invoker.started(function)
        for message in batch:
            message.consumer = function
        # A message that becomes visible again while its batch runs is received anew, under another handle.
        taken = [(message, message.handle, message.receives) for message in batch]
        try:
            await self._invoke(taken, payload, function, qualifier)
        finally:
            self._in_flight -= 1
            self._done.set()

    async def _invoke(
        self, batch: list[tuple[Message, str, int]], payload: bytes, function: str, qualifier: str | None
    ) -> None:
        mapping = self._mapping
        request_id = str(uuid.uuid4())
        until_s = time.monotonic() + self._queue.visibility_s
        back_off_s, longest_s = _BACK_OFF_S
        while True:
            try:
                outcome, _ = await self._invoker.run(function, qualifier, request_id, payload)
                break
            except ApiError as error:
                # Throttles are tried again until the messages are visible again; what cannot pass is not.
                mapping.last_result = f"PROBLEM: {error.message}"
                if error.code != "TooManyRequestsException" or time.monotonic() + back_off_s > until_s:
                    return
                self._allowed = max(self._allowed / 2, float(_FIRST))
                await asyncio.sleep(back_off_s)
                back_off_s = min(back_off_s * 2, longest_s)
        failed = failed_ids(outcome, {m.message_id for m, _, _ in batch}, reports_items=mapping.reports_items)
        mapping.last_result = "OK" if not failed else "PROBLEM: Function call failed"
        for message, handle, receives in batch:
            result = FAILED if message.message_id in failed else EXECUTED
            if result == EXECUTED and message.handle == handle:
                self._queue.remove(message)
            origin = Origin("sqs", message.message_id, message.accepted_ns)
            self._messages.add(
                origin,
                function,
                result,
                call=outcome,
                attempt=receives,
                request_id=request_id,
                batch_size=len(batch),
            )
