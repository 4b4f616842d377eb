"""Payload format 2.0: a request as an event, and what a handler returned as a response.

Sources: AWS docs, "Invoking Lambda function URLs" (request and response payloads) and "Working with AWS Lambda proxy
integrations for HTTP APIs".
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.local.httpd import Request

_TEXT = ("text/", "application/json", "application/javascript", "application/xml")
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "content-type"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request arrived.

    Attributes:
        api_id: of the URL or the API.
        account_id: owner; ``anonymous`` where nobody signed.
        domain: host name of the URL or API.
        path: path below it, as sent.
        route_key: which route took it.
        stage: of the API.
        access_key: id of the access key that signed; None where nobody did.
        variables: what the variables of the route's path stand for.
        stage_variables: of the stage.
    """

    api_id: str
    account_id: str
    domain: str
    path: str
    route_key: str = "$default"
    stage: str = "$default"
    access_key: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)


def addressed(request: Request, domain: str, prefix: str) -> tuple[str, str] | None:
    """Return whom a request is for and the path below it: by the host ``ID.domain``, or by the path ``prefix`` + ID.

    Args:
        request: whose host and path are looked at.
        domain: below which the hosts are.
        prefix: of the paths that need no name of a host, with its last slash.
    """
    name, _, rest = request.headers.get("host", "").partition(":")[0].partition(".")
    if rest.lower() == domain:
        return name.lower(), request.path
    if request.path.startswith(prefix):
        identity, slash, below = request.path[len(prefix) :].partition("/")
        return identity, slash + below or "/"
    return None


def event(request: Request, address: Address, request_id: str) -> bytes:
    """Return the event, JSON."""
    hidden = kept_back(address) | {"cookie"}
    headers = {name: value for name, value in request.headers.items() if name not in hidden}
    headers |= {"host": address.domain, **forwarded(request), "x-amzn-trace-id": trace_id(request)}
    now_s = time.time()
    document: dict[str, Any] = {
        "version": "2.0",
        "routeKey": address.route_key,
        "rawPath": unquote(address.path),
        "rawQueryString": request.raw_query,
        "headers": headers,
    }
    if "cookie" in request.headers:
        document["cookies"] = [part.strip() for part in request.headers["cookie"].split(";")]
    if request.raw_query:
        joined: dict[str, str] = {}
        for name, value in request.query_pairs:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        document["queryStringParameters"] = joined
    context: dict[str, Any] = {
        "accountId": address.account_id,
        "apiId": address.api_id,
        "domainName": address.domain,
        "domainPrefix": address.api_id,
        "http": {
            "method": request.method,
            "path": unquote(address.path),
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": address.route_key,
        "stage": address.stage,
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_s)),
        "timeEpoch": int(now_s * 1_000),
    }
    if address.access_key is not None:
        context["authorizer"] = {"iam": identity(address.access_key, address.account_id)}
    document["requestContext"] = context
    if address.variables:
        document["pathParameters"] = dict(address.variables)
    if address.stage_variables:
        document["stageVariables"] = dict(address.stage_variables)
    text, is_base64 = body_text(request)
    if text:
        document["body"] = text
    document["isBase64Encoded"] = is_base64
    return json.dumps(document).encode()


def kept_back(address: Address) -> frozenset[str]:
    """Return the headers that a handler does not see: a signature that was verified."""
    return frozenset() if address.access_key is None else frozenset({"authorization"})


def forwarded(request: Request) -> dict[str, str]:
    """Return the headers with which a gateway tells who sent a request, and how."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-port": port if port.isdecimal() else "80",
        "x-forwarded-proto": "http",
    }


def trace_id(request: Request) -> str:
    """Return the trace id that a request brought, or a new one (AWS docs, "AWS X-Ray concepts")."""
    return request.headers.get("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def identity(access_key: str, account_id: str) -> dict[str, Any]:
    """Return who signed, as ``authorizer.iam`` tells it."""
    return {
        "accessKey": access_key,
        "accountId": account_id,
        "callerId": access_key,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{account_id}:user/{access_key}",
        "userId": access_key,
    }


def body_text(request: Request) -> tuple[str, bool]:
    """Return the body as the text that an event holds, and whether that is base64."""
    encoded = "content-encoding" in request.headers
    is_text = request.headers.get("content-type", "").startswith(_TEXT) and not encoded
    text = _utf8(request.body) if is_text else None
    if text is None and request.body:
        return base64.b64encode(request.body).decode(), True
    return text or "", False


def response(payload: bytes) -> Reply | None:
    """Return the response that a handler's answer stands for; None when it stands for none.

    An object with ``statusCode`` is a response; any other JSON is the body of a 200.
    """
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(answer, dict) or "statusCode" not in answer:
        text = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"))
        return Reply(200, body=text.encode())
    return structured(answer)


def structured(answer: dict[str, Any]) -> Reply | None:
    """Return the response that an object with statusCode, headers, cookies and body stands for; None for none."""
    given, cookies = answer.get("headers") or {}, answer.get("cookies") or []
    if not isinstance(given, dict) or not isinstance(cookies, list):
        return None
    pairs = [(str(name), header_text(value)) for name, value in given.items()]
    pairs += [("Set-Cookie", header_text(cookie)) for cookie in cookies]
    return built(answer, pairs)


def built(answer: dict[str, Any], pairs: list[tuple[str, str]]) -> Reply | None:
    """Return the response with an answer's statusCode, body and the headers given; None when it is none."""
    status = _status(answer.get("statusCode"))
    body = _body(answer)
    if status is None or body is None or not all(_is_header(name, value) for name, value in pairs):
        return None
    kind = next((value for name, value in pairs if name.lower() == "content-type"), "application/json")
    headers = [(name, value) for name, value in pairs if name.lower() not in _OURS]
    return Reply(status, body=body, content_type=kind, headers=headers)


def _status(value: object) -> int | None:
    try:
        status = int(str(value))
    except ValueError:
        return None
    return status if 200 <= status <= 599 else None


def _body(answer: dict[str, Any]) -> bytes | None:
    body = answer.get("body")
    if body is None:
        return b""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    if not answer.get("isBase64Encoded"):
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def header_text(value: object) -> str:
    """Return the value of a header that a handler gave as any JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _is_header(name: str, value: str) -> bool:
    """Whether a header can be sent: a line feed in it would begin another response."""
    whole = name + value
    if not name or ":" in name or " " in name or any(ord(character) < 32 for character in whole):
        return False
    return all(ord(character) < 256 for character in whole)


def _utf8(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None
