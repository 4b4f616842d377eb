"""What is told about an asynchronous invocation that ended: AWS's documents for destinations and dead letters."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdatune.local.events.deliveries import Parcel
from lambdatune.local.events.record import Origin

if TYPE_CHECKING:
    from lambdatune.local.outcomes import Outcome

SUCCESS = "Success"
EXHAUSTED = "RetriesExhausted"
AGED = "EventAgeExceeded"
_MAX_ERROR_MESSAGE = 1_024


@dataclass(frozen=True, slots=True)
class Ending:
    """How an event ended.

    Attributes:
        request_id: of the invocation.
        arn: the function, with the qualifier.
        version: what was executed.
        condition: Success, RetriesExhausted or EventAgeExceeded.
        attempts: executions.
        payload: the event.
        call: the last execution, or None.
    """

    request_id: str
    arn: str
    version: str
    condition: str
    attempts: int
    payload: bytes
    call: Outcome | None


def destination_parcel(ending: Ending) -> Parcel:
    """Return the invocation record that OnSuccess and OnFailure get (AWS docs, "Lambda destinations")."""
    call = ending.call
    succeeded = ending.condition == SUCCESS
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_now(),
        "requestContext": {
            "requestId": ending.request_id,
            "functionArn": ending.arn,
            "condition": ending.condition,
            "approximateInvokeCount": ending.attempts,
        },
        "requestPayload": _json(ending.payload),
    }
    if call is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": ending.version}
        if call.function_error is not None:
            context["functionError"] = call.function_error
        record |= {"responseContext": context, "responsePayload": _json(call.payload)}
    return Parcel(
        json.dumps(record, separators=(",", ":"), ensure_ascii=False),
        Origin("event", ending.request_id, time.time_ns()),
        source_arn=ending.arn,
        detail_type=f"Lambda Function Invocation Result - {'Success' if succeeded else 'Failure'}",
    )


def dead_letter_parcel(ending: Ending) -> Parcel:
    """Return what a dead letter queue gets: the event itself, with the error as message attributes."""
    response = {} if ending.call is None else _json(ending.call.payload)
    sentence = str(response.get("errorMessage", "")) if isinstance(response, dict) else ""
    code = "200" if ending.call is not None else "429"
    attributes = {
        "RequestID": ("String", ending.request_id),
        "ErrorCode": ("Number", code),
        "ErrorMessage": ("String", sentence[:_MAX_ERROR_MESSAGE] or ending.condition),
    }
    origin = Origin("event", ending.request_id, time.time_ns())
    body = ending.payload.decode("utf-8", "replace")
    return Parcel(body, origin, source_arn=ending.arn, attributes=attributes)


def iso_now() -> str:
    """Return now, for example 2026-11-23T15:16:37.123Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace")
