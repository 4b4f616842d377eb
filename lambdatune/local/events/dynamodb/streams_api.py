"""The actions of DynamoDB Streams."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented, validation
from lambdatune.local.events.dynamodb.api import CONTENT
from lambdatune.local.events.streams.iterators import Place, place_of
from lambdatune.local.reply import Reply, json_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.dynamodb.table import TableStream
    from lambdatune.local.events.dynamodb.tables import Tables
    from lambdatune.local.events.streams.shard import Shard
    from lambdatune.local.httpd import Request

_ITERATOR_TYPES = ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST")
_MAX_RECORDS = 1_000
_MAX_BYTES = 1_048_576
_ITERATOR_S = 900


class StreamsApi:
    """Serves the actions of DynamoDB Streams.

    Args:
        tables: all tables.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ListStreams": self._list,
            "DescribeStream": self._describe,
            "GetShardIterator": self._iterator,
            "GetRecords": self._get,
        }

    async def serve(self, action: str, request: Request) -> Reply:
        """Serve one action.

        Raises:
            ApiError: UnknownOperationException for what is not implemented, and the errors of the actions.
        """
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"DynamoDB Streams {action}")
        return Reply(200, handler(json_body(request)), content_type=CONTENT)

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        limit, table = _limit(body, 100), body.get("TableName")
        after = str(body.get("ExclusiveStartStreamArn") or "")
        left = [stream for stream in self._tables.streams() if stream.arn > after and table in (None, stream.table)]
        answer: dict[str, Any] = {
            "Streams": [
                {"StreamArn": stream.arn, "TableName": stream.table, "StreamLabel": stream.label}
                for stream in left[:limit]
            ]
        }
        if len(left) > limit:
            answer["LastEvaluatedStreamArn"] = left[limit - 1].arn
        return answer

    def _describe(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(body.get("StreamArn"))
        _limit(body, 100)
        (shard,) = stream.shards
        numbers = {"StartingSequenceNumber": str(stream.first_sequence)}
        shards = [{"ShardId": shard.shard_id, "SequenceNumberRange": numbers}]
        after = body.get("ExclusiveStartShardId")
        return {
            "StreamDescription": {
                "StreamArn": stream.arn,
                "StreamLabel": stream.label,
                "StreamStatus": stream.status,
                "StreamViewType": stream.view,
                "CreationRequestDateTime": round(stream.created_s, 3),
                "TableName": stream.table,
                "KeySchema": stream.keys,
                "Shards": shards if after is None or shard.shard_id > str(after) else [],
            }
        }

    def _iterator(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(body.get("StreamArn"))
        (shard,), kind = stream.shards, body.get("ShardIteratorType")
        if body.get("ShardId") != shard.shard_id:
            sentence = f"Requested resource not found: Shard: {body.get('ShardId')} not found"
            raise ApiError("ResourceNotFoundException", sentence)
        if kind not in _ITERATOR_TYPES:
            raise validation(
                "shardIteratorType", kind, f"Member must satisfy enum value set: [{', '.join(_ITERATOR_TYPES)}]"
            )
        position = _position(shard, str(kind), body.get("SequenceNumber"))
        return {"ShardIterator": Place(stream.arn, shard.shard_id, position, time.time()).token()}

    def _get(self, body: dict[str, Any]) -> dict[str, Any]:
        limit, place = _limit(body, _MAX_RECORDS), place_of(body.get("ShardIterator"))
        if place is None:
            raise ApiError("ValidationException", "Invalid ShardIterator")
        (shard,) = self._stream(place.stream).shards
        if place.age_s > _ITERATOR_S:
            raise ApiError("ExpiredIteratorException", f"Iterator expired: it lasts {_ITERATOR_S} s.")
        if place.position < shard.horizon:
            raise ApiError("TrimmedDataAccessException", "The records of the iterator are gone: they were trimmed.")
        records, after = shard.read(place.position, limit, _MAX_BYTES)
        return {
            "Records": [record.body for record in records],
            "NextShardIterator": Place(place.stream, shard.shard_id, after, time.time()).token(),
        }

    def _stream(self, arn: object) -> TableStream:
        stream = self._tables.stream(str(arn))
        if stream is None:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
        return stream


def _position(shard: Shard, kind: str, sequence: object) -> int:
    if kind == "TRIM_HORIZON":
        return shard.horizon
    if kind == "LATEST":
        return shard.end
    if not isinstance(sequence, str) or not (sequence.isascii() and sequence.isdecimal()) or len(sequence) > 40:
        raise ApiError("ValidationException", f"Invalid SequenceNumber for ShardIteratorType {kind}")
    oldest = shard.oldest
    if shard.horizon and (oldest is None or int(sequence) < oldest.sequence):
        raise ApiError("TrimmedDataAccessException", f"The record {sequence} is gone: it was trimmed.")
    return shard.position_of(int(sequence), after=kind == "AFTER_SEQUENCE_NUMBER")


def _limit(body: dict[str, Any], most: int) -> int:
    limit = body.get("Limit", most)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        raise validation("limit", limit, f"Member must have value between 1 and {most}")
    return limit
