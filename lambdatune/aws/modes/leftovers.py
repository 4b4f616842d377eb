"""What a mode set up for a clone that is left, found without a journal: Lambda itself says what invokes the clone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lambdatune.aws.marks import CLONE_PREFIX
from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.model.change import Change

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from lambdatune.aws.access import AwsAccess
    from lambdatune.model.change import ChangeKind, Place

_BALANCERS = "lt-"


async def set_up_for(access: AwsAccess, clone: str, arn: str, place: Place) -> list[Change]:
    """Return what undoes what a run set up for `clone`, in that order.

    What is not named as the run names its own things is left out: someone else may have made it point to the clone.
    What may not be read is taken to be nothing.

    Args:
        access: the account.
        clone: name of the clone, which exists.
        arn: its ARN.
        place: where that is.
    """
    client: Any = await access.functions()
    on_alias = {"FunctionName": clone, "Qualifier": ALIAS}
    mappings = await _read(client.list_event_source_mappings(FunctionName=f"{clone}:{ALIAS}"))
    told = await _read(client.get_function_event_invoke_config(**on_alias))
    policy = await _read(client.get_policy(**on_alias))
    found: dict[Change, None] = {}

    def add(kind: ChangeKind, name: str) -> None:
        if name.startswith((CLONE_PREFIX, "arn:", _BALANCERS)):
            found[Change(kind, name, place)] = None

    if mappings.get("EventSourceMappings"):
        add("create-event-source-mapping", clone)
    for source in _sources(policy):
        for kind, name in _things_of(source, clone):
            add(kind, name)
    for mapping in mappings.get("EventSourceMappings", []):
        for kind, name in _things_of(mapping.get("EventSourceArn", ""), clone):
            add(kind, name)
        for destination in _destinations(mapping):
            add("create-queue", destination)
    for destination in _destinations(told):
        add("create-queue", destination)
    if any(":execute-api:" in source for source in _sources(policy)):
        add(await _kind_of_api(access, policy), clone)
    await _add_workflow(access, clone, arn, add)
    return list(found)


async def _read(call: Awaitable[Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await call
    except (BotoCoreError, ClientError, ResponseParserError):
        return {}
    return answer


def _sources(policy: dict[str, Any]) -> Iterator[str]:
    """Return the ARNs of what may invoke the clone's alias."""
    for statement in json.loads(policy.get("Policy", "{}")).get("Statement", []):
        for tests in (statement.get("Condition") or {}).values():
            yield from (str(value) for key, value in tests.items() if key.lower() == "aws:sourcearn")


def _things_of(arn: str, clone: str) -> list[tuple[ChangeKind, str]]:
    """Return what has to be undone when `arn` invokes the clone; names of others' things are among it."""
    service, resource = (arn.split(":", 5) + [""] * 6)[2:6:3]
    second = [*resource.split("/"), ""][1]
    by_second = [(kind, second) for kind in _NAMED_SECOND.get(service, ())]
    if service == "sqs":
        dead = f"{clone}-dead" + (".fifo" if resource.endswith(".fifo") else "")
        return [("create-queue", resource), ("create-queue", dead)]
    if service == "sns" and resource.startswith(CLONE_PREFIX):
        return [("create-topic", arn)]
    return [("create-bucket", resource)] if service == "s3" else by_second


_NAMED_SECOND: dict[str, tuple[ChangeKind, ...]] = {
    "kinesis": ("create-stream",),
    "dynamodb": ("create-table",),
    "events": ("create-event-bus",),
    "elasticloadbalancing": ("create-load-balancer", "create-target-group"),
}
"""Services in whose ARNs the name stands between two slashes."""


def _destinations(settings: dict[str, Any]) -> Iterator[str]:
    for way in ("OnSuccess", "OnFailure"):
        arn = str(((settings.get("DestinationConfig") or {}).get(way) or {}).get("Destination") or "")
        if ":sqs:" in arn:
            yield arn.rpartition(":")[2]


async def _kind_of_api(access: AwsAccess, policy: dict[str, Any]) -> ChangeKind:
    """Return which kind of API invokes the clone: its ARN has its id, and does not tell."""
    identity = next(source for source in _sources(policy) if ":execute-api:" in source).split(":", 5)[5].split("/")[0]
    client = await access.service("apigateway")
    return "create-rest-api" if await _read(client.get_rest_api(restApiId=identity)) else "create-http-api"


async def _add_workflow(access: AwsAccess, clone: str, arn: str, add: Any) -> None:
    """Add workflow and role, which Lambda does not know of: the one by its name, the other where that has it."""
    partition, _, region, account = arn.split(":")[1:5]
    machine = f"arn:{partition}:states:{region}:{account}:stateMachine:{clone}"
    client = await access.service("stepfunctions")
    now = await _read(client.describe_state_machine(stateMachineArn=machine))
    if now and now.get("status") != "DELETING":
        add("create-state-machine", machine)
        if str(now.get("roleArn", "")).endswith(f"/{clone}"):
            add("create-role", clone)
