"""Function URLs: who may call them, what the handler gets, and what becomes of its answer."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

SOURCE = """
import time
def handler(event, context):
    mode = event.get("queryStringParameters", {}).get("mode", "event")
    if mode == "response":
        return {"statusCode": 201, "headers": {"X-Own": "1", "Content-Type": "image/png"},
                "cookies": ["a=1", "b=2"], "body": "/wA=", "isBase64Encoded": True}
    if mode == "raise":
        raise ValueError("no")
    if mode == "split":
        return {"statusCode": 200, "headers": {"X-Own": "1\\r\\nX-Other: 2"}}
    if mode == "sleep":
        time.sleep(3)
    return event
"""
PLAIN = {"Authorization": ""}


@pytest.fixture(scope="module")
def public(endpoint: Any) -> tuple[str, str]:
    name = endpoint.create(SOURCE, Timeout=1)
    made = endpoint.call("POST", f"/2021-10-31/functions/{name}/url", {"AuthType": "NONE"})
    assert made.status == 201, made.body
    permission = {
        "StatementId": "url",
        "Action": "lambda:InvokeFunctionUrl",
        "Principal": "*",
        "FunctionUrlAuthType": "NONE",
    }
    assert endpoint.call("POST", f"/2015-03-31/functions/{name}/policy", permission).status == 201
    return name, made.json["FunctionUrl"].removeprefix(endpoint.url)


def test_the_event_is_payload_format_2(endpoint: Any, public: tuple[str, str]) -> None:
    headers = {**PLAIN, "Cookie": "a=1; b=2", "Content-Type": "text/plain"}
    answer = endpoint.call("POST", f"{public[1]}some%20path?x=1&x=2&y", b"hello", headers)
    event = answer.json
    assert (answer.status, event["version"], event["routeKey"]) == (200, "2.0", "$default")
    assert (event["rawPath"], event["rawQueryString"]) == ("/some path", "x=1&x=2&y")
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["requestId"] == answer.headers["x-amzn-requestid"]
    assert event["requestContext"]["accountId"] == "anonymous"
    binary = endpoint.call("POST", public[1], b"\xff\x00", PLAIN).json
    assert (base64.b64decode(binary["body"]), binary["isBase64Encoded"]) == (b"\xff\x00", True)


def test_a_request_by_host_name(endpoint: Any, public: tuple[str, str]) -> None:
    domain = f"{public[1].split('/')[3]}.lambda-url.us-east-1.localhost"
    event = endpoint.call("GET", "/a/b", None, {**PLAIN, "Host": f"{domain}:{endpoint.port}"}).json
    assert (event["rawPath"], event["requestContext"]["domainName"]) == ("/a/b", domain)
    stranger = endpoint.call("GET", public[1], None, {**PLAIN, "Host": "evil.example"})
    assert stranger.status == 403


def test_what_becomes_of_answers(endpoint: Any, public: tuple[str, str]) -> None:
    answer = endpoint.call("GET", f"{public[1]}?mode=response", None, PLAIN)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (201, b"\xff\x00", "image/png")
    assert (answer.headers["x-own"], answer.headers["set-cookie"]) == ("1", "b=2")
    for mode, status in (("raise", 502), ("split", 502), ("sleep", 504)):
        answer = endpoint.call("GET", f"{public[1]}?mode={mode}", None, PLAIN)
        assert (mode, answer.status) == (mode, status)
        assert answer.json == {"Message": "Internal Server Error"}


def test_who_may_call(endpoint: Any, public: tuple[str, str]) -> None:
    name, path = public
    base = f"/2021-10-31/functions/{name}/url"
    assert endpoint.call("POST", base, {"AuthType": "NONE"}).error == "ResourceConflictException"
    assert endpoint.call("PUT", base, {"AuthType": "AWS_IAM"}).json["AuthType"] == "AWS_IAM"
    assert endpoint.call("GET", path, None, PLAIN).status == 403
    signed = endpoint.call("GET", path)
    context = signed.json["requestContext"]
    assert (context["accountId"], context["authorizer"]["iam"]["accessKey"]) == ("123456789012", "x")
    assert "authorization" not in signed.json["headers"]
    assert endpoint.call("PUT", base, {"InvokeMode": "RESPONSE_STREAM"}).json["AuthType"] == "AWS_IAM"
    streamed = endpoint.call("GET", f"{path}?mode=response")
    # What a handler returns without streaming is the body as it is.
    assert (streamed.status, streamed.json["statusCode"]) == (200, 201)
    assert endpoint.call("GET", f"{path}?mode=raise").status == 502
    assert endpoint.call("PUT", base, {"InvokeMode": "BUFFERED"}).json["InvokeMode"] == "BUFFERED"
    endpoint.call("PUT", base, {"AuthType": "NONE"})
    endpoint.call("DELETE", f"/2015-03-31/functions/{name}/policy/url")
    assert endpoint.call("GET", path, None, PLAIN).status == 403
    listed = endpoint.call("GET", f"{base}s").json["FunctionUrlConfigs"]
    assert [config["AuthType"] for config in listed] == ["NONE"]
    assert endpoint.call("DELETE", base).status == 204
    assert endpoint.call("GET", base).error == "ResourceNotFoundException"
    assert endpoint.call("GET", path, None, PLAIN).status == 403


def test_what_is_not_there_is_refused(endpoint: Any) -> None:
    name = endpoint.create(SOURCE, wait=False)
    base = f"/2021-10-31/functions/{name}/url"
    answer = endpoint.call("POST", base, {"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}})
    assert "does not implement" in json.loads(answer.body)["message"]
    assert endpoint.call("POST", base, {"AuthType": "NONE", "InvokeMode": "x"}).error == "ValidationException"
    assert endpoint.call("POST", base, {}).error == "ValidationException"
