"""InvokeWithResponseStream (AWS API reference): the answer as events. What a runtime answers is sent as one chunk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lambdatune.local import event_stream
from lambdatune.local.errors import validation
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from lambdatune.local.httpd import Request
    from lambdatune.local.invoke_api import InvokeApi

PREFIX = "/2021-11-15/functions/"
SUFFIX = "/response-streaming-invocations"


async def serve(invoke: InvokeApi, name: str, request: Request, request_id: str) -> Reply:
    """Serve one call.

    Raises:
        ApiError: everything that AWS refuses before the handler runs.
    """
    kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
    if kind not in {"RequestResponse", "DryRun"}:
        choices = "Member must satisfy enum value set: [RequestResponse, DryRun]"
        raise validation("invocationType", kind, choices)
    reply = await invoke.invoke(name, request, request_id)
    if kind == "DryRun":
        return reply
    given = dict(reply.headers)
    complete: dict[str, str] = {}
    frames = b""
    if given.pop("X-Amz-Function-Error", None) is None:
        frames = event_stream.message("PayloadChunk", "application/octet-stream", reply.body)
    else:
        complete = {"ErrorCode": _error_type(reply.body), "ErrorDetails": reply.body.decode("utf-8", "replace")}
    tail = given.pop("X-Amz-Log-Result", None)
    if tail is not None:
        complete["LogResult"] = tail
    frames += event_stream.message("InvokeComplete", "application/json", json.dumps(complete).encode())
    headers = [*given.items(), ("X-Amzn-Remapped-Content-Type", "application/json")]
    return Reply(200, body=frames, content_type=event_stream.CONTENT_TYPE, headers=headers)


def _error_type(body: bytes) -> str:
    try:
        return str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Unhandled"
