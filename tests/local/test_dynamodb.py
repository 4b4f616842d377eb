"""DynamoDB tables and their streams over HTTP, as the SDK speaks to them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Endpoint
from .event_support import Clients, served

HASH = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
PAID = {"BillingMode": "PAY_PER_REQUEST"}


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "20") as endpoint:
        yield endpoint


@pytest.fixture
async def clients(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "dynamodb", "dynamodbstreams") as both:
        yield both


async def make_table(dynamodb: Any, view: str | None = None, **members: Any) -> dict[str, Any]:
    """Return the description of a new table that is active."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    if view is not None:
        members["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    await dynamodb.create_table(TableName=name, **{**HASH, **PAID, **members})
    return await active(dynamodb, name)


async def active(dynamodb: Any, name: str) -> dict[str, Any]:
    for _ in range(200):
        table: dict[str, Any] = (await dynamodb.describe_table(TableName=name))["Table"]
        if table["TableStatus"] == "ACTIVE":
            return table
        await asyncio.sleep(0.01)
    raise AssertionError(table)


async def shard_of(streams: Any, arn: str) -> str:
    ((shard,),) = ((await streams.describe_stream(StreamArn=arn))["StreamDescription"]["Shards"],)
    return str(shard["ShardId"])


async def changes(streams: Any, arn: str, kind: str = "TRIM_HORIZON", **members: Any) -> list[dict[str, Any]]:
    """Return the records of a stream."""
    place = {"StreamArn": arn, "ShardId": await shard_of(streams, arn), "ShardIteratorType": kind, **members}
    token = (await streams.get_shard_iterator(**place))["ShardIterator"]
    found: list[dict[str, Any]] = (await streams.get_records(ShardIterator=token))["Records"]
    return found


async def test_a_table_that_is_being_made_takes_no_requests() -> None:
    with served("--settle-ms", "60000") as endpoint:
        async with Clients(endpoint.url, "dynamodb", "dynamodbstreams") as (dynamodb, _):
            await dynamodb.create_table(TableName="slow", **HASH, **PAID)
            with pytest.raises(ClientError, match="ResourceNotFoundException"):
                await dynamodb.get_item(TableName="slow", Key={"id": {"S": "x"}})


async def test_life_of_a_table(server: Endpoint, clients: Any) -> None:
    dynamodb, _ = clients
    name = f"t-{uuid.uuid4().hex[:12]}"
    created = await dynamodb.create_table(
        TableName=name,
        **HASH,
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 7},
        Tags=[{"Key": "a", "Value": "1"}],
    )
    assert created["TableDescription"]["TableStatus"] == "CREATING"
    table = await active(dynamodb, name)
    throughput = table["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (5, 7)
    assert table["TableArn"] == f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}"
    assert "LatestStreamArn" not in table
    await dynamodb.tag_resource(ResourceArn=table["TableArn"], Tags=[{"Key": "b", "Value": "2"}])
    await dynamodb.untag_resource(ResourceArn=table["TableArn"], TagKeys=["a"])
    assert (await dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]))["Tags"] == [{"Key": "b", "Value": "2"}]
    assert name in (await dynamodb.list_tables())["TableNames"]
    deleted = await dynamodb.delete_table(TableName=name)
    assert deleted["TableDescription"]["TableStatus"] == "DELETING"
    await asyncio.sleep(0.1)
    with pytest.raises(ClientError, match=f"Table: {name} not found"):
        await dynamodb.describe_table(TableName=name)


async def test_items_by_their_key(server: Endpoint, clients: Any) -> None:
    dynamodb, _ = clients
    table = await make_table(
        dynamodb,
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    )  # fmt: skip
    name = table["TableName"]
    item = {
        "id": {"S": "x"}, "n": {"N": "1"}, "b": {"B": b"\x00\x01"}, "list": {"L": [{"NULL": True}, {"BOOL": False}]},
        "map": {"M": {"deep": {"SS": ["a", "b"]}}},
    }  # fmt: skip
    assert "Attributes" not in await dynamodb.put_item(TableName=name, Item=item, ReturnValues="ALL_OLD")
    got = await dynamodb.get_item(
        TableName=name, Key={"id": {"S": "x"}, "n": {"N": "1.0"}}, ReturnConsumedCapacity="TOTAL", ConsistentRead=True
    )
    assert got["Item"] == item  # 1 and 1.0 are one key
    assert got["ConsumedCapacity"] == {"TableName": name, "CapacityUnits": 1.0}
    assert (await active(dynamodb, name))["ItemCount"] == 1
    deleted = await dynamodb.delete_item(
        TableName=name, Key={"id": {"S": "x"}, "n": {"N": "1"}}, ReturnValues="ALL_OLD"
    )
    assert deleted["Attributes"] == item
    assert "Item" not in await dynamodb.get_item(TableName=name, Key={"id": {"S": "x"}, "n": {"N": "1"}})
    puts = [{"PutRequest": {"Item": {"id": {"S": "y"}, "n": {"N": str(n)}}}} for n in range(25)]
    assert (await dynamodb.batch_write_item(RequestItems={name: puts}))["UnprocessedItems"] == {}
    assert (await active(dynamodb, name))["ItemCount"] == 25
    key = {"id": {"S": "y"}, "n": {"N": "3"}}
    await dynamodb.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": key}}]})
    assert (await active(dynamodb, name))["ItemCount"] == 24


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
async def test_a_stream_tells_of_changes(server: Endpoint, clients: Any, view: str, images: set[str]) -> None:
    dynamodb, streams = clients
    table = await make_table(dynamodb, view)
    name, key = table["TableName"], {"id": {"S": "x"}}
    for value in ("1", "1", "2"):  # the second changes nothing
        await dynamodb.put_item(TableName=name, Item={**key, "v": {"N": value}})
    for _ in range(2):
        await dynamodb.delete_item(TableName=name, Key=key)
    found = await changes(streams, table["LatestStreamArn"])
    assert [each["eventName"] for each in found] == ["INSERT", "MODIFY", "REMOVE"]
    insert, modify, remove = (each["dynamodb"] for each in found)
    assert all(each["Keys"] == key and each["StreamViewType"] == view for each in (insert, modify, remove))
    assert {"NewImage", "OldImage"} & set(modify) == images
    assert {"NewImage", "OldImage"} & set(insert) == images - {"OldImage"}
    assert {"NewImage", "OldImage"} & set(remove) == images - {"NewImage"}
    if "NewImage" in images:
        assert modify["NewImage"] == {**key, "v": {"N": "2"}}
    if "OldImage" in images:
        assert modify["OldImage"] == {**key, "v": {"N": "1"}}
    numbers = [int(each["SequenceNumber"]) for each in (insert, modify, remove)]
    assert numbers == sorted(numbers)
    assert insert["SizeBytes"] == 3 + ("NewImage" in images) * (3 + 3)
    after = await changes(
        streams, table["LatestStreamArn"], "AFTER_SEQUENCE_NUMBER", SequenceNumber=modify["SequenceNumber"]
    )
    assert [each["eventName"] for each in after] == ["REMOVE"]
    assert await changes(streams, table["LatestStreamArn"], "LATEST") == []


async def test_a_stream_is_switched_off_and_on(server: Endpoint, clients: Any) -> None:
    dynamodb, streams = clients
    name = (await make_table(dynamodb))["TableName"]
    on = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    await dynamodb.update_table(TableName=name, StreamSpecification=on)
    first = (await active(dynamodb, name))["LatestStreamArn"]
    await dynamodb.put_item(TableName=name, Item={"id": {"S": "a"}})
    with pytest.raises(ClientError, match="already has an enabled stream"):
        await dynamodb.update_table(TableName=name, StreamSpecification=on)
    await dynamodb.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    assert "StreamSpecification" not in await active(dynamodb, name)
    await dynamodb.put_item(TableName=name, Item={"id": {"S": "b"}})
    await dynamodb.update_table(TableName=name, StreamSpecification=on)
    second = (await active(dynamodb, name))["LatestStreamArn"]
    assert len(await changes(streams, first)) == 1
    assert await changes(streams, second) == []
    listed = (await streams.list_streams(TableName=name))["Streams"]
    assert [each["StreamArn"] for each in listed] == [first, second]
    described = (await streams.describe_stream(StreamArn=first))["StreamDescription"]
    assert (described["StreamStatus"], described["StreamViewType"]) == ("DISABLED", "KEYS_ONLY")


async def test_protection_keeps_a_table(server: Endpoint, clients: Any) -> None:
    dynamodb, _ = clients
    name = (await make_table(dynamodb, DeletionProtectionEnabled=True))["TableName"]
    with pytest.raises(ClientError, match="protected against deletion"):
        await dynamodb.delete_table(TableName=name)
    await dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    await active(dynamodb, name)
    await dynamodb.delete_table(TableName=name)


KEY = {"id": {"S": "x"}}


@pytest.mark.parametrize(
    ("action", "members", "code", "part"),
    [
        ("create_table", {"TableName": "ab", **HASH, **PAID}, "ValidationException", "tableName"),
        ("create_table", {"TableName": "t-new", **HASH}, "ValidationException", "ReadCapacityUnits"),
        ("create_table", {"TableName": "t-new", **HASH, **PAID, "KeySchema": [
            {"AttributeName": "other", "KeyType": "HASH"}]}, "ValidationException", "not defined"),
        ("create_table", {"TableName": "t-new", **HASH, **PAID, "StreamSpecification": {"StreamEnabled": True}},
         "ValidationException", "streamViewType"),
        ("create_table", {"TableName": "t-new", **HASH, **PAID, "TableClass": "STANDARD_INFREQUENT_ACCESS"},
         "ValidationException", "does not implement TableClass"),
        ("create_table", {"TableName": "THERE", **HASH, **PAID}, "ResourceInUseException", "already exists"),
        ("delete_table", {"TableName": "nothing"}, "ResourceNotFoundException", "nothing not found"),
        ("update_table", {"TableName": "THERE", "StreamSpecification": {"StreamEnabled": False}},
         "ValidationException", "no stream to disable"),
        ("put_item", {"TableName": "THERE", "Item": {"v": {"S": "x"}}}, "ValidationException", "Missing the key id"),
        ("put_item", {"TableName": "THERE", "Item": {"id": {"N": "1"}}}, "ValidationException", "Type mismatch"),
        ("put_item", {"TableName": "THERE", "Item": {"id": {"S": ""}}}, "ValidationException", "empty string"),
        ("put_item", {"TableName": "THERE", "Item": {**KEY, "n": {"N": "one"}}}, "ValidationException", "numeric"),
        ("put_item", {"TableName": "THERE", "Item": {**KEY, "s": {"SS": ["a", "a"]}}}, "ValidationException",
         "duplicates"),
        ("put_item", {"TableName": "THERE", "Item": {**KEY, "v": {"S": "x" * 409_600}}}, "ValidationException",
         "maximum allowed size"),
        ("put_item", {"TableName": "THERE", "Item": KEY, "ConditionExpression": "attribute_not_exists(id)"},
         "ValidationException", "does not evaluate ConditionExpression"),
        ("get_item", {"TableName": "THERE", "Key": {**KEY, "v": {"S": "x"}}}, "ValidationException", "schema"),
        ("delete_item", {"TableName": "nothing", "Key": KEY}, "ResourceNotFoundException", "not found"),
        ("batch_write_item", {"RequestItems": {"THERE": [{"PutRequest": {"Item": KEY}}] * 2}}, "ValidationException",
         "duplicates"),
        ("update_item", {"TableName": "THERE", "Key": KEY}, "UnknownOperationException", "does not implement"),
        ("tag_resource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/nothing", "Tags": []},
         "ResourceNotFoundException", "not found"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused(
    server: Endpoint, clients: Any, action: str, members: dict[str, Any], code: str, part: str
) -> None:
    dynamodb, _ = clients
    name = (await make_table(dynamodb))["TableName"]
    if members.get("TableName") == "THERE":
        members = {**members, "TableName": name}
    if "RequestItems" in members:
        members = {"RequestItems": {name: members["RequestItems"]["THERE"]}}
    tables = (await dynamodb.list_tables())["TableNames"]
    with pytest.raises(ClientError) as caught:
        await getattr(dynamodb, action)(**members)
    assert caught.value.response["Error"]["Code"] == code
    assert part in caught.value.response["Error"]["Message"]
    assert (await active(dynamodb, name))["ItemCount"] == 0
    assert (await dynamodb.list_tables())["TableNames"] == tables


async def test_streams_that_are_not_there(server: Endpoint, clients: Any) -> None:
    dynamodb, streams = clients
    arn = (await make_table(dynamodb, "KEYS_ONLY"))["LatestStreamArn"]
    shard = await shard_of(streams, arn)
    wrong = [
        ("describe_stream", {"StreamArn": arn + "1"}, "ResourceNotFoundException"),
        ("get_shard_iterator", {"StreamArn": arn, "ShardId": "shardId-00000000000000000000-1",
                                "ShardIteratorType": "LATEST"}, "ResourceNotFoundException"),
        ("get_shard_iterator", {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP"},
         "ValidationException"),
        ("get_shard_iterator", {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER"},
         "ValidationException"),
        ("get_records", {"ShardIterator": "made-up"}, "ValidationException"),
        ("list_streams", {"Limit": 101}, "ValidationException"),
    ]  # fmt: skip
    for action, members, code in wrong:
        with pytest.raises(ClientError) as caught:
            await getattr(streams, action)(**members)
        assert caught.value.response["Error"]["Code"] == code, action
