"""Kinesis Data Streams over HTTP, as the SDK speaks to it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Answer, Endpoint
from .event_support import Clients, served

MOST = (1 << 128) - 1


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "20") as endpoint:
        yield endpoint


@pytest.fixture
async def kinesis(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "kinesis") as client:
        yield client


async def make_stream(kinesis: Any, shards: int = 1, **members: Any) -> str:
    """Return the name of a new stream that is active."""
    name = f"s-{uuid.uuid4().hex[:12]}"
    await kinesis.create_stream(StreamName=name, ShardCount=shards, **members)
    await until(kinesis, name, "ACTIVE")
    return name


async def until(kinesis: Any, name: str, status: str) -> None:
    for _ in range(200):
        found = await kinesis.describe_stream_summary(StreamName=name)
        if found["StreamDescriptionSummary"]["StreamStatus"] == status:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def iterator(kinesis: Any, name: str, kind: str = "TRIM_HORIZON", shard: int = 0, **members: Any) -> str:
    answer = await kinesis.get_shard_iterator(
        StreamName=name, ShardId=f"shardId-{shard:012d}", ShardIteratorType=kind, **members
    )
    return str(answer["ShardIterator"])


async def read(kinesis: Any, token: str, **members: Any) -> list[bytes]:
    return [each["Data"] for each in (await kinesis.get_records(ShardIterator=token, **members))["Records"]]


async def test_life_of_a_stream(server: Endpoint, kinesis: Any) -> None:
    name = f"s-{uuid.uuid4().hex[:12]}"
    await kinesis.create_stream(StreamName=name, ShardCount=3, Tags={"a": "1"})
    summary = (await kinesis.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
    assert (summary["StreamStatus"], summary["OpenShardCount"]) == ("CREATING", 3)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"x")
    await until(kinesis, name, "ACTIVE")
    described = (await kinesis.describe_stream(StreamName=name))["StreamDescription"]
    arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{name}"
    assert (described["StreamARN"], described["RetentionPeriodHours"]) == (arn, 24)
    assert described["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    ranges = [
        (int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]))
        for s in described["Shards"]
    ]
    assert (ranges[0][0], ranges[-1][1]) == (0, MOST)
    assert all(one[1] + 1 == two[0] for one, two in itertools.pairwise(ranges))
    await kinesis.add_tags_to_stream(StreamName=name, Tags={"b": "2"})
    assert (await kinesis.list_tags_for_stream(StreamARN=arn))["Tags"] == [
        {"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"},
    ]  # fmt: skip
    await kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["a"])
    assert (await kinesis.list_tags_for_stream(StreamName=name))["Tags"] == [{"Key": "b", "Value": "2"}]
    assert name in (await kinesis.list_streams())["StreamNames"]
    first = await kinesis.list_shards(StreamName=name, MaxResults=2)
    rest = await kinesis.list_shards(NextToken=first["NextToken"])
    ids = [shard["ShardId"] for shard in first["Shards"] + rest["Shards"]]
    assert ids == [f"shardId-{n:012d}" for n in range(3)]
    await kinesis.delete_stream(StreamName=name)
    summary = (await kinesis.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "DELETING"
    await asyncio.sleep(0.1)
    with pytest.raises(ClientError, match="not found"):
        await kinesis.describe_stream_summary(StreamName=name)


async def test_on_demand_streams_have_four_shards(server: Endpoint, kinesis: Any) -> None:
    name = f"s-{uuid.uuid4().hex[:12]}"
    await kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = (await kinesis.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
    assert (summary["StreamModeDetails"]["StreamMode"], summary["OpenShardCount"]) == ("ON_DEMAND", 4)


async def test_records_go_to_the_shard_of_their_key_in_order(server: Endpoint, kinesis: Any) -> None:
    name = await make_stream(kinesis, 2)
    keys = [f"key-{n}" for n in range(40)]
    answer = await kinesis.put_records(
        StreamName=name, Records=[{"PartitionKey": key, "Data": key.encode()} for key in keys]
    )
    assert answer["FailedRecordCount"] == 0
    for key, put in zip(keys, answer["Records"], strict=True):
        hashed = int(hashlib.md5(key.encode()).hexdigest(), 16)
        assert put["ShardId"] == f"shardId-{hashed >> 127:012d}"
    for shard in (0, 1):
        got = await kinesis.get_records(ShardIterator=await iterator(kinesis, name, shard=shard))
        mine = [(p["SequenceNumber"], k) for k, p in zip(keys, answer["Records"], strict=True)
                if p["ShardId"].endswith(str(shard))]  # fmt: skip
        assert [(r["SequenceNumber"], r["Data"].decode()) for r in got["Records"]] == mine
        numbers = [number for number, _ in mine]
        assert {len(number) for number in numbers} == {56}
        assert numbers == sorted(numbers)
        assert got["MillisBehindLatest"] == 0
    explicit = await kinesis.put_record(StreamName=name, PartitionKey="key-0", ExplicitHashKey=str(MOST), Data=b"x")
    assert explicit["ShardId"] == "shardId-000000000001"


async def test_every_type_of_iterator(server: Endpoint, kinesis: Any) -> None:
    name = await make_stream(kinesis)
    sent = [await kinesis.put_record(StreamName=name, PartitionKey="k", Data=letter) for letter in (b"a", b"b")]
    await asyncio.sleep(0.02)
    latest = await iterator(kinesis, name, "LATEST")
    sent.append(await kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"c"))
    second = sent[1]["SequenceNumber"]
    everything = await kinesis.get_records(ShardIterator=await iterator(kinesis, name))
    times = [record["ApproximateArrivalTimestamp"] for record in everything["Records"]]
    # Not by the SDK for Python, which sends whole seconds.
    timed = server.call(
        "POST",
        "/",
        {"StreamName": name, "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP",
         "Timestamp": times[2].timestamp()},
        {"X-Amz-Target": "Kinesis_20131202.GetShardIterator"},
    )  # fmt: skip
    found = {
        "TRIM_HORIZON": await read(kinesis, await iterator(kinesis, name)),
        "LATEST": await read(kinesis, latest),
        "AT": await read(kinesis, await iterator(kinesis, name, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=second)),
        "AFTER": await read(
            kinesis, await iterator(kinesis, name, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=second)
        ),
        "TIME": await read(kinesis, timed.json["ShardIterator"]),
    }
    assert found == {
        "TRIM_HORIZON": [b"a", b"b", b"c"], "LATEST": [b"c"], "AT": [b"b", b"c"], "AFTER": [b"c"], "TIME": [b"c"],
    }  # fmt: skip
    one = await kinesis.get_records(ShardIterator=await iterator(kinesis, name), Limit=1)
    assert [record["Data"] for record in one["Records"]] == [b"a"]
    assert await read(kinesis, one["NextShardIterator"]) == [b"b", b"c"]


async def test_a_shard_takes_a_thousand_records_and_a_megabyte_a_second(server: Endpoint, kinesis: Any) -> None:
    name = await make_stream(kinesis)
    small = [{"PartitionKey": "k", "Data": b"x"}] * 500
    answers = [await kinesis.put_records(StreamName=name, Records=small) for _ in range(3)]
    assert [answer["FailedRecordCount"] for answer in answers] == [0, 0, 500]
    refused = answers[2]["Records"][0]
    assert refused["ErrorCode"] == "ProvisionedThroughputExceededException"
    assert f"Rate exceeded for shard shardId-000000000000 in stream {name}" in refused["ErrorMessage"]
    other = await make_stream(kinesis)
    answers = [put_large(server, other, size) for size in (1_048_577, 1_048_576, 2_000)]
    assert [answer.error for answer in answers] == [
        "ValidationException", None, "ProvisionedThroughputExceededException",
    ]  # fmt: skip


def put_large(server: Endpoint, name: str, size: int) -> Answer:
    """Put a record of so many bytes without the SDK, which warns of large bodies."""
    body = {"StreamName": name, "PartitionKey": "k", "Data": base64.b64encode(b"x" * size).decode()}
    return server.call("POST", "/", body, {"X-Amz-Target": "Kinesis_20131202.PutRecord"})


@pytest.mark.parametrize(
    ("action", "members", "code"),
    [
        ("create_stream", {"StreamName": "bad name!", "ShardCount": 1}, "ValidationException"),
        ("create_stream", {"StreamName": "x"}, "ValidationException"),
        ("create_stream", {"StreamName": "x", "ShardCount": 501}, "LimitExceededException"),
        ("create_stream", {"StreamName": "x", "StreamModeDetails": {"StreamMode": "SOME"}}, "ValidationException"),
        ("create_stream", {"StreamName": "THERE", "ShardCount": 1}, "ResourceInUseException"),
        ("delete_stream", {"StreamName": "nothing"}, "ResourceNotFoundException"),
        ("describe_stream", {"StreamName": "nothing"}, "ResourceNotFoundException"),
        ("describe_stream_summary", {}, "InvalidArgumentException"),
        ("list_streams", {"Limit": 20_000}, "ValidationException"),
        ("list_shards", {"StreamName": "THERE", "ShardFilter": {"Type": "SOME"}}, "ValidationException"),
        ("put_record", {"StreamName": "THERE", "PartitionKey": "k" * 257, "Data": b"x"}, "ValidationException"),
        ("put_record", {"StreamName": "THERE", "PartitionKey": "k", "Data": b"x", "ExplicitHashKey": str(MOST + 1)},
         "InvalidArgumentException"),
        ("put_records", {"StreamName": "THERE", "Records": [{"PartitionKey": "k", "Data": b""}] * 501},
         "ValidationException"),
        ("get_shard_iterator", {"StreamName": "THERE", "ShardId": "shardId-9", "ShardIteratorType": "LATEST"},
         "ResourceNotFoundException"),
        ("get_shard_iterator", {"StreamName": "THERE", "ShardId": "shardId-000000000000", "ShardIteratorType": "X"},
         "ValidationException"),
        ("get_shard_iterator", {"StreamName": "THERE", "ShardId": "shardId-000000000000",
                                "ShardIteratorType": "AT_TIMESTAMP"}, "InvalidArgumentException"),
        ("get_records", {"ShardIterator": "made-up"}, "InvalidArgumentException"),
        ("add_tags_to_stream", {"StreamName": "nothing", "Tags": {"a": "b"}}, "ResourceNotFoundException"),
        ("list_tags_for_stream", {"StreamName": "nothing"}, "ResourceNotFoundException"),
        ("register_stream_consumer", {"StreamARN": "arn:aws:kinesis:us-east-1:123456789012:stream/x",
                                      "ConsumerName": "c"}, "UnknownOperationException"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused(
    server: Endpoint, kinesis: Any, action: str, members: dict[str, Any], code: str
) -> None:
    if members.get("StreamName") == "THERE":
        members = {**members, "StreamName": await make_stream(kinesis)}
    before = (await kinesis.list_streams())["StreamNames"]
    with pytest.raises(ClientError) as caught:
        await getattr(kinesis, action)(**members)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"]
    assert (await kinesis.list_streams())["StreamNames"] == before


async def test_an_iterator_does_not_outlive_its_stream(server: Endpoint, kinesis: Any) -> None:
    name = await make_stream(kinesis)
    token = await iterator(kinesis, name)
    await kinesis.delete_stream(StreamName=name)
    await asyncio.sleep(0.1)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await kinesis.get_records(ShardIterator=token)
    await kinesis.create_stream(StreamName=name, ShardCount=1)
    await until(kinesis, name, "ACTIVE")
    with pytest.raises(ClientError, match="InvalidArgumentException"):
        await kinesis.get_records(ShardIterator=token)


def test_cbor_is_refused_in_words(server: Endpoint) -> None:
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-cbor-1.1"}
    answer = server.call("POST", "/", b"\xa0", headers)
    assert (answer.status, answer.error) == (404, "UnknownOperationException")
    assert "CBOR" in answer.json["message"]
