"""One stream of Kinesis: its shards, which record belongs to which, and how much each takes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError
from lambdatune.local.events.streams.shard import Record, Shard

if TYPE_CHECKING:
    from collections.abc import Callable

_HASHES = 1 << 128
_SECOND_NS = 1_000_000_000
_RECORDS_PER_S = 1_000
_BYTES_PER_S = 1_048_576
_KEY_BYTES = 1_024
"""A record of the largest size comes with a partition key, and is taken."""


@dataclass(slots=True)
class _Window:
    """What a shard has taken in the second that began at `began_ns`, on the monotonic clock."""

    began_ns: int = 0
    records: int = 0
    size: int = 0

    def take(self, size: int) -> bool:
        """Count a record in if it may be written (AWS docs, "Quotas and limits"); return whether it was."""
        now_ns = time.monotonic_ns()
        if now_ns - self.began_ns >= _SECOND_NS:
            self.began_ns, self.records, self.size = now_ns, 0, 0
        if self.records >= _RECORDS_PER_S or self.size + size > _BYTES_PER_S + _KEY_BYTES:
            return False
        self.records += 1
        self.size += size
        return True


@dataclass(slots=True, eq=False)
class Stream:
    """One stream.

    Attributes:
        name: its name.
        arn: its ARN.
        account_id: named in refusals.
        shard_count: how many shards it has.
        mode: PROVISIONED or ON_DEMAND.
        tags: key to value.
        status: AWS's StreamStatus.
        created_s: in seconds of Unix time.
        shards: all shards.
        is_deleted: whether it is gone.
    """

    name: str
    arn: str
    account_id: str
    shard_count: int
    mode: str
    tags: dict[str, str]
    status: str = "CREATING"
    created_s: float = field(default_factory=time.time)
    shards: list[Shard] = field(default_factory=list)
    is_deleted: bool = False
    _windows: list[_Window] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the shards."""
        self.shards = [Shard(f"shardId-{index:012d}") for index in range(self.shard_count)]
        self._windows = [_Window() for _ in self.shards]

    @property
    def identity(self) -> str:
        """What tells this stream from a later one of the same name."""
        return f"{self.arn} {self.created_s}"

    def put(self, key: str, explicit_hash: int | None, data: str, size: int) -> tuple[Shard, int]:
        """Write a record; return its shard and sequence number.

        Args:
            key: the partition key.
            explicit_hash: stands in for the hash of the key.
            data: base64.
            size: of the data, in bytes.

        Raises:
            ApiError: ProvisionedThroughputExceededException.
        """
        key_bytes = key.encode()
        place = explicit_hash
        if place is None:
            place = int.from_bytes(hashlib.md5(key_bytes, usedforsecurity=False).digest())
        index = min(place // (_HASHES // self.shard_count), self.shard_count - 1)
        shard = self.shards[index]
        if not self._windows[index].take(size + len(key_bytes)):
            sentence = (
                f"Rate exceeded for shard {shard.shard_id} in stream {self.name} under account {self.account_id}."
            )
            raise ApiError("ProvisionedThroughputExceededException", sentence)
        now_ns = time.time_ns()
        sequence = self.sequence(index, shard.end + 1, now_ns // _SECOND_NS)
        shard.append(Record(sequence, key, data, size, now_ns))
        return shard, sequence

    def sequence(self, index: int, number: int, at_s: int) -> int:
        """Return a sequence number of 56 digits: birth of the stream, number of the record, its second, its shard."""
        bits = 2 << 36 | int(self.created_s)
        bits = bits << 4 | index & 0xF
        bits = bits << 64 | number
        bits = bits << 8
        bits = bits << 36 | at_s
        bits = bits << 32 | index
        return bits << 4 | 2

    def shard(self, shard_id: object) -> Shard | None:
        """Return a shard, None when there is none of this id."""
        return next((shard for shard in self.shards if shard.shard_id == shard_id), None)

    def shard_view(self, shard: Shard) -> dict[str, Any]:
        """Return the API's Shard."""
        index, width = self.shards.index(shard), _HASHES // self.shard_count
        last = _HASHES if index == self.shard_count - 1 else (index + 1) * width
        return {
            "ShardId": shard.shard_id,
            "HashKeyRange": {"StartingHashKey": str(index * width), "EndingHashKey": str(last - 1)},
            "SequenceNumberRange": {"StartingSequenceNumber": str(self.sequence(index, 0, int(self.created_s)))},
        }


class Streams:
    """The streams of one endpoint.

    Args:
        region: of ARNs.
        account_id: of ARNs.
        later: runs a change after the endpoint's settle time.
    """

    def __init__(self, region: str, account_id: str, later: Callable[[Callable[[], None]], None]) -> None:
        self._region = region
        self._account_id = account_id
        self._later = later
        self._streams: dict[str, Stream] = {}

    def all(self) -> list[Stream]:
        """Return the streams by name."""
        return [stream for _, stream in sorted(self._streams.items())]

    def create(self, name: str, shard_count: int, mode: str, tags: dict[str, str]) -> None:
        """Make a stream.

        Raises:
            ApiError: ResourceInUseException when there is one of this name.
        """
        if name in self._streams:
            sentence = f"Stream {name} under account {self._account_id} already exists."
            raise ApiError("ResourceInUseException", sentence)
        arn = f"arn:aws:kinesis:{self._region}:{self._account_id}:stream/{name}"
        stream = self._streams[name] = Stream(name, arn, self._account_id, shard_count, mode, tags)
        self._later(lambda: self._become(stream, "CREATING", "ACTIVE"))

    def delete(self, stream: Stream) -> None:
        """Remove a stream with its records."""
        stream.status = "DELETING"
        self._later(lambda: self._forget(stream))

    def get(self, name: str) -> Stream:
        """Return a stream in any state.

        Raises:
            ApiError: ResourceNotFoundException.
        """
        stream = self._streams.get(name)
        if stream is None:
            sentence = f"Stream {name} under account {self._account_id} not found."
            raise ApiError("ResourceNotFoundException", sentence)
        return stream

    def by_arn(self, arn: str) -> Stream | None:
        """Return the stream of an ARN, None when there is none."""
        stream = self._streams.get(arn.rpartition("/")[2])
        return stream if stream is not None and stream.arn == arn else None

    def _become(self, stream: Stream, before: str, after: str) -> None:
        if stream.status == before:
            stream.status = after

    def _forget(self, stream: Stream) -> None:
        stream.is_deleted = True
        self._streams.pop(stream.name, None)
