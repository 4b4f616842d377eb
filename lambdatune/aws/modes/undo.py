"""Undoing what a mode set up, whether it was made, half made or is gone already.

Each function returns whether there was something to undo; one per kind of change, which the last table names.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lambdatune.aws.access import AwsAccess
    from lambdatune.model.change import Change, ChangeKind

_NOT_THERE = frozenset(
    {
        "ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound",
        "NotFoundException", "NoSuchBucket", "NoSuchEntity", "LoadBalancerNotFound", "TargetGroupNotFound",
        "StateMachineDoesNotExist",
    }
)  # fmt: skip
"""Codes with which services say that there is no such thing."""

_BUSY = frozenset({"ResourceInUseException", "ResourceInUse", "LimitExceededException", "ConcurrentModification"})
"""What is being made or changed is deleted a little later."""

_TRIES = 40
_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0


async def _there(call: Callable[[], Awaitable[Any]]) -> Any:
    """Return the answer of `call`, repeated while the thing is busy; None when there is no such thing."""
    pause_s = _PAUSE_S
    for left in reversed(range(_TRIES)):
        try:
            return await call()
        except ClientError as error:
            code = error_code(error)
            if code in _NOT_THERE:
                return None
            if code not in _BUSY or not left:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    return None


async def _delete_mappings(access: AwsAccess, change: Change) -> bool:
    client = await access.functions()
    with refused(f"deleting the event source mapping of `{change.name}`"):
        found = await _mappings_of(client, change.name)
        for identifier in found:
            await _there(partial(client.delete_event_source_mapping, UUID=identifier))
    return bool(found)


async def _mappings_of(client: Any, function: str) -> list[str]:
    """Return the mappings of the clone that are not being deleted; all are looked at when the clone is gone."""
    pages = client.get_paginator("list_event_source_mappings")
    try:
        return [
            mapping["UUID"]
            async for page in pages.paginate(FunctionName=f"{function}:{ALIAS}")
            for mapping in page["EventSourceMappings"]
            if mapping.get("State") != "Deleting"
        ]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
    return [
        mapping["UUID"]
        async for page in pages.paginate()
        for mapping in page["EventSourceMappings"]
        if f":function:{function}:" in f"{mapping.get('FunctionArn', '')}:" and mapping.get("State") != "Deleting"
    ]


async def _delete_queue(access: AwsAccess, change: Change) -> bool:
    client = await access.service("sqs")
    with refused(f"deleting queue `{change.name}`"):
        found = await _there(lambda: client.get_queue_url(QueueName=change.name))
        if found is None:
            return False
        return await _there(lambda: client.delete_queue(QueueUrl=found["QueueUrl"])) is not None


async def _delete_topic(access: AwsAccess, change: Change) -> bool:
    client = await access.service("sns")
    with refused(f"deleting topic `{change.name}`"):
        # DeleteTopic succeeds for what is not there, and takes the subscriptions along.
        if await _there(lambda: client.get_topic_attributes(TopicArn=change.name)) is None:
            return False
        await client.delete_topic(TopicArn=change.name)
    return True


async def _delete_bucket(access: AwsAccess, change: Change) -> bool:
    client = await access.service("s3")
    bucket = change.name
    with refused(f"deleting bucket `{bucket}`"):
        while True:
            # From the start each time: what was listed is gone then.
            page = await _there(lambda: client.list_objects_v2(Bucket=bucket))
            if page is None:
                return False
            objects = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if not objects:
                break
            answer = await client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            for kept in answer.get("Errors", []):
                raise AwsRefused(
                    f"deleting `{kept.get('Key')}` of bucket `{bucket}` was refused: {kept.get('Code')}: "
                    f"{kept.get('Message')}"
                )
        return await _there(lambda: client.delete_bucket(Bucket=bucket)) is not None


async def _delete_bus(access: AwsAccess, change: Change) -> bool:
    client = await access.service("events")
    bus = change.name
    with refused(f"deleting event bus `{bus}`"):
        if await _there(lambda: client.describe_event_bus(Name=bus)) is None:
            return False
        rules = (await client.list_rules(EventBusName=bus)).get("Rules", [])
        for rule in rules:
            named = {"Rule": rule["Name"], "EventBusName": bus}
            targets = (await client.list_targets_by_rule(**named)).get("Targets", [])
            if targets:
                await client.remove_targets(**named, Ids=[target["Id"] for target in targets])
            await client.delete_rule(Name=rule["Name"], EventBusName=bus)
        await client.delete_event_bus(Name=bus)
    return True


async def _delete_stream(access: AwsAccess, change: Change) -> bool:
    client = await access.service("kinesis")
    with refused(f"deleting data stream `{change.name}`"):
        now = await _there(lambda: client.describe_stream_summary(StreamName=change.name))
        if now is None or now["StreamDescriptionSummary"]["StreamStatus"] == "DELETING":
            return False
        return await _there(lambda: client.delete_stream(StreamName=change.name)) is not None


async def _delete_table(access: AwsAccess, change: Change) -> bool:
    client = await access.service("dynamodb")
    with refused(f"deleting table `{change.name}`"):
        now = await _there(lambda: client.describe_table(TableName=change.name))
        if now is None or now["Table"]["TableStatus"] == "DELETING":
            return False
        return await _there(lambda: client.delete_table(TableName=change.name)) is not None


async def _delete_http_apis(access: AwsAccess, change: Change) -> bool:
    client = await access.service("apigatewayv2")
    with refused(f"deleting HTTP API `{change.name}`"):
        found = [
            api["ApiId"]
            async for page in client.get_paginator("get_apis").paginate()
            for api in page.get("Items", [])
            if api["Name"] == change.name
        ]
        for identity in found:
            await _there(partial(client.delete_api, ApiId=identity))
    return bool(found)


async def _delete_rest_apis(access: AwsAccess, change: Change) -> bool:
    client = await access.service("apigateway")
    with refused(f"deleting REST API `{change.name}`"):
        found = [
            api["id"]
            async for page in client.get_paginator("get_rest_apis").paginate()
            for api in page.get("items", [])
            if api["name"] == change.name
        ]
        for identity in found:
            await _there(partial(client.delete_rest_api, restApiId=identity))
    return bool(found)


async def _delete_load_balancer(access: AwsAccess, change: Change) -> bool:
    client = await access.service("elbv2")
    with refused(f"deleting load balancer `{change.name}`"):
        found = await _there(lambda: client.describe_load_balancers(Names=[change.name]))
        balancers = found["LoadBalancers"] if found else []
        for balancer in balancers:
            # Its listeners go with it.
            await client.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    return bool(balancers)


async def _delete_target_group(access: AwsAccess, change: Change) -> bool:
    client = await access.service("elbv2")
    with refused(f"deleting target group `{change.name}`"):
        found = await _there(lambda: client.describe_target_groups(Names=[change.name]))
        groups = found["TargetGroups"] if found else []
        for group in groups:
            # In use until its listener is gone, which AWS takes a moment to know.
            await _there(partial(client.delete_target_group, TargetGroupArn=group["TargetGroupArn"]))
    return bool(groups)


async def _delete_state_machine(access: AwsAccess, change: Change) -> bool:
    client = await access.service("stepfunctions")
    with refused(f"deleting state machine `{change.name}`"):
        now = await _there(lambda: client.describe_state_machine(stateMachineArn=change.name))
        if now is None or now.get("status") == "DELETING":
            return False
        await client.delete_state_machine(stateMachineArn=change.name)
    return True


async def _delete_role(access: AwsAccess, change: Change) -> bool:
    client = await access.service("iam")
    with refused(f"deleting role `{change.name}`"):
        found = await _there(lambda: client.list_role_policies(RoleName=change.name))
        if found is None:
            return False
        for name in found["PolicyNames"]:
            await _there(partial(client.delete_role_policy, RoleName=change.name, PolicyName=name))
        return await _there(lambda: client.delete_role(RoleName=change.name)) is not None


UNDO: dict[ChangeKind, Callable[[AwsAccess, Change], Awaitable[bool]]] = {
    "create-event-source-mapping": _delete_mappings,
    "create-queue": _delete_queue,
    "create-topic": _delete_topic,
    "create-bucket": _delete_bucket,
    "create-event-bus": _delete_bus,
    "create-stream": _delete_stream,
    "create-table": _delete_table,
    "create-http-api": _delete_http_apis,
    "create-rest-api": _delete_rest_apis,
    "create-load-balancer": _delete_load_balancer,
    "create-target-group": _delete_target_group,
    "create-state-machine": _delete_state_machine,
    "create-role": _delete_role,
}
