"""Step Functions Express as the SDK uses it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import aioboto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from support.signing import signed

SOURCE = """
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if event.get("fail", 0) >= calls:
        raise ValueError("as asked")
    calls = 0
    return {"got": event}
"""


@pytest.fixture(scope="module")
def arn(endpoint: Any) -> str:
    return f"arn:aws:lambda:us-east-1:123456789012:function:{endpoint.create(SOURCE)}"


async def _execute(endpoint: Any, states: dict[str, Any], event: Any, **top: Any) -> dict[str, Any]:
    """Create a machine that starts at A, execute it once and delete it."""
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    config = Config(inject_host_prefix=False)
    async with session.client("stepfunctions", endpoint_url=endpoint.url, config=config) as client:
        made = await client.create_state_machine(
            name=f"m-{uuid.uuid4().hex}",
            type="EXPRESS",
            definition=json.dumps({"StartAt": "A", "States": states, **top}),
            roleArn="arn:aws:iam::123456789012:role/r",
        )
        machine = made["stateMachineArn"]
        answer = await client.start_sync_execution(stateMachineArn=machine, input=json.dumps(event))
        await client.delete_state_machine(stateMachineArn=machine)
        with pytest.raises(client.exceptions.StateMachineDoesNotExist):
            await client.describe_state_machine(stateMachineArn=machine)
        return dict(answer)


async def test_both_ways_to_call_a_function(endpoint: Any, arn: str) -> None:
    plain = await _execute(endpoint, {"A": {"Type": "Task", "Resource": arn, "End": True}}, {"x": 1})
    assert plain["status"] == "SUCCEEDED"
    assert json.loads(plain["output"]) == {"got": {"x": 1}}
    assert plain["billingDetails"]["billedDurationInMilliseconds"] % 100 == 0
    service = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "TimeoutSeconds": 10,
        "Parameters": {"FunctionName": arn, "Payload": {"y.$": "$.x.z", "k": 1}},
        "ResultSelector": {"p.$": "$.Payload.got"},
        "ResultPath": "$.r",
        "Next": "B",
    }
    states = {"A": service, "B": {"Type": "Succeed", "OutputPath": "$.r"}}
    assert json.loads((await _execute(endpoint, states, {"x": {"z": 7}}))["output"]) == {"p": {"y": 7, "k": 1}}


async def test_the_whole_result_of_an_invocation_names_the_request_of_its_report(endpoint: Any, arn: str) -> None:
    service = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName.$": "$.name", "Payload.$": "$.event"},
        "End": True,
    }
    answer = await _execute(endpoint, {"A": service}, {"name": arn, "event": {"x": 1}})
    output = json.loads(answer["output"])
    assert (output["ExecutedVersion"], output["Payload"], output["StatusCode"]) == ("$LATEST", {"got": {"x": 1}}, 200)
    request_id = output["SdkResponseMetadata"]["RequestId"]
    metadata = output["SdkHttpMetadata"]
    assert metadata["AllHttpHeaders"]["x-amzn-RequestId"] == [metadata["HttpHeaders"]["x-amzn-RequestId"]]
    assert (metadata["HttpHeaders"]["x-amzn-RequestId"], metadata["HttpStatusCode"]) == (request_id, 200)
    pattern = f'"REPORT RequestId: {request_id}"'
    group = {"logGroupName": f"/aws/lambda/{arn.rpartition(':')[2]}", "filterPattern": pattern}
    assert len(endpoint.target("FilterLogEvents", group).json["events"]) == 1


@pytest.mark.parametrize(
    ("event", "told"),
    [({"n": 3}, "many"), ({"n": 1, "s": "abc"}, "text"), ({"n": 1}, "else"), ({"n": 9, "no": True}, "else")],
)
async def test_choices_and_waits(endpoint: Any, event: Any, told: str) -> None:
    refused = {"Not": {"Variable": "$.no", "IsPresent": True}}
    choices = [
        {"And": [{"Variable": "$.n", "NumericGreaterThanEquals": 3}, refused], "Next": "many"},
        {"Variable": "$.s", "StringMatches": "a*c", "Next": "text"},
    ]
    ends = {name: {"Type": "Pass", "Result": name, "End": True} for name in ("many", "text", "else")}
    states = {
        "A": {"Type": "Wait", "Seconds": 0, "Next": "B"},
        "B": {"Type": "Choice", "Choices": choices, "Default": "else"},
        **ends,
    }
    assert json.loads((await _execute(endpoint, states, event))["output"]) == told


def test_the_host_that_sdks_ask_for_synchronous_executions(endpoint: Any) -> None:
    for host, status in (("sync-127.0.0.1", 400), ("sync-any.localhost", 400), ("sync-evil.example", 403)):
        url = f"http://{host}:{endpoint.port}/"
        body = b'{"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:absent"}'
        asked = {"X-Amz-Target": "AWSStepFunctions.StartSyncExecution"}
        answer = endpoint.call("POST", "/", body, signed("POST", url, body, asked, service="states"))
        assert answer.status == status, answer.body


async def test_a_function_that_fails(endpoint: Any, arn: str) -> None:
    task = {"Type": "Task", "Resource": arn, "End": True}
    failed = await _execute(endpoint, {"A": task}, {"fail": 1})
    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError")
    assert json.loads(failed["cause"])["errorMessage"] == "as asked"
    retry = [{"ErrorEquals": ["ValueError"], "IntervalSeconds": 1, "MaxAttempts": 1, "JitterStrategy": "FULL"}]
    again = await _execute(endpoint, {"A": {**task, "Retry": retry}}, {"fail": 2})
    assert again["status"] == "SUCCEEDED"
    caught = {**task, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B", "ResultPath": "$.e"}]}
    states = {"A": caught, "B": {"Type": "Pass", "OutputPath": "$.e.Error", "End": True}}
    assert json.loads((await _execute(endpoint, states, {"fail": 99}))["output"]) == "ValueError"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"Type": ["Task"], "End": True}, "is not implemented"),
        (
            {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": [{}], "End": True},
            "expected an object",
        ),
        ({"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": "1", "Next": "A"}]}, "of another type"),
        ({"Type": "Wait", "Seconds": -1, "End": True}, "at least 0"),
        ({"Type": "Map", "End": True}, "Type Map is not implemented"),
        ({"Type": "Pass", "Next": "Absent"}, "there is no state Absent"),
        ({"Type": "Pass", "End": True, "InputPath": "$..a"}, "expected a path like"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}, "is not a Lambda function"),
    ],
)
async def test_what_is_not_run_is_refused(endpoint: Any, state: dict[str, Any], told: str) -> None:
    with pytest.raises(ClientError, match=told) as caught:
        await _execute(endpoint, {"A": state}, {})
    assert caught.value.response["Error"]["Code"] == "InvalidDefinition"
