"""Members of the wrong type, and paths of nothing, get a refusal of the gateways' control planes, never a failure."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from support.signing import signed

from lambdatune.local.gateways import routes

WRONG: tuple[Any, ...] = (None, 1, True, "x", [], ["x"], {}, {"types": 1}, {"x": {"y": []}})
HTTP = {
    "/v2/apis": ("name", "protocolType", "target", "routeKey", "tags", "description"),
    "/v2/apis/{http}/integrations": (
        "integrationType",
        "integrationUri",
        "payloadFormatVersion",
        "timeoutInMillis",
        "connectionType",
    ),
    "/v2/apis/{http}/routes": ("routeKey", "target", "authorizationType", "apiKeyRequired"),
    "/v2/apis/{http}/stages": ("stageName", "autoDeploy", "deploymentId", "stageVariables"),
    "/v2/apis/{http}/deployments": ("stageName",),
}
REST = {
    "/restapis": ("name", "endpointConfiguration", "tags"),
    "/restapis/{rest}/deployments": ("stageName", "variables"),
    "/restapis/{rest}/stages": ("stageName", "deploymentId", "variables"),
    "/restapis/{rest}/resources/{root}": ("pathPart",),
}
GOOD = {
    "name": "n",
    "protocolType": "HTTP",
    "integrationType": "AWS_PROXY",
    "integrationUri": "arn:aws:lambda:us-east-1:123456789012:function:f",
    "payloadFormatVersion": "1.0",
    "routeKey": "GET /x",
    "stageName": "s",
    "pathPart": "p",
}


def _call(endpoint: Any, method: str, path: str, body: Any, service: str) -> Any:
    headers = signed(method, f"{endpoint.url}{path}", body if isinstance(body, bytes) else b"", service=service)
    return endpoint.call(method, path, body, headers)


def _post(endpoint: Any, path: str, body: Any, method: str = "POST") -> Any:
    return _call(endpoint, method, path, json.dumps(body).encode(), "apigateway")


@pytest.fixture(scope="module")
def ids(endpoint: Any) -> dict[str, str]:
    rest = _post(endpoint, "/restapis", {"name": "n"}).json
    http = _post(endpoint, "/v2/apis", {"name": "n", "protocolType": "HTTP"}).json
    return {"http": http["apiId"], "rest": rest["id"], "root": rest["rootResourceId"]}


def test_members_of_the_wrong_type(endpoint: Any, ids: dict[str, str]) -> None:
    for path, members in {**HTTP, **REST}.items():
        for member in members:
            for value in WRONG:
                body = {name: good for name, good in GOOD.items() if name in members} | {member: value}
                answer = _post(endpoint, path.format(**ids), body)
                assert answer.status < 500, (path, member, value, answer.body)
    method = f"/restapis/{ids['rest']}/resources/{ids['root']}/methods/GET"
    for value in WRONG:
        assert _post(endpoint, method, {"authorizationType": value}, "PUT").status == 400
    assert _post(endpoint, method, {"authorizationType": "NONE"}, "PUT").status == 201
    for member in ("type", "httpMethod", "uri", "timeoutInMillis", "connectionType", "contentHandling"):
        for value in WRONG:
            body = {"type": "AWS_PROXY", "httpMethod": "POST", "uri": "x", member: value}
            assert _post(endpoint, f"{method}/integration", body, "PUT").status == 400
    for path in (
        "/v2/",
        "/v2/apis/",
        "/v2/apis/x/y/z/w",
        "/restapis/x",
        "/restapis/x/y",
        "/tags/",
        "/tags/x",
        "/v2/tags/x",
    ):
        assert 400 <= _call(endpoint, "GET", path, None, "apigateway").status < 500


def test_forms_of_the_wrong_shape(endpoint: Any) -> None:
    actions = (
        "CreateLoadBalancer",
        "CreateTargetGroup",
        "RegisterTargets",
        "CreateListener",
        "DescribeTags",
        "None",
        "",
    )
    for action in actions:
        for member in ("Name", "Name.member.1", "Subnets", "Scheme.x", "TargetType.x", "Targets.member.x", "Port.y"):
            body = urlencode({"Action": action, "Name": "n", "TargetType": "lambda", member: "x"}).encode()
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            headers = signed("POST", f"{endpoint.url}/", body, form, service="elasticloadbalancing")
            answer = endpoint.call("POST", "/", body, headers)
            assert answer.status < 500, (action, member, answer.body)
            assert answer.headers["content-type"] == "text/xml"


@pytest.mark.parametrize(
    ("template", "path", "found"),
    [
        ("/", "/", {}),
        ("/a", "/a", {}),
        ("/a", "/a/", None),
        ("/{a}", "/", None),
        ("/{a}", "/x%2Fy", {"a": "x/y"}),
        ("/{a}/b", "/x/b", {"a": "x"}),
        ("/{a+}", "/x//y", {"a": "x//y"}),
        ("/a/{b+}", "/a", None),
        ("/a/{b+}", "/a/", None),
    ],
)
def test_what_a_template_takes(template: str, path: str, found: dict[str, str] | None) -> None:
    assert routes.is_template(template)
    assert routes.variables(template, path) == found


@pytest.mark.parametrize("template", ["", "a", "/{a+}/b", "/{a", "/a b", "/{a b}", "//"])
def test_what_is_no_template(template: str) -> None:
    assert not routes.is_template(template)
