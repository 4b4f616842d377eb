"""What an answer says of its message, by the kind of answer: status, error, request id, and REPORT where it holds one.

Sources: AWS API references of Invoke, InvokeWithResponseStream, PutEvents and StartSyncExecution; AWS docs, "Invoking
Lambda function URLs", "Gateway response types", "Troubleshoot your Application Load Balancers" and "Error handling in
Step Functions".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from lambdatune.load.classify import classify, fields_of, function_error, is_throttle, message_of, refusal, text_of
from lambdatune.load.log_tail import read_log_tail
from lambdatune.load.response import KEPT_BODY_BYTES, header
from lambdatune.model.invocation import Start, Status
from lambdatune.model.request_form import RequestForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.load.event_stream import EventStream
    from lambdatune.model.report_line import Report

_KEPT_EXECUTION_BYTES = 4 * 1024 * 1024
"""Input and output of an execution, of 256 KB each, as JSON text in JSON."""
_ID_BYTES = 36
_INVOKE = RequestForm(target="/")


class Answer(NamedTuple):
    """An answer, or the beginning of one, as `ResponseParser` read it.

    Attributes:
        status: HTTP status.
        head: status line and header lines.
        lower_head: `head` in lower case.
        body: its beginning, when it tells of an error or is needed whatever it tells.
        is_error: whether status or X-Amz-Function-Error tell of an error.
        events: what was read of a body that is an event stream.
    """

    status: int
    head: bytes
    lower_head: bytes
    body: bytes
    is_error: bool
    events: EventStream | None = None


class Reading(NamedTuple):
    """What an answer says.

    Attributes:
        status: what became of the message.
        error: the row's `error`; empty when all is well.
        message: for people.
        request_id: what identifies the message.
        report: REPORT of its execution, where the answer holds it.
        start: how its environment started, as far as the REPORT tells.
    """

    status: Status
    error: str
    message: str
    request_id: bytes
    report: Report | None = None
    start: Start = Start.UNKNOWN


class AnswerReader:
    """Reads the answers of one order.

    Args:
        form: how the messages of the order are answered.

    Attributes:
        kept_bytes: how much of a body is needed when it tells of no error.
        has_events: whether bodies are event streams.
        has_shapes: whether answers are Invoke's, which `load.shapes` recognises.
    """

    def __init__(self, form: RequestForm = _INVOKE) -> None:
        self._read = _READERS[form.answer]
        self._id_header = b"\r\n" + form.id_header.lower().encode() + b":"
        self._id_key = None if form.id_key is None else form.id_key.encode()
        self.has_events = form.answer == "stream"
        self.has_shapes = (form.answer, form.id_header, form.id_key) == ("invoke", _INVOKE.id_header, None)
        if form.answer == "workflow":
            self.kept_bytes = _KEPT_EXECUTION_BYTES
        else:
            self.kept_bytes = KEPT_BODY_BYTES if form.answer == "accept" or form.id_key is not None else 0

    def read(self, answer: Answer) -> Reading:
        """Return what an answer says."""
        if self._id_key is None:
            request_id = header(answer.head, answer.lower_head, self._id_header) or b""
        else:
            request_id = find_value(answer.body, self._id_key)
        return self._read(answer, request_id[-_ID_BYTES:])


def find_value(body: bytes, key: bytes) -> bytes:
    """Return the value of a member of JSON or of an element of XML, empty when there is none; nothing is parsed.

    Args:
        body: whose first such member counts; text in text is passed by, for its quotes are escaped.
        key: its name.
    """
    if body.lstrip()[:1] == b"<":
        return body.partition(b"<%s>" % key)[2].partition(b"<")[0].strip()
    quoted = b'"%s"' % key
    at = body.find(quoted)
    while at >= 0:
        rest = body[at + len(quoted) : at + len(quoted) + 512].lstrip()
        if rest[:1] == b":":
            value = rest[1:].lstrip()
            if value[:1] == b'"':
                return value[1:].partition(b'"')[0]
            return value.replace(b"}", b",").partition(b",")[0].strip()
        at = body.find(quoted, at + 1)
    return b""


def _read_invoke(answer: Answer, request_id: bytes) -> Reading:
    """Read Invoke's answer: the REPORT line stands in X-Amz-Log-Result, an error in status or X-Amz-Function-Error."""
    status, head, lower_head, body, is_error, _ = answer
    report, start = None, Start.UNKNOWN
    at = lower_head.find(b"\r\nx-amz-log-result:")
    if at >= 0:
        tail = head[at + 19 : head.index(b"\r\n", at + 19)].strip()
        report, start = read_log_tail(tail, request_id.decode("latin-1") or None)
    if not is_error:
        return Reading(Status.OK, "", "", request_id, report, start)
    return Reading(*classify(status, head, lower_head, body, report), request_id, report, start)


def _read_stream(answer: Answer, request_id: bytes) -> Reading:
    """Read InvokeWithResponseStream's: InvokeComplete, the last event, holds ErrorCode, ErrorDetails and LogResult."""
    events = answer.events
    if events is None:
        if answer.status >= 300:
            return Reading(*classify(answer.status, answer.head, answer.lower_head, answer.body, None), request_id)
        return Reading(Status.SERVICE_ERROR, "answer is no event stream", "", request_id)
    if events.failure is not None:
        name, payload = events.failure
        return Reading(Status.SERVICE_ERROR, name, message_of(fields_of(payload)) or _text(payload), request_id)
    if not events.is_whole or events.complete is None:
        error = events.broken or "stream ended without InvokeComplete"
        return Reading(Status.TRUNCATED, error, error, request_id)
    fields = fields_of(events.complete)
    tail = text_of(fields, "LogResult").encode("latin-1", "replace")
    report, start = read_log_tail(tail, request_id.decode("latin-1") or None) if tail else (None, Start.UNKNOWN)
    code = text_of(fields, "ErrorCode")
    if not code:
        return Reading(Status.OK, "", "", request_id, report, start)
    details = text_of(fields, "ErrorDetails")
    inner = fields_of(details.encode())
    # AWS calls an error of the handler "Unhandled" where it does not name its type.
    error_type = text_of(inner, "errorType") or (code if code not in {"Handled", "Unhandled"} else "")
    return Reading(*function_error(error_type, message_of(inner) or details, code, report), request_id, report, start)


def _read_accept(answer: Answer, request_id: bytes) -> Reading:
    """Read the answer of a service that takes messages: 2xx, unless the body tells of entries that it did not take."""
    status, head, lower_head, body, _, _ = answer
    if status >= 300:
        return Reading(*refusal(status, head, lower_head, body), request_id)
    if b'"Failed' in body:
        entry = _failed_entry(fields_of(body))
        if entry is not None:
            code = text_of(entry, "ErrorCode") or text_of(entry, "Code") or "entry was not taken"
            kind = Status.THROTTLED if is_throttle(code) else Status.REFUSED
            kind = Status.SERVICE_ERROR if code.startswith("Internal") else kind
            return Reading(kind, code, text_of(entry, "ErrorMessage") or message_of(entry), b"")
    return Reading(Status.OK, "", "", request_id)


def _failed_entry(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return an entry that a batch API did not take: PutEvents, PutRecords, SendMessageBatch; None when it took all."""
    failed = fields.get("Failed")
    if isinstance(failed, list) and failed:
        return failed[0] if isinstance(failed[0], dict) else {}
    for count, entries in (("FailedEntryCount", "Entries"), ("FailedRecordCount", "Records")):
        if isinstance(fields.get(count), int) and fields[count] > 0:
            given = fields.get(entries)
            rows = given if isinstance(given, list) else []
            return next((row for row in rows if isinstance(row, dict) and row.get("ErrorCode")), {})
    return None


_GATEWAY_SENTENCES = re.compile(
    r"Forbidden$|Not Found$|Unauthorized$|Missing Authentication Token$|Request (?:Too Long|Entity Too Large)$|"
    r"User is not authorized|User: |Access Denied|Invalid API Key|Authorization header requires|"
    r"The request signature we calculated|The security token included|Credential should be scoped|"
    r"Signature (?:expired|not yet current)|Unsupported Media Type$|Bad Request$|Invalid request body$"
)


def _read_http(answer: Answer, request_id: bytes) -> Reading:
    """Read what a function answered through a URL, an API or a load balancer, or what these answered in its place.

    Only the status of a function's own answer tells how it went, so that 4xx and 5xx are `FUNCTION_ERROR` with
    ``HTTP 418``; 502 is what all of them answer when the function failed or gave no response. 429 is `THROTTLED` (the
    function's concurrency, or the API's rate), 504 is `TIMEOUT`, 503 is `SERVICE_ERROR`, whoever answered. A 4xx is of
    the gateway itself, and `REFUSED`, when it has the header x-amzn-errortype, which no function's answer has; or a
    body that is one of the gateways' own: an object with ``Message`` alone (function URLs), or with ``message`` alone
    whose sentence API Gateway is known for, or a load balancer's page. A function that imitates these is taken for
    them.
    """
    status, head, lower_head, body, _, _ = answer
    if status < 400:
        return Reading(Status.OK, "", "", request_id)
    if status == 429:
        return Reading(*refusal(status, head, lower_head, body), request_id)
    fields = fields_of(body)
    message = message_of(fields) or _text(body)
    error = f"HTTP {status}"
    if status in {503, 504}:
        return Reading(Status.TIMEOUT if status == 504 else Status.SERVICE_ERROR, error, message, request_id)
    if status < 500:
        own = header(head, lower_head, b"\r\nx-amzn-errortype:")
        if own is not None:
            return Reading(*refusal(status, head, lower_head, body), request_id)
        if _is_of_gateway(status, fields, body):
            return Reading(Status.REFUSED, error, message, request_id)
    return Reading(Status.FUNCTION_ERROR, error, message, request_id)


def _is_of_gateway(status: int, fields: dict[str, Any], body: bytes) -> bool:
    if fields.keys() == {"Message"}:
        return True
    if fields.keys() == {"message"}:
        return _GATEWAY_SENTENCES.match(text_of(fields, "message")) is not None
    return body.startswith(b"<html>") and b"<center><h1>%d " % status in body


class _Execution(msgspec.Struct):
    """What counts of StartSyncExecution's answer."""

    status: str
    error: str | None = None
    cause: str | None = None
    output: str | None = None


_EXECUTION = msgspec.json.Decoder(_Execution)
_SERVICE_FAULTS = frozenset({
    "Lambda.AWSLambdaException", "Lambda.ClientExecutionTimeoutException", "Lambda.SdkClientException",
    "Lambda.ServiceException",
})  # fmt: skip
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CAUSE_ID = re.compile(r'"requestId": ?"([0-9a-f-]{36})"|\bRequestId: ([0-9a-f-]{36})\b')


def _read_workflow(answer: Answer, request_id: bytes) -> Reading:
    """Read StartSyncExecution's: the request id is the Lambda task's, from its result or the cause of its failure.

    The answer's own id is that of the execution, which no REPORT line has: without the task's there is none.
    """
    status, head, lower_head, body, _, _ = answer
    if status >= 300:
        return Reading(*refusal(status, head, lower_head, body), b"")
    try:
        execution = _EXECUTION.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reading(Status.SERVICE_ERROR, "answer is no execution", _text(body), b"")
    if execution.status == "SUCCEEDED":
        return Reading(Status.OK, "", "", _task_request_id(execution.output or ""))
    error, cause = execution.error or "", execution.cause or ""
    found = _CAUSE_ID.search(cause)
    request_id = (found[1] or found[2]).encode() if found else b""
    message = message_of(fields_of(cause.encode())) or cause[:300]
    if execution.status == "TIMED_OUT" or error in {"States.Timeout", "Sandbox.Timedout"}:
        return Reading(Status.TIMEOUT, error or "States.Timeout", message, request_id)
    if execution.status != "FAILED" or error in _SERVICE_FAULTS:
        return Reading(Status.SERVICE_ERROR, error or execution.status, message, request_id)
    if is_throttle(error.removeprefix("Lambda.")):
        return Reading(Status.THROTTLED, error, message, request_id)
    # Lambda.Unknown is a function that ended without a result, which a timeout is too.
    error_type = "" if error == "Lambda.Unknown" else error
    kind, name, message = function_error(error_type, message, error or "States.TaskFailed", None)
    return Reading(kind, name, message, request_id)


def _task_request_id(output: str) -> bytes:
    at = output.rfind('"SdkResponseMetadata"')
    found = find_value(output[at : at + 512].encode(), b"RequestId") if at >= 0 else b""
    return found if _UUID.fullmatch(found) else b""


def _text(body: bytes) -> str:
    return body[:300].decode("utf-8", "replace")


_READERS: dict[str, Callable[[Answer, bytes], Reading]] = {
    "invoke": _read_invoke,
    "stream": _read_stream,
    "accept": _read_accept,
    "http": _read_http,
    "workflow": _read_workflow,
}
