"""InvokeWithResponseStream as the SDK reads it."""

from __future__ import annotations

import base64
import json
from typing import Any

import aioboto3
import pytest

from lambdatune.model.report_line import parse_report

SOURCE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    return {"ok": event}
"""


@pytest.fixture(scope="module")
def name(endpoint: Any) -> str:
    return endpoint.create(SOURCE)


async def _events(endpoint: Any, name: str, event: Any) -> list[dict[str, Any]]:
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    async with session.client("lambda", endpoint_url=endpoint.url) as client:
        answer = await client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        return [event async for event in answer["EventStream"]]


async def test_one_chunk_then_the_end_with_the_report(endpoint: Any, name: str) -> None:
    chunk, complete = await _events(endpoint, name, {"a": "ü"})
    assert json.loads(chunk["PayloadChunk"]["Payload"]) == {"ok": {"a": "ü"}}
    assert "ErrorCode" not in complete["InvokeComplete"]
    assert parse_report(base64.b64decode(complete["InvokeComplete"]["LogResult"])) is not None


async def test_a_handler_that_raises_ends_the_stream_with_its_error(endpoint: Any, name: str) -> None:
    (complete,) = await _events(endpoint, name, {"fail": True})
    assert complete["InvokeComplete"]["ErrorCode"] == "ValueError"
    assert json.loads(complete["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "as asked"


def test_what_is_refused_is_refused_before_the_stream(endpoint: Any, name: str) -> None:
    path = "/2021-11-15/functions/{}/response-streaming-invocations"
    assert endpoint.call("POST", path.format("absent"), {}).error == "ResourceNotFoundException"
    asked = {"X-Amz-Invocation-Type": "Event"}
    assert endpoint.call("POST", path.format(name), {}, asked).error == "ValidationException"
