"""Invoke with InvocationType Event: retries, age, throttles, destinations and the endpoint's own record."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lambdatune.local.events.record import Messages, Origin
from lambdatune.local.options import parse_options

from .conftest import Endpoint
from .event_support import rows

SCALE = 0.002
HANDLER = """
import time

seen = {}

def handler(event, context):
    if event.get("kind") == "sleep":
        time.sleep(event["s"])
    if event.get("kind") == "fail":
        raise ValueError("no such luck")
    if event.get("kind") == "fail-once" and seen.setdefault(event["id"], True):
        seen[event["id"]] = False
        raise ValueError("once")
    print("GOT " + str(event))
    return {"got": event}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    endpoint = Endpoint("--async-wait-scale", str(SCALE), "--settle-ms", "1")
    yield endpoint
    log = endpoint.end()
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def function(server: Endpoint) -> str:
    return server.create(HANDLER, MemorySize=1024)


def send(server: Endpoint, name: str, event: Any, **headers: str) -> str:
    answer = server.invoke(name, event, X_Amz_Invocation_Type="Event", **headers)
    assert answer.status == 202, answer.body
    assert answer.body == b""
    return answer.headers["x-amzn-requestid"]


def configure(server: Endpoint, name: str, method: str = "PUT", **members: Any) -> Any:
    return server.call(method, f"/2019-09-25/functions/{name}/event-invoke-config", members)


def test_runs_once_with_the_request_id_of_the_answer(server: Endpoint) -> None:
    name = server.create(HANDLER)
    before_ns = time.time_ns()
    request_id = send(server, name, {"a": 1})
    (row,) = rows(server, name, 1)
    after_ns = time.time_ns()
    assert (row["source"], row["message_id"], row["request_id"]) == ("event", request_id, request_id)
    assert (row["outcome"], row["attempt"], row["batch_size"]) == ("executed", 1, 1)
    assert before_ns <= row["accepted_ns"] <= row["started_ns"] <= row["finished_ns"] <= after_ns
    logged = server.target("FilterLogEvents", {"logGroupName": f"/aws/lambda/{name}"}).json["events"]
    text = "".join(event["message"] for event in logged)
    assert "GOT {'a': 1}" in text
    assert f"REPORT RequestId: {request_id}\t" in text


def test_two_retries_with_aws_s_waits_then_dropped(server: Endpoint) -> None:
    name = server.create(HANDLER)
    request_id = send(server, name, {"kind": "fail"})
    found = rows(server, name, 3)
    assert [row["outcome"] for row in found] == ["failed", "failed", "dropped"]
    assert [row["attempt"] for row in found] == [1, 2, 3]
    assert {row["request_id"] for row in found} == {request_id}
    waits_s = [(b["started_ns"] - a["finished_ns"]) / 1e9 for a, b in itertools.pairwise(found)]
    assert waits_s[0] >= 60 * SCALE
    assert waits_s[1] >= 120 * SCALE


def test_a_retry_that_succeeds_is_executed(server: Endpoint) -> None:
    name = server.create(HANDLER)
    send(server, name, {"kind": "fail-once", "id": "x"})
    assert [row["outcome"] for row in rows(server, name, 2)] == ["failed", "executed"]


def test_destinations_get_the_invocation_record(server: Endpoint, function: str) -> None:
    target = server.create(HANDLER)
    arn = server.wait(target)["FunctionArn"]
    configured = configure(
        server,
        function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    ).json
    assert configured["MaximumRetryAttempts"] == 0
    good, bad = send(server, function, {"a": 1}), send(server, function, {"kind": "fail"})
    by_id = {row["message_id"]: row["outcome"] for row in rows(server, function, 2)}
    assert by_id == {good: "executed", bad: "dead-lettered"}
    rows(server, target, 2)
    logged = server.target("FilterLogEvents", {"logGroupName": f"/aws/lambda/{target}", "filterPattern": "GOT"}).json
    records = {
        record["requestContext"]["requestId"]: record
        for record in (eval(event["message"].removeprefix("GOT ")) for event in logged["events"])
    }
    assert records[good]["requestPayload"] == {"a": 1}
    assert records[good]["responsePayload"] == {"got": {"a": 1}}
    assert records[good]["requestContext"]["condition"] == "Success"
    failed = records[bad]
    assert failed["requestContext"]["condition"] == "RetriesExhausted"
    assert failed["requestContext"]["approximateInvokeCount"] == 1
    assert failed["requestContext"]["functionArn"].endswith(f"{function}:$LATEST")
    assert failed["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert failed["responsePayload"]["errorMessage"] == "no such luck"


def test_throttles_are_tried_again_until_the_event_is_too_old(server: Endpoint) -> None:
    name = server.create(HANDLER, Timeout=10)
    server.call("PUT", f"/2017-10-31/functions/{name}/concurrency", {"ReservedConcurrentExecutions": 1})
    configure(server, name, MaximumEventAgeInSeconds=60)  # 120 ms on this endpoint
    long = send(server, name, {"kind": "sleep", "s": 0.6})
    while not server.host()["asynchronous"]["in_flight"]:
        time.sleep(0.01)
    aged = send(server, name, {"a": 1})
    found = {row["message_id"]: row for row in rows(server, name, 2)}
    assert (found[long]["outcome"], found[aged]["outcome"]) == ("executed", "dropped")
    assert (found[aged]["attempt"], found[aged]["started_ns"]) == (0, None)
    configure(server, name, MaximumEventAgeInSeconds=21_600)
    send(server, name, {"kind": "sleep", "s": 0.3})
    late = send(server, name, {"b": 1})
    assert {row["message_id"]: row["outcome"] for row in rows(server, name, 4)}[late] == "executed"


def test_no_concurrency_at_all_is_not_tried(server: Endpoint) -> None:
    name = server.create(HANDLER)
    server.call("PUT", f"/2017-10-31/functions/{name}/concurrency", {"ReservedConcurrentExecutions": 0})
    send(server, name, {})
    (row,) = rows(server, name, 1)
    assert (row["outcome"], row["attempt"]) == ("dropped", 0)


def test_a_burst_starts_no_environment_for_every_event(server: Endpoint) -> None:
    name = server.create(HANDLER)
    started = server.host()["environments_started"]
    sent = {send(server, name, {"n": number}) for number in range(60)}
    found = rows(server, name, 60)
    assert {row["message_id"] for row in found} == sent
    assert {row["outcome"] for row in found} == {"executed"}
    assert server.host()["environments_started"] - started < 20


def test_settings_are_kept_merged_listed_and_deleted(server: Endpoint) -> None:
    name = server.create(HANDLER)
    path = f"/2019-09-25/functions/{name}/event-invoke-config"
    assert server.call("GET", path).error == "ResourceNotFoundException"
    assert configure(server, name).error == "InvalidParameterValueException"
    assert configure(server, name, "POST", MaximumRetryAttempts=1).error == "ResourceNotFoundException"
    assert configure(server, name, MaximumRetryAttempts=3).error == "ValidationException"
    assert configure(server, name, MaximumEventAgeInSeconds=59).error == "ValidationException"
    refused = configure(server, name, DestinationConfig={"OnFailure": {"Destination": "queue"}})
    assert refused.error == "ValidationException"
    assert server.call("GET", path).error == "ResourceNotFoundException"
    assert configure(server, name, MaximumRetryAttempts=1).status == 200
    merged = configure(server, name, "POST", MaximumEventAgeInSeconds=90).json
    assert (merged["MaximumRetryAttempts"], merged["MaximumEventAgeInSeconds"]) == (1, 90)
    listed = server.call("GET", f"{path}/list").json["FunctionEventInvokeConfigs"]
    assert [config["FunctionArn"].rpartition(":")[2] for config in listed] == ["$LATEST"]
    assert server.call("DELETE", path).status == 204
    assert server.call("GET", f"{path}/list").json == {"FunctionEventInvokeConfigs": []}


def test_the_record_is_read_in_pages(server: Endpoint) -> None:
    name = server.create(HANDLER)
    sent = [send(server, name, {"n": number}) for number in range(5)]
    found = rows(server, name, 5)
    assert sorted(row["message_id"] for row in found) == sorted(sent)
    path = f"/_lambdatune/messages?function={name}"

    def page(query: str) -> list[int]:
        return [json.loads(line)["sequence"] for line in server.call("GET", path + query).body.splitlines()]

    everything = [row["sequence"] for row in found]
    assert page("&limit=2") == everything[:2]
    assert page(f"&limit=2&after={everything[1]}") == everything[2:4]
    assert page(f"&after={everything[-1]}") == []
    assert page("&source=sqs") == []


def test_the_record_lets_go_of_the_oldest() -> None:
    record = Messages(most=3)
    for number in range(5):
        record.add(Origin("event", str(number), 1), "f", "executed")
    kept = [json.loads(line)["message_id"] for line in record.page({"after": "1"}).splitlines()]
    assert kept == ["2", "3", "4"]
    assert [json.loads(line)["message_id"] for line in record.page({"after": "4"}).splitlines()] == ["4"]


def test_refusals(server: Endpoint, function: str) -> None:
    large = server.invoke(function, {"x": "y" * (1024 * 1024)}, X_Amz_Invocation_Type="Event")
    assert (large.status, large.error) == (413, "RequestTooLargeException")
    assert "(limit 1048576 bytes)" in large.json["message"]
    assert server.invoke("nothing-like-this", X_Amz_Invocation_Type="Event").status == 404
    assert server.invoke(function, b"{no", X_Amz_Invocation_Type="Event").error == "InvalidRequestContentException"
    assert server.call("GET", "/_lambdatune/messages?after=x").status == 400


def test_a_function_that_is_deleted_takes_its_events_along(server: Endpoint) -> None:
    name = server.create(HANDLER)
    send(server, name, {"kind": "fail"})
    rows(server, name, 1)
    assert server.call("DELETE", f"/2015-03-31/functions/{name}").status == 204
    found = rows(server, name, 2)
    assert [row["outcome"] for row in found] == ["failed", "dropped"]


def test_the_end_of_the_endpoint_ends_events_that_run_and_wait(start_endpoint: Any) -> None:
    server = start_endpoint("--settle-ms", "1")
    name = server.create(
        "import os, time\ndef handler(e, c):\n    print(os.getpid())\n    time.sleep(60)\n", Timeout=90
    )
    for _ in range(5):
        send(server, name, {})
    pids: list[int] = []
    while not pids:
        logged = server.target("FilterLogEvents", {"logGroupName": f"/aws/lambda/{name}"}).json.get("events", [])
        pids = [int(event["message"]) for event in logged if event["message"].strip().isdecimal()]
    log = server.end()
    assert "Traceback" not in log, log
    for pid in pids:
        with suppress(FileNotFoundError):
            assert "bootstrap" not in Path(f"/proc/{pid}/cmdline").read_text()


def test_a_queue_as_destination_and_as_dead_letter_queue(server: Endpoint) -> None:
    def sqs(action: str, **members: Any) -> Any:
        return server.call("POST", "/", members, {"X-Amz-Target": f"AmazonSQS.{action}"}).json

    urls = {name: sqs("CreateQueue", QueueName=name)["QueueUrl"] for name in ("failures", "letters")}
    arn = "arn:aws:sqs:us-east-1:123456789012:"
    name = server.create(HANDLER, DeadLetterConfig={"TargetArn": f"{arn}letters"})
    assert server.wait(name)["DeadLetterConfig"] == {"TargetArn": f"{arn}letters"}
    configure(server, name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": f"{arn}failures"}})
    request_id = send(server, name, {"kind": "fail", "n": 1})
    (row,) = rows(server, name, 1)
    assert row["outcome"] == "dead-lettered"
    (failure,) = sqs("ReceiveMessage", QueueUrl=urls["failures"], WaitTimeSeconds=5)["Messages"]
    assert json.loads(failure["Body"])["requestContext"]["requestId"] == request_id
    letters = sqs("ReceiveMessage", QueueUrl=urls["letters"], WaitTimeSeconds=5, MessageAttributeNames=["All"])
    (letter,) = letters["Messages"]
    assert json.loads(letter["Body"]) == {"kind": "fail", "n": 1}
    attributes = {key: value["StringValue"] for key, value in letter["MessageAttributes"].items()}
    assert attributes == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no such luck"}
    sqs("DeleteQueue", QueueUrl=urls["failures"])
    sqs("DeleteQueue", QueueUrl=urls["letters"])
    send(server, name, {"kind": "fail"})
    assert rows(server, name, 2)[1]["outcome"] == "dropped"


def test_the_factor_of_the_waits_is_told_and_checked(server: Endpoint) -> None:
    assert server.host()["async_wait_scale"] == SCALE
    assert parse_options([]).async_wait_scale == 1
    for factor in ("0", "-1", "1.5", "nan", "soon"):
        with pytest.raises(SystemExit) as ended:
            parse_options(["--async-wait-scale", factor])
        assert ended.value.code == 2
