"""What Lambda writes to a destination: of an event, or of a batch of a stream.

Sources: AWS docs, "Capturing records of Lambda asynchronous invocations"; "Retain discarded batch records for a
DynamoDB (Kinesis) event source in Lambda".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdatune.aws.modes.protocol import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

_SUCCESS = "Success"
_ID_LENGTH = 36
"""A message is known by the last 36 characters of its identifier, see `RequestForm.id_key`."""

DEAD_LETTER = "MaxReceiveCountExceeded"
"""Why a message is in a dead-letter queue."""


def of_event(body: str, message_id_of: Callable[[dict[str, Any]], object]) -> Ending | None:
    """Return what the record of an asynchronous invocation tells; None when `body` is none.

    Args:
        body: the message in the queue.
        message_id_of: finds the message's identifier in the record.
    """
    record = _object(body)
    context = record.get("requestContext")
    if not isinstance(context, dict):
        return None
    condition = str(context.get("condition", ""))
    is_executed = condition == _SUCCESS
    try:
        identifier = message_id_of(record)
    except (KeyError, IndexError, TypeError):
        identifier = None
    return Ending(
        message_id=_shortened(identifier),
        request_id=_text(context.get("requestId")),
        outcome="executed" if is_executed else "dead-lettered",
        error="" if is_executed else _error_type(record) or condition,
    )


def of_batch(body: str) -> Ending | None:
    """Return what the record of a batch of a stream tells that was given up; None when `body` is none."""
    record = _object(body)
    batch = record.get("KinesisBatchInfo") or record.get("DDBStreamBatchInfo")
    if not isinstance(batch, dict):
        return None
    context = record.get("requestContext") or {}
    answer = record.get("responseContext") or {}
    return Ending(
        message_id=None,
        request_id=_text(context.get("requestId")),
        outcome="dead-lettered",
        error=str(answer.get("functionError") or context.get("condition") or ""),
        first_sequence=_text(batch.get("startSequenceNumber")),
        last_sequence=_text(batch.get("endSequenceNumber")),
        batch_size=int(batch.get("batchSize") or 1),
    )


def of_dead_letter(message_id: str, _body: str) -> Ending:
    """Return what a message in a dead-letter queue tells: it kept its identifier."""
    return Ending(_shortened(message_id), None, "dead-lettered", DEAD_LETTER)


def _error_type(record: dict[str, Any]) -> str:
    answer = record.get("responsePayload")
    return str(answer.get("errorType") or "") if isinstance(answer, dict) else ""


def _object(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: object) -> str | None:
    return str(value) if value else None


def _shortened(identifier: object) -> str | None:
    return str(identifier)[-_ID_LENGTH:] if identifier else None
