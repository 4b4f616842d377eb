"""What the tests of the event sources share: clients of the SDK, the endpoint's record, and queues."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import aioboto3
from botocore.config import Config

from .conftest import Endpoint

SETTINGS = Config(retries={"total_max_attempts": 1}, max_pool_connections=50)


@contextmanager
def served(*options: str) -> Iterator[Endpoint]:
    """Run an endpoint, and see at its end that it had no defect."""
    endpoint = Endpoint(*options)
    yield endpoint
    log = endpoint.end()
    assert "Traceback" not in log, log


class Clients:
    """Clients of the SDK by name of the service, as an asynchronous context."""

    def __init__(self, url: str, *services: str) -> None:
        self._url = url
        self._services = services
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Any:
        session = aioboto3.Session("x", "x", region_name="us-east-1")
        clients = [
            await self._stack.enter_async_context(session.client(name, endpoint_url=self._url, config=SETTINGS))
            for name in self._services
        ]
        return clients[0] if len(clients) == 1 else clients

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()


def rows(server: Any, function: str, count: int, *, within_s: float = 15) -> list[dict[str, Any]]:
    """Wait until the endpoint's record has `count` rows of a function."""
    deadline = time.monotonic() + within_s
    while True:
        body = server.call("GET", f"/_lambdatune/messages?function={function}").body
        found = [json.loads(line) for line in body.splitlines()]
        if len(found) >= count or time.monotonic() > deadline:
            assert len(found) == count, found
            return found
        time.sleep(0.02)


def logged(server: Any, function: str, prefix: str = "GOT ") -> list[Any]:
    """Return the JSON documents that a function printed after `prefix`."""
    answer = server.target("FilterLogEvents", {"logGroupName": f"/aws/lambda/{function}"}).json
    lines = [event["message"] for event in answer["events"]]
    return [json.loads(line.removeprefix(prefix)) for line in lines if line.startswith(prefix)]


def allow(server: Any, function: str, service: str, source_arn: str) -> None:
    """Let a service invoke a function for one of its resources."""
    body = {
        "StatementId": service,
        "Action": "lambda:InvokeFunction",
        "Principal": f"{service}.amazonaws.com",
        "SourceArn": source_arn,
    }
    answer = server.call("POST", f"/2015-03-31/functions/{function}/policy", body)
    assert answer.status == 201, answer.body


def arn_of(server: Any, function: str) -> str:
    """Return the ARN of a function."""
    return str(server.call("GET", f"/2015-03-31/functions/{function}/configuration").json["FunctionArn"])


ECHO = """
import json

def handler(event, context):
    print("GOT " + json.dumps(event))
"""
