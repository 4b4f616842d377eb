"""A clone on the embedded endpoint, a mode set up for it, and a sender that is not the load driver."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import re
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.program import make_function, running_endpoint
from yarl import URL

from lambdatune.aws.access import LOOPBACK_KEY, AwsAccess
from lambdatune.aws.clone import Clone
from lambdatune.aws.functions import describe_function
from lambdatune.aws.marks import Maker
from lambdatune.aws.modes.registry import make_mode
from lambdatune.aws.undo import undo_change
from lambdatune.model.change import Change, Place
from lambdatune.model.modes import ModeOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from lambdatune.aws.isolation import Version
    from lambdatune.aws.modes.protocol import Ending, InvocationMode
    from lambdatune.model.modes import Mode
    from lambdatune.model.request_form import RequestForm

HANDLER = """
import base64, json

def handler(event, context):
    print("GOT " + json.dumps(event))
    data = [base64.b64decode(record["kinesis"]["data"]).decode()
            for record in event.get("Records", []) if "kinesis" in record]
    if "poison" in json.dumps([event, data]):
        raise ValueError("poison")
    return {"statusCode": 201, "body": json.dumps([event.get("rawPath"), event.get("body")])}
"""
_TOKEN = re.compile(rb"\{\{(uuid|sequence|timestamp)\}\}")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_endpoint("--settle-ms", "20", "--async-wait-scale", "0.001") as endpoint:
        make_function(endpoint.url, "shop", HANDLER, memory_mb=256)
        make_function(endpoint.url, "brief", HANDLER, memory_mb=256, timeout_s=1)
        yield endpoint.url
        assert asyncio.run(what_is_left(endpoint.url)) == []


@dataclass
class Book:
    """A ledger and a watcher that remember."""

    intents: list[Change] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    stopped: bool = False

    def intend(self, change: Change) -> None:
        self.intents.append(change)

    def undone(self, change: Change) -> None:
        self.intents.remove(change)

    def narrate(self, sentence: str) -> None:
        self.said.append(sentence)

    def is_stopped(self) -> bool:
        return self.stopped


@dataclass(frozen=True)
class Sent:
    """What became of a request."""

    status: int
    headers: dict[str, str]
    body: bytes
    message_id: str


@dataclass
class Rig:
    """A mode that is set up, and its version."""

    url: str
    access: AwsAccess
    clone: Clone
    mode: InvocationMode
    book: Book
    version: Version
    again: Callable[[], InvocationMode]

    async def send(self, payload: object, *, tokens: bool = False) -> Sent:
        """Send one message as the mode says, and fill its tokens."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await send(self.url, self.mode.request(self.version, body, tokens=tokens))

    async def rows(self, count: int, outcome: str | None = None) -> list[dict[str, Any]]:
        """Wait for that many rows of the endpoint's own record of the clone's messages."""
        deadline_s = time.monotonic() + 15
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.url}/_lambdatune/messages?function={self.clone.name}") as answer:
                    found = [json.loads(line) for line in (await answer.text()).splitlines()]
                found = [row for row in found if outcome in {None, row["outcome"]}]
                if len(found) >= count or time.monotonic() > deadline_s:
                    assert len(found) == count, found
                    return found
                await asyncio.sleep(0.02)

    async def endings(self, count: int) -> list[Ending]:
        """Wait for that many endings."""
        deadline_s, found = time.monotonic() + 15, []
        while len(found) < count and time.monotonic() < deadline_s:
            found += await self.mode.endings()
            await asyncio.sleep(0.02)
        assert len(found) == count, found
        assert await self.mode.endings() == []
        return found

    async def got(self) -> list[Any]:
        """Return the events that the clone printed."""
        logs = await self.access.logs()
        events = (await logs.filter_log_events(logGroupName=self.clone.log_group))["events"]
        lines = [event["message"] for event in events]
        return [json.loads(line.removeprefix("GOT ")) for line in lines if line.startswith("GOT ")]


def filled(data: bytes) -> bytes:
    return _TOKEN.sub(lambda _: str(uuid.uuid4()).encode(), data)


async def send(url: str, form: RequestForm) -> Sent:
    parts = [filled(part.data) if part.tokens else part.data for part in form.body]
    body = b"".join(
        base64.b64encode(data) if part.encoding == "base64" else data
        for part, data in zip(form.body, parts, strict=True)
    )
    target = (form.base_url or url) + filled(form.target.encode()).decode()
    headers = dict(form.headers)
    if form.service is not None:
        request = AWSRequest(method=form.method, url=target, data=body, headers=headers)
        signer = S3SigV4Auth if form.service == "s3" else SigV4Auth
        signer(Credentials(LOOPBACK_KEY, LOOPBACK_KEY), form.service, "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
    async with (
        aiohttp.ClientSession(skip_auto_headers=("Content-Type",)) as http,
        http.request(form.method, URL(target, encoded=True), data=body, headers=headers) as answer,
    ):
        content = await answer.read()
        return Sent(answer.status, dict(answer.headers), content, _id_of(form, answer.headers, content))


def _id_of(form: RequestForm, headers: Any, content: bytes) -> str:
    if form.id_key is None:
        return str(headers.get(form.id_header, ""))[-36:]
    pattern = rf'{form.id_key}"?\s*[:>]\s*"?([^"<]+)'
    match = re.search(pattern, content.decode())
    return match[1][-36:] if match else ""


@asynccontextmanager
async def set_up(url: str, mode: Mode, *, function: str = "shop", **options: Any) -> AsyncIterator[Rig]:
    """Set a mode up on a clone of its own; take everything away afterwards, and see that it is gone."""
    async with AwsAccess(endpoint_url=url) as access:
        source = await describe_function(access, function)
        run = time.strftime(f"%Y%m%d-%H%M%S-{uuid.uuid4().hex[:4]}")
        maker, place, book = Maker(run, "host:1:1"), Place(access.region, url), Book()
        clone = Clone(access, source, maker, place)
        await clone.prepare(book, (128,), book)
        again = functools.partial(
            make_mode, mode, ModeOptions(**options), access=access, clone_name=clone.name, source=source, maker=maker,
            place=place,
        )  # fmt: skip
        made = again()
        version = await clone.version(128)
        try:
            await made.prepare(book, book)
            await made.point_to(version)
            yield Rig(url, access, clone, made, book, version, again)
        finally:
            was_there = [await undo_change(access, change) for change in reversed(book.intents)]
        missing = [c.kind for c, was in zip(reversed(book.intents), was_there, strict=True) if not was]
        assert missing in ([], ["create-log-group"])  # a clone that was not called wrote no line
        still = [await undo_change(access, change) for change in reversed(book.intents)]
        assert not any(still), list(zip(reversed(book.intents), still, strict=True))


@pytest.fixture
def rig_of(url: str) -> Callable[..., AbstractAsyncContextManager[Rig]]:
    """Set a mode up on the embedded endpoint."""
    return functools.partial(set_up, url)


async def what_is_left(url: str) -> list[str]:
    """Return the names of everything on the endpoint that a run could have made."""
    async with AwsAccess(endpoint_url=url) as access:
        names = await _everything(access)
    return [name for name in names if "lambdatune" in name or "lt-" in name]


async def _everything(access: AwsAccess) -> list[str]:
    sqs, sns, s3 = [await access.service(name) for name in ("sqs", "sns", "s3")]
    events, states, apis = [await access.service(name) for name in ("events", "stepfunctions", "apigatewayv2")]
    rest, balancers, kinesis = [await access.service(name) for name in ("apigateway", "elbv2", "kinesis")]
    dynamodb = await access.service("dynamodb")
    functions = await access.functions()
    await asyncio.sleep(0.05)  # the endpoint's mappings take --settle-ms to be deleted
    return [
        *(await sqs.list_queues()).get("QueueUrls", []),
        *(topic["TopicArn"] for topic in (await sns.list_topics())["Topics"]),
        *(bucket["Name"] for bucket in (await s3.list_buckets())["Buckets"]),
        *(bus["Name"] for bus in (await events.list_event_buses())["EventBuses"]),
        *(machine["name"] for machine in (await states.list_state_machines())["stateMachines"]),
        *(api["Name"] for api in (await apis.get_apis())["Items"]),
        *(api["name"] for api in (await rest.get_rest_apis()).get("items", [])),
        *(each["LoadBalancerName"] for each in (await balancers.describe_load_balancers())["LoadBalancers"]),
        *(each["TargetGroupName"] for each in (await balancers.describe_target_groups())["TargetGroups"]),
        *(await kinesis.list_streams())["StreamNames"],
        *(await dynamodb.list_tables())["TableNames"],
        *(entry["FunctionName"] for entry in (await functions.list_functions())["Functions"]),
        *(entry["FunctionArn"] for entry in (await functions.list_event_source_mappings())["EventSourceMappings"]),
    ]
