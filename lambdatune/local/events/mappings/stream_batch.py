"""Records of a stream as the event has them, as filters see them, and as a destination is told of them."""

from __future__ import annotations

import base64
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdatune.local.events.deliveries import Parcel
from lambdatune.local.events.endings import iso_now
from lambdatune.local.events.record import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.local.events.streams.shard import Record
    from lambdatune.local.outcomes import Outcome

EXHAUSTED = "RetryAttemptsExhausted"
AGED = "RecordAgeExpired"


@dataclass(frozen=True, slots=True)
class Origins:
    """What the events of one shard say about where they come from.

    Attributes:
        stream_arn: ARN of the stream.
        shard_id: the shard.
        region: AWS region.
    """

    stream_arn: str
    shard_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of stream.

    Attributes:
        source: its name in the record of messages.
        batch_info: the member of a destination's document that describes a batch.
        event: makes an element of Records, given the record, where it is from, and the ARN of the function's role.
        seen: makes what filters see.
        polls: how often a shard is polled for one poll of Kinesis.
    """

    source: str
    batch_info: str
    event: Callable[[Record, Origins, str], dict[str, Any]]
    seen: Callable[[Record], dict[str, Any]]
    polls: int


def _kinesis_event(record: Record, origins: Origins, role: str) -> dict[str, Any]:
    """Return one element of Records (AWS docs, "Using Lambda with Kinesis Data Streams")."""
    return {
        "kinesis": _kinesis(record),
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{origins.shard_id}:{record.sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": origins.region,
        "eventSourceARN": origins.stream_arn,
    }


def _kinesis(record: Record) -> dict[str, Any]:
    return {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": record.key,
        "sequenceNumber": str(record.sequence),
        "data": record.body,
        "approximateArrivalTimestamp": record.arrived_ns // 1_000_000 / 1_000,
    }


def _kinesis_seen(record: Record) -> dict[str, Any]:
    """Return the record with its data decoded, which counts as JSON where it is JSON."""
    text = base64.b64decode(record.body).decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except ValueError:
        data = text
    return {**_kinesis(record), "data": data}


def _dynamodb_event(record: Record, origins: Origins, _role: str) -> dict[str, Any]:
    """Return one element of Records (AWS docs, "Using Lambda with DynamoDB")."""
    return {**record.body, "eventSourceARN": origins.stream_arn}


def _dynamodb_seen(record: Record) -> dict[str, Any]:
    return dict(record.body)


KINDS = {
    "kinesis": Kind("kinesis", "KinesisBatchInfo", _kinesis_event, _kinesis_seen, 1),
    "dynamodb": Kind("dynamodb-streams", "DDBStreamBatchInfo", _dynamodb_event, _dynamodb_seen, 4),
}
"""By service of the ARN."""


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution of a batch.

    Attributes:
        call: how it went.
        request_id: of the invocation.
        version: what was executed.
    """

    call: Outcome
    request_id: str
    version: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What is told about a batch that is not tried again.

    Attributes:
        condition: RetryAttemptsExhausted or RecordAgeExpired.
        records: the batch, not empty.
        function_arn: with the qualifier.
        executions: of this batch.
        last: the last execution, or None.
    """

    condition: str
    records: Sequence[Record]
    function_arn: str
    executions: int
    last: Execution | None


def parcel_of(given_up: GivenUp, kind: Kind, origins: Origins) -> Parcel:
    """Return the invocation record that OnFailure gets (AWS docs, "Retain failed batches"): where the batch is."""
    first, last = given_up.records[0], given_up.records[-1]
    execution = given_up.last
    request_id = str(uuid.uuid4()) if execution is None else execution.request_id
    document: dict[str, Any] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": given_up.function_arn,
            "condition": given_up.condition,
            "approximateInvokeCount": given_up.executions,
        }
    }
    if execution is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": execution.version}
        if execution.call.function_error is not None:
            context["functionError"] = execution.call.function_error
        document["responseContext"] = context
    document |= {
        "version": "1.0",
        "timestamp": iso_now(),
        kind.batch_info: {
            "shardId": origins.shard_id,
            "startSequenceNumber": str(first.sequence),
            "endSequenceNumber": str(last.sequence),
            "approximateArrivalOfFirstRecord": _iso(first.arrived_ns),
            "approximateArrivalOfLastRecord": _iso(last.arrived_ns),
            "batchSize": len(given_up.records),
            "streamArn": origins.stream_arn,
        },
    }
    return Parcel(
        json.dumps(document, separators=(",", ":")),
        Origin(kind.source, request_id, time.time_ns()),
        source_arn=given_up.function_arn,
    )


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
