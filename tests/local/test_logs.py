"""CloudWatch Logs: the calls that read REPORT lines."""

from __future__ import annotations

from typing import Any

import pytest

from lambdatune.local.errors import ApiError
from lambdatune.local.log_patterns import compile_pattern
from lambdatune.local.logstore import LogStore

SOURCE = "def handler(event, context):\n    print('hello', event)\n"


def test_streams_and_events(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    group = f"/aws/lambda/{name}"
    ids = [endpoint.invoke(name, {"number": number}).headers["x-amzn-requestid"] for number in range(3)]
    streams = endpoint.target("DescribeLogStreams", {"logGroupName": group}).json["logStreams"]
    assert len(streams) == 1
    stream = streams[0]["logStreamName"]
    found = endpoint.target("FilterLogEvents", {"logGroupName": group, "filterPattern": '"REPORT RequestId"'}).json
    assert [event["message"].split("\t")[0] for event in found["events"]] == [f"REPORT RequestId: {i}" for i in ids]
    assert {event["logStreamName"] for event in found["events"]} == {stream}
    pages, token = [], None
    while True:
        body = {"logGroupName": group, "limit": 2, **({"nextToken": token} if token else {})}
        page = endpoint.target("FilterLogEvents", body).json
        pages += [event["message"] for event in page["events"]]
        token = page.get("nextToken")
        if token is None:
            break
    assert len(pages) == 1 + 3 * 4
    head = {"logGroupName": group, "logStreamName": stream, "startFromHead": True, "limit": 5}
    first = endpoint.target("GetLogEvents", head).json
    assert first["events"][0]["message"].startswith("INIT_START")
    second = endpoint.target("GetLogEvents", {**head, "nextToken": first["nextForwardToken"]}).json
    assert second["events"][0]["message"].startswith("START RequestId")
    back = endpoint.target("GetLogEvents", {**head, "nextToken": second["nextBackwardToken"]}).json
    assert back["events"] == first["events"]
    end = endpoint.target("GetLogEvents", {**head, "limit": 100, "nextToken": second["nextForwardToken"]}).json
    again = endpoint.target("GetLogEvents", {**head, "nextToken": end["nextForwardToken"]}).json
    assert (again["events"], again["nextForwardToken"]) == ([], end["nextForwardToken"])


def test_groups(endpoint: Any) -> None:
    assert endpoint.target("CreateLogGroup", {"logGroupName": "own/group"}).status == 200
    twice = endpoint.target("CreateLogGroup", {"logGroupName": "own/group"})
    assert (twice.status, twice.json["__type"]) == (400, "ResourceAlreadyExistsException")
    assert endpoint.target("PutRetentionPolicy", {"logGroupName": "own/group", "retentionInDays": 7}).status == 200
    wrong = endpoint.target("PutRetentionPolicy", {"logGroupName": "own/group", "retentionInDays": 8})
    assert wrong.json["__type"] == "InvalidParameterException"
    groups = endpoint.target("DescribeLogGroups", {"logGroupNamePrefix": "own/"}).json["logGroups"]
    assert [(group["logGroupName"], group["retentionInDays"]) for group in groups] == [("own/group", 7)]
    name = endpoint.create(SOURCE, LoggingConfig={"LogGroup": "own/group"})
    endpoint.invoke(name)
    assert len(endpoint.target("DescribeLogStreams", {"logGroupName": "own/group"}).json["logStreams"]) == 1
    assert endpoint.target("DeleteLogGroup", {"logGroupName": "own/group"}).status == 200
    gone = endpoint.target("FilterLogEvents", {"logGroupName": "own/group"})
    assert (gone.status, gone.json["__type"]) == (400, "ResourceNotFoundException")
    other = endpoint.target("StartQuery", {})
    assert other.json["__type"] == "UnknownOperationException"
    assert "does not implement CloudWatch Logs StartQuery" in other.json["message"]


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ("REPORT", "REPORT RequestId: x", True),
        ("report", "REPORT RequestId: x", False),
        ('"REPORT RequestId" 42', "REPORT RequestId: 42", True),
        ('"REPORT RequestId" 43', "REPORT RequestId: 42", False),
        ("?ERROR ?WARN", "a WARN line", True),
        ("?ERROR ?WARN", "an INFO line", False),
        ("line -INFO", "an INFO line", False),
        ('{ $.type = "platform.report" }', '{"type": "platform.report"}', True),
        ('{ $.type != "platform.report" }', '{"type": "platform.start"}', True),
        ("{ $.record.metrics.memorySizeMB = 128 }", '{"record": {"metrics": {"memorySizeMB": 128}}}', True),
        ('{ $.type = "platform.*" }', '{"type": "platform.start"}', True),
        ('{ $.type = "platform.report" }', "text", False),
        ('{ ($.type = "a") || ($.type = "b") }', '{"type": "b"}', True),
        ('{ ($.type = "a") || ($.type = "b") }', '{"type": "c"}', False),
        ("{ $.x = 1 || $.y = 1 && $.z = 1 }", '{"x": 1}', True),
        ("{ ($.x = 1 || $.y = 1) && $.z = 1 }", '{"x": 1}', False),
        ("{ ($.x = 1 || $.y = 1) && $.z = 1 }", '{"y": 1, "z": 1}', True),
        ('{ $.x = "" }', '{"x": ""}', True),
        ('{ $.x = "" }', '{"x": "y"}', False),
        ("{ $.x = 1 }", "{broken", False),
        ('?"START RequestId" ?"END RequestId"', "END RequestId: x", True),
        ('?"[ERROR] "', "[ERROR] ValueError: x", True),
    ],
)
def test_patterns(pattern: str, message: str, expected: bool) -> None:
    assert compile_pattern(pattern)(message) is expected


@pytest.mark.parametrize(
    "pattern",
    ["{ $.a > 1 }", "{ ($.a = 1 }", "{ $.a = 1 && }", "{ $.a = 1 ) }", "{ }", "{ $.a = 1", "%regex%", '"open'],
)
def test_patterns_that_are_not_understood_are_refused(pattern: str) -> None:
    with pytest.raises(ApiError, match="does not implement"):
        compile_pattern(pattern)


def test_streams_are_bounded() -> None:
    store = LogStore()
    stream = store.stream("group", "stream")
    for number in range(200):
        stream.append("x" * 100_000, number)
    assert stream.stored_bytes <= 4 * 1024 * 1024
    assert stream.events[-1].number == 199
    for number in range(2_100):
        store.stream("group", f"s{number}")
    assert len(store.group("group").streams) == 2_000
