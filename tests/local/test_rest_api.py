"""REST APIs through the SDK and plain HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.signing import signed

from .event_support import Clients, arn_of

SOURCE = """
import json

def handler(event, context):
    mode = (event["queryStringParameters"] or {}).get("mode")
    if mode == "malformed":
        return {"body": "no status"}
    if mode == "raise":
        raise ValueError("no")
    return {"statusCode": 201, "multiValueHeaders": {"X-Own": ["1", "2"]}, "body": json.dumps(event)}
"""
UNSIGNED = {"Authorization": ""}


async def _api(endpoint: Any, client: Any, arn: str, path: str, **method: str) -> str:
    """Make an API with one resource of one part and return its id."""
    api = (await client.create_rest_api(name="a", tags={"k": "v"}))["id"]
    (root,) = (await client.get_resources(restApiId=api))["items"]
    made = await client.create_resource(restApiId=api, parentId=root["id"], pathPart=path)
    where = {"restApiId": api, "resourceId": made["id"], "httpMethod": method["httpMethod"]}
    await client.put_method(**where, authorizationType=method.get("authorizationType", "NONE"))
    with pytest.raises(ClientError, match="No integration defined"):
        await client.create_deployment(restApiId=api, stageName="prod")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    await client.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    await client.create_deployment(restApiId=api, stageName="prod", variables={"v": "1"})
    permission = {
        "StatementId": api,
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": f"arn:aws:execute-api:us-east-1:123456789012:{api}/*/GET/*",
    }
    name = arn.rpartition(":")[2]
    assert endpoint.call("POST", f"/2015-03-31/functions/{name}/policy", permission).status == 201
    return str(api)


async def test_events_and_answers_are_those_of_a_proxy_integration(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    async with Clients(endpoint.url, "apigateway") as client:
        api = await _api(endpoint, client, arn_of(endpoint, name), "{proxy+}", httpMethod="ANY")
        base = f"/_lambdatune/rest/{api}/prod"
        answer = endpoint.call("GET", f"{base}/a/b?x=1&x=2", None, {**UNSIGNED, "X-Some": "y"})
        event = answer.json
        assert (answer.status, answer.headers["x-own"]) == (201, "2")
        assert (event["resource"], event["path"], event["httpMethod"]) == ("/{proxy+}", "/a/b", "GET")
        assert (event["pathParameters"], event["stageVariables"]) == ({"proxy": "a/b"}, {"v": "1"})
        assert event["queryStringParameters"] == {"x": "2"}
        assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
        assert (event["headers"]["X-Some"], event["multiValueHeaders"]["X-Some"]) == ("y", ["y"])
        assert (event["body"], event["isBase64Encoded"], "version" in event) == (None, False, False)
        context = event["requestContext"]
        assert (context["path"], context["stage"], context["apiId"]) == ("/prod/a/b", "prod", api)
        assert context["requestId"] == answer.headers["x-amzn-requestid"]
        assert context["extendedRequestId"] == answer.headers["x-amz-apigw-id"]
        assert answer.headers["x-amzn-trace-id"] == event["headers"]["X-Amzn-Trace-Id"]
        for mode in ("malformed", "raise"):
            failed = endpoint.call("GET", f"{base}/a?mode={mode}", None, UNSIGNED)
            assert (failed.status, failed.json) == (502, {"message": "Internal server error"})
        denied = endpoint.call("PUT", f"{base}/a", b"", UNSIGNED)  # the policy lets GET only
        assert (denied.status, denied.json) == (500, {"message": "Internal server error"})
        host = {**UNSIGNED, "Host": f"{api}.execute-api.us-east-1.localhost:{endpoint.port}"}
        assert endpoint.call("GET", "/prod/h", None, host).json["path"] == "/h"
        for path, told, kind in (
            (f"{base}", "Missing Authentication Token", "MissingAuthenticationTokenException"),
            (f"/_lambdatune/rest/{api}/dev/a", "Forbidden", "ForbiddenException"),
        ):
            missing = endpoint.call("GET", path, None, UNSIGNED)
            assert (missing.status, missing.json, missing.error) == (403, {"message": told}, kind)
        stages = (await client.get_stages(restApiId=api))["item"]
        assert [stage["stageName"] for stage in stages] == ["prod"]
        assert {each["id"]: each["tags"] for each in (await client.get_rest_apis())["items"]}[api] == {"k": "v"}
        await client.delete_rest_api(restApiId=api)
        with pytest.raises(client.exceptions.NotFoundException):
            await client.get_rest_api(restApiId=api)
        assert endpoint.call("GET", f"{base}/a", None, UNSIGNED).status == 403


async def test_a_method_with_aws_iam(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    async with Clients(endpoint.url, "apigateway") as client:
        method = {"httpMethod": "GET", "authorizationType": "AWS_IAM"}
        api = await _api(endpoint, client, arn_of(endpoint, name), "x", **method)
        path = f"/_lambdatune/rest/{api}/prod/x"
        refused = endpoint.call("GET", path, None, UNSIGNED)
        assert (refused.status, refused.json) == (403, {"message": "Missing Authentication Token"})
        assert endpoint.call("GET", path).error == "InvalidSignatureException"  # signed for lambda
        headers = signed("GET", f"{endpoint.url}{path}", service="execute-api")
        event = json.loads(endpoint.call("GET", path, None, headers).body)
        assert event["requestContext"]["identity"]["accessKey"] == "x"
        assert "Authorization" not in event["headers"]
        where = {"restApiId": api, "resourceId": event["requestContext"]["resourceId"]}
        with pytest.raises(ClientError, match="implements"):
            await client.put_method(**where, httpMethod="POST", authorizationType="CUSTOM")
        await client.put_method(**where, httpMethod="POST", authorizationType="NONE")
        with pytest.raises(ClientError, match="AWS_PROXY only"):
            await client.put_integration(**where, httpMethod="POST", type="MOCK")
        assert (await client.get_method(**where, httpMethod="GET"))["methodIntegration"]["type"] == "AWS_PROXY"
