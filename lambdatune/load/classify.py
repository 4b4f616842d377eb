"""What became of a call: the answer's status, headers, body and REPORT, told apart as `Status`.

Source of the shapes: AWS docs, Invoke (errors, X-Amz-Function-Error) and "Lambda function errors"; the error
type stands in the X-Amzn-ErrorType header, as ``Type:http://...``, or in the body, which is JSON or, of services that
speak the query protocol and of S3, XML.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import msgspec

from lambdatune.load.response import header
from lambdatune.model.invocation import Status

if TYPE_CHECKING:
    from lambdatune.model.report_line import Report

_MAX_MESSAGE = 300
_XML_FIELD = re.compile(rb"<(Code|Message)>([^<]*)</")
_THROTTLES = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "KMSThrottlingException", "KmsThrottled",
    "LimitExceededException", "OverLimit", "PriorRequestNotComplete", "ProvisionedThroughputExceededException",
    "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown", "Throttled",
    "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
"""Error codes that say "later", whatever the status (botocore.retries.standard, and the references of SNS and SQS)."""


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
        fields = fields_of(body)
        kind = header(head, lower_head, b"\r\nx-amz-function-error:") or b""
        return function_error(text_of(fields, "errorType"), message_of(fields), kind.decode("latin-1"), report)
    return refusal(status, head, lower_head, body, by_code=False)


def refusal(
    status: int, head: bytes, lower_head: bytes, body: bytes, *, by_code: bool = True
) -> tuple[Status, str, str]:
    """Return what became of a request that a service did not take: status, the row's `error`, a message for people.

    Args:
        status: HTTP status, 300 or above.
        head: status line and header lines.
        lower_head: `head` in lower case.
        body: beginning of the body, JSON or XML.
        by_code: whether the error code can tell of a throttle too; Lambda's own throttles are 429, always.
    """
    fields = _xml_fields(body) if body.lstrip()[:1] == b"<" else fields_of(body)
    code = _error_code(head, lower_head, fields) or f"HTTP {status}"
    message = message_of(fields) or body[:_MAX_MESSAGE].decode("utf-8", "replace")
    if status == 429 or (by_code and is_throttle(code)):
        return Status.THROTTLED, text_of(fields, "Reason") or code, message
    if status >= 500:
        return Status.SERVICE_ERROR, code, message
    return Status.REFUSED, code, message


def is_throttle(code: str) -> bool:
    """Whether an error code says that there were too many requests."""
    return code in _THROTTLES


def function_error(error_type: str, message: str, kind: str, report: Report | None) -> tuple[Status, str, str]:
    """Return what became of a call whose function failed: status, the row's `error`, and the message.

    Args:
        error_type: as the runtime or Lambda named it; empty when it did not.
        message: of the error.
        kind: what the error is called when nothing names its type.
        report: REPORT of the call, if it was read.
    """
    if not error_type and report is not None and report.error_type:
        error_type = report.error_type
    timed_out = error_type == "Sandbox.Timedout" or (not error_type and "Task timed out after" in message)
    if timed_out or (report is not None and report.status == "timeout"):
        return Status.TIMEOUT, error_type or "Sandbox.Timedout", message
    if _is_out_of_memory(error_type, message, report):
        return Status.OUT_OF_MEMORY, error_type, message
    return Status.FUNCTION_ERROR, error_type or kind, message


def _is_out_of_memory(error_type: str, message: str, report: Report | None) -> bool:
    """Whether the environment was killed at its limit; a handler's own MemoryError is an error of its own."""
    if error_type == "Runtime.OutOfMemory":
        return True
    if error_type != "Runtime.ExitError":
        return False
    at_limit = report is not None and report.max_memory_used_mb >= report.memory_size_mb
    return "signal: killed" in message or at_limit


def fields_of(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; none when the body is something else, or was cut."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _xml_fields(body: bytes) -> dict[str, Any]:
    """Return code and message of an error in XML; nothing else is parsed."""
    return {name.decode(): unescape(value.decode("utf-8", "replace")) for name, value in _XML_FIELD.findall(body)}


def text_of(fields: dict[str, Any], name: str) -> str:
    """Return a member that is text; empty when it is something else, or not there."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def message_of(fields: dict[str, Any]) -> str:
    """Return the beginning of the message of an error; empty when there is none."""
    found = text_of(fields, "errorMessage") or text_of(fields, "message") or text_of(fields, "Message")
    return found[:_MAX_MESSAGE]


def _error_code(head: bytes, lower_head: bytes, fields: dict[str, Any]) -> str:
    found = (header(head, lower_head, b"\r\nx-amzn-errortype:") or b"").decode("latin-1")
    found = found or text_of(fields, "__type") or text_of(fields, "code") or text_of(fields, "Code")
    # ``Type:http://internal...`` in headers, ``com.amazon...#Type`` in bodies (Smithy restJson1).
    return found.partition(":")[0].rpartition("#")[2]
