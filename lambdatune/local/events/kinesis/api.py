"""The actions of Kinesis Data Streams."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented, validation
from lambdatune.local.events.kinesis import requests
from lambdatune.local.events.kinesis.requests import invalid, stream_name, whole
from lambdatune.local.events.streams.iterators import Place, place_of
from lambdatune.local.reply import Reply, json_body, structure, structures, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.kinesis.stream import Stream, Streams
    from lambdatune.local.events.streams.shard import Record, Shard
    from lambdatune.local.httpd import Request

_CONTENT = "application/x-amz-json-1.1"
_MAX_PUT_RECORDS = 500
_MAX_PUT_BYTES = 10 * 1024 * 1024
_MAX_GET_RECORDS = 10_000
_MAX_GET_BYTES = 10 * 1024 * 1024
_ITERATOR_S = 300
_MAX_SHARDS = 500
_ON_DEMAND_SHARDS = 4
_ITERATOR_TYPES = ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")
_SHARD_FILTERS = (
    "AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP",
)  # fmt: skip


class KinesisApi:
    """Serves the actions of Kinesis.

    Args:
        streams: all streams.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "CreateStream": self._create,
            "DeleteStream": self._delete,
            "DescribeStream": self._describe,
            "DescribeStreamSummary": self._summary,
            "ListStreams": self._list,
            "ListShards": self._list_shards,
            "PutRecord": self._put,
            "PutRecords": self._put_many,
            "GetShardIterator": self._iterator,
            "GetRecords": self._get,
            "AddTagsToStream": self._add_tags,
            "RemoveTagsFromStream": self._remove_tags,
            "ListTagsForStream": self._list_tags,
        }

    async def serve(self, action: str, request: Request) -> Reply:
        """Serve one action.

        Raises:
            ApiError: UnknownOperationException for what is not implemented, and the errors of the actions.
        """
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"Kinesis {action}")
        if "cbor" in request.headers.get("content-type", ""):
            raise not_implemented("Kinesis in CBOR: use the JSON protocol (AWS_CBOR_DISABLE=true)")
        answer = handler(json_body(request))
        return Reply(200, answer, content_type=_CONTENT)

    # Streams.

    def _create(self, body: dict[str, Any]) -> None:
        name = requests.new_name(body.get("StreamName"))
        mode = structure(body.get("StreamModeDetails")).get("StreamMode", "PROVISIONED")
        if mode not in ("PROVISIONED", "ON_DEMAND"):
            raise validation(
                "streamModeDetails.streamMode", mode, "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]"
            )
        if mode == "ON_DEMAND":
            if body.get("ShardCount") is not None:
                raise ApiError("ValidationException", "ShardCount must not be set for a stream of mode ON_DEMAND.")
            count = _ON_DEMAND_SHARDS
        else:
            if body.get("ShardCount") is None:
                raise ApiError("ValidationException", "ShardCount must be set for a stream of mode PROVISIONED.")
            count = whole(body, "ShardCount", 1, 100_000, 1)
            if count > _MAX_SHARDS:
                sentence = f"This request would exceed the shard limit for the account: {_MAX_SHARDS}."
                raise ApiError("LimitExceededException", sentence)
        self._streams.create(name, count, mode, requests.tags(body.get("Tags")))

    def _delete(self, body: dict[str, Any]) -> None:
        self._streams.delete(self._stream(body))

    def _describe(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(body)
        most = whole(body, "Limit", 1, 10_000, 100)
        after = body.get("ExclusiveStartShardId")
        left = [shard for shard in stream.shards if after is None or shard.shard_id > str(after)]
        description = {
            **_common(stream),
            "Shards": [stream.shard_view(shard) for shard in left[:most]],
            "HasMoreShards": len(left) > most,
        }
        return {"StreamDescription": description}

    def _summary(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(body)
        counts = {"OpenShardCount": len(stream.shards), "ConsumerCount": 0}
        return {"StreamDescriptionSummary": {**_common(stream), **counts}}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        most = whole(body, "Limit", 1, 10_000, 100)
        after = body.get("NextToken") or body.get("ExclusiveStartStreamName") or ""
        left = [stream for stream in self._streams.all() if stream.name > str(after)]
        chosen = left[:most]
        answer: dict[str, Any] = {
            "StreamNames": [stream.name for stream in chosen],
            "StreamSummaries": [_identity(stream) for stream in chosen],
            "HasMoreStreams": len(left) > most,
        }
        if len(left) > most:
            answer["NextToken"] = chosen[-1].name
        return answer

    def _list_shards(self, body: dict[str, Any]) -> dict[str, Any]:
        token = body.get("NextToken")
        if token:
            if body.get("StreamName") or body.get("StreamARN"):
                raise invalid("NextToken and StreamName cannot be provided together.")
            name, _, after = str(token).partition(" ")
            stream = self._streams.get(name)
        else:
            stream, after = self._stream(body), str(body.get("ExclusiveStartShardId") or "")
        chosen_filter = structure(body.get("ShardFilter"))
        if chosen_filter:
            kind = chosen_filter.get("Type")
            if kind not in _SHARD_FILTERS:
                raise validation(
                    "shardFilter.type", kind, f"Member must satisfy enum value set: [{', '.join(_SHARD_FILTERS)}]"
                )
            if kind == "AFTER_SHARD_ID":  # of the others all shards qualify, because none is ever closed
                after = max(after, str(chosen_filter.get("ShardId") or ""))
        most = whole(body, "MaxResults", 1, 10_000, 1_000)
        left = [shard for shard in stream.shards if shard.shard_id > after]
        answer: dict[str, Any] = {"Shards": [stream.shard_view(shard) for shard in left[:most]]}
        if len(left) > most:
            answer["NextToken"] = f"{stream.name} {left[most - 1].shard_id}"
        return answer

    def _add_tags(self, body: dict[str, Any]) -> None:
        stream = self._stream(body)
        stream.tags = requests.tags({**stream.tags, **requests.tags(body.get("Tags"))})

    def _remove_tags(self, body: dict[str, Any]) -> None:
        stream = self._stream(body)
        for key in texts(body.get("TagKeys")):
            stream.tags.pop(key, None)

    def _list_tags(self, body: dict[str, Any]) -> dict[str, Any]:
        most = whole(body, "Limit", 1, 50, 50)
        after = str(body.get("ExclusiveStartTagKey") or "")
        left = [(key, value) for key, value in sorted(self._stream(body).tags.items()) if key > after]
        return {
            "Tags": [{"Key": key, "Value": value} for key, value in left[:most]],
            "HasMoreTags": len(left) > most,
        }

    # Records.

    def _put(self, body: dict[str, Any]) -> dict[str, Any]:
        record = requests.record(body)
        shard, sequence = self._active(body).put(*record)
        return {"ShardId": shard.shard_id, "SequenceNumber": str(sequence), "EncryptionType": "NONE"}

    def _put_many(self, body: dict[str, Any]) -> dict[str, Any]:
        entries = structures(body.get("Records"))
        if not 1 <= len(entries) <= _MAX_PUT_RECORDS:
            raise validation(
                "records", f"{len(entries)} records", f"Member must have length between 1 and {_MAX_PUT_RECORDS}"
            )
        records = [requests.record(entry) for entry in entries]
        if sum(size + len(key.encode()) for key, _, _, size in records) > _MAX_PUT_BYTES:
            raise invalid(f"Records size exceeds {_MAX_PUT_BYTES // 1_048_576} MB limit")
        stream, failed = self._active(body), 0
        answers: list[dict[str, Any]] = []
        for record in records:
            try:
                shard, sequence = stream.put(*record)
            except ApiError as error:
                failed += 1
                answers.append({"ErrorCode": error.code, "ErrorMessage": error.message})
            else:
                answers.append({"SequenceNumber": str(sequence), "ShardId": shard.shard_id})
        return {"FailedRecordCount": failed, "Records": answers, "EncryptionType": "NONE"}

    def _iterator(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._active(body)
        shard, kind = stream.shard(body.get("ShardId")), body.get("ShardIteratorType")
        if shard is None:
            raise ApiError(
                "ResourceNotFoundException",
                f"Shard {body.get('ShardId')} in stream {stream.name} under account {stream.account_id} does not exist",
            )
        if kind not in _ITERATOR_TYPES:
            raise validation(
                "shardIteratorType", kind, f"Member must satisfy enum value set: [{', '.join(_ITERATOR_TYPES)}]"
            )
        position = _position(shard, str(kind), body)
        return {"ShardIterator": Place(stream.identity, shard.shard_id, position, time.time()).token()}

    def _get(self, body: dict[str, Any]) -> dict[str, Any]:
        most = whole(body, "Limit", 1, _MAX_GET_RECORDS, _MAX_GET_RECORDS)
        place = place_of(body.get("ShardIterator"))
        stream = None if place is None else self._streams.by_arn(place.stream.partition(" ")[0])
        if place is None or (stream is not None and stream.identity != place.stream):
            raise invalid("Invalid ShardIterator.")
        shard = None if stream is None else stream.shard(place.shard_id)
        if stream is None or shard is None:
            name = place.stream.partition(" ")[0].rpartition("/")[2]
            raise ApiError("ResourceNotFoundException", f"The stream {name} of the iterator does not exist.")
        if place.age_s > _ITERATOR_S:
            sentence = (
                f"Iterator expired. It is {place.age_s:.0f} s old, longer than the {_ITERATOR_S} s that it lasts."
            )
            raise ApiError("ExpiredIteratorException", sentence)
        records, after = shard.read(place.position, most, _MAX_GET_BYTES)
        return {
            "Records": [_record_view(record) for record in records],
            "NextShardIterator": Place(place.stream, place.shard_id, after, time.time()).token(),
            "MillisBehindLatest": shard.behind_ms(after),
        }

    def _stream(self, body: dict[str, Any]) -> Stream:
        return self._streams.get(stream_name(body))

    def _active(self, body: dict[str, Any]) -> Stream:
        """Return a stream that takes and gives records."""
        stream = self._stream(body)
        if stream.status != "ACTIVE":
            sentence = f"Stream {stream.name} under account {stream.account_id} not found."
            raise ApiError("ResourceNotFoundException", f"{sentence} It is {stream.status}.")
        return stream


def _position(shard: Shard, kind: str, body: dict[str, Any]) -> int:
    if kind == "TRIM_HORIZON":
        return shard.horizon
    if kind == "LATEST":
        return shard.end
    if kind == "AT_TIMESTAMP":
        return shard.position_at(requests.moment(body.get("Timestamp")))
    sequence = requests.sequence(body.get("StartingSequenceNumber"), kind)
    return shard.position_of(sequence, after=kind == "AFTER_SEQUENCE_NUMBER")


def _record_view(record: Record) -> dict[str, Any]:
    return {
        "SequenceNumber": str(record.sequence),
        "ApproximateArrivalTimestamp": record.arrived_ns // 1_000_000 / 1_000,
        "Data": record.body,
        "PartitionKey": record.key,
        "EncryptionType": "NONE",
    }


def _identity(stream: Stream) -> dict[str, Any]:
    return {
        "StreamName": stream.name,
        "StreamARN": stream.arn,
        "StreamStatus": stream.status,
        "StreamModeDetails": {"StreamMode": stream.mode},
        "StreamCreationTimestamp": int(stream.created_s),
    }


def _common(stream: Stream) -> dict[str, Any]:
    return {
        **_identity(stream),
        "RetentionPeriodHours": 24,
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
    }
