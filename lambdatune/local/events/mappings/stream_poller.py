"""The poller of a mapping of a stream: reads every shard at its times, and gives the records to lanes.

Source: AWS docs, "Using Lambda with Kinesis Data Streams" and "Using Lambda with DynamoDB": a shard of Kinesis is
polled once a second, one of DynamoDB four times; a lane is chosen by the partition key.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from copy import copy
from typing import TYPE_CHECKING

from lambdatune.local.events import patterns
from lambdatune.local.events.deliveries import service_of
from lambdatune.local.events.mappings.stream_batch import KINDS, Origins
from lambdatune.local.events.mappings.stream_lane import Item, Lane, Progress, Work

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lambdatune.local.events.deliveries import Deliveries
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.mappings.records import Mapping
    from lambdatune.local.events.mappings.stream_settings import StreamSettings
    from lambdatune.local.events.record import Messages
    from lambdatune.local.events.streams.shard import Feed, Record, Shard
    from lambdatune.local.names import Naming

_log = logging.getLogger(__name__)

_MOST_RECORDS = 10_000
_MOST_BYTES = 10 * 1024 * 1024
_MOST_WAITING = 50_000


class StreamPoller:
    """Polls one stream for one mapping until it is stopped.

    Args:
        mapping: what is asked for.
        settings: how the stream is read.
        feed: the stream.
        invoker: runs the batches.
        deliveries: takes what is given up to its destination.
        messages: the record.
        naming: makes ARNs.
        poll_s: from one poll of a Kinesis shard to the next, in seconds; a shard of DynamoDB is polled more often.
    """

    def __init__(
        self,
        mapping: Mapping,
        settings: StreamSettings,
        feed: Feed,
        invoker: Invoker,
        deliveries: Deliveries,
        messages: Messages,
        naming: Naming,
        poll_s: float,
    ) -> None:
        self._mapping = mapping
        self._feed = feed
        self._rules = mapping.rules
        kind, asked, stopping = KINDS[service_of(feed.arn)], copy(mapping), asyncio.Event()
        poll_s /= kind.polls
        self._work = Work(mapping, asked, settings, kind, invoker, deliveries, messages, naming, poll_s, stopping)
        if mapping.progress is None or mapping.progress.feed is not feed:
            mapping.progress = Progress(feed, {shard.shard_id: _start(settings, shard) for shard in feed.shards})
        self._progress = mapping.progress
        self._lanes = {
            shard.shard_id: [
                Lane(self._work, Origins(feed.arn, shard.shard_id, naming.region)) for _ in range(settings.parallel)
            ]
            for shard in feed.shards
        }
        create = asyncio.get_running_loop().create_task
        self._tasks = [create(self._guard(self._read(shard))) for shard in feed.shards]
        self._tasks += [create(self._guard(lane.run())) for lanes in self._lanes.values() for lane in lanes]

    def stop(self) -> None:
        """Begin no more batches; those under way go on, and are not tried again."""
        self._work.stopping.set()
        for lanes in self._lanes.values():
            for lane in lanes:
                lane.wake()

    async def close(self) -> None:
        """Wait for the batches under way, and keep what is left for the next poller of the mapping."""
        await asyncio.gather(*self._tasks)
        for shard_id, lanes in self._lanes.items():
            left = [item for lane in lanes for item in lane.left()]
            self._progress.left[shard_id] = sorted(left, key=lambda item: item.record.sequence)

    @property
    def concurrency(self) -> int:
        """How many batches may run at once."""
        return sum(len(lanes) for lanes in self._lanes.values())

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001  the border of the task: the log gets the traceback, the mapping a sentence
            self._mapping.last_result = "PROBLEM: The embedded lambdatune endpoint failed; its log has details."
            _log.exception("the mapping of %s to %s stopped", self._feed.arn, self._mapping.function)

    async def _read(self, shard: Shard) -> None:
        """Read one shard at its times."""
        lanes, positions, work = self._lanes[shard.shard_id], self._progress.positions, self._work
        self._distribute(self._progress.left.pop(shard.shard_id, []), lanes)
        next_s = time.monotonic()
        while not work.stopping.is_set():
            if self._feed.is_deleted:
                self._mapping.last_result = "PROBLEM: The event source is gone: the stream does not exist."
                return
            if sum(len(lane) for lane in lanes) < _MOST_WAITING:
                position = positions[shard.shard_id]
                if position < shard.horizon:
                    gone = shard.horizon - position
                    _log.warning(
                        "%d records of %s were gone before a mapping of %s read them",
                        gone,
                        shard.shard_id,
                        self._feed.arn,
                    )
                records, positions[shard.shard_id] = shard.read(position, _MOST_RECORDS, _MOST_BYTES)
                self._distribute([Item(record) for record in records if self._passes(record)], lanes)
                if records and positions[shard.shard_id] < shard.end:
                    await asyncio.sleep(0)
                    continue
            next_s = max(next_s + work.poll_s, time.monotonic())
            await work.pause(next_s - time.monotonic())

    def _distribute(self, items: list[Item], lanes: list[Lane]) -> None:
        """Give every record to the lane of its key."""
        if not items:
            return
        if len(lanes) == 1:
            lanes[0].add(items)
            return
        by_lane: list[list[Item]] = [[] for _ in lanes]
        for item in items:
            by_lane[zlib.crc32(item.record.key.encode()) % len(lanes)].append(item)
        for lane, mine in zip(lanes, by_lane, strict=True):
            if mine:
                lane.add(mine)

    def _passes(self, record: Record) -> bool:
        if not self._rules:
            return True
        seen = self._work.kind.seen(record)
        return any(patterns.matches(rule, seen) for rule in self._rules)


def _start(settings: StreamSettings, shard: Shard) -> int:
    """Return the position in a shard from which a new mapping reads."""
    if settings.timestamp_s is not None:
        return shard.position_at(settings.timestamp_s)
    return shard.end if settings.position == "LATEST" else shard.horizon
