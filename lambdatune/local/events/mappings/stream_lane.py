"""A lane: records that are processed one batch after the other, and what becomes of a batch that fails.

Source: AWS docs, "How Lambda processes records from stream and queue-based event sources".
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from lambdatune.local.errors import ApiError
from lambdatune.local.events.mappings.answers import MAX_EVENT_BYTES, failed_ids
from lambdatune.local.events.mappings.stream_batch import AGED, EXHAUSTED, Execution, GivenUp, parcel_of
from lambdatune.local.events.mappings.stream_settings import FOREVER
from lambdatune.local.events.record import DEAD_LETTERED, DROPPED, EXECUTED, FAILED, Origin
from lambdatune.local.events.streams.shard import RETENTION_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.local.events.deliveries import Deliveries
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.mappings.records import Mapping
    from lambdatune.local.events.mappings.stream_batch import Kind, Origins
    from lambdatune.local.events.mappings.stream_settings import StreamSettings
    from lambdatune.local.events.record import Messages
    from lambdatune.local.events.streams.shard import Feed, Record
    from lambdatune.local.names import Naming

_encode = msgspec.json.Encoder().encode
_ROOM_S = 0.01
_ABSENT_S = 0.1
_LONGEST_BACK_OFF_POLLS = 30
_HEAD, _TAIL = b'{"Records":[', b"]}"


@dataclass(slots=True, eq=False)
class Item:
    """A record that is to be processed.

    Attributes:
        record: the record.
        executions: how often it was in a batch that was executed.
        encoded: its element of the event, once it is in a batch.
    """

    record: Record
    executions: int = 0
    encoded: bytes = b""


@dataclass(slots=True, eq=False)
class Progress:
    """How far a mapping has processed a stream; it outlives the poller.

    Attributes:
        feed: the stream.
        positions: what is read next, by shard id.
        left: what was read and not yet processed, by shard id, in order.
    """

    feed: Feed
    positions: dict[str, int] = field(default_factory=dict)
    left: dict[str, list[Item]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Batch:
    """A batch.

    Attributes:
        items: what it holds.
        failures: its executions that count as attempts.
        last: its last execution, or None.
    """

    items: list[Item]
    failures: int = 0
    last: Execution | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What the lanes of one poller share.

    Attributes:
        mapping: what is told how it goes.
        asked: the mapping as it was when the poller began: what runs is not changed by an update.
        settings: how the stream is read.
        kind: of the stream.
        invoker: runs the batches.
        deliveries: takes what is given up to its destination.
        messages: the record.
        naming: makes ARNs.
        poll_s: from one poll of a shard to the next, in seconds.
        stopping: set when nothing more is to begin.
    """

    mapping: Mapping
    asked: Mapping
    settings: StreamSettings
    kind: Kind
    invoker: Invoker
    deliveries: Deliveries
    messages: Messages
    naming: Naming
    poll_s: float
    stopping: asyncio.Event

    async def pause(self, wait_s: float) -> None:
        """Wait, or less when the poller stops."""
        try:
            async with asyncio.timeout(wait_s):
                await self.stopping.wait()
        except TimeoutError:
            return


class Lane:
    """Processes the records that it is given, in order, until the poller stops.

    Args:
        work: what the lanes share.
        origins: where its records come from.
    """

    def __init__(self, work: Work, origins: Origins) -> None:
        self._work = work
        self._mapping = work.mapping
        self._asked = work.asked
        self._origins = origins
        self._items: deque[Item] = deque()
        self._first: list[_Batch] = []
        """Batches that come before the items, the next one last."""
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many records wait."""
        return len(self._items)

    def add(self, items: Iterable[Item]) -> None:
        """Give it records, later ones than it has."""
        self._items.extend(items)
        self._news.set()

    def wake(self) -> None:
        """Let it see that the poller stops."""
        self._news.set()

    def left(self) -> list[Item]:
        """Return what is not processed, after the end."""
        return [item for batch in reversed(self._first) for item in batch.items] + list(self._items)

    async def run(self) -> None:
        """Process batches."""
        stopping = self._work.stopping
        while not stopping.is_set():
            if not self._first:
                await self._gather()
            await self._room()
            if stopping.is_set():
                break
            batch = self._first.pop() if self._first else self._take()
            await self._process(batch)

    async def _gather(self) -> None:
        """Wait until there is a batch: a full one, or what came within the batching window."""
        await self._until(1, None)
        if self._asked.window_s:
            await self._until(self._asked.batch_size, time.monotonic() + self._asked.window_s)

    async def _until(self, count: int, until_s: float | None) -> None:
        """Wait until there are `count` items, or as much as an event holds, or a time has come."""
        stopping = self._work.stopping
        while len(self._items) < count and not stopping.is_set():
            if until_s is not None and sum(item.record.size for item in self._items) >= MAX_EVENT_BYTES:
                return
            self._news.clear()
            try:
                async with asyncio.timeout(None if until_s is None else max(until_s - time.monotonic(), 0)):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _room(self) -> None:
        """Wait until a batch may begin."""
        asked, invoker, stopping = self._asked, self._work.invoker, self._work.stopping
        while not stopping.is_set():
            if not invoker.has(asked.function, asked.qualifier):
                self._mapping.last_result = "PROBLEM: Function not found or not active"
                await self._work.pause(_ABSENT_S)
            elif not invoker.has_room(asked.function, asked.qualifier):
                await self._work.pause(_ROOM_S)
            else:
                return

    def _take(self) -> _Batch:
        """Return the next batch of the items, as many as an event holds."""
        asked, work = self._asked, self._work
        _, version = work.invoker.find(asked.function, asked.qualifier)
        taken: list[Item] = []
        role, size = version.configuration.role, len(_HEAD) + len(_TAIL)
        while self._items and len(taken) < asked.batch_size:
            item = self._items[0]
            item.encoded = _encode(work.kind.event(item.record, self._origins, role))
            size += len(item.encoded) + 1
            if taken and size > MAX_EVENT_BYTES:
                break
            taken.append(self._items.popleft())
        return _Batch(taken)

    async def _process(self, batch: _Batch) -> None:
        """Run a batch until it is done, given up or divided, or the poller stops."""
        work, asked = self._work, self._asked
        back_off_s, request_id = work.poll_s, str(uuid.uuid4())
        while True:
            self._let_go_of_old(batch)
            if not batch.items:
                return
            payload = _HEAD + b",".join([item.encoded for item in batch.items]) + _TAIL
            try:
                call, version = await work.invoker.run(asked.function, asked.qualifier, request_id, payload)
            except ApiError as error:  # nothing was executed: a throttle, or a function that is not there
                self._mapping.last_result = f"PROBLEM: {error.message}"
            else:
                if self._is_settled(batch, Execution(call, request_id, version.version)):
                    return
                request_id = str(uuid.uuid4())
            await work.pause(back_off_s)
            await self._room()
            if work.stopping.is_set():
                self._first.append(batch)
                return
            back_off_s = min(back_off_s * 2, work.poll_s * _LONGEST_BACK_OFF_POLLS)

    def _is_settled(self, batch: _Batch, execution: Execution) -> bool:
        """Take note of an execution; return whether this batch, as it now is, is not to be tried again."""
        items, settings = batch.items, self._work.settings
        for item in items:
            item.executions += 1
        names = {str(item.record.sequence): index for index, item in enumerate(items)}
        failed = failed_ids(execution.call, set(names), reports_items=self._asked.reports_items)
        self._mapping.last_result = "PROBLEM: Function call failed" if failed else "OK"
        # What comes before the first failure is done, all the rest is tried again.
        done = min((names[name] for name in failed), default=len(items))
        self._record(items[:done], EXECUTED, execution, len(items))
        if not failed:
            return True
        batch.items = rest = items[done:]
        batch.last = execution
        if settings.bisects and len(items) > 1:  # neither division counts as a retry
            self._record(rest, FAILED, execution, len(items))
            self._divide(batch, is_partial=done > 0)
            return True
        batch.failures += 1
        if FOREVER < settings.max_retries < batch.failures:
            kept = self._give_up(rest, EXHAUSTED, execution)
            self._record(rest, kept, execution, len(items))
            return True
        self._record(rest, FAILED, execution, len(items))
        return False

    def _divide(self, batch: _Batch, *, is_partial: bool) -> None:
        """Put a batch that failed before the others: the rest of one that was done in part, or two halves."""
        if is_partial:
            self._first.append(batch)
            return
        middle = (len(batch.items) + 1) // 2
        self._first.append(_Batch(batch.items[middle:], batch.failures, batch.last))
        self._first.append(_Batch(batch.items[:middle], batch.failures, batch.last))

    def _let_go_of_old(self, batch: _Batch) -> None:
        """Give up the records that are too old to be tried."""
        max_age_s = self._work.settings.max_age_s
        oldest_ns = time.time_ns() - (RETENTION_S if max_age_s == FOREVER else max_age_s) * 1_000_000_000
        if batch.items[0].record.arrived_ns >= oldest_ns:
            return
        old = [item for item in batch.items if item.record.arrived_ns < oldest_ns]
        batch.items = batch.items[len(old) :]
        self._record(old, self._give_up(old, AGED, batch.last), None, len(old))

    def _give_up(self, items: list[Item], condition: str, last: Execution | None) -> str:
        """Tell the destination; return the outcome of the records."""
        work, asked = self._work, self._asked
        target = work.settings.on_failure
        if not target:
            return DROPPED
        arn = work.naming.function_arn(asked.function, asked.qualifier)
        records = [item.record for item in items]
        given_up = GivenUp(condition, records, arn, items[0].executions, last)
        kept = work.deliveries.send(target, parcel_of(given_up, work.kind, self._origins))
        return DEAD_LETTERED if kept else DROPPED

    def _record(self, items: list[Item], outcome: str, execution: Execution | None, batch_size: int) -> None:
        for item in items:
            self._work.messages.add(
                Origin(self._work.kind.source, str(item.record.sequence), item.record.arrived_ns),
                self._asked.function,
                outcome,
                call=None if execution is None else execution.call,
                attempt=item.executions,
                request_id=None if execution is None else execution.request_id,
                batch_size=batch_size,
            )
