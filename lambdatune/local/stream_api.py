"""InvokeWithResponseStream (AWS API reference): the answer as events, each as soon as the runtime sends it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

from lambdatune.local import event_stream
from lambdatune.local.errors import validation
from lambdatune.local.reply import Reply
from lambdatune.local.response_stream import ResponseStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lambdatune.local.httpd import Request
    from lambdatune.local.invoke_api import InvokeApi
    from lambdatune.local.outcomes import Outcome

PREFIX = "/2021-11-15/functions/"
SUFFIX = "/response-streaming-invocations"


async def serve(invoke: InvokeApi, name: str, request: Request, request_id: str) -> Reply:
    """Serve one call. What a runtime does not stream is one chunk.

    Raises:
        ApiError: everything that AWS refuses before the handler runs.
    """
    kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
    if kind not in {"RequestResponse", "DryRun"}:
        choices = "Member must satisfy enum value set: [RequestResponse, DryRun]"
        raise validation("invocationType", kind, choices)
    stream = ResponseStream()
    accepted = invoke.accept(name, request, request_id, stream)
    if isinstance(accepted, Reply):
        return accepted
    task = asyncio.get_running_loop().create_task(invoke.run(accepted))
    task.add_done_callback(lambda _: stream.end())
    has_begun = await stream.begins()
    if not has_begun:
        await task
    headers = [("X-Amz-Executed-Version", accepted.version.version)]
    headers.append(("X-Amzn-Remapped-Content-Type", stream.content_type or "application/json"))
    frames = _frames(stream, task, wants_tail=accepted.wants_tail)
    reply = Reply(200, content_type=event_stream.CONTENT_TYPE, headers=headers, stream=frames)
    return reply.queued(stream.queued_ns)


async def _frames(
    stream: ResponseStream, task: asyncio.Task[tuple[Outcome, int]], *, wants_tail: bool
) -> AsyncIterator[bytes]:
    async for chunk in stream.chunks():
        yield event_stream.message("PayloadChunk", "application/octet-stream", chunk)
    outcome, _ = await task
    complete: dict[str, str] = {}
    if outcome.function_error is not None:
        details = outcome.payload.decode("utf-8", "replace")
        complete = {"ErrorCode": _error_type(outcome.payload), "ErrorDetails": details}
    elif outcome.payload:
        yield event_stream.message("PayloadChunk", "application/octet-stream", outcome.payload)
    if wants_tail:
        complete["LogResult"] = base64.b64encode(outcome.tail).decode()
    yield event_stream.message("InvokeComplete", "application/json", json.dumps(complete).encode())


def _error_type(body: bytes) -> str:
    try:
        return str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Unhandled"
