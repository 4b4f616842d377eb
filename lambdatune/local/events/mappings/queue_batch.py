"""Messages of a queue as the event has them, and as filters see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdatune.local.events import patterns
from lambdatune.local.events.sqs.api import SENDER

if TYPE_CHECKING:
    from lambdatune.local.events.sqs.message import Message
    from lambdatune.local.events.sqs.queue import Queue


def record_of(message: Message, queue: Queue, region: str) -> dict[str, Any]:
    """Return one element of Records (AWS docs, "Using Lambda with Amazon SQS")."""
    attributes = {name: _attribute(value) for name, value in message.attributes.items()}
    return {
        "messageId": message.message_id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": message.system_attributes(SENDER, is_fifo=queue.is_fifo),
        "messageAttributes": attributes,
        "md5OfBody": message.md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn,
        "awsRegion": region,
    }


def _attribute(value: Any) -> dict[str, Any]:
    view: dict[str, Any] = {}
    if "StringValue" in value:
        view["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        view["binaryValue"] = value["BinaryValue"]
    return {**view, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def passes(rules: tuple[dict[str, Any], ...], record: dict[str, Any]) -> bool:
    """Whether a message passes the filters: its body counts as JSON where it is JSON."""
    if not rules:
        return True
    try:
        body = json.loads(record["body"])
    except ValueError:
        body = record["body"]
    seen = {**record, "body": body}
    return any(patterns.matches(rule, seen) for rule in rules)
