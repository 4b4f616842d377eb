"""HTTP APIs of API Gateway: control plane and requests (AWS docs, "Working with HTTP APIs"; apigatewayv2 reference)."""

from __future__ import annotations

import json
import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lambdatune.local import proxy_format
from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.names import parse_reference
from lambdatune.local.reply import Reply, json_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.permissions import Permissions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

PATH = "/_lambdatune/http/"
_MAX_BYTES = 10 * 1024 * 1024
"""Largest request (AWS docs, "Quotas for HTTP APIs")."""
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9-_]+(?::[A-Za-z0-9$_-]+)?")


@dataclass(slots=True)
class _Api:
    id: str
    name: str
    target: str
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class HttpApis:
    """Keeps HTTP APIs made by quick create, and serves them.

    Args:
        invoker: runs the calls.
        permissions: says whether an API may call a function.
        naming: makes ARNs.
        endpoint_url: returns the URL of the endpoint.
    """

    def __init__(
        self, invoker: Invoker, permissions: Permissions, naming: Naming, endpoint_url: Callable[[], str]
    ) -> None:
        self._invoker = invoker
        self._permissions = permissions
        self._naming = naming
        self._endpoint_url = endpoint_url
        self._apis: dict[str, _Api] = {}

    async def control(self, request: Request, _request_id: str) -> Reply:
        """Serve one action of the control plane.

        Raises:
            ApiError: BadRequestException, NotFoundException.
        """
        identity = unquote(request.path.removeprefix("/v2/apis").removeprefix("/"))
        is_one = request.path.startswith("/v2/apis/") and "/" not in identity
        if request.path == "/v2/apis" and request.method == "POST":
            return self._create(json_body(request))
        if request.path == "/v2/apis" and request.method == "GET":
            return Reply(200, {"items": [self._view(api) for api in self._apis.values()]})
        if is_one and request.method in {"GET", "DELETE"}:
            api = self._apis.get(identity)
            if api is None:
                raise ApiError("NotFoundException", f"Invalid API identifier specified {identity}", 404)
            if request.method == "GET":
                return Reply(200, self._view(api))
            del self._apis[identity]
            return Reply(204)
        raise not_implemented(f"{request.method} {request.path} of API Gateway")

    def _create(self, body: dict[str, Any]) -> Reply:
        known = {"name", "protocolType", "target"}
        further = sorted(body.keys() - known)
        if further:
            raise _bad(f"the embedded lambdatune endpoint does not implement {further[0]} of CreateApi")
        if body.get("protocolType") != "HTTP":
            raise _bad("the embedded lambdatune endpoint implements protocolType HTTP only")
        target = str(body.get("target") or "")
        if _FUNCTION.fullmatch(target) is None:
            raise _bad("the embedded lambdatune endpoint makes APIs by quick create: target is a function's ARN")
        if not body.get("name"):
            raise _bad("name is required")
        identity = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(10))
        api = self._apis[identity] = _Api(identity, str(body["name"]), target)
        return Reply(201, self._view(api))

    def address(self, request: Request) -> tuple[str, str] | None:
        """Return the id of the API that a request is for and the path below it, None when it is for none."""
        return proxy_format.addressed(request, f"execute-api.{self._naming.region}.localhost", PATH)

    async def serve(self, identity: str, path: str, request: Request, request_id: str) -> Reply:
        """Serve a request to an API: its $default route and stage take every method and path."""
        api = self._apis.get(identity)
        if api is None:
            return _refusal(404, "Not Found")
        if request.too_large or request.body_bytes > _MAX_BYTES:
            return _refusal(413, "Request Entity Too Large")
        naming = self._naming
        domain = f"{api.id}.execute-api.{naming.region}.localhost"
        event = proxy_format.event(request, proxy_format.Address(api.id, naming.account_id, domain, path), request_id)
        source = f"arn:aws:execute-api:{naming.region}:{naming.account_id}:{api.id}/$default/$default"
        name, qualifier = parse_reference(api.target)
        try:
            self._permissions.check(api.target, "apigateway.amazonaws.com", source)
            outcome, _ = await self._invoker.run(
                name, qualifier, request_id, event, request.headers.get("x-amzn-trace-id")
            )
        except ApiError as error:
            throttled = error.status == 429
            return _refusal(503 if throttled else 500, "Service Unavailable" if throttled else "Internal Server Error")
        reply = None if outcome.function_error else proxy_format.response(outcome.payload)
        if reply is None:
            reply = _refusal(500, "Internal Server Error")
        if outcome.host_queued_ns:
            reply.headers.append(("X-Lambdatune-Queued-Ms", f"{outcome.host_queued_ns / 1e6:.3f}"))
        return reply

    def _view(self, api: _Api) -> dict[str, Any]:
        return {
            "apiId": api.id,
            "apiEndpoint": f"{self._endpoint_url()}{PATH}{api.id}",
            "name": api.name,
            "protocolType": "HTTP",
            "createdDate": api.created,
            "routeSelectionExpression": "$request.method $request.path",
        }


def _bad(message: str) -> ApiError:
    return ApiError("BadRequestException", message)


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, body=json.dumps({"message": message}).encode())
