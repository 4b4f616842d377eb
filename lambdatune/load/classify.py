"""What became of a call: the answer's status, headers, body and REPORT, told apart as `Status`.

Source of the shapes: AWS docs, Invoke (errors, X-Amz-Function-Error) and "Lambda function errors"; the error
type stands in the X-Amzn-ErrorType header, as ``Type:http://...``, or in the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lambdatune.load.response import header
from lambdatune.model.invocation import Status

if TYPE_CHECKING:
    from lambdatune.model.report_line import Report

_MAX_MESSAGE = 300


def classify(
    status: int, head: bytes, lower_head: bytes, body: bytes, report: Report | None
) -> tuple[Status, str, str]:
    """Return what became of a call whose answer tells of an error: status, the row's `error`, and a message for people.

    Args:
        status: HTTP status, 200 or above.
        head: status line and header lines.
        lower_head: `head` in lower case.
        body: beginning of the body; needed only when something is wrong.
        report: REPORT of the call, if it was read.
    """
    if status < 300:
        return _function_error(head, lower_head, _fields(body), report)
    fields = _fields(body)
    code = _error_code(head, lower_head, fields) or f"HTTP {status}"
    message = _message(fields) or body[:_MAX_MESSAGE].decode("utf-8", "replace")
    if status == 429:
        return Status.THROTTLED, _text(fields, "Reason") or code, message
    if status >= 500:
        return Status.SERVICE_ERROR, code, message
    return Status.REFUSED, code, message


def _function_error(
    head: bytes, lower_head: bytes, fields: dict[str, Any], report: Report | None
) -> tuple[Status, str, str]:
    error_type = _text(fields, "errorType")
    message = _message(fields)
    if not error_type and report is not None and report.error_type:
        error_type = report.error_type
    timed_out = error_type == "Sandbox.Timedout" or (not error_type and "Task timed out after" in message)
    if timed_out or (report is not None and report.status == "timeout"):
        return Status.TIMEOUT, error_type or "Sandbox.Timedout", message
    if _is_out_of_memory(error_type, message, report):
        return Status.OUT_OF_MEMORY, error_type, message
    kind = header(head, lower_head, b"\r\nx-amz-function-error:") or b""
    return Status.FUNCTION_ERROR, error_type or kind.decode("latin-1"), message


def _is_out_of_memory(error_type: str, message: str, report: Report | None) -> bool:
    """Whether the environment was killed at its limit; a handler's own MemoryError is an error of its own."""
    if error_type == "Runtime.OutOfMemory":
        return True
    if error_type != "Runtime.ExitError":
        return False
    at_limit = report is not None and report.max_memory_used_mb >= report.memory_size_mb
    return "signal: killed" in message or at_limit


def _fields(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; none when the body is something else, or was cut."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _message(fields: dict[str, Any]) -> str:
    found = _text(fields, "errorMessage") or _text(fields, "message") or _text(fields, "Message")
    return found[:_MAX_MESSAGE]


def _error_code(head: bytes, lower_head: bytes, fields: dict[str, Any]) -> str:
    found = (header(head, lower_head, b"\r\nx-amzn-errortype:") or b"").decode("latin-1")
    found = found or _text(fields, "__type") or _text(fields, "code") or _text(fields, "Code")
    # ``Type:http://internal...`` in headers, ``com.amazon...#Type`` in bodies (Smithy restJson1).
    return found.partition(":")[0].rpartition("#")[2]
