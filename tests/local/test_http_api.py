"""HTTP APIs through the SDK and plain HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.signing import signed

from .event_support import Clients, arn_of

SOURCE = """
import json
import time

def handler(event, context):
    query = event.get("queryStringParameters") or {}
    if "bad" in query:
        return {"statusCode": "none"}
    if "wrapped" in query:
        return {"statusCode": 201, "multiValueHeaders": {"X-Own": ["1"]}, "body": json.dumps(event)}
    if "sleep" in query:
        time.sleep(0.5)
    return event
"""
UNSIGNED = {"Authorization": ""}


@pytest.fixture(scope="module")
def name(endpoint: Any) -> str:
    return endpoint.create(SOURCE)


def _permit(endpoint: Any, function: str, api: str, sid: str, below: str = "*", qualifier: str = "") -> None:
    permission = {
        "StatementId": sid,
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": f"arn:aws:execute-api:us-east-1:123456789012:{api}/{below}",
    }
    query = f"?Qualifier={qualifier}" if qualifier else ""
    assert endpoint.call("POST", f"/2015-03-31/functions/{function}/policy{query}", permission).status == 201


async def test_life_of_an_api_by_quick_create(endpoint: Any, name: str) -> None:
    async with Clients(endpoint.url, "apigatewayv2") as client:
        made = await client.create_api(Name="a", ProtocolType="HTTP", Target=arn_of(endpoint, name), Tags={"a": "b"})
        api, path = made["ApiId"], made["ApiEndpoint"].removeprefix(endpoint.url)
        refused = endpoint.call("GET", f"{path}/a", None, UNSIGNED)
        assert (refused.status, refused.json) == (500, {"message": "Internal Server Error"})
        _permit(endpoint, name, api, "quick")
        answer = endpoint.call("GET", f"{path}/a", None, UNSIGNED)
        context = answer.json["requestContext"]
        assert (answer.status, context["apiId"], answer.json["rawPath"]) == (200, api, "/a")
        assert answer.headers["apigw-requestid"] == context["requestId"]
        assert "x-amzn-requestid" not in answer.headers
        host = {**UNSIGNED, "Host": f"{api}.execute-api.us-east-1.localhost:{endpoint.port}"}
        assert endpoint.call("GET", "/b", None, host).json["rawPath"] == "/b"
        failed = endpoint.call("GET", f"{path}/?bad", None, UNSIGNED)
        assert (failed.status, failed.json) == (500, {"message": "Internal Server Error"})
        assert {item["ApiId"]: item["Tags"] for item in (await client.get_apis())["Items"]}[api] == {"a": "b"}
        assert [route["RouteKey"] for route in (await client.get_routes(ApiId=api))["Items"]] == ["$default"]
        await client.delete_api(ApiId=api)
        with pytest.raises(client.exceptions.NotFoundException):
            await client.get_api(ApiId=api)
        assert endpoint.call("GET", f"{path}/a", None, UNSIGNED).status == 404


async def test_routes_of_ones_own_choose_the_most_specific(endpoint: Any, name: str) -> None:
    async with Clients(endpoint.url, "apigatewayv2") as client:
        made = await client.create_api(Name="a", ProtocolType="HTTP")
        api, path = made["ApiId"], made["ApiEndpoint"].removeprefix(endpoint.url)
        _permit(endpoint, name, api, "routes", "*/GET/*")
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn_of(endpoint, name)}/invocations"
        kind = {"ApiId": api, "IntegrationType": "AWS_PROXY", "IntegrationUri": uri}
        integration = await client.create_integration(**kind, PayloadFormatVersion="2.0")
        target = f"integrations/{integration['IntegrationId']}"
        for key in ("GET /pets/dog", "GET /pets/{id}", "ANY /{proxy+}", "POST /pets/{id}"):
            await client.create_route(ApiId=api, RouteKey=key, Target=target)
        await client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        await client.create_stage(ApiId=api, StageName="dev", AutoDeploy=True, StageVariables={"v": "1"})
        for below, key, variables in (
            ("/pets/dog", "GET /pets/dog", None),
            ("/pets/c%20t", "GET /pets/{id}", {"id": "c t"}),
            ("/pets/a/b", "ANY /{proxy+}", {"proxy": "pets/a/b"}),
        ):
            event = endpoint.call("GET", f"{path}{below}", None, UNSIGNED).json
            assert (event["routeKey"], event.get("pathParameters")) == (key, variables)
        staged = endpoint.call("GET", f"{path}/dev/pets/dog", None, UNSIGNED).json
        assert (staged["rawPath"], staged["routeKey"]) == ("/dev/pets/dog", "GET /pets/dog")
        assert (staged["requestContext"]["stage"], staged["stageVariables"]) == ("dev", {"v": "1"})
        assert endpoint.call("POST", f"{path}/pets/1", b"", UNSIGNED).status == 500  # the policy lets GET only
        missing = endpoint.call("GET", f"{path}/", None, UNSIGNED)
        assert (missing.status, missing.json) == (404, {"message": "Not Found"})
        with pytest.raises(client.exceptions.ConflictException):
            await client.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
        for route in (await client.get_routes(ApiId=api))["Items"]:
            await client.delete_route(ApiId=api, RouteId=route["RouteId"])
        await client.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
        await client.delete_stage(ApiId=api, StageName="dev")
        assert [s["StageName"] for s in (await client.get_stages(ApiId=api))["Items"]] == ["$default"]
        assert endpoint.call("GET", f"{path}/pets/dog", None, UNSIGNED).status == 404


async def test_signed_routes_payload_1_alias_timeout_and_deployments(endpoint: Any, name: str) -> None:
    version = endpoint.call("POST", f"/2015-03-31/functions/{name}/versions", {}).json["Version"]
    alias = {"Name": "live", "FunctionVersion": version}
    assert endpoint.call("POST", f"/2015-03-31/functions/{name}/aliases", alias).status == 201
    async with Clients(endpoint.url, "apigatewayv2") as client:
        made = await client.create_api(Name="a", ProtocolType="HTTP")
        api, path = made["ApiId"], made["ApiEndpoint"].removeprefix(endpoint.url)
        _permit(endpoint, name, api, "alias", qualifier="live")
        integration = await client.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=f"{arn_of(endpoint, name)}:live",
            PayloadFormatVersion="1.0",
            TimeoutInMillis=200,
        )
        target = f"integrations/{integration['IntegrationId']}"
        route = {"ApiId": api, "RouteKey": "ANY /x", "Target": target}
        await client.create_route(**route, AuthorizationType="AWS_IAM")
        await client.create_stage(ApiId=api, StageName="$default")
        assert endpoint.call("GET", f"{path}/x", None, UNSIGNED).status == 404  # nothing is deployed
        await client.create_deployment(ApiId=api, StageName="$default")
        refused = endpoint.call("GET", f"{path}/x", None, UNSIGNED)
        assert (refused.status, refused.json) == (403, {"message": "Forbidden"})
        assert endpoint.call("GET", f"{path}/x").status == 403  # signed for lambda

        def call(query: str) -> Any:
            url = f"{endpoint.url}{path}/x{query}"
            return endpoint.call("GET", f"{path}/x{query}", None, signed("GET", url, service="execute-api"))

        # A 1.0 answer is an object with statusCode: the event is none.
        assert (call("").status, call("").json) == (500, {"message": "Internal Server Error"})
        answer = call("?wrapped&a=1&a=2")
        event = answer.json
        assert (answer.status, answer.headers["x-own"], event["version"]) == (201, "1", "1.0")
        assert (event["resource"], event["path"], event["multiValueQueryStringParameters"]["a"]) == (
            "/x",
            "/x",
            ["1", "2"],
        )
        assert event["requestContext"]["identity"]["accessKey"] == "x"
        assert "Authorization" not in event["headers"]
        slow = call("?sleep")
        assert (slow.status, slow.json) == (503, {"message": "Service Unavailable"})
        for refusal in (
            client.create_route(ApiId=api, RouteKey="get /x"),
            client.create_route(ApiId=api, RouteKey="GET /y", AuthorizationType="JWT"),
            client.create_integration(ApiId=api, IntegrationType="HTTP_PROXY", PayloadFormatVersion="1.0"),
            client.update_api(ApiId=api, Name="b"),
        ):
            with pytest.raises(ClientError, match=r"does not implement|implements|not formatted"):
                await refusal
