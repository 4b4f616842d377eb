"""One table: its items by key, and the stream that tells of every change."""

from __future__ import annotations

import itertools
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lambdatune.local.errors import ApiError
from lambdatune.local.events.dynamodb.values import MAX_ITEM_BYTES, Item, identity, invalid, same, size_of
from lambdatune.local.events.streams.shard import Record, Shard

_FIRST_SEQUENCE = 100_000_000_000_000_000_000
_STEP = 7
"""Sequence numbers of DynamoDB streams ascend with gaps."""

_TYPES = ("S", "N", "B")


@dataclass(slots=True, eq=False)
class TableStream:
    """A stream of a table; it is readable after it was disabled.

    Attributes:
        arn: its ARN.
        table: name of the table.
        keys: the table's KeySchema.
        label: when it was enabled, which is the end of the ARN.
        view: StreamViewType.
        region: named in records.
        status: ENABLING, ENABLED or DISABLED.
        created_s: in seconds of Unix time.
        shards: its only shard.
        is_deleted: whether it is gone, which happens with the endpoint only.
    """

    arn: str
    table: str
    keys: list[dict[str, str]]
    label: str
    view: str
    region: str
    status: str = "ENABLED"
    created_s: float = field(default_factory=time.time)
    shards: list[Shard] = field(default_factory=list)
    is_deleted: bool = False
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Make the shard."""
        self.shards = [Shard(f"shardId-{int(self.created_s * 1e3):020d}-{uuid.uuid4().hex[:8]}")]

    @property
    def first_sequence(self) -> int:
        """The sequence number from which the shard starts."""
        return _FIRST_SEQUENCE + int(self.created_s) * 1_000_000_000

    def add(self, name: str, keys: Item, new: Item | None, old: Item | None) -> None:
        """Record a change.

        Args:
            name: INSERT, MODIFY or REMOVE.
            keys: the item's key.
            new: the item after the change, or None.
            old: the item before the change, or None.
        """
        now_ns = time.time_ns()
        sequence = self.first_sequence + next(self._numbers) * _STEP
        change: dict[str, Any] = {"ApproximateCreationDateTime": now_ns // 1_000_000_000, "Keys": keys}
        if new is not None and self.view in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
            change["NewImage"] = new
        if old is not None and self.view in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}:
            change["OldImage"] = old
        size = sum(size_of(change[part]) for part in ("Keys", "NewImage", "OldImage") if part in change)
        change |= {"SequenceNumber": str(sequence), "SizeBytes": size, "StreamViewType": self.view}
        body = {
            "eventID": uuid.uuid4().hex,
            "eventName": name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": self.region,
            "dynamodb": change,
        }
        key = repr([identity(value) for value in keys.values()])
        self.shards[0].append(Record(sequence, key, body, size, now_ns))


@dataclass(slots=True, eq=False)
class Table:
    """One table.

    Attributes:
        name: its name.
        arn: its ARN.
        region: named in records.
        definitions: AttributeDefinitions.
        keys: KeySchema, the hash key first.
        billing: PROVISIONED or PAY_PER_REQUEST.
        throughput: read and write capacity units; zeros when paid per request.
        tags: key to value.
        is_protected: DeletionProtectionEnabled.
        status: TableStatus.
        identifier: TableId.
        created_s: in seconds of Unix time.
        stream: the latest stream, or None.
        items: by the identity of their key.
        size: of all items, in bytes.
    """

    name: str
    arn: str
    region: str
    definitions: list[dict[str, str]]
    keys: list[dict[str, str]]
    billing: str
    throughput: tuple[int, int]
    tags: dict[str, str]
    is_protected: bool = False
    status: str = "CREATING"
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_s: float = field(default_factory=time.time)
    stream: TableStream | None = None
    items: dict[tuple[Any, ...], Item] = field(default_factory=dict)
    size: int = 0

    def key_of(self, item: Item, *, is_whole: bool) -> Item:
        """Return the key of an item.

        Args:
            item: a whole item, or a key.
            is_whole: whether it may have more attributes than the key.

        Raises:
            ApiError: ValidationException.
        """
        names = [element["AttributeName"] for element in self.keys]
        if not is_whole and set(item) != set(names):
            raise invalid("The provided key element does not match the schema")
        kinds = {each["AttributeName"]: each["AttributeType"] for each in self.definitions}
        for name in names:
            if name not in item:
                raise invalid(f"One or more parameter values were invalid: Missing the key {name} in the item")
            ((kind, content),) = item[name].items()
            if kind != kinds[name]:
                raise invalid(
                    f"One or more parameter values were invalid: Type mismatch for key {name} expected: {kinds[name]} "
                    f"actual: {kind}"
                )
            if content == "":
                raise invalid(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain "
                    f"an empty string value. Key: {name}"
                )
        return {name: item[name] for name in names}

    def get(self, keys: Item) -> Item | None:
        """Return an item, None when there is none."""
        return self.items.get(key_identity(keys))

    def check_size(self, item: Item) -> int:
        """Return the size of an item in bytes.

        Raises:
            ApiError: ValidationException when it is over 400 KB.
        """
        size = size_of(item)
        if size > MAX_ITEM_BYTES:
            raise invalid("Item size has exceeded the maximum allowed size")
        return size

    def put(self, item: Item) -> Item | None:
        """Write an item; return the one that it replaced.

        Raises:
            ApiError: ValidationException.
        """
        keys = self.key_of(item, is_whole=True)
        size = self.check_size(item)
        old = self.items.get(key_identity(keys))
        self.items[key_identity(keys)] = item
        self.size += size - (0 if old is None else size_of(old))
        if not same(old, item):  # a write that changes nothing is not in the stream
            self._tell("INSERT" if old is None else "MODIFY", keys, item, old)
        return old

    def delete(self, keys: Item) -> Item | None:
        """Remove an item; return it, or None when there was none."""
        old = self.items.pop(key_identity(keys), None)
        if old is not None:
            self.size -= size_of(old)
            self._tell("REMOVE", keys, None, old)
        return old

    def enable_stream(self, view: str) -> None:
        """Begin a stream.

        Raises:
            ApiError: ValidationException when there is one.
        """
        if self.stream is not None and self.stream.status == "ENABLED":
            raise invalid(f"Table already has an enabled stream: TableName: {self.name}")
        label = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        arn = f"{self.arn}/stream/{label}"
        self.stream = TableStream(arn, self.name, self.keys, label, view, self.region)

    def disable_stream(self) -> None:
        """End the stream; what it holds can still be read."""
        if self.stream is not None:
            self.stream.status = "DISABLED"

    def view(self) -> dict[str, Any]:
        """Return the API's TableDescription."""
        read, write = self.throughput
        answer: dict[str, Any] = {
            "TableName": self.name,
            "TableArn": self.arn,
            "TableId": self.identifier,
            "TableStatus": self.status,
            "CreationDateTime": round(self.created_s, 3),
            "AttributeDefinitions": self.definitions,
            "KeySchema": self.keys,
            "ItemCount": len(self.items),
            "TableSizeBytes": self.size,
            "DeletionProtectionEnabled": self.is_protected,
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0, "ReadCapacityUnits": read, "WriteCapacityUnits": write,
            },
        }  # fmt: skip
        if self.billing == "PAY_PER_REQUEST":
            answer["BillingModeSummary"] = {"BillingMode": self.billing}
        if self.stream is not None:
            answer |= {"LatestStreamArn": self.stream.arn, "LatestStreamLabel": self.stream.label}
            if self.stream.status == "ENABLED":
                answer["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": self.stream.view}
        return answer

    def _tell(self, name: str, keys: Item, new: Item | None, old: Item | None) -> None:
        if self.stream is not None and self.stream.status == "ENABLED":
            self.stream.add(name, keys, new, old)


def key_identity(keys: Item) -> tuple[Any, ...]:
    """Return what makes two keys one."""
    return tuple(identity(value) for value in keys.values())


def check_schema(definitions: list[dict[str, Any]], keys: list[dict[str, Any]]) -> None:
    """Check AttributeDefinitions and KeySchema of a new table.

    Raises:
        ApiError: ValidationException.
    """
    if not definitions or not keys:
        missing = "keySchema" if not keys else "attributeDefinitions"
        raise invalid(
            f"1 validation error detected: Value null at '{missing}' failed to satisfy constraint: Member must not be "
            "null"
        )
    if [key.get("KeyType") for key in keys] not in (["HASH"], ["HASH", "RANGE"]):
        raise invalid(
            "Invalid KeySchema: The first KeySchemaElement must be a HASH key type, the second, if there is one, a "
            "RANGE key type"
        )
    if not all(isinstance(each.get("AttributeName"), str) for each in definitions + keys):
        raise invalid("One or more parameter values were invalid: an AttributeName is missing or no text")
    named = [key.get("AttributeName") for key in keys]
    defined = [each.get("AttributeName") for each in definitions]
    if len(set(named)) != len(named):
        raise invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    for name in named:
        if name not in defined:
            raise invalid(
                "One or more parameter values were invalid: Some index key attributes are not defined in "
                f"AttributeDefinitions. Keys: [{', '.join(map(str, named))}], AttributeDefinitions: "
                f"[{', '.join(map(str, defined))}]"
            )
    if sorted(map(str, named)) != sorted(map(str, defined)):
        raise invalid(
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match "
            "number of attributes defined in AttributeDefinitions"
        )
    for each in definitions:
        if each.get("AttributeType") not in _TYPES:
            raise invalid(
                f"1 validation error detected: Value '{each.get('AttributeType')}' at 'attributeDefinitions' failed to "
                "satisfy constraint: Member must satisfy enum value set: [B, N, S]"
            )


def no_such_table() -> ApiError:
    """Return ResourceNotFoundException (400) of an item's action."""
    return ApiError("ResourceNotFoundException", "Requested resource not found")
