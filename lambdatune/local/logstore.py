"""CloudWatch Logs in memory: groups, streams, and events in bounded rings."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

_STREAM_BYTES = 4 * 1024 * 1024
_GROUP_BYTES = 64 * 1024 * 1024
_STREAMS_PER_GROUP = 2_000
_EVENT_OVERHEAD_BYTES = 26
"""What CloudWatch Logs counts for an event besides its message (AWS docs, PutLogEvents)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One log event.

    Attributes:
        timestamp_ms: Unix milliseconds.
        message: the text, as written.
        number: position in its stream, counted from 0 over the stream's whole life.
    """

    timestamp_ms: int
    message: str
    number: int


@dataclass(slots=True, eq=False)
class Stream:
    """The log of one execution environment; the oldest events go when it holds more than 4 MB."""

    name: str
    created_ms: int
    group: Group
    events: deque[Event] = field(default_factory=deque)
    first_ms: int | None = None
    last_ms: int | None = None
    count: int = 0
    _bytes: int = 0

    def append(self, message: str, timestamp_ms: int) -> None:
        """Add an event."""
        if self.first_ms is None:
            self.first_ms = timestamp_ms
        self.last_ms = timestamp_ms
        self.events.append(Event(timestamp_ms, message, self.count))
        self.count += 1
        size = len(message) + _EVENT_OVERHEAD_BYTES
        self._bytes += size
        self.group.stored_bytes += size
        while self._bytes > _STREAM_BYTES and len(self.events) > 1:
            self.drop_oldest()
        if self.group.stored_bytes > _GROUP_BYTES:
            self.group.shrink(_GROUP_BYTES)

    def drop_oldest(self) -> None:
        """Forget the oldest event."""
        size = len(self.events.popleft().message) + _EVENT_OVERHEAD_BYTES
        self._bytes -= size
        self.group.stored_bytes -= size

    def since(self, start_ms: int) -> list[Event]:
        """Return the events from `start_ms` on; whoever reads on looks at no event that it has read long ago."""
        recent = list(itertools.takewhile(lambda event: event.timestamp_ms >= start_ms, reversed(self.events)))
        recent.reverse()
        return recent

    @property
    def stored_bytes(self) -> int:
        """Size of the events that are held."""
        return self._bytes


@dataclass(slots=True, eq=False)
class Group:
    """A log group; the oldest streams go when it holds more than 2000, and their events when it is over 64 MB."""

    name: str
    created_ms: int
    retention_days: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    streams: OrderedDict[str, Stream] = field(default_factory=OrderedDict)
    stored_bytes: int = 0

    def shrink(self, limit_bytes: int) -> None:
        """Forget events of the oldest streams until the group holds at most `limit_bytes`."""
        for stream in self.streams.values():
            while stream.events and self.stored_bytes > limit_bytes:
                stream.drop_oldest()
            if self.stored_bytes <= limit_bytes:
                return

    def drop_stream(self) -> None:
        """Forget the oldest stream."""
        _, stream = self.streams.popitem(last=False)
        self.stored_bytes -= stream.stored_bytes


class LogStore:
    """All log groups of the endpoint."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}

    def group(self, name: str) -> Group:
        """Return the group `name`, made when it is not there."""
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name, now_ms())
        return group

    def stream(self, group_name: str, name: str) -> Stream:
        """Return a stream, made (with its group) when it is not there."""
        group = self.group(group_name)
        stream = group.streams.get(name)
        if stream is None:
            stream = group.streams[name] = Stream(name, now_ms(), group)
            if len(group.streams) > _STREAMS_PER_GROUP:
                group.drop_stream()
        return stream


def now_ms() -> int:
    """Return the wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000
