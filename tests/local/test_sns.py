"""SNS through the SDK: topics that invoke functions and feed queues, and who may."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Endpoint
from .event_support import ECHO, Clients, allow, arn_of, logged, rows, served


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "1", "--async-wait-scale", "0.001") as endpoint:
        yield endpoint


@pytest.fixture
async def sns(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "sns") as client:
        yield client


@pytest.fixture
async def topic(sns: Any) -> str:
    return str((await sns.create_topic(Name=f"t-{uuid.uuid4().hex[:10]}"))["TopicArn"])


async def subscribed(server: Endpoint, sns: Any, topic: str, **attributes: str) -> str:
    """Return a function that is subscribed and may be invoked."""
    name = server.create(ECHO)
    allow(server, name, "sns", topic)
    await sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn_of(server, name), Attributes=attributes)
    return name


async def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        await call
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


async def test_a_function_gets_aws_s_event(server: Endpoint, sns: Any, topic: str) -> None:
    name = await subscribed(server, sns, topic)
    kinds = {"kind": {"DataType": "String", "StringValue": "order"}}
    sent = await sns.publish(TopicArn=topic, Message="grüße & <x>", Subject="hi", MessageAttributes=kinds)
    (row,) = await asyncio.to_thread(rows, server, name, 1)
    assert (row["source"], row["message_id"], row["outcome"]) == ("sns", sent["MessageId"], "executed")
    (event,) = logged(server, name)
    (record,) = event["Records"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"].startswith(topic + ":")
    message = record["Sns"]
    assert set(message) == {
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes",
    }  # fmt: skip
    assert (message["Message"], message["Subject"], message["TopicArn"]) == ("grüße & <x>", "hi", topic)
    assert message["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}


async def test_without_a_permission_nothing_is_invoked(server: Endpoint, sns: Any, topic: str) -> None:
    name = server.create(ECHO)
    await sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn_of(server, name))
    before = server.host()["undelivered"].get("AccessDenied", 0)
    await sns.publish(TopicArn=topic, Message="x")
    assert server.host()["undelivered"]["AccessDenied"] == before + 1
    allow(server, name, "sns", topic + "-other")
    await sns.publish(TopicArn=topic, Message="x")
    assert server.host()["undelivered"]["AccessDenied"] == before + 2
    assert rows(server, name, 0) == []


async def test_a_batch_and_filters(server: Endpoint, sns: Any, topic: str) -> None:
    policy = json.dumps({"kind": ["order", {"prefix": "re"}], "total": [{"numeric": [">", 10]}]})
    name = await subscribed(server, sns, topic, FilterPolicy=policy)

    def entry(identifier: str, kind: str, total: str) -> dict[str, Any]:
        attributes = {
            "kind": {"DataType": "String", "StringValue": kind},
            "total": {"DataType": "Number", "StringValue": total},
        }
        return {"Id": identifier, "Message": identifier, "MessageAttributes": attributes}

    entries = [entry("a", "order", "11"), entry("b", "order", "9"), entry("c", "return", "12"), entry("d", "x", "12")]
    answer = await sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[*entries, {"Id": "e", "Message": "e"}])
    assert [good["Id"] for good in answer["Successful"]] == list("abcde")
    await asyncio.to_thread(rows, server, name, 2)
    assert sorted(event["Records"][0]["Sns"]["Message"] for event in logged(server, name)) == ["a", "c"]


async def test_a_queue_gets_the_envelope_or_the_raw_message_when_its_policy_lets_it(
    server: Endpoint, sns: Any, topic: str
) -> None:
    async with Clients(server.url, "sqs") as sqs:
        url = (await sqs.create_queue(QueueName="from-sns"))["QueueUrl"]
        answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        subscription = (await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn))["SubscriptionArn"]
        await sns.publish(TopicArn=topic, Message="denied")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        await sns.publish(TopicArn=topic, Message="wrapped")
        await sns.set_subscription_attributes(
            SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true"
        )
        kinds = {"kind": {"DataType": "String", "StringValue": "x"}}
        await sns.publish(TopicArn=topic, Message="raw", MessageAttributes=kinds)
        received = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    wrapped, raw = received["Messages"]
    envelope = json.loads(wrapped["Body"])
    assert (envelope["Message"], envelope["TopicArn"], envelope["Type"]) == ("wrapped", topic, "Notification")
    assert "UnsubscribeURL" in envelope
    assert (raw["Body"], raw["MessageAttributes"]["kind"]["StringValue"]) == ("raw", "x")


async def test_topics_and_subscriptions_are_listed_changed_and_deleted(server: Endpoint, sns: Any, topic: str) -> None:
    assert topic in [each["TopicArn"] for each in (await sns.list_topics())["Topics"]]
    await sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="d")
    assert (await sns.get_topic_attributes(TopicArn=topic))["Attributes"]["DisplayName"] == "d"
    await sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}])
    assert (await sns.list_tags_for_resource(ResourceArn=topic))["Tags"] == [{"Key": "a", "Value": "1"}]
    name = await subscribed(server, sns, topic)
    (found,) = (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"]
    assert (found["Protocol"], found["Endpoint"]) == ("lambda", arn_of(server, name))
    again = await sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn_of(server, name))
    assert again["SubscriptionArn"] == found["SubscriptionArn"]
    await sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
    assert (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"] == []
    await sns.delete_topic(TopicArn=topic)
    with pytest.raises(sns.exceptions.NotFoundException):
        await sns.publish(TopicArn=topic, Message="x")


async def test_refusals(sns: Any, topic: str) -> None:
    assert (await refused(sns.create_topic(Name="no spaces")))[0] == "InvalidParameter"
    _, sentence = await refused(sns.create_topic(Name="x.fifo", Attributes={"FifoTopic": "true"}))
    assert "does not implement FIFO topics" in sentence
    _, sentence = await refused(sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com"))
    assert "only lambda and sqs" in sentence
    assert (await refused(sns.publish(TopicArn=topic, Message="x" * 262_145)))[0] == "InvalidParameter"
    wrong = sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:123456789012:q",
        Attributes={"FilterPolicy": '{"a": 1}'},
    )
    assert (await refused(wrong))[0] == "InvalidParameter"
    assert (await sns.list_subscriptions_by_topic(TopicArn=topic))["Subscriptions"] == []
    _, sentence = await refused(sns.list_platform_applications())
    assert "does not implement SNS ListPlatformApplications" in sentence


async def test_a_function_that_is_gone_loses_nothing_silently(server: Endpoint, sns: Any, topic: str) -> None:
    name = await subscribed(server, sns, topic)
    server.call("DELETE", f"/2015-03-31/functions/{name}")
    before = server.host()["undelivered"].get("ResourceNotFoundException", 0)
    await sns.publish(TopicArn=topic, Message="x")
    assert server.host()["undelivered"]["ResourceNotFoundException"] == before + 1
