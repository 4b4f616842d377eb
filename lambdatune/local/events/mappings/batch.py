"""A batch of messages: AWS's event, and which messages an answer says have failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdatune.local.events import patterns
from lambdatune.local.events.sqs.api import SENDER

if TYPE_CHECKING:
    from lambdatune.local.events.sqs.message import Message
    from lambdatune.local.events.sqs.queue import Queue
    from lambdatune.local.outcomes import Outcome

MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Of one invocation; a batch that would be larger is cut (AWS docs, "Configuring batching")."""


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


def failed_ids(outcome: Outcome, sent: set[str], *, reports_items: bool) -> set[str]:
    """Return the ids of the messages that failed.

    An answer that cannot be read, or names a message that was not sent, fails the whole batch (AWS docs,
    "Implementing partial batch responses").
    """
    if outcome.function_error is not None:
        return sent
    if not reports_items:
        return set()
    try:
        answer = json.loads(outcome.payload)
        if answer is None or not answer.get("batchItemFailures"):
            return set()
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    except (ValueError, AttributeError, KeyError, TypeError):
        return sent
    return sent if failed - sent else failed
