"""Resource policies of functions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdatune.local.events.policies import allows

SOURCE = "def handler(event, context):\n    return 1\n"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"


def test_statements_are_added_shown_and_removed(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    path = f"/2015-03-31/functions/{name}/policy"
    assert endpoint.call("GET", path).error == "ResourceNotFoundException"
    body = {
        "StatementId": "one",
        "Action": "lambda:InvokeFunction",
        "Principal": "sns.amazonaws.com",
        "SourceArn": TOPIC,
        "SourceAccount": "123456789012",
    }
    added = endpoint.call("POST", path, body)
    assert added.status == 201
    statement = json.loads(added.json["Statement"])
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"AWS:SourceArn": TOPIC},
        "StringEquals": {"AWS:SourceAccount": "123456789012"},
    }
    assert endpoint.call("POST", path, body).error == "ResourceConflictException"
    assert endpoint.call("POST", path, {**body, "StatementId": "no spaces"}).error == "ValidationException"
    assert endpoint.call("POST", path, {**body, "StatementId": "b", "Action": "s3:Get"}).error == "ValidationException"
    wrong = endpoint.call("POST", path, {**body, "StatementId": "b", "Principal": "someone"})
    assert wrong.error == "InvalidParameterValueException"
    stale = endpoint.call("POST", path, {**body, "StatementId": "b", "RevisionId": "x"})
    assert stale.status == 412
    policy = json.loads(endpoint.call("GET", path).json["Policy"])
    assert [each["Sid"] for each in policy["Statement"]] == ["one"]
    assert endpoint.call("DELETE", f"{path}/two").error == "ResourceNotFoundException"
    assert endpoint.call("DELETE", f"{path}/one").status == 204
    assert endpoint.call("GET", path).error == "ResourceNotFoundException"


STATEMENT = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": "arn:q"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"Service": ["s3.amazonaws.com"]}}, False),
        ({"Action": "sqs:ReceiveMessage"}, False),
        ({"Resource": "arn:other"}, False),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:t"}}}, True),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:u"}}}, False),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}}, True),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "1"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1"}}}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_policies(changes: dict[str, Any], expected: bool) -> None:
    policy = json.dumps({"Statement": [{**STATEMENT, **changes}]})
    assert allows(policy, "sns.amazonaws.com", "sqs:SendMessage", "arn:q", TOPIC) is expected


def test_a_denial_wins() -> None:
    policy = json.dumps({"Statement": [STATEMENT, {**STATEMENT, "Effect": "Deny"}]})
    assert not allows(policy, "sns.amazonaws.com", "sqs:SendMessage", "arn:q", TOPIC)
    assert not allows(None, "sns.amazonaws.com", "sqs:SendMessage", "arn:q", TOPIC)
