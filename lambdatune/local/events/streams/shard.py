"""A shard: records in the order of their sequence numbers, of which the oldest are let go."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

RETENTION_S = 24 * 3_600
"""What a new Kinesis stream keeps, and every DynamoDB stream."""

_MOST_BYTES = 256 * 1024 * 1024
_TRIMMED_TO = 0.9


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a shard.

    Attributes:
        sequence: its sequence number, ascending in the shard.
        key: records of the same key are processed in order.
        body: Kinesis: the data in base64; DynamoDB: the record as the streams API gives it.
        size: in bytes, as limits count it.
        arrived_ns: when it was accepted, in nanoseconds of Unix time.
    """

    sequence: int
    key: str
    body: Any
    size: int
    arrived_ns: int


class Feed(Protocol):
    """A stream, as a mapping reads it."""

    @property
    def arn(self) -> str:
        """ARN of the stream."""

    @property
    def shards(self) -> Sequence[Shard]:
        """All shards."""

    @property
    def is_deleted(self) -> bool:
        """Whether there is no such stream any more."""


class Shard:
    """The records of one shard. A position counts its records from 0, those that are gone included.

    Records older than a day are gone, and the oldest of more than 256 MB, because all are in this process's memory.

    Args:
        shard_id: for example shardId-000000000000.
    """

    def __init__(self, shard_id: str) -> None:
        self.shard_id = shard_id
        self._records: list[Record] = []
        self._gone = 0
        self._bytes = 0

    @property
    def end(self) -> int:
        """The position of the next record."""
        return self._gone + len(self._records)

    @property
    def horizon(self) -> int:
        """The position of the oldest record that is kept."""
        self._trim()
        return self._gone

    @property
    def oldest(self) -> Record | None:
        """The oldest record that is kept, None when there is none."""
        self._trim()
        return self._records[0] if self._records else None

    def append(self, record: Record) -> None:
        """Add a record, whose sequence number is the highest."""
        self._records.append(record)
        self._bytes += record.size
        if self._bytes > _MOST_BYTES:
            self._trim()

    def read(self, position: int, most: int, most_bytes: int) -> tuple[list[Record], int]:
        """Return records from a position on, at least one if there is one, and the position after them."""
        start = max(position, self.horizon) - self._gone
        size, end = 0, start
        last = min(start + most, len(self._records))
        while end < last and (end == start or size + self._records[end].size <= most_bytes):
            size += self._records[end].size
            end += 1
        return self._records[start:end], self._gone + max(start, end)

    def position_of(self, sequence: int, *, after: bool = False) -> int:
        """Return the position of a sequence number, or the one after it."""
        find = bisect_right if after else bisect_left
        return self.horizon + find(self._records, sequence, key=lambda record: record.sequence)

    def position_at(self, at_s: float) -> int:
        """Return the position of the first record that came at a time, in seconds of Unix time, or later."""
        return self.horizon + bisect_left(self._records, at_s * 1e9, key=lambda record: record.arrived_ns)

    def behind_ms(self, position: int) -> int:
        """Return how old the record at a position is, 0 at the end."""
        index = position - self._gone
        if not 0 <= index < len(self._records):
            return 0
        return max((time.time_ns() - self._records[index].arrived_ns) // 1_000_000, 0)

    def _trim(self) -> None:
        """Let go of what is too old, and of the oldest of what is too much."""
        oldest_ns = time.time_ns() - RETENTION_S * 1_000_000_000
        allowed = self._bytes if self._bytes <= _MOST_BYTES else int(_MOST_BYTES * _TRIMMED_TO)
        count = 0
        for record in self._records:
            if record.arrived_ns >= oldest_ns and self._bytes <= allowed:
                break
            self._bytes -= record.size
            count += 1
        if count:
            del self._records[:count]
            self._gone += count
