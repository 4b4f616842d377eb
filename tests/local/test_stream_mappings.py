"""Event source mappings of streams: order, batches, and what becomes of records that fail."""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdatune.local import server as server_module
from lambdatune.local.events.streams.shard import Record
from lambdatune.local.options import Options, parse_options

from .conftest import Endpoint
from .event_support import Clients, logged, rows, served

MAPPINGS = "/2015-03-31/event-source-mappings"
HANDLER = """
import base64, json, time

def handler(event, context):
    print("GOT " + json.dumps(event))
    texts = [base64.b64decode(r["kinesis"]["data"]).decode() for r in event["Records"]]
    if any(text.startswith("slow") for text in texts):
        time.sleep(0.2)
    if any(text.startswith("poison") for text in texts):
        raise ValueError("poison")
    bad = [r["kinesis"]["sequenceNumber"] for r, t in zip(event["Records"], texts) if t.startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in bad]}
"""
ECHO = "import json\n\ndef handler(event, context):\n    print('GOT ' + json.dumps(event))\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "20", "--stream-poll-ms", "20") as endpoint:
        yield endpoint


@pytest.fixture
async def kinesis(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "kinesis") as client:
        yield client


@pytest.fixture
async def sqs(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "sqs") as client:
        yield client


async def make_stream(kinesis: Any, shards: int = 1) -> tuple[str, str]:
    """Return name and ARN of a new stream that is active."""
    name = f"s-{uuid.uuid4().hex[:12]}"
    await kinesis.create_stream(StreamName=name, ShardCount=shards)
    for _ in range(200):
        summary = (await kinesis.describe_stream_summary(StreamName=name))["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE":
            return name, summary["StreamARN"]
        await asyncio.sleep(0.01)
    raise AssertionError(summary)


async def make_table(dynamodb: Any, view: str) -> tuple[str, str]:
    """Return the name of a new table that is active, and the ARN of its stream."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    created = await dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )
    await dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.02})
    return name, str(created["TableDescription"]["LatestStreamArn"])


async def make_queue(sqs: Any) -> tuple[str, str]:
    name = f"q-{uuid.uuid4().hex[:12]}"
    url = (await sqs.create_queue(QueueName=name))["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:123456789012:{name}"


def make_mapping(server: Endpoint, function: str, arn: str, **members: Any) -> str:
    body = {"FunctionName": function, "EventSourceArn": arn, "StartingPosition": "TRIM_HORIZON", **members}
    answer = server.call("POST", MAPPINGS, body)
    assert answer.status == 202, answer.body
    identifier = str(answer.json["UUID"])
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


async def put(kinesis: Any, name: str, *texts: str, key: str = "k") -> list[str]:
    """Write records; return their sequence numbers."""
    records = [{"PartitionKey": key, "Data": text.encode()} for text in texts]
    answer = await kinesis.put_records(StreamName=name, Records=records)
    return [each["SequenceNumber"] for each in answer["Records"]]


def data_of(event: dict[str, Any]) -> list[str]:
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]


async def found(server: Endpoint, function: str, count: int) -> list[dict[str, Any]]:
    return await asyncio.to_thread(rows, server, function, count)


async def test_a_batch_has_aws_s_event(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    sent = await put(kinesis, name, "a", "b", "c")
    identifier = make_mapping(server, function, arn)
    got = await found(server, function, 3)
    (event,) = logged(server, function)
    assert data_of(event) == ["a", "b", "c"]
    record = event["Records"][0]
    inner = record.pop("kinesis")
    assert record == {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sent[0]}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda",
        "awsRegion": "us-east-1",
        "eventSourceARN": arn,
    }
    arrived = inner.pop("approximateArrivalTimestamp")
    assert inner == {
        "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": sent[0], "data": "YQ==",
    }  # fmt: skip
    assert arrived == pytest.approx(got[0]["accepted_ns"] / 1e9, abs=0.001)
    assert [row["message_id"] for row in got] == sent
    assert {(row["source"], row["outcome"], row["attempt"], row["batch_size"]) for row in got} == {
        ("kinesis", "executed", 1, 3)
    }
    assert all(row["accepted_ns"] <= row["started_ns"] <= row["finished_ns"] for row in got)
    mapping = server.call("GET", f"{MAPPINGS}/{identifier}").json
    assert {key: mapping[key] for key in (
        "BatchSize", "MaximumBatchingWindowInSeconds", "ParallelizationFactor", "StartingPosition",
        "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "LastProcessingResult",
    )} == {
        "BatchSize": 100, "MaximumBatchingWindowInSeconds": 0, "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON", "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": False, "LastProcessingResult": "OK",
    }  # fmt: skip


async def test_starting_positions(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    await put(kinesis, name, "early")
    await asyncio.sleep(0.01)
    now_s = time.time()
    latest, timed = server.create(HANDLER), server.create(HANDLER)
    make_mapping(server, latest, arn, StartingPosition="LATEST")
    await put(kinesis, name, "late")
    make_mapping(server, timed, arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=now_s)
    for function in (latest, timed):
        await found(server, function, 1)
        assert [data_of(event) for event in logged(server, function)] == [["late"]]


async def test_lanes_keep_the_order_of_each_key_and_run_side_by_side(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    keys = "abcdef"
    for n, key in itertools.product(range(2), keys):
        await put(kinesis, name, f"slow {key}{n}", key=key)
    make_mapping(server, function, arn, BatchSize=1, ParallelizationFactor=3)
    got = await found(server, function, 12)
    numbers = {r["kinesis"]["sequenceNumber"]: r["kinesis"]["partitionKey"]
               for event in logged(server, function) for r in event["Records"]}  # fmt: skip
    for key in keys:
        mine = [row for row in got if numbers[row["message_id"]] == key]
        mine.sort(key=lambda row: row["started_ns"])
        assert [row["message_id"] for row in mine] == sorted(row["message_id"] for row in mine)
        assert all(one["finished_ns"] <= two["started_ns"] for one, two in itertools.pairwise(mine))
    edges = sorted([(row["started_ns"], 1) for row in got] + [(row["finished_ns"], -1) for row in got])
    assert 1 < max(itertools.accumulate(step for _, step in edges)) <= 3


async def test_a_failing_batch_blocks_its_shard_and_is_given_up_after_its_retries(
    server: Endpoint, kinesis: Any, sqs: Any
) -> None:
    name, arn = await make_stream(kinesis)
    url, queue_arn = await make_queue(sqs)
    function = server.create(HANDLER)
    sent = await put(kinesis, name, "poison", "with it", "after")
    make_mapping(
        server, function, arn, BatchSize=2, MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": queue_arn}},
    )  # fmt: skip
    got = await found(server, function, 7)
    outcomes = [(row["message_id"], row["attempt"], row["outcome"]) for row in got]
    assert outcomes == [
        *((number, attempt, "failed") for attempt in (1, 2) for number in sent[:2]),
        *((number, 3, "dead-lettered") for number in sent[:2]),
        (sent[2], 1, "executed"),
    ]
    assert len({row["request_id"] for row in got}) == 4
    (message,) = (await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2))["Messages"]
    document = json.loads(message["Body"])
    assert document["requestContext"] == {
        "requestId": got[5]["request_id"],
        "functionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{function}",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert document["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
    }  # fmt: skip
    info = document["KinesisBatchInfo"]
    assert info["approximateArrivalOfFirstRecord"] <= info["approximateArrivalOfLastRecord"]
    assert {**info, "approximateArrivalOfFirstRecord": "", "approximateArrivalOfLastRecord": ""} == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": sent[0],
        "endSequenceNumber": sent[1],
        "approximateArrivalOfFirstRecord": "",
        "approximateArrivalOfLastRecord": "",
        "batchSize": 2,
        "streamArn": arn,
    }


async def test_a_batch_that_fails_is_divided_until_the_culprit_is_alone(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    sent = await put(kinesis, name, "a", "b", "poison", "d")
    make_mapping(server, function, arn, BisectBatchOnFunctionError=True, MaximumRetryAttempts=1)
    await found(server, function, 11)
    assert [data_of(event) for event in logged(server, function)] == [
        ["a", "b", "poison", "d"], ["a", "b"], ["poison", "d"], ["poison"], ["poison"], ["d"],
    ]  # fmt: skip
    final = {r["message_id"]: r["outcome"] for r in await found(server, function, 11) if r["outcome"] != "failed"}
    assert [final[number] for number in sent] == ["executed", "executed", "dropped", "executed"]


async def test_what_comes_before_the_first_reported_failure_is_done(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    sent = await put(kinesis, name, "good", "bad", "fine")
    make_mapping(server, function, arn, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1)
    got = await found(server, function, 5)
    assert [data_of(event) for event in logged(server, function)] == [["good", "bad", "fine"], ["bad", "fine"]]
    assert [(row["message_id"], row["outcome"], row["batch_size"]) for row in got] == [
        (sent[0], "executed", 3), (sent[1], "failed", 3), (sent[2], "failed", 3),
        (sent[1], "dropped", 2), (sent[2], "dropped", 2),
    ]  # fmt: skip


async def test_a_window_gathers_a_batch(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    make_mapping(server, function, arn, BatchSize=4, MaximumBatchingWindowInSeconds=5)
    began = time.monotonic()
    for text in "abcd":
        await put(kinesis, name, text)
        await asyncio.sleep(0.03)
    got = await found(server, function, 4)
    assert {row["batch_size"] for row in got} == {4}
    assert time.monotonic() - began < 4  # a full batch does not wait for the window


async def test_batches_stay_below_six_megabytes(server: Endpoint) -> None:
    function = server.create("def handler(event, context):\n    return None\n")
    async with Clients(server.url, "dynamodb") as dynamodb:
        name, arn = await make_table(dynamodb, "NEW_IMAGE")
        for n in range(18):
            await dynamodb.put_item(TableName=name, Item={"id": {"S": str(n)}, "v": {"S": "x" * 390_000}})
    make_mapping(server, function, arn)
    got = await found(server, function, 18)
    assert [row["batch_size"] for row in got] == [16] * 16 + [2] * 2


async def test_filters_see_the_data_as_json(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    pattern = json.dumps({"data": {"total": [{"numeric": [">", 10]}]}, "partitionKey": ["k"]})
    make_mapping(server, function, arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    await put(kinesis, name, '{"total": 5}', '{"total": 50}', "plain")
    await found(server, function, 1)
    assert [data_of(event) for event in logged(server, function)] == [['{"total": 50}']]


async def test_an_alias_is_resolved_at_every_invocation(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create("def handler(event, context):\n    print('GOT \"' + context.function_version + '\"')\n")
    base = f"/2015-03-31/functions/{function}"
    assert server.call("POST", f"{base}/versions", {}).json["Version"] == "1"
    server.call("POST", f"{base}/aliases", {"Name": "live", "FunctionVersion": "1"})
    make_mapping(server, f"{function}:live", arn)
    await put(kinesis, name, "a")
    await found(server, function, 1)
    server.update(function, MemorySize=256)
    assert server.call("POST", f"{base}/versions", {}).json["Version"] == "2"
    server.wait(function)
    assert server.call("PUT", f"{base}/aliases/live", {"FunctionVersion": "2"}).status == 200
    await put(kinesis, name, "b")
    await found(server, function, 2)
    assert logged(server, function) == ["1", "2"]


async def test_throttles_are_no_attempts(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    path = f"/2017-10-31/functions/{function}/concurrency"
    server.call("PUT", path, {"ReservedConcurrentExecutions": 0})
    identifier = make_mapping(server, function, arn, MaximumRetryAttempts=0)
    await put(kinesis, name, "a")
    await result_of(server, identifier, "Rate")
    server.call("DELETE", path)
    (row,) = await found(server, function, 1)
    assert (row["outcome"], row["attempt"]) == ("executed", 1)


async def test_an_update_in_the_middle_loses_and_repeats_nothing(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    one, two = server.create(HANDLER), server.create(HANDLER)
    texts = [f"slow {n}" for n in range(6)]
    sent = await put(kinesis, name, *texts)
    identifier = make_mapping(server, one, arn, BatchSize=1)
    path = f"{MAPPINGS}/{identifier}"
    deadline = time.monotonic() + 5
    while not logged(server, one):  # the first batch runs
        assert time.monotonic() < deadline
    updated = server.call("PUT", path, {"FunctionName": two, "ParallelizationFactor": 2}).json
    assert (updated["State"], updated["ParallelizationFactor"]) == ("Updating", 2)
    assert settle(server, identifier) == "Enabled"
    before = [
        json.loads(line) for line in server.call("GET", f"/_lambdatune/messages?function={one}").body.splitlines()
    ]
    after = await found(server, two, 6 - len(before))
    assert [row["message_id"] for row in before + after] == sent
    assert max(row["finished_ns"] for row in before) <= min(row["started_ns"] for row in after)


async def test_disabled_mappings_read_nothing_and_go_on_where_they_were(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    identifier = make_mapping(server, function, arn)
    path = f"{MAPPINGS}/{identifier}"
    await put(kinesis, name, "a")
    await found(server, function, 1)
    assert server.call("PUT", path, {"Enabled": False}).json["State"] == "Disabling"
    assert settle(server, identifier) == "Disabled"
    await put(kinesis, name, "b")
    await asyncio.sleep(0.1)
    assert len(logged(server, function)) == 1
    assert server.call("PUT", path, {"Enabled": True}).json["State"] == "Enabling"
    await found(server, function, 2)
    assert [data_of(event) for event in logged(server, function)] == [["a"], ["b"]]


async def test_deletion_lets_a_batch_end_and_begins_no_other(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    await put(kinesis, name, *(f"slow {n}" for n in range(6)))
    identifier = make_mapping(server, function, arn, BatchSize=1)
    deadline = time.monotonic() + 5
    while not logged(server, function):
        assert time.monotonic() < deadline
    assert server.call("DELETE", f"{MAPPINGS}/{identifier}").json["State"] == "Deleting"
    assert settle(server, identifier) == "gone"
    await asyncio.sleep(0.6)  # three batches' time, in which none begins
    begun = len(logged(server, function))
    assert 1 <= begun < 6
    assert {row["outcome"] for row in await found(server, function, begun)} == {"executed"}


async def test_a_deleted_stream_is_told(server: Endpoint, kinesis: Any) -> None:
    name, arn = await make_stream(kinesis)
    identifier = make_mapping(server, server.create(HANDLER), arn)
    await kinesis.delete_stream(StreamName=name)
    await result_of(server, identifier, "stream does not exist")


async def test_changes_of_a_table_reach_a_function(server: Endpoint, sqs: Any) -> None:
    url, queue_arn = await make_queue(sqs)
    function = server.create(ECHO + "    if event['Records'][0]['eventName'] == 'REMOVE':\n        raise ValueError\n")
    async with Clients(server.url, "dynamodb") as dynamodb:
        name, arn = await make_table(dynamodb, "NEW_AND_OLD_IMAGES")
        pattern = json.dumps({"dynamodb": {"Keys": {"id": {"S": ["a"]}}}})
        make_mapping(
            server, function, arn, BatchSize=1, MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": queue_arn}},
            FilterCriteria={"Filters": [{"Pattern": pattern}]},
        )  # fmt: skip
        for value in "ab":
            await dynamodb.put_item(TableName=name, Item={"id": {"S": value}, "v": {"N": "1"}})
        await dynamodb.put_item(TableName=name, Item={"id": {"S": "a"}, "v": {"N": "2"}})
        await dynamodb.delete_item(TableName=name, Key={"id": {"S": "a"}})
    got = await found(server, function, 3)
    events = [event["Records"][0] for event in logged(server, function)]
    assert [event["eventName"] for event in events] == ["INSERT", "MODIFY", "REMOVE"]
    modify = events[1]
    assert set(modify) == {
        "eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN",
    }  # fmt: skip
    assert (modify["eventSource"], modify["eventVersion"], modify["eventSourceARN"]) == ("aws:dynamodb", "1.1", arn)
    assert set(modify["dynamodb"]) == {
        "ApproximateCreationDateTime", "Keys", "NewImage", "OldImage", "SequenceNumber", "SizeBytes", "StreamViewType",
    }  # fmt: skip
    assert (modify["dynamodb"]["OldImage"]["v"], modify["dynamodb"]["NewImage"]["v"]) == ({"N": "1"}, {"N": "2"})
    assert [row["message_id"] for row in got] == [event["dynamodb"]["SequenceNumber"] for event in events]
    assert {row["source"] for row in got} == {"dynamodb-streams"}
    assert [row["outcome"] for row in got] == ["executed", "executed", "dead-lettered"]
    (message,) = (await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2))["Messages"]
    info = json.loads(message["Body"])["DDBStreamBatchInfo"]
    assert (info["startSequenceNumber"], info["batchSize"], info["streamArn"]) == (got[2]["message_id"], 1, arn)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"StartingPosition": None}, "'startingPosition'"),
        ({"StartingPosition": "MIDDLE"}, "enum value set"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp is required"),
        ({"StartingPositionTimestamp": 1}, "only valid with"),
        ({"BatchSize": 10_001}, "less than or equal to 10000"),
        ({"MaximumBatchingWindowInSeconds": 301}, "less than or equal to 300"),
        ({"ParallelizationFactor": 11}, "less than or equal to 10"),
        ({"MaximumRetryAttempts": -2}, "greater than or equal to -1"),
        ({"MaximumRecordAgeInSeconds": 30}, "at least 60"),
        ({"TumblingWindowInSeconds": 5}, "does not implement TumblingWindowInSeconds"),
        ({"ScalingConfig": {"MaximumConcurrency": 2}}, "Unsupported parameter"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "somewhere"}}}, "regular expression"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}}}, "does not implement S3"),
        ({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:123456789012:q"}}}, "OnSuccess"),
        ({"FunctionName": "nothing-like-this"}, "Function not found"),
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/nothing"}, "Stream not found"),
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/x/consumer/c:1"}, "enhanced fan-out"),
        ({"EventSourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/1"}, "Stream not found"),
    ],
)
async def test_mappings_that_cannot_be(server: Endpoint, kinesis: Any, members: dict[str, Any], sentence: str) -> None:
    _, arn = await make_stream(kinesis)
    before = len(server.call("GET", MAPPINGS).json["EventSourceMappings"])
    body = {"EventSourceArn": arn, "FunctionName": "f-wrong", "StartingPosition": "TRIM_HORIZON", **members}
    if body["FunctionName"] == "f-wrong" and server.call("GET", "/2015-03-31/functions/f-wrong").status != 200:
        server.create(HANDLER, name="f-wrong")
    answer = server.call("POST", MAPPINGS, body)
    assert answer.status in {400, 404}
    assert sentence in answer.body.decode()
    assert len(server.call("GET", MAPPINGS).json["EventSourceMappings"]) == before


async def test_a_mapping_has_tags(server: Endpoint, kinesis: Any) -> None:
    _, arn = await make_stream(kinesis)
    identifier = make_mapping(server, server.create(HANDLER), arn, Tags={"a": "1"})
    async with Clients(server.url, "lambda") as client:
        mapping_arn = (await client.get_event_source_mapping(UUID=identifier))["EventSourceMappingArn"]
        await client.tag_resource(Resource=mapping_arn, Tags={"b": "2"})
        await client.untag_resource(Resource=mapping_arn, TagKeys=["a"])
        assert (await client.list_tags(Resource=mapping_arn))["Tags"] == {"b": "2"}
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await client.list_tags(Resource=mapping_arn[:-1] + "x")


async def test_a_second_mapping_of_the_same_pair_is_refused(server: Endpoint, kinesis: Any) -> None:
    _, arn = await make_stream(kinesis)
    function = server.create(HANDLER)
    identifier = make_mapping(server, function, arn)
    body = {"FunctionName": function, "EventSourceArn": arn, "StartingPosition": "LATEST"}
    answer = server.call("POST", MAPPINGS, body)
    assert (answer.error, identifier in answer.body.decode()) == ("ResourceConflictException", True)


async def test_records_that_are_too_old_are_given_up_untried() -> None:
    """In this process, because a record has to be a minute old and no test waits for that."""
    endpoint = await server_module.Endpoint.start(Options(settle_ms=1, stream_poll_ms=10))
    try:
        client = object.__new__(Endpoint)
        client.url, client.port = endpoint.url, int(endpoint.url.rpartition(":")[2])
        function = await asyncio.to_thread(client.create, HANDLER)
        async with Clients(endpoint.url, "kinesis", "sqs") as (kinesis, sqs):
            name, arn = await make_stream(kinesis)
            url, queue_arn = await make_queue(sqs)
            assert endpoint._sources is not None
            stream = endpoint._sources._mappings._sources.feeds["kinesis"](arn)
            assert stream is not None
            old_ns = time.time_ns() - 90 * 1_000_000_000
            stream.shards[0].append(Record(1, "k", "b2xk", 3, old_ns))
            (fresh,) = await put(kinesis, name, "new")
            await asyncio.to_thread(
                make_mapping, client, function, arn, MaximumRecordAgeInSeconds=60,
                DestinationConfig={"OnFailure": {"Destination": queue_arn}},
            )  # fmt: skip
            got = await found(client, function, 2)
            (message,) = (await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2))["Messages"]
    finally:
        await endpoint.close()
    assert [(row["message_id"], row["outcome"], row["attempt"], row["started_ns"] is None) for row in got] == [
        ("1", "dead-lettered", 0, True), (fresh, "executed", 1, False),
    ]  # fmt: skip
    document = json.loads(message["Body"])
    assert "responseContext" not in document
    context = document["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RecordAgeExpired", 0)
    assert document["KinesisBatchInfo"]["batchSize"] == 1


@pytest.mark.parametrize("wait", ["0", "70000", "soon"])
def test_a_poll_interval_that_cannot_be_is_refused(wait: str) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_options(["--stream-poll-ms", wait])
    assert caught.value.code == 2


PUT = {"StreamName": "s", "PartitionKey": "a", "Data": "YQ==", "ExplicitHashKey": "1"}
ITEM = {"TableName": "tab", "Item": {"id": {"S": "x"}, "n": {"N": "1"}, "l": {"L": [{"S": "a"}]}, "s": {"NS": ["1"]}}}
TABLE = {
    "TableName": "tab-new", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PROVISIONED", "ProvisionedThroughput":
    {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, "Tags": [{"Key": "a", "Value": "b"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("Kinesis_20131202.CreateStream", {"StreamName": "s", "ShardCount": 1, "Tags": {"a": "b"},
                                           "StreamModeDetails": {"StreamMode": "PROVISIONED"}}),
        ("Kinesis_20131202.ListShards", {"StreamName": "s", "ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": "x"}}),
        ("Kinesis_20131202.PutRecord", PUT),
        ("Kinesis_20131202.PutRecords", {"StreamName": "s", "Records": [PUT]}),
        ("Kinesis_20131202.GetRecords", {"ShardIterator": "x", "Limit": 5}),
        ("DynamoDB_20120810.CreateTable", TABLE),
        ("DynamoDB_20120810.PutItem", ITEM),
        ("DynamoDB_20120810.BatchWriteItem", {"RequestItems": {"tab": [{"PutRequest": {"Item": ITEM["Item"]}}]}}),
        ("DynamoDBStreams_20120810.GetRecords", {"ShardIterator": "x", "Limit": 5}),
    ],
)  # fmt: skip
def test_values_that_are_nonsense_are_refused_and_not_failed_on(
    server: Endpoint, target: str, body: dict[str, Any]
) -> None:
    """Every part of a request is replaced by values of every kind; a defect would be a 500."""
    for path in list(paths_of(body)):
        for value in (None, [], {}, [[]], -1, 1.5, True, "", "\u00e9" * 300, 10**30, "1e999999999"):
            wrong = copy.deepcopy(body)
            part: Any = wrong
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = value
            answer = server.call("POST", "/", wrong, {"X-Amz-Target": target})
            assert answer.status in {200, 400, 404}, (path, value, answer.body)
    assert server.call("POST", "/", b"{", {"X-Amz-Target": target}).error == "SerializationException"


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Iterate over the places inside a document."""
    if path:
        yield path
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield from paths_of(value[step], (*path, step))
