"""Messages of every form through real load processes to the embedded endpoint, which verifies their signatures.

Its own record of messages is what the identifiers in the rows are held against.
"""

from __future__ import annotations

import io
import json
import time
import urllib.request
import zipfile
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import boto3
import numpy as np
import pytest
from botocore.config import Config

from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.order import ClosedLoop, Order, WeightedPayload
from lambdatune.model.invocation import Start, Status
from lambdatune.model.request_form import BodyPart, RequestForm

CODE = """
import os, time

def handler(event, context):
    if isinstance(event, dict):
        if event.get("raise"):
            raise KeyError("no such key")
        if "rawPath" in event:
            if event["rawPath"].startswith("/raise"):
                raise KeyError("no such key")
            status = event["rawPath"].strip("/")
            return {"statusCode": int(status or 200), "body": "{}"}
        time.sleep(event.get("sleep_s", 0))
    return {"ok": True}
"""
ROLE = "arn:aws:iam::123456789012:role/r"
JSON_1_0 = ("Content-Type", "application/x-amz-json-1.0")
JSON_1_1 = ("Content-Type", "application/x-amz-json-1.1")


@pytest.fixture(scope="module")
def world(start_embedded):
    """An endpoint with a function and all that leads to it."""
    with start_embedded("--settle-ms", "1", "--async-wait-scale", "0.001") as told:
        session = boto3.Session("x", "x", region_name=told["region"])
        config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})

        def client(name):
            return session.client(name, endpoint_url=told["endpoint_url"], config=config)

        functions = client("lambda")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("app.py", CODE)
        arn = functions.create_function(
            FunctionName="fn", Runtime="python3.12", Role=ROLE, Handler="app.handler", Timeout=1, MemorySize=512,
            Code={"ZipFile": archive.getvalue()},
        )["FunctionArn"]  # fmt: skip
        functions.get_waiter("function_active_v2").wait(FunctionName="fn", WaiterConfig={"Delay": 0.05})
        made = _leads(client, functions, arn)
        yield SimpleNamespace(url=told["endpoint_url"], region=told["region"], **made)
        for opened in made["clients"]:
            opened.close()
        functions.close()


def _leads(client, functions, arn):
    """Make what invokes the function by itself: a queue, a topic, a bucket, a rule, a workflow and a URL."""
    names = ("sqs", "sns", "s3", "events", "stepfunctions", "logs")
    sqs, sns, s3, events, states, logs = clients = [client(name) for name in names]
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    s3.create_bucket(Bucket="bucket")
    rule = events.put_rule(Name="r", EventPattern='{"source": ["shop"]}')["RuleArn"]
    for service, source in (("sns", topic), ("s3", "arn:aws:s3:::bucket"), ("events", rule)):
        functions.add_permission(
            FunctionName="fn", StatementId=service, Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com", SourceArn=source,
        )  # fmt: skip
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    s3.put_bucket_notification_configuration(
        Bucket="bucket",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    events.put_targets(Rule="r", Targets=[{"Id": "f", "Arn": arn}])
    definition = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": arn, "Payload.$": "$"},
                "End": True,
            }
        },
    }
    machine = states.create_state_machine(
        name="m", type="EXPRESS", definition=json.dumps(definition), roleArn=ROLE
    )["stateMachineArn"]  # fmt: skip
    function_url = functions.create_function_url_config(FunctionName="fn", AuthType="AWS_IAM")["FunctionUrl"]
    return {
        "clients": clients, "sqs": sqs, "s3": s3, "logs": logs, "queue": queue, "topic": topic, "machine": machine,
        "function_url": function_url,
    }  # fmt: skip


@pytest.fixture
async def send(world, collect):
    """Send messages of a form, by one load process or more, and return their rows and what was told of errors."""

    async def sent(form, calls=1, *, shards=1, secret="x"):
        endpoint = endpoint_from_url(world.url, world.region)
        order = Order(7, 3, "fn", ClosedLoop(2), calls, payloads=(WeightedPayload(b"", form=form),))
        async with LoadDriver.start(endpoint, Credentials("x", secret), shards=shards) as driver:
            rows = await collect(driver, order)
            return rows, dict(driver.last_outcome.messages)

    return sent


def recorded(world, source: str, ids: set[str]) -> list[dict]:
    """Return the endpoint's record of messages from `source`, when it has those of `ids`."""
    deadline = time.monotonic() + 15
    while True:
        with urllib.request.urlopen(f"{world.url}/_lambdatune/messages?function=fn", timeout=5) as answer:
            rows = [json.loads(line) for line in answer.read().splitlines()]
        found = [row for row in rows if row["source"] == source]
        if ids <= {row["message_id"] for row in found} or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def reported(world) -> set[str]:
    """Return the request ids of all REPORT lines of the function."""
    events = world.logs.filter_log_events(logGroupName="/aws/lambda/fn", filterPattern="REPORT")["events"]
    return {event["message"].split()[2] for event in events}


def ids_of(rows) -> set[str]:
    assert (rows["status"] == Status.OK).all(), rows["error"]
    assert (rows["start"] == Start.UNKNOWN).all()
    found = {request_id.decode() for request_id in rows["request_id"]}
    assert len(found) == len(rows)
    return found


def sqs_form(queue: str, text: bytes = b"{{uuid}}/{{sequence}}") -> RequestForm:
    head = json.dumps({"QueueUrl": queue, "MessageBody": ""}).encode()[:-2]
    body = (BodyPart(head), BodyPart(text, tokens=True), BodyPart(b'"}'))
    headers = (("X-Amz-Target", "AmazonSQS.SendMessage"), JSON_1_0)
    return RequestForm("/", headers=headers, body=body, service="sqs", answer="accept", id_key="MessageId")


async def test_messages_of_two_shards_reach_a_queue(world, send):
    rows, _ = await send(sqs_form(world.queue), 21, shards=2)
    sent = ids_of(rows)
    assert set(rows["shard"]) == {0, 1}
    got: dict[str, str] = {}
    while len(got) < 21:
        answer = world.sqs.receive_message(QueueUrl=world.queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        assert answer.get("Messages"), "messages are missing"
        got |= {message["MessageId"]: message["Body"] for message in answer["Messages"]}
    assert got.keys() == sent
    assert sorted(int(body.partition("/")[2]) for body in got.values()) == list(range(21))
    assert len({body.partition("/")[0] for body in got.values()}) == 21


async def test_a_topic(world, send):
    text = f"Action=Publish&Version=2010-03-31&TopicArn={quote(world.topic, safe='')}&Message="
    form = RequestForm(
        "/", headers=(("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),), service="sns",
        body=(BodyPart(text.encode()), BodyPart(b"n-{{sequence}}", tokens=True)), answer="accept", id_key="MessageId",
    )  # fmt: skip
    rows, _ = await send(form, 4)
    sent = ids_of(rows)
    assert {row["message_id"] for row in recorded(world, "sns", sent)} == sent


async def test_a_bucket(world, send):
    form = RequestForm(
        "/bucket/in%20here/{{sequence}}-{{uuid}}.json", method="PUT", service="s3", answer="accept",
        headers=(("Content-Type", "application/json"),), body=(BodyPart(b'{"id":"{{uuid}}"}', tokens=True),),
        id_header="x-amz-request-id",
    )  # fmt: skip
    rows, _ = await send(form, 4)
    sent = ids_of(rows)
    assert sent <= {row["message_id"] for row in recorded(world, "s3", sent)}
    keys = [listed["Key"] for listed in world.s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert sorted(key[:10] for key in keys) == [f"in here/{number}-" for number in range(4)]
    for key in keys:
        body = json.loads(world.s3.get_object(Bucket="bucket", Key=key)["Body"].read())
        assert body["id"] == key[10:-5]


async def test_a_bus(world, send):
    entry = {"Source": "shop", "DetailType": "made", "Detail": '{"n": 1}'}
    form = RequestForm(
        "/", headers=(("X-Amz-Target", "AWSEvents.PutEvents"), JSON_1_1), service="events", answer="accept",
        body=(BodyPart(json.dumps({"Entries": [entry]}).encode()),), id_key="EventId",
    )  # fmt: skip
    rows, _ = await send(form, 4)
    sent = ids_of(rows)
    assert {row["message_id"] for row in recorded(world, "eventbridge", sent)} == sent


async def test_an_entry_that_a_bus_did_not_take(send):
    form = RequestForm(
        "/", headers=(("X-Amz-Target", "AWSEvents.PutEvents"), JSON_1_1), service="events", answer="accept",
        body=(BodyPart(b'{"Entries": [{"Source": "shop", "DetailType": "made", "Detail": "no json"}]}'),),
        id_key="EventId",
    )  # fmt: skip
    rows, messages = await send(form)
    assert (rows["status"][0], rows["error"][0]) == (Status.REFUSED, b"MalformedDetail")
    assert messages["MalformedDetail"]


async def test_events_of_invoke(world, send):
    form = RequestForm(
        "/2015-03-31/functions/fn/invocations?Qualifier=%24LATEST", headers=(("X-Amz-Invocation-Type", "Event"),),
        body=(BodyPart(b'{"n": {{sequence}}}', tokens=True),), answer="accept",
    )  # fmt: skip
    rows, _ = await send(form, 4)
    sent = ids_of(rows)
    found = recorded(world, "event", sent)
    assert {row["request_id"] for row in found} == sent
    assert (rows["http_status"] == 202).all()


def workflow_form(machine: str, event: bytes) -> RequestForm:
    body = (BodyPart(json.dumps({"stateMachineArn": machine, "input": event.decode()}).encode()),)
    headers = (("X-Amz-Target", "AWSStepFunctions.StartSyncExecution"), JSON_1_0)
    return RequestForm("/", headers=headers, body=body, service="states", answer="workflow")


async def test_a_workflow(world, send):
    rows, _ = await send(workflow_form(world.machine, b'{"n": 1}'), 3)
    assert ids_of(rows) <= reported(world)
    rows, messages = await send(workflow_form(world.machine, b'{"raise": 1}'))
    assert (rows["status"][0], rows["error"][0]) == (Status.FUNCTION_ERROR, b"KeyError")
    assert "no such key" in messages["KeyError"]
    rows, _ = await send(workflow_form(world.machine, b'{"sleep_s": 3}'))
    assert (rows["status"][0], rows["error"][0]) == (Status.TIMEOUT, b"Sandbox.Timedout")
    rows, _ = await send(workflow_form(world.machine + "x", b"{}"))
    assert (rows["status"][0], rows["error"][0]) == (Status.REFUSED, b"StateMachineDoesNotExist")


async def test_a_function_url(world, send):
    parts = urlsplit(world.function_url)
    base_url = f"{parts.scheme}://{parts.netloc}"

    def form(path: str, query: str = "", **fields) -> RequestForm:
        target = f"{parts.path}{path}{query}"
        return RequestForm(target, answer="http", **{"base_url": base_url, "body": (BodyPart(b"{}"),), **fields})

    rows, _ = await send(form("200", "?b={{uuid}}&a={{sequence}}&a=0"), 3)
    assert ids_of(rows) <= reported(world)
    for path, status, error in (
        ("404", Status.FUNCTION_ERROR, b"HTTP 404"),
        ("raise", Status.FUNCTION_ERROR, b"HTTP 502"),
        ("429", Status.THROTTLED, b"HTTP 429"),
    ):
        rows, _ = await send(form(path, method="GET", body=()))
        assert (rows["status"][0], rows["error"][0]) == (status, error)
    rows, messages = await send(form("200", service=None))
    assert (rows["status"][0], rows["error"][0]) == (Status.REFUSED, b"HTTP 403")
    assert messages["HTTP 403"]


def stream_form(event: bytes) -> RequestForm:
    return RequestForm(
        "/2021-11-15/functions/fn/response-streaming-invocations", headers=(("X-Amz-Log-Type", "Tail"),),
        body=(BodyPart(event),), answer="stream",
    )  # fmt: skip


async def test_a_streamed_answer(send):
    rows, _ = await send(stream_form(b"{}"), 4)
    assert (rows["status"] == Status.OK).all()
    assert set(rows["start"]) <= {Start.WARM, Start.COLD}
    service_ms = (rows["done_ns"] - rows["sent_ns"]) / 1e6
    assert (service_ms >= rows["duration_ms"]).all()
    assert (rows["billed_ms"] >= rows["duration_ms"]).all()
    assert ((rows["sent_ns"] < rows["first_byte_ns"]) & (rows["first_byte_ns"] <= rows["done_ns"])).all()
    assert len(set(rows["request_id"])) == 4
    rows, messages = await send(stream_form(b'{"raise": 1}'))
    assert (rows["status"][0], rows["error"][0]) == (Status.FUNCTION_ERROR, b"KeyError")
    assert "no such key" in messages["KeyError"]
    assert not np.isnan(rows["duration_ms"]).any()


async def test_what_is_wrong_is_told_in_the_service_s_own_words(world, send):
    rows, messages = await send(sqs_form(world.queue + "-none"))
    assert (rows["status"][0], rows["error"][0]) == (Status.REFUSED, b"QueueDoesNotExist")
    assert messages["QueueDoesNotExist"]
    put = RequestForm("/none/key", method="PUT", service="s3", answer="accept", body=(BodyPart(b"x"),))
    rows, messages = await send(put)
    assert (rows["status"][0], rows["error"][0]) == (Status.REFUSED, b"NoSuchBucket")
    rows, _ = await send(sqs_form(world.queue), secret="another")
    assert (rows["status"][0], rows["error"][0]) == (Status.REFUSED, b"InvalidSignatureException")
