"""What the client of a call gets for what the runtime did: AWS's payloads and error types, word for word."""

from __future__ import annotations

import base64
import errno
import json
from dataclasses import dataclass
from pathlib import Path

from lambdatune.local.errors import ApiError
from lambdatune.local.runtime_api import MAX_RESPONSE_BYTES
from lambdatune.local.sandbox import exit_sentence


@dataclass(frozen=True, slots=True)
class Happening:
    """How an init or a call went on.

    Attributes:
        kind: ready, response, error, too-large, init-error, exit, entrypoint or timeout.
        at_ns: when, on the monotonic clock.
        body: what the runtime posted; for an entrypoint that could not be executed the sentence that says so.
        error_type: Lambda-Runtime-Function-Error-Type, or None.
        code: return code of the process (exit); negative for a signal.
        size: bytes of the response.
        limit: the most that they may be.
        content_type: of the response.
    """

    kind: str
    at_ns: int
    body: bytes = b""
    error_type: str | None = None
    code: int = 0
    size: int = 0
    limit: int = MAX_RESPONSE_BYTES
    content_type: str = "application/json"


@dataclass(slots=True)
class Outcome:
    """The answer to an Invoke.

    Attributes:
        payload: body of the answer.
        function_error: X-Amz-Function-Error, or None.
        status: status of the REPORT line: success, error or timeout.
        error_type: Error Type of the REPORT line, or None.
        sentence: what the platform logs about the end of the runtime, or None.
        ends_process: whether the process is not used again.
        tail: the last 4 KB of the log.
        began_ns: when the runtime got the event, in nanoseconds of Unix time.
        content_type: of the payload, as the runtime said it.
        host_queued_ns: how long the call waited for the host's CPU before that, where someone asks for it.
        ended_ns: when the call ended, as its Duration counts.
    """

    payload: bytes
    function_error: str | None = None
    status: str = "success"
    error_type: str | None = None
    sentence: str | None = None
    ends_process: bool = False
    tail: bytes = b""
    began_ns: int = 0
    ended_ns: int = 0
    host_queued_ns: int = 0
    content_type: str = "application/json"


def error_type_of(happening: Happening) -> str:
    """Return AWS's error type for a failed init or an ended process."""
    if happening.kind == "init-error":
        return happening.error_type or "Runtime.Unknown"
    return "Runtime.InvalidEntrypoint" if happening.kind == "entrypoint" else "Runtime.ExitError"


def restore_refusal(happening: Happening, limit_s: float) -> ApiError:
    """Return the error that a caller gets when a snapshot could not be restored for the call.

    Args:
        happening: how the restore ended.
        limit_s: its limit in seconds.
    """
    if happening.kind == "timeout":
        sentence = f"The restore of the function's snapshot did not end within {limit_s:g} seconds."
        return ApiError("SnapStartTimeoutException", sentence, 408)
    what = happening.error_type or exit_sentence(happening.code)
    return ApiError("SnapStartException", f"The restore of the function's snapshot failed: {what}", 400)


def outcome_of(happening: Happening, request_id: str, timeout_s: int) -> Outcome:
    """Return the answer for what happened to a call.

    Args:
        happening: how the call, or the init inside it, ended.
        request_id: of the call.
        timeout_s: the function's timeout in seconds.
    """
    match happening.kind:
        case "response":
            return Outcome(happening.body, content_type=happening.content_type)
        case "error":
            handled = "Handled" if happening.error_type == "Handled" else "Unhandled"
            return Outcome(happening.body, handled)
        case "too-large":
            message = (
                f"Response payload size ({happening.size} bytes) exceeded maximum allowed payload size "
                f"({happening.limit} bytes)."
            )
            kind = "Function.ResponseSizeTooLarge"
            payload = json.dumps({"errorMessage": message, "errorType": kind}, separators=(",", ":")).encode()
            return Outcome(payload, "Unhandled", "error", kind)
        case "timeout":
            sentence = f"Task timed out after {timeout_s}.00 seconds"
            return _ended(request_id, "Sandbox.Timedout", sentence, "timeout")
        case "init-error":
            return Outcome(happening.body, "Unhandled", "error", error_type_of(happening), None, ends_process=True)
        case "entrypoint":
            return _ended(request_id, "Runtime.InvalidEntrypoint", happening.body.decode(), "error")
        case _:
            return _ended(request_id, "Runtime.ExitError", exit_sentence(happening.code), "error")


def not_started(error: OSError, path: Path, root: Path, *, is_image: bool) -> str:
    """Return the sentence for a program that the kernel does not execute.

    Args:
        error: why.
        path: the program.
        root: of the package or image, which is ``/var/task`` or ``/`` on AWS.
        is_image: whether it is an image.
    """
    reason = str(error.strerror or error).lower()
    is_own = path.is_relative_to(root)
    if is_own and not is_image and path.name == "bootstrap" and error.errno == errno.ENOENT:
        return "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    shown = Path("/" if is_image else "/var/task") / path.relative_to(root) if is_own else path
    return f"fork/exec {shown}: {reason}"


def error_in_trailer(error_type: str, encoded: str | None) -> bytes:
    """Return the error that a runtime told after a stream, JSON.

    Args:
        error_type: Lambda-Runtime-Function-Error-Type.
        encoded: Lambda-Runtime-Function-Error-Body, the error in base64; None makes one of the type alone.
    """
    try:
        body = base64.b64decode(encoded or "", validate=True)
    except ValueError:
        body = b""
    return body or json.dumps({"errorType": error_type, "errorMessage": error_type}, separators=(",", ":")).encode()


def _ended(request_id: str, error_type: str, sentence: str, status: str) -> Outcome:
    document = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {sentence}"}
    payload = json.dumps(document, separators=(",", ":")).encode()
    return Outcome(payload, "Unhandled", status, error_type, sentence, ends_process=True)
