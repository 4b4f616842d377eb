"""The permissions of modes: enough for what a mode does, no more than its own things, and tried without harm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.modes.probes import ATTEMPTS
from lambdatune.aws.need import Ground
from lambdatune.aws.permissions import needs_of, policy_of
from lambdatune.aws.probes import Prober
from lambdatune.model.modes import MODES, ModeOptions

ROLE = "arn:aws:iam::123456789012:role/shop"
KINDS = [(mode, {}) for mode in MODES] + [
    ("http", {"http_kind": "rest"}), ("http", {"http_kind": "alb"}), ("http", {"auth": "none"}),
    ("function-url", {"auth": "none"}), ("step-functions", {"role_arn": ROLE}), ("sqs", {"fifo": True}),
]  # fmt: skip
_SERVICES = {
    "event": "sqs", "sns": "sns", "s3": "s3", "eventbridge": "events", "sqs": "sqs", "kinesis": "kinesis",
    "dynamodb-streams": "dynamodb", "step-functions": "states",
}  # fmt: skip
_UNNAMED = {"lambda:CreateEventSourceMapping", "iam:CreateServiceLinkedRole"}
"""What AWS cannot restrict to a name, and a condition does."""


def ground() -> Ground:
    return Ground(
        "aws", "us-east-1", "123456789012", "shop", "lambdatune-shop-doctor-1", {"Role": ROLE},
    )  # fmt: skip


def statements(mode: Any, options: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = policy_of(needs_of(ground(), "clone", mode, ModeOptions(**options)))["Statement"]
    return made


@pytest.mark.parametrize(("mode", "options"), KINDS)
def test_what_writes_is_restricted_to_what_the_run_makes(mode, options) -> None:
    for statement in statements(mode, options):
        for action in statement["Action"]:
            name = action.partition(":")[2]
            if action.startswith("apigateway:") or name.startswith(("Get", "List", "Describe", "Filter")):
                continue
            if "*" in statement["Resource"] or action in {"iam:PassRole", "execute-api:Invoke"}:
                assert action in _UNNAMED | {"iam:PassRole", "execute-api:Invoke"}
                assert "Condition" in statement or action == "execute-api:Invoke"
                continue
            of_mapping = all(":event-source-mapping:*" in resource for resource in statement["Resource"])
            assert of_mapping or all("lambdatune-" in arn or "/lt-" in arn for arn in statement["Resource"]), statement


@pytest.mark.parametrize(("mode", "options"), KINDS)
def test_a_mode_asks_for_its_own_service_and_plain_invoke_for_none(mode, options) -> None:
    text = json.dumps(statements(mode, options))
    service = _SERVICES.get(mode)
    assert service is None or f'"{service}:' in text
    plain = json.dumps(statements("invoke", {}))
    assert (text == plain) == (mode in {"invoke", "stream"})
    assert ("lambda:CreateAlias" in text) == (mode not in {"invoke", "stream", "step-functions"})
    assert ("EventSourceMapping" in text) == (MODES[mode].family == "polling")
    assert ("iam:CreateRole" in text) == (mode == "step-functions" and "role_arn" not in options)


async def test_every_attempt_is_harmless_and_understood(url) -> None:
    unserved = ("iam:",)
    async with AwsAccess(endpoint_url=url) as access:
        needs = {
            (need.target, need.action): need
            for mode, options in KINDS
            for need in needs_of(ground(), "clone", mode, ModeOptions(**options))
            if (need.target, need.action) in ATTEMPTS
        }
        assert needs.keys() == ATTEMPTS.keys()
        findings = await Prober(access, ground(), None).try_all(needs.values())
        odd = [f for f in findings if f.answer != "permitted" and not f.need.action.startswith(unserved)]
        assert not odd
        functions = await access.functions()
        names = [each["FunctionName"] for each in (await functions.list_functions())["Functions"]]
        assert sorted(names) == ["brief", "shop"]
