"""HTTP APIs made by quick create, through the SDK and plain HTTP."""

from __future__ import annotations

from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ClientError

SOURCE = """
def handler(event, context):
    if event["rawPath"] == "/bad":
        return {"statusCode": "none"}
    return {"statusCode": 202, "body": event["requestContext"]["apiId"] + event["rawPath"]}
"""


async def test_life_of_an_api(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    target = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    async with session.client("apigatewayv2", endpoint_url=endpoint.url) as client:
        made = await client.create_api(Name="a", ProtocolType="HTTP", Target=target)
        api, path = made["ApiId"], made["ApiEndpoint"].removeprefix(endpoint.url)
        unsigned = {"Authorization": ""}
        refused = endpoint.call("GET", f"{path}/a", None, unsigned)
        assert (refused.status, refused.json) == (500, {"message": "Internal Server Error"})
        permission = {
            "StatementId": "api",
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": f"arn:aws:execute-api:us-east-1:123456789012:{api}/*",
        }
        assert endpoint.call("POST", f"/2015-03-31/functions/{name}/policy", permission).status == 201
        answer = endpoint.call("GET", f"{path}/a", None, unsigned)
        assert (answer.status, answer.body.decode()) == (202, f"{api}/a")
        host = {**unsigned, "Host": f"{api}.execute-api.us-east-1.localhost:{endpoint.port}"}
        assert endpoint.call("GET", "/b", None, host).body.decode() == f"{api}/b"
        assert endpoint.call("GET", f"{path}/bad", None, unsigned).status == 500
        assert [item["ApiId"] for item in (await client.get_apis())["Items"]] == [api]
        with pytest.raises(ClientError, match="does not implement"):
            await client.create_route(ApiId=api, RouteKey="GET /x")
        await client.delete_api(ApiId=api)
        with pytest.raises(client.exceptions.NotFoundException):
            await client.get_api(ApiId=api)
        assert endpoint.call("GET", f"{path}/a", None, unsigned).status == 404
