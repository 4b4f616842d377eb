"""Function URLs with InvokeMode RESPONSE_STREAM: a streamed response as an HTTP response, as it comes.

Source: AWS docs, "Response streaming for Lambda functions", and the prelude that AWS's Node.js runtime writes
(``application/vnd.awslambda.http-integration-response``): a JSON object with statusCode, headers and cookies, eight NUL
bytes, then the body.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from lambdatune.local.gateways import payload_v2
from lambdatune.local.reply import Reply
from lambdatune.local.response_stream import BrokenStreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from lambdatune.local.outcomes import Outcome
    from lambdatune.local.records import Version
    from lambdatune.local.response_stream import ResponseStream

PRELUDE = "application/vnd.awslambda.http-integration-response"
_END = b"\0" * 8
_MAX_PRELUDE_BYTES = 64 * 1024


async def respond(stream: ResponseStream, call: Coroutine[Any, Any, tuple[Outcome, Version]]) -> Reply | Outcome:
    """Run a call; return the response that its stream begins, or the outcome when it ended without a response.

    What a handler returns without streaming is the body as it is.

    Args:
        stream: of the call.
        call: runs it.

    Raises:
        ApiError: what Lambda refuses.
    """
    task = asyncio.get_running_loop().create_task(call)
    task.add_done_callback(lambda _: stream.end())
    if not await stream.begins():
        outcome, _ = await task
        if outcome.function_error is not None:
            return outcome
        return Reply(200, body=outcome.payload, content_type=outcome.content_type)
    chunks = stream.chunks()
    head = Reply(200, content_type=stream.content_type)
    first = b""
    if stream.content_type.startswith(PRELUDE):
        prelude, first = await _prelude(chunks)
        found = None if prelude is None else integration_response(prelude)
        if found is None:
            async for _ in chunks:
                pass
            outcome, _ = await task
            return outcome
        head = found
    head.stream = _body(first, chunks, task)
    return head.queued(stream.queued_ns)


def integration_response(prelude: bytes, body: bytes = b"") -> Reply | None:
    """Return the response that a prelude stands for, None when it stands for none."""
    try:
        answer = json.loads(prelude)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    reply = payload_v2.structured({"statusCode": 200, **answer, "body": None})
    if reply is not None:
        reply.body = body
    return reply


def buffered(outcome: Outcome) -> Reply | None:
    """Return the response of a BUFFERED URL for what a handler answered, streamed or not; None when it is none."""
    if not outcome.content_type.startswith(PRELUDE):
        return payload_v2.response(outcome.payload)
    prelude, end, body = outcome.payload.partition(_END)
    return integration_response(prelude, body) if end else None


async def _prelude(chunks: AsyncIterator[bytes]) -> tuple[bytes | None, bytes]:
    """Read up to the end of the prelude; return it (None when it has no end) and what follows of the body."""
    collected = b""
    async for chunk in chunks:
        collected += chunk
        prelude, end, rest = collected.partition(_END)
        if end:
            return prelude, rest
        if len(collected) > _MAX_PRELUDE_BYTES:
            break
    return None, b""


async def _body(
    first: bytes, chunks: AsyncIterator[bytes], task: asyncio.Task[tuple[Outcome, Version]]
) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in chunks:
        yield chunk
    outcome, _ = await task
    if outcome.function_error is not None:
        raise BrokenStreamError
