"""SQS through the SDK, which checks the digests of every answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdatune.local.events.sqs import settings
from lambdatune.local.events.sqs.queue import Queue

from .conftest import Endpoint
from .event_support import Clients, served


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "1") as endpoint:
        yield endpoint


@pytest.fixture
async def sqs(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "sqs") as client:
        yield client


@pytest.fixture
async def queue(sqs: Any, request: Any) -> str:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    return str((await sqs.create_queue(QueueName=name))["QueueUrl"])


async def bodies(sqs: Any, url: str, **members: Any) -> list[str]:
    answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **members)
    return [message["Body"] for message in answer.get("Messages", [])]


async def counts(sqs: Any, url: str) -> list[int]:
    names = ["", "NotVisible", "Delayed"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return [int(answer["Attributes"][f"ApproximateNumberOfMessages{name}"]) for name in names]


async def refused(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await call
    return str(caught.value.response["Error"]["Code"])


async def test_a_message_is_received_with_its_attributes_and_deleted(sqs: Any, queue: str) -> None:
    before_ms = int(time.time() * 1_000)
    sent = await sqs.send_message(
        QueueUrl=queue,
        MessageBody="grüße\n",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "x"},
            "raw": {"DataType": "Binary.png", "BinaryValue": b"\x00\x01"},
            "count": {"DataType": "Number", "StringValue": "12"},
        },
    )
    answer = await sqs.receive_message(QueueUrl=queue, AttributeNames=["All"], MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "grüße\n")
    assert message["MD5OfBody"] == hashlib.md5("grüße\n".encode()).hexdigest()
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\x01"
    attributes = message["Attributes"]
    assert attributes["ApproximateReceiveCount"] == "1"
    assert before_ms <= int(attributes["SentTimestamp"]) <= int(attributes["ApproximateFirstReceiveTimestamp"])
    assert await counts(sqs, queue) == [0, 1, 0]
    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert await counts(sqs, queue) == [0, 0, 0]


async def test_the_digest_of_attributes_is_aws_s(sqs: Any, queue: str) -> None:
    sent = await sqs.send_message(
        QueueUrl=queue,
        MessageBody="b",
        MessageAttributes={"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}},
    )
    assert sent["MD5OfMessageAttributes"] == "235c5c510d26fb653d073faed50ae77c"  # as in moto's tests


async def test_visibility_ends_and_can_be_changed(sqs: Any, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="a")
    first = (await sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1))["Messages"][0]
    assert await bodies(sqs, queue) == []
    began = time.monotonic()
    again = (await sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, AttributeNames=["All"]))["Messages"][0]
    assert 0.8 < time.monotonic() - began < 4
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])  # an old handle deletes nothing
    await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    assert await bodies(sqs, queue) == ["a"]
    handle = again["ReceiptHandle"]
    late = sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=5)
    assert await refused(late) == "AWS.SimpleQueueService.MessageNotInflight"


async def test_long_polling_gets_what_comes_meanwhile(sqs: Any, queue: str) -> None:
    waiting = asyncio.create_task(bodies(sqs, queue, WaitTimeSeconds=10))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await sqs.send_message(QueueUrl=queue, MessageBody="late")
    assert await waiting == ["late"]
    assert time.monotonic() - began < 2


async def test_delay(sqs: Any, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=1)
    assert await counts(sqs, queue) == [0, 0, 1]
    assert await bodies(sqs, queue) == []
    assert await bodies(sqs, queue, WaitTimeSeconds=5) == ["later"]


async def test_batches_answer_for_each_entry(sqs: Any, queue: str) -> None:
    entries: list[dict[str, Any]] = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(3)]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    answer = await sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "1", "2"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("bad", "InvalidParameterValue")]
    received = (await sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10))["Messages"]
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(received)]
    changed = await sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{**handle, "VisibilityTimeout": 60} for handle in handles]
    )
    assert len(changed["Successful"]) == 3
    deleted = await sqs.delete_message_batch(
        QueueUrl=queue, Entries=[*handles, {"Id": "x", "ReceiptHandle": "nonsense"}]
    )
    assert len(deleted["Successful"]) == 3
    assert [entry["Code"] for entry in deleted["Failed"]] == ["ReceiptHandleIsInvalid"]
    assert await counts(sqs, queue) == [0, 0, 0]


async def test_fifo_keeps_groups_in_order_and_drops_duplicates(sqs: Any) -> None:
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = (await sqs.create_queue(QueueName="order.fifo", Attributes=attributes))["QueueUrl"]
    sent = [
        await sqs.send_message(QueueUrl=url, MessageBody=f"{group}{n}", MessageGroupId=group)
        for n in range(3)
        for group in "ab"
    ]
    again = await sqs.send_message(QueueUrl=url, MessageBody="a0", MessageGroupId="a")
    assert (again["MessageId"], again["SequenceNumber"]) == (sent[0]["MessageId"], sent[0]["SequenceNumber"])
    named = {"QueueUrl": url, "MessageBody": "other", "MessageGroupId": "a", "MessageDeduplicationId": "a"}
    first = await sqs.send_message(**named)
    assert (await sqs.send_message(**{**named, "MessageBody": "more"}))["MessageId"] == first["MessageId"]
    assert sorted(s["SequenceNumber"] for s in sent) == [s["SequenceNumber"] for s in sent]

    taken = (await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, AttributeNames=["All"]))["Messages"]
    assert [message["Body"] for message in taken] == ["a0", "a1"]
    assert taken[0]["Attributes"]["MessageGroupId"] == "a"
    assert await bodies(sqs, url) == ["b0", "b1", "b2"]  # nothing of group a while some of it is out
    await sqs.delete_message(QueueUrl=url, ReceiptHandle=taken[0]["ReceiptHandle"])
    assert await bodies(sqs, url) == []
    await sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=taken[1]["ReceiptHandle"], VisibilityTimeout=0)
    assert await bodies(sqs, url) == ["a1", "a2", "other"]

    assert await refused(sqs.send_message(QueueUrl=url, MessageBody="x")) == "MissingParameter"
    delayed = sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="a", DelaySeconds=1)
    assert await refused(delayed) == "InvalidParameterValue"


async def test_what_is_received_too_often_goes_to_the_dead_letter_queue(sqs: Any, queue: str) -> None:
    dead = (await sqs.create_queue(QueueName="dead"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    sent = await sqs.send_message(QueueUrl=queue, MessageBody="poison")
    assert [await bodies(sqs, queue) for _ in range(3)] == [["poison"], ["poison"], []]
    (message,) = (await sqs.receive_message(QueueUrl=dead, AttributeNames=["All"]))["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "poison")
    assert message["Attributes"]["DeadLetterQueueSourceArn"].endswith(queue.rpartition("/")[2])
    assert (await sqs.list_dead_letter_source_queues(QueueUrl=dead))["queueUrls"] == [queue]
    missing = json.dumps({"deadLetterTargetArn": arn + "x", "maxReceiveCount": 2})
    wrong = sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": missing})
    assert await refused(wrong) == "InvalidParameterValue"


async def test_purge_takes_everything_once_a_minute(sqs: Any, queue: str) -> None:
    for n in range(3):
        await sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    handle = (await sqs.receive_message(QueueUrl=queue))["Messages"][0]["ReceiptHandle"]
    await sqs.purge_queue(QueueUrl=queue)
    assert await counts(sqs, queue) == [0, 0, 0]
    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    assert await refused(sqs.purge_queue(QueueUrl=queue)) == "AWS.SimpleQueueService.PurgeQueueInProgress"
    await sqs.send_message(QueueUrl=queue, MessageBody="new")
    assert await bodies(sqs, queue) == ["new"]


async def test_queues_are_found_tagged_and_deleted(sqs: Any) -> None:
    url = (await sqs.create_queue(QueueName="life", tags={"a": "1"}))["QueueUrl"]
    assert (await sqs.create_queue(QueueName="life", Attributes={"DelaySeconds": "0"}))["QueueUrl"] == url
    other = sqs.create_queue(QueueName="life", Attributes={"DelaySeconds": "1"})
    assert await refused(other) == "QueueAlreadyExists"
    assert (await sqs.get_queue_url(QueueName="life"))["QueueUrl"] == url
    assert (await sqs.list_queues(QueueNamePrefix="lif"))["QueueUrls"] == [url]
    await sqs.tag_queue(QueueUrl=url, Tags={"b": "2"})
    await sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    assert (await sqs.list_queue_tags(QueueUrl=url))["Tags"] == {"b": "2"}
    waiting = asyncio.create_task(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10))
    await asyncio.sleep(0.1)
    await sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        await waiting
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        await sqs.send_message(QueueUrl=url, MessageBody="x")


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "soon"}, "InvalidAttributeValue"),
        ({"Colour": "blue"}, "InvalidAttributeName"),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
        ({"Policy": "{"}, "InvalidAttributeValue"),
        ({"RedrivePolicy": "{}"}, "InvalidParameterValue"),
    ],
)
async def test_attributes_that_cannot_be(sqs: Any, queue: str, attributes: dict[str, str], code: str) -> None:
    before = (await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"]))["Attributes"]
    assert await refused(sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)) == code
    assert (await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"]))["Attributes"] == before


async def test_messages_that_cannot_be(server: Endpoint, sqs: Any, queue: str) -> None:
    assert await refused(sqs.send_message(QueueUrl=queue, MessageBody="\x01")) == "InvalidMessageContents"
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    assert await refused(sqs.send_message(QueueUrl=queue, MessageBody="x" * 1_025)) == "InvalidParameterValue"
    await sqs.send_message(QueueUrl=queue, MessageBody="x" * 1_024)
    await sqs.purge_queue(QueueUrl=queue)
    kind = {"a": {"DataType": "Colour", "StringValue": "x"}}
    assert await refused(sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=kind)) == (
        "InvalidParameterValue"
    )
    large = {"QueueUrl": queue, "Entries": [{"Id": str(n), "MessageBody": "x" * 600_000} for n in range(2)]}
    answer = server.call("POST", "/", large, {"X-Amz-Target": "AmazonSQS.SendMessageBatch"})
    assert answer.json["__type"] == "com.amazonaws.sqs#BatchRequestTooLong"
    twice = [{"Id": "a", "MessageBody": "x"}] * 2
    assert await refused(sqs.send_message_batch(QueueUrl=queue, Entries=twice)) == (
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
    )
    assert await refused(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=11)) == "InvalidParameterValue"
    assert await refused(sqs.delete_message(QueueUrl=queue, ReceiptHandle="x")) == "ReceiptHandleIsInvalid"
    assert await counts(sqs, queue) == [0, 0, 0]


async def test_what_is_not_implemented_says_so(sqs: Any, queue: str) -> None:
    arn = "arn:aws:sqs:us-east-1:123456789012:dead"
    with pytest.raises(ClientError) as caught:
        await sqs.start_message_move_task(SourceArn=arn)
    assert "does not implement SQS StartMessageMoveTask" in caught.value.response["Error"]["Message"]


def test_deleted_messages_take_no_memory_until_their_visibility_timeout_is_over() -> None:
    attributes = {**settings.defaults(is_fifo=False), "VisibilityTimeout": "43200"}
    queue = Queue("q", "arn:q", attributes, {}, lambda *_: False)
    for _ in range(5_000):
        queue.send("x", {})
        (message,) = queue.take(1)
        queue.delete(message.handle)
    assert len(queue._hidden) < 2_000
    assert not queue._by_handle
    queue.send("last", {})
    (message,) = queue.take(1)
    assert (message.body, queue.backlog) == ("last", 0)
    queue.change_visibility(message.handle, 0)
    assert queue.take(1) == [message]


def test_expired_messages_are_gone() -> None:
    attributes = {**settings.defaults(is_fifo=False), "MessageRetentionPeriod": "60"}
    queue = Queue("q", "arn:q", attributes, {}, lambda *_: False)
    queue.send("old", {}).accepted_ns -= 61 * 1_000_000_000
    queue.send("new", {})
    assert [message.body for message in queue.take(10)] == ["new"]
    assert queue.all_attributes()["ApproximateNumberOfMessages"] == "0"


def test_a_dead_letter_queue_that_is_gone_lets_messages_stay() -> None:
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:gone", "maxReceiveCount": 1})
    attributes = {**settings.defaults(is_fifo=False), "VisibilityTimeout": "0", "RedrivePolicy": redrive}
    queue = Queue("q", "arn:q", attributes, {}, lambda *_: False)
    queue.send("x", {})
    assert [queue.take(1)[0].receives for _ in range(3)] == [1, 2, 3]
