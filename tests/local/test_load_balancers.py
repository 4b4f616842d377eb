"""Application Load Balancers through the SDK and plain HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .event_support import Clients, arn_of

SOURCE = """
import json

def handler(event, context):
    query = event.get("queryStringParameters") or {}
    if "large" in query:
        return {"statusCode": 200, "body": "x" * 1048577}
    if "raise" in query:
        raise ValueError("no")
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"},
            "multiValueHeaders": {"Content-Type": ["text/plain"]}, "body": json.dumps(event)}
"""
UNSIGNED = {"Authorization": ""}


async def test_life_of_a_load_balancer(endpoint: Any) -> None:
    arn = arn_of(endpoint, name := endpoint.create(SOURCE))
    async with Clients(endpoint.url, "elbv2") as client:
        made = await client.create_target_group(Name="tg", TargetType="lambda", Tags=[{"Key": "a", "Value": "b"}])
        group = made["TargetGroups"][0]["TargetGroupArn"]
        with pytest.raises(ClientError, match="does not have permission"):
            await client.register_targets(TargetGroupArn=group, Targets=[{"Id": arn}])
        permission = {
            "StatementId": "alb",
            "Action": "lambda:InvokeFunction",
            "Principal": "elasticloadbalancing.amazonaws.com",
            "SourceArn": group,
        }
        assert endpoint.call("POST", f"/2015-03-31/functions/{name}/policy", permission).status == 201
        await client.register_targets(TargetGroupArn=group, Targets=[{"Id": arn}])
        (balancer,) = (await client.create_load_balancer(Name="lb", Subnets=["subnet-1", "subnet-2"]))["LoadBalancers"]
        assert balancer["State"]["Code"] in {"provisioning", "active"}
        waiter = client.get_waiter("load_balancer_available")
        await waiter.wait(Names=["lb"], WaiterConfig={"Delay": 0.05, "MaxAttempts": 100})
        whose = {"LoadBalancerArn": balancer["LoadBalancerArn"]}
        assert endpoint.call("GET", "/_lambdatune/alb/lb/", None, UNSIGNED).status == 503  # no listener yet
        action = {"Type": "forward", "TargetGroupArn": group}
        await client.create_listener(**whose, Protocol="HTTP", Port=80, DefaultActions=[action])
        answer = endpoint.call("POST", "/_lambdatune/alb/lb/a%20b?x=%31&x=2", b"hi", UNSIGNED)
        event = answer.json
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert event["requestContext"] == {"elb": {"targetGroupArn": group}}
        assert (event["httpMethod"], event["path"]) == ("POST", "/a%20b")
        assert event["queryStringParameters"] == {"x": "2"}
        assert (event["body"], event["isBase64Encoded"]) == ("aGk=", True)
        assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")
        host = {**UNSIGNED, "Host": f"{balancer['DNSName']}:{endpoint.port}"}
        assert endpoint.call("GET", "/h", None, host).json["path"] == "/h"
        for query in ("large", "raise"):
            failed = endpoint.call("GET", f"/_lambdatune/alb/lb/?{query}", None, UNSIGNED)
            assert (failed.status, failed.headers["server"]) == (502, "awselb/2.0")
        attribute = {"Key": "lambda.multi_value_headers.enabled", "Value": "true"}
        await client.modify_target_group_attributes(TargetGroupArn=group, Attributes=[attribute])
        answer = endpoint.call("GET", "/_lambdatune/alb/lb:80/?x=1&x=2", None, UNSIGNED)
        assert answer.json["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
        assert answer.headers["content-type"] == "text/plain"
        health = (await client.describe_target_health(TargetGroupArn=group))["TargetHealthDescriptions"]
        assert [(each["Target"]["Id"], each["TargetHealth"]["State"]) for each in health] == [(arn, "unavailable")]
        (tagged,) = (await client.describe_tags(ResourceArns=[group]))["TagDescriptions"]
        assert tagged["Tags"] == [{"Key": "a", "Value": "b"}]
        with pytest.raises(client.exceptions.ResourceInUseException):
            await client.delete_target_group(TargetGroupArn=group)
        (listener,) = (await client.describe_listeners(**whose))["Listeners"]
        await client.delete_listener(ListenerArn=listener["ListenerArn"])
        await client.deregister_targets(TargetGroupArn=group, Targets=[{"Id": arn}])
        await client.delete_target_group(TargetGroupArn=group)
        await client.delete_load_balancer(**whose)
        with pytest.raises(client.exceptions.LoadBalancerNotFoundException):
            await client.describe_load_balancers(Names=["lb"])
        assert endpoint.call("GET", "/_lambdatune/alb/lb/", None, UNSIGNED).status == 404


async def test_what_is_not_served_is_refused(endpoint: Any) -> None:
    async with Clients(endpoint.url, "elbv2") as client:
        for refusal in (
            client.create_load_balancer(Name="n", Type="network", Subnets=["a", "b"]),
            client.create_target_group(Name="t", TargetType="ip"),
            client.describe_rules(ListenerArn="x"),
        ):
            with pytest.raises(ClientError, match="implement"):
                await refusal
        with pytest.raises(client.exceptions.TargetGroupNotFoundException):
            await client.describe_target_health(TargetGroupArn="absent")
