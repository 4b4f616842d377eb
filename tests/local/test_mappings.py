"""Event source mappings: queues that invoke functions, and what becomes of messages that fail."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from .conftest import Endpoint
from .event_support import Clients, logged, rows, served

MAPPINGS = "/2015-03-31/event-source-mappings"
HANDLER = """
import json, time

def handler(event, context):
    print("GOT " + json.dumps(event))
    bodies = [record["body"] for record in event["Records"]]
    if "slow" in bodies:
        time.sleep(0.5)
    if "poison" in bodies:
        raise ValueError("poison")
    bad = [r["messageId"] for r in event["Records"] if r["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in bad]}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "20") as endpoint:
        yield endpoint


@pytest.fixture
async def sqs(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "sqs") as client:
        yield client


async def make_queue(sqs: Any, *, fifo: bool = False, **attributes: str) -> tuple[str, str]:
    """Return URL and ARN of a new queue."""
    name = f"q-{uuid.uuid4().hex[:12]}" + ".fifo" * fifo
    if fifo:
        attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = (await sqs.create_queue(QueueName=name, Attributes=attributes))["QueueUrl"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, answer["Attributes"]["QueueArn"]


def make_mapping(server: Endpoint, function: str, arn: str, *, wait: bool = True, **members: Any) -> str:
    body = {"FunctionName": function, "EventSourceArn": arn, **members}
    answer = server.call("POST", MAPPINGS, body)
    assert answer.status == 202, answer.body
    assert answer.json["State"] == "Creating"
    identifier = str(answer.json["UUID"])
    if wait:
        settle(server, identifier)
    return identifier


def settle(server: Endpoint, identifier: str) -> str:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        state = server.call("GET", f"{MAPPINGS}/{identifier}").json.get("State", "gone")
        if state in {"Enabled", "Disabled", "gone"}:
            return str(state)
        time.sleep(0.01)
    raise AssertionError(state)


async def result_of(server: Endpoint, identifier: str, part: str) -> None:
    """Wait until LastProcessingResult has a word in it."""
    deadline = time.monotonic() + 5
    while part not in server.call("GET", f"{MAPPINGS}/{identifier}").json["LastProcessingResult"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def send(sqs: Any, url: str, *bodies: str, **members: Any) -> list[str]:
    """Send one batch of messages."""
    entries = [{"Id": str(n), "MessageBody": body, **members} for n, body in enumerate(bodies)]
    answer = await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    return [entry["MessageId"] for entry in answer["Successful"]]


async def left(sqs: Any, url: str) -> int:
    """Return how many messages a queue holds in all."""
    found = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]
    return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))


async def test_a_batch_has_aws_s_event_and_is_deleted(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    (await sqs.send_message(QueueUrl=url, MessageBody="a", MessageAttributes={
        "kind": {"DataType": "String", "StringValue": "x"}}))  # fmt: skip
    await send(sqs, url, "b", "c")
    make_mapping(server, name, arn)
    found = await asyncio.to_thread(rows, server, name, 3)
    (event,) = logged(server, name)
    assert [record["body"] for record in event["Records"]] == ["a", "b", "c"]
    record = event["Records"][0]
    assert set(record) == {
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody", "eventSource",
        "eventSourceARN", "awsRegion",
    }  # fmt: skip
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", arn, "us-east-1")
    assert set(record["attributes"]) == {
        "ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp",
    }  # fmt: skip
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String",
    }  # fmt: skip
    assert {row["message_id"] for row in found} == {record["messageId"] for record in event["Records"]}
    assert {(row["source"], row["outcome"], row["batch_size"]) for row in found} == {("sqs", "executed", 3)}
    assert len({row["request_id"] for row in found}) == 1
    assert all(row["accepted_ns"] <= row["started_ns"] <= row["finished_ns"] for row in found)
    assert await left(sqs, url) == 0


async def test_a_window_gathers_a_batch(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    make_mapping(server, name, arn, BatchSize=20, MaximumBatchingWindowInSeconds=5)
    began = time.monotonic()
    for _ in range(4):
        await send(sqs, url, *"abcde")
    found = await asyncio.to_thread(rows, server, name, 20)
    assert {row["batch_size"] for row in found} == {20}
    assert time.monotonic() - began < 4  # a full batch does not wait for the window


async def test_poison_goes_to_the_dead_letter_queue_after_its_receives(server: Endpoint, sqs: Any) -> None:
    dead, dead_arn = await make_queue(sqs)
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "2"})
    url, arn = await make_queue(sqs, VisibilityTimeout="1", RedrivePolicy=policy)
    name = server.create(HANDLER, Timeout=1)
    make_mapping(server, name, arn, BatchSize=1)
    (poison,) = await send(sqs, url, "poison")
    (fine,) = await send(sqs, url, "fine")
    found = await asyncio.to_thread(rows, server, name, 3)
    assert {row["outcome"] for row in found if row["message_id"] == fine} == {"executed"}
    mine = [(row["outcome"], row["attempt"]) for row in found if row["message_id"] == poison]
    assert mine == [("failed", 1), ("failed", 2)]
    (last,) = (await asyncio.to_thread(rows, server, name, 4))[3:]
    assert (last["message_id"], last["outcome"], last["attempt"]) == (poison, "dead-lettered", 2)
    (message,) = (await sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=2))["Messages"]
    assert (message["MessageId"], message["Body"]) == (poison, "poison")
    assert await left(sqs, url) == 0


async def test_only_the_messages_that_are_reported_come_again(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    sent = await send(sqs, url, "good", "bad", "fine")
    make_mapping(server, name, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    found = {row["message_id"]: row["outcome"] for row in await asyncio.to_thread(rows, server, name, 3)}
    assert [found[identifier] for identifier in sent] == ["executed", "failed", "executed"]
    assert await left(sqs, url) == 1


async def test_fifo_groups_run_in_order_and_side_by_side(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs, fifo=True)
    name = server.create(HANDLER)
    for group in "ab":
        await send(sqs, url, *(f"{group}{n}" for n in range(6)), MessageGroupId=group)
    make_mapping(server, name, arn, BatchSize=2)
    found = await asyncio.to_thread(rows, server, name, 12)
    events = sorted(logged(server, name), key=lambda e: e["Records"][0]["attributes"]["SequenceNumber"])
    bodies = [record["body"] for event in events for record in event["Records"]]
    assert bodies == sorted(bodies)
    by_group: dict[str, list[tuple[int, int]]] = {}
    names = {r["messageId"]: r["attributes"]["MessageGroupId"] for event in events for r in event["Records"]}
    for row in found:
        by_group.setdefault(names[row["message_id"]], []).append((row["started_ns"], row["finished_ns"]))
    for times in by_group.values():
        batches = sorted(set(times))
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(batches))


async def test_filters_let_through_what_matches_and_delete_the_rest(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    pattern = json.dumps({"body": {"kind": ["order"], "total": [{"numeric": [">", 10]}]}})
    make_mapping(server, name, arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    await send(sqs, url, '{"kind": "order", "total": 5}', '{"kind": "order", "total": 50}', "plain")
    (row,) = await asyncio.to_thread(rows, server, name, 1)
    assert row["batch_size"] == 1
    assert await left(sqs, url) == 0


async def test_maximum_concurrency_is_kept(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    for _ in range(2):
        await send(sqs, url, "slow", "slow", "slow")
    make_mapping(server, name, arn, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    found = await asyncio.to_thread(rows, server, name, 6)
    edges = sorted([(row["started_ns"], 1) for row in found] + [(row["finished_ns"], -1) for row in found])
    running = most = 0
    for _, step in edges:
        running += step
        most = max(most, running)
    assert most == 2
    assert len({row["request_id"] for row in found}) == 6


@pytest.mark.slow
async def test_concurrency_starts_at_five_and_grows_by_five_a_second(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    for _ in range(4):
        await send(sqs, url, *["slow"] * 10)
    make_mapping(server, name, arn, BatchSize=1)
    found = await asyncio.to_thread(rows, server, name, 40)
    first_ns = min(row["started_ns"] for row in found)
    edges = sorted([(row["started_ns"], 1) for row in found] + [(row["finished_ns"], -1) for row in found])
    running, seen = 0, []
    for at_ns, step in edges:
        running += step
        seen.append(((at_ns - first_ns) / 1e9, running))
    assert max(running for at_s, running in seen if at_s < 0.2) <= 6
    assert max(running for _, running in seen) > 6
    # Two more than the line: batches are counted before their environment starts, which takes time.
    assert all(running <= 7 + 5 * at_s for at_s, running in seen)


async def test_states_updates_and_the_end_of_a_mapping(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    identifier = make_mapping(server, name, arn, Enabled=False)
    path = f"{MAPPINGS}/{identifier}"
    assert server.call("GET", path).json["State"] == "Disabled"
    await send(sqs, url, "waits")
    await asyncio.sleep(0.1)
    assert await left(sqs, url) == 1
    updated = server.call("PUT", path, {"Enabled": True, "BatchSize": 5}).json
    assert (updated["State"], updated["BatchSize"]) == ("Enabling", 5)
    assert server.call("PUT", path, {"BatchSize": 6}).error == "ResourceInUseException"
    assert settle(server, identifier) == "Enabled"
    await asyncio.to_thread(rows, server, name, 1)
    assert server.call("GET", path).json["LastProcessingResult"] == "OK"
    listed = server.call("GET", f"{MAPPINGS}?FunctionName={name}").json["EventSourceMappings"]
    assert [each["UUID"] for each in listed] == [identifier]
    assert server.call("DELETE", path).json["State"] == "Deleting"
    assert settle(server, identifier) == "gone"
    assert server.call("GET", path).error == "ResourceNotFoundException"
    await send(sqs, url, "stays")
    await asyncio.sleep(0.1)
    assert await left(sqs, url) == 1


async def test_messages_wait_when_the_function_is_deleted(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    identifier = make_mapping(server, name, arn)
    server.call("DELETE", f"/2015-03-31/functions/{name}")
    await send(sqs, url, "a", "b")
    await result_of(server, identifier, "not found")
    assert await left(sqs, url) == 2
    server.create(HANDLER, name=name)
    assert {row["outcome"] for row in await asyncio.to_thread(rows, server, name, 2)} == {"executed"}


async def test_throttled_batches_are_tried_again(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create(HANDLER)
    server.call("PUT", f"/2017-10-31/functions/{name}/concurrency", {"ReservedConcurrentExecutions": 0})
    identifier = make_mapping(server, name, arn)
    await send(sqs, url, "a")
    await result_of(server, identifier, "Rate")
    server.call("DELETE", f"/2017-10-31/functions/{name}/concurrency")
    (row,) = await asyncio.to_thread(rows, server, name, 1)
    assert (row["outcome"], row["attempt"]) == ("executed", 1)


async def test_two_sources_share_the_environments_of_a_function(server: Endpoint, sqs: Any) -> None:
    url, arn = await make_queue(sqs)
    name = server.create("def handler(event, context):\n    return None\n")
    make_mapping(server, name, arn, BatchSize=1)
    started = server.host()["environments_started"]
    for _ in range(6):
        await send(sqs, url, *"abcdefghij")
        for _ in range(10):
            server.invoke(name, {}, X_Amz_Invocation_Type="Event")
    found = await asyncio.to_thread(rows, server, name, 120)
    assert {row["outcome"] for row in found} == {"executed"}
    assert len({row["message_id"] for row in found}) == 120
    assert server.host()["environments_started"] - started < 20


@pytest.mark.parametrize(
    ("fifo", "members", "sentence"),
    [
        (False, {"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0"),
        (False, {"BatchSize": 10_001, "MaximumBatchingWindowInSeconds": 1}, "less than or equal to 10000"),
        (False, {"ScalingConfig": {"MaximumConcurrency": 1}}, "greater than or equal to 2"),
        (False, {"StartingPosition": "LATEST"}, "Unsupported parameter"),
        (False, {"FunctionResponseTypes": ["Everything"]}, "ReportBatchItemFailures"),
        (False, {"FilterCriteria": {"Filters": [{"Pattern": '{"a": 1}'}]}}, "Invalid filter pattern definition"),
        (False, {"FilterCriteria": {"Filters": [{"Pattern": '{"a": [{"like": "b"}]}'}]}}, "Unrecognized match type"),
        (True, {"MaximumBatchingWindowInSeconds": 1}, "not supported for FIFO"),
        (False, {"FunctionName": "nothing-like-this"}, "Function not found"),
        (False, {"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:nothing"}, "NonExistentQueue"),
        (False, {"EventSourceArn": "arn:aws:kafka:us-east-1:123456789012:x"}, "does not implement"),
    ],
)
async def test_mappings_that_cannot_be(
    server: Endpoint, sqs: Any, fifo: bool, members: dict[str, Any], sentence: str
) -> None:
    _, arn = await make_queue(sqs, fifo=fifo)
    before = len(server.call("GET", MAPPINGS).json["EventSourceMappings"])
    if "FunctionName" not in members:
        members = {**members, "FunctionName": server.create(HANDLER)}
    answer = server.call("POST", MAPPINGS, {"EventSourceArn": arn, **members})
    assert answer.status in {400, 404}
    assert sentence in answer.body.decode()
    assert len(server.call("GET", MAPPINGS).json["EventSourceMappings"]) == before


async def test_a_timeout_longer_than_the_visibility_is_refused_and_so_is_a_second_mapping(
    server: Endpoint, sqs: Any
) -> None:
    _, arn = await make_queue(sqs, VisibilityTimeout="5")
    name = server.create(HANDLER, Timeout=6)
    answer = server.call("POST", MAPPINGS, {"FunctionName": name, "EventSourceArn": arn})
    assert answer.error == "InvalidParameterValueException"
    assert answer.json["message"] == ("Queue visibility timeout: 5 seconds is less than Function timeout: 6 seconds")
    server.update(name, Timeout=5)
    make_mapping(server, name, arn)
    again = server.call("POST", MAPPINGS, {"FunctionName": name, "EventSourceArn": arn})
    assert again.error == "ResourceConflictException"


async def test_the_end_of_the_endpoint_with_messages_in_flight_leaves_no_process(start_endpoint: Any) -> None:
    server = start_endpoint("--settle-ms", "1")
    source = "import os, time\ndef handler(e, c):\n    print(os.getpid())\n    time.sleep(60)\n"
    name = server.create(source, Timeout=20)
    async with Clients(server.url, "sqs") as sqs:
        url, arn = await make_queue(sqs)
        make_mapping(server, name, arn, BatchSize=1)
        await send(sqs, url, *"abcdef")
        pids: list[int] = []
        while len(pids) < 2:
            answer = server.target("FilterLogEvents", {"logGroupName": f"/aws/lambda/{name}"}).json
            lines = [event["message"].strip() for event in answer.get("events", [])]
            pids = [int(line) for line in lines if line.isdecimal()]
            await asyncio.sleep(0.02)
    log = await asyncio.to_thread(server.end)
    assert "Traceback" not in log, log
    assert server.process.returncode == 0
    assert not any(_is_handler(pid) for pid in pids)


def _is_handler(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline") as file:  # noqa: PTH123  may end while it is read
            return "bootstrap" in file.read()
    except OSError:
        return False
