"""Payload format 1.0: the event of REST APIs and of HTTP APIs that ask for it, and the response in a handler's answer.

Sources: AWS docs, "Lambda proxy integrations in API Gateway" (input and output format) and "Working with AWS Lambda
proxy integrations for HTTP APIs".
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdatune.local.gateways import payload_v2

if TYPE_CHECKING:
    from lambdatune.local.gateways.payload_v2 import Address
    from lambdatune.local.httpd import Request
    from lambdatune.local.reply import Reply

_MEMBERS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "cookies"})
_IDENTITY = (
    "accessKey",
    "accountId",
    "apiKey",
    "apiKeyId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


@dataclass(frozen=True, slots=True)
class Resource:
    """What of an API took a request.

    Attributes:
        id: of the resource, or the key of the route.
        path: its path, with its variables.
        path_with_stage: the path as sent, below the stage's name.
        extended_id: x-amz-apigw-id.
        deployment_id: which deployment serves; None for an HTTP API.
    """

    id: str
    path: str
    path_with_stage: str
    extended_id: str
    deployment_id: str | None = None


def event(request: Request, address: Address, resource: Resource, request_id: str) -> bytes:
    """Return the event, JSON. An HTTP API's says its version, a REST API's does not."""
    multi_headers = headers_of(request, address)
    query = grouped(request.query_pairs)
    text, is_base64 = payload_v2.body_text(request)
    now_s = time.time()
    context: dict[str, Any] = {
        "resourceId": resource.id,
        "resourcePath": resource.path,
        "httpMethod": request.method,
        "extendedRequestId": resource.extended_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_s)),
        "path": resource.path_with_stage,
        "accountId": address.account_id,
        "protocol": "HTTP/1.1",
        "stage": address.stage,
        "domainPrefix": address.api_id,
        "requestTimeEpoch": int(now_s * 1_000),
        "requestId": request_id,
        "identity": _identity(request, address),
        "domainName": address.domain,
        "apiId": address.api_id,
    }
    if resource.deployment_id is not None:
        context["deploymentId"] = resource.deployment_id
    document: dict[str, Any] = {
        "resource": resource.path,
        "path": address.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in multi_headers.items()},
        "multiValueHeaders": multi_headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(address.variables) or None,
        "stageVariables": dict(address.stage_variables) or None,
        "requestContext": context,
        "body": text or None,
        "isBase64Encoded": is_base64,
    }
    return json.dumps(document if resource.deployment_id else {"version": "1.0", **document}).encode()


def headers_of(request: Request, address: Address) -> dict[str, list[str]]:
    """Return the headers as sent, and those that a gateway adds."""
    hidden = payload_v2.kept_back(address) | {"host"}
    found = grouped([pair for pair in request.header_pairs if pair[0].lower() not in hidden])
    names = {name.lower() for name in found}
    found["Host"] = [address.domain]
    ours = {**payload_v2.forwarded(request), "x-amzn-trace-id": payload_v2.trace_id(request)}
    for name, value in ours.items():
        if name not in names:
            found["-".join(part.capitalize() for part in name.split("-"))] = [value]
    return found


def grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of each name, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def response(payload: bytes) -> Reply | None:
    """Return the response that a handler's answer stands for; None when it is malformed.

    Nothing is inferred: an object with ``statusCode``, a body that is a text, and no member that the format has not.
    """
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(answer, dict) or not answer.keys() <= _MEMBERS:
        return None
    if not isinstance(answer.get("body"), str | None):
        return None
    pairs = header_pairs(answer)
    return None if pairs is None else payload_v2.built(answer, pairs)


def header_pairs(answer: dict[str, Any]) -> list[tuple[str, str]] | None:
    """Return the headers of an answer, None when they are malformed; multiValueHeaders go before headers."""
    single, multi = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multi, dict):
        return None
    if not all(isinstance(values, list) for values in multi.values()):
        return None
    pairs = [(str(name), payload_v2.header_text(value)) for name, values in multi.items() for value in values]
    named = {name.lower() for name in multi}
    pairs += [(str(n), payload_v2.header_text(value)) for n, value in single.items() if n.lower() not in named]
    return pairs


def _identity(request: Request, address: Address) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(_IDENTITY)
    if address.access_key is not None:
        iam = payload_v2.identity(address.access_key, address.account_id)
        told |= {name: iam[name] for name in ("accessKey", "accountId", "userArn")}
        told |= {"caller": iam["callerId"], "user": iam["userId"]}
    return {**told, "sourceIp": "127.0.0.1", "userAgent": request.headers.get("user-agent")}
