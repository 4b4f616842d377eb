"""EventBridge through the SDK: rules, patterns and targets."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdatune.local.events import patterns

from .conftest import Endpoint
from .event_support import ECHO, Clients, allow, arn_of, logged, rows, served


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "1", "--async-wait-scale", "0.001") as endpoint:
        yield endpoint


@pytest.fixture
async def events(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "events") as client:
        yield client


async def make_rule(server: Endpoint, events: Any, pattern: Any, **target: Any) -> tuple[str, str, str]:
    """Return a rule with its function as target: rule name, rule ARN, function."""
    rule, name = f"r-{uuid.uuid4().hex[:10]}", server.create(ECHO)
    arn = (await events.put_rule(Name=rule, EventPattern=json.dumps(pattern)))["RuleArn"]
    allow(server, name, "events", arn)
    answer = await events.put_targets(Rule=rule, Targets=[{"Id": "f", "Arn": arn_of(server, name), **target}])
    assert answer["FailedEntryCount"] == 0
    return rule, arn, name


def entry(source: str, detail: Any, **members: Any) -> dict[str, Any]:
    return {"Source": source, "DetailType": "made", "Detail": json.dumps(detail), **members}


async def test_a_function_gets_aws_s_event_of_what_its_rule_matches(server: Endpoint, events: Any) -> None:
    _, _, name = await make_rule(server, events, {"source": ["shop"], "detail": {"total": [{"numeric": [">=", 10]}]}})
    answer = await events.put_events(
        Entries=[
            entry("shop", {"total": 10}, Resources=["arn:x"]),
            entry("shop", {"total": 9}),
            entry("bank", {"total": 99}),
        ]
    )
    assert answer["FailedEntryCount"] == 0
    (row,) = await asyncio.to_thread(rows, server, name, 1)
    assert (row["source"], row["message_id"]) == ("eventbridge", answer["Entries"][0]["EventId"])
    (event,) = logged(server, name)
    assert event == {
        "version": "0",
        "id": answer["Entries"][0]["EventId"],
        "detail-type": "made",
        "source": "shop",
        "account": "123456789012",
        "time": event["time"],
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"total": 10},
    }
    assert event["time"].endswith("Z")


async def test_entries_that_cannot_be_fail_alone(server: Endpoint, events: Any) -> None:
    _, _, name = await make_rule(server, events, {"source": ["alone"]})
    answer = await events.put_events(
        Entries=[
            {"Source": "alone", "Detail": "{}"},
            {"Source": "alone", "DetailType": "t", "Detail": "[1]"},
            entry("alone", {}),
            entry("aws.ec2", {}),
        ]
    )
    codes = [each.get("ErrorCode") for each in answer["Entries"]]
    assert codes == ["InvalidArgument", "MalformedDetail", None, "NotAuthorizedForSourceException"]
    assert answer["FailedEntryCount"] == 3
    assert len(rows(server, name, 1)) == 1


async def test_what_a_target_is_sent_can_be_chosen(server: Endpoint, events: Any) -> None:
    _, _, part = await make_rule(server, events, {"source": ["chosen"]}, InputPath="$.detail.inner")
    _, _, fixed = await make_rule(server, events, {"source": ["chosen"]}, Input='{"fixed": true}')
    await events.put_events(Entries=[entry("chosen", {"inner": {"a": 1}})])
    await asyncio.to_thread(rows, server, part, 1)
    await asyncio.to_thread(rows, server, fixed, 1)
    assert logged(server, part) == [{"a": 1}]
    assert logged(server, fixed) == [{"fixed": True}]


async def test_without_a_permission_or_enabled_rule_nothing_is_invoked(server: Endpoint, events: Any) -> None:
    rule, _, name = await make_rule(server, events, {"source": ["quiet"]})
    await events.disable_rule(Name=rule)
    await events.put_events(Entries=[entry("quiet", {})])
    await events.enable_rule(Name=rule)
    assert server.call("DELETE", f"/2015-03-31/functions/{name}/policy/events").status == 204
    before = server.host()["undelivered"].get("AccessDenied", 0)
    await events.put_events(Entries=[entry("quiet", {})])
    assert server.host()["undelivered"]["AccessDenied"] == before + 1
    assert rows(server, name, 0) == []


async def test_rules_are_listed_and_deleted_after_their_targets(server: Endpoint, events: Any) -> None:
    rule, arn, name = await make_rule(server, events, {"source": ["life"]})
    found = await events.describe_rule(Name=rule)
    assert (found["Arn"], found["State"], found["EventBusName"]) == (arn, "ENABLED", "default")
    assert [each["Name"] for each in (await events.list_rules(NamePrefix=rule))["Rules"]] == [rule]
    (target,) = (await events.list_targets_by_rule(Rule=rule))["Targets"]
    assert target == {"Id": "f", "Arn": arn_of(server, name)}
    with pytest.raises(ClientError, match="since it has targets"):
        await events.delete_rule(Name=rule)
    await events.remove_targets(Rule=rule, Ids=["f"])
    await events.delete_rule(Name=rule)
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        await events.describe_rule(Name=rule)


async def test_a_bus_of_its_own_and_a_destination(server: Endpoint, events: Any) -> None:
    bus = (await events.create_event_bus(Name="own"))["EventBusArn"]
    target = server.create(ECHO)
    pattern = json.dumps({"source": ["lambda"], "detail-type": [{"suffix": "Success"}]})
    arn = (await events.put_rule(Name="results", EventBusName="own", EventPattern=pattern))["RuleArn"]
    assert arn.endswith(":rule/own/results")
    allow(server, target, "events", arn)
    await events.put_targets(Rule="results", EventBusName="own", Targets=[{"Id": "t", "Arn": arn_of(server, target)}])
    source = server.create(ECHO)
    config = {"DestinationConfig": {"OnSuccess": {"Destination": bus}}}
    server.call("PUT", f"/2019-09-25/functions/{source}/event-invoke-config", config)
    server.invoke(source, {"a": 1}, X_Amz_Invocation_Type="Event")
    await asyncio.to_thread(rows, server, target, 1)
    (event,) = logged(server, target)
    assert event["detail"]["requestPayload"] == {"a": 1}
    assert event["resources"][-1] == bus


async def test_refusals(server: Endpoint, events: Any) -> None:
    async def refused(call: Any) -> str:
        with pytest.raises(ClientError) as caught:
            await call
        return str(caught.value.response["Error"]["Code"] + ": " + caught.value.response["Error"]["Message"])

    assert "InvalidEventPattern" in await refused(events.put_rule(Name="x", EventPattern='{"source": "a"}'))
    assert "does not implement ScheduleExpression" in await refused(
        events.put_rule(Name="x", ScheduleExpression="rate(1 minute)")
    )
    assert "ResourceNotFoundException" in await refused(events.put_targets(Rule="x", Targets=[{"Id": "a", "Arn": "b"}]))
    assert "does not implement EventBridge PutPermission" in await refused(events.put_permission(StatementId="x"))
    assert "ResourceNotFound" in await refused(events.list_rules(EventBusName="none"))
    assert (await events.list_rules(NamePrefix="x"))["Rules"] == []


EVENT = {"source": "shop", "n": 5, "flag": True, "list": ["a", "b"], "deep": {"text": "Hello.txt"}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["shop", "bank"]}, True),
        ({"source": ["bank"]}, False),
        ({"n": [5]}, True),
        ({"flag": [1]}, False),
        ({"list": ["b"]}, True),
        ({"list": [{"anything-but": ["a"]}]}, False),
        ({"source": [{"anything-but": ["bank"]}]}, True),
        ({"source": [{"anything-but": {"prefix": "sh"}}]}, False),
        ({"missing": [{"anything-but": ["a"]}]}, False),
        ({"missing": [{"exists": False}], "n": [{"exists": True}]}, True),
        ({"n": [{"numeric": [">", 1, "<=", 5]}]}, True),
        ({"n": [{"numeric": [">", 5]}]}, False),
        ({"source": [{"numeric": [">", 5]}]}, False),
        ({"deep": {"text": [{"prefix": "Hello"}]}}, True),
        ({"deep": {"text": [{"suffix": ".txt"}]}}, True),
        ({"deep": {"text": [{"wildcard": "H*.t*"}]}}, True),
        ({"deep": {"text": [{"equals-ignore-case": "hello.TXT"}]}}, True),
        ({"source": {"text": ["a"]}}, False),
        ({"$or": [{"n": [1]}, {"source": ["shop"]}]}, True),
        ({"$or": [{"n": [1]}, {"source": ["bank"]}]}, False),
    ],
)
def test_patterns(pattern: Any, expected: bool) -> None:
    assert patterns.matches(patterns.parse(json.dumps(pattern)), EVENT) is expected


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "{}", '{"a": 1}', '{"a": []}', '{"a": [[1]]}', '{"a": [{"b": 1}]}', '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": ["~", 1]}]}', '{"a": [{"exists": 1}]}', '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": "x", "suffix": "y"}]}',
    ],
)  # fmt: skip
def test_patterns_that_cannot_be(text: str) -> None:
    with pytest.raises(patterns.PatternError):
        patterns.parse(text)
