"""Requests to HTTP APIs (AWS docs, "Working with HTTP APIs")."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError
from lambdatune.local.gateways import payload_v1, payload_v2, routes
from lambdatune.local.gateways.http_apis import DEFAULT, PATH
from lambdatune.local.reply import Reply
from lambdatune.local.signatures import claimed_key

if TYPE_CHECKING:
    from lambdatune.local.gateways.calling import Caller
    from lambdatune.local.gateways.http_apis import Api, Deployment, HttpApis, Integration, Route, Stage
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.signatures import SignatureVerifier

_MAX_BYTES = 10 * 1024 * 1024
"""Largest request (AWS docs, "Quotas for HTTP APIs")."""


class HttpDoor:
    """Serves requests to HTTP APIs.

    Args:
        registry: of the APIs.
        caller: calls their functions.
        naming: makes ARNs.
        signatures: verifies who sent a request, on routes with AWS_IAM.
    """

    def __init__(self, registry: HttpApis, caller: Caller, naming: Naming, signatures: SignatureVerifier) -> None:
        self._registry = registry
        self._caller = caller
        self._naming = naming
        self._signatures = signatures

    def address(self, request: Request) -> tuple[str, str] | None:
        """Return the id of the API that a request is for and the path below it, None when it is for none."""
        return payload_v2.addressed(request, f"execute-api.{self._naming.region}.localhost", PATH)

    async def serve(self, identity: str, path: str, request: Request, _request_id: str) -> Reply:
        """Serve a request to an API, of which only the API's own id is told (``apigw-requestid``)."""
        request_id = base64.b64encode(secrets.token_bytes(11)).decode()
        request.headers["x-amzn-trace-id"] = payload_v2.trace_id(request)
        reply = await self._answer(identity, path, request, request_id)
        reply.own_id = ("apigw-requestid", request_id)
        return reply

    async def _answer(self, identity: str, path: str, request: Request, request_id: str) -> Reply:
        api = self._registry.apis.get(identity)
        placed = None if api is None else _stage_of(api, path)
        if api is None or placed is None:
            return _refusal(404, "Not Found")
        stage, below = placed
        deployment = api.served(stage)
        chosen = None if deployment is None else _route_of(deployment, request.method, below)
        if deployment is None or chosen is None:
            return _refusal(404, "Not Found")
        route, variables = chosen
        integration = deployment.integrations.get(route.integration_id or "")
        if integration is None:
            return _refusal(500, "Internal Server Error")
        if request.too_large or request.body_bytes > _MAX_BYTES:
            return _refusal(413, "Request Entity Too Large")
        access_key = None
        if route.authorization == "AWS_IAM":
            try:
                self._signatures.verify(request, "execute-api")
            except ApiError:
                return _refusal(403, "Forbidden")
            access_key = claimed_key(request)
        address = payload_v2.Address(
            api.id,
            self._naming.account_id,
            f"{api.id}.execute-api.{self._naming.region}.localhost",
            path,
            route.key,
            stage.name,
            access_key,
            variables,
            stage.variables,
        )
        return await self._call(integration, address, request, request_id)

    async def _call(
        self, integration: Integration, address: payload_v2.Address, request: Request, request_id: str
    ) -> Reply:
        is_first = integration.payload_format == "1.0"
        method, _, template = address.route_key.partition(" ")
        if is_first:
            shown = template or address.route_key
            resource = payload_v1.Resource(address.route_key, shown, address.path, request_id)
            event = payload_v1.event(request, address, resource, request_id)
        else:
            event = payload_v2.event(request, address, request_id)
        below = f"{request.method}{template}" if method in {*routes.METHODS, routes.ANY} else DEFAULT
        source = (
            f"arn:aws:execute-api:{self._naming.region}:{self._naming.account_id}:{address.api_id}/{address.stage}/"
            f"{below}"
        )
        try:
            outcome = await self._caller.call(
                integration.arn, source, event, payload_v2.trace_id(request), integration.limit_ms / 1_000
            )
        except TimeoutError:
            return _refusal(503, "Service Unavailable")
        except ApiError as error:
            throttled = error.status == 429
            return _refusal(503 if throttled else 500, "Service Unavailable" if throttled else "Internal Server Error")
        read = payload_v1.response if is_first else payload_v2.response
        reply = None if outcome.function_error else read(outcome.payload)
        if reply is None:
            reply = _refusal(500, "Internal Server Error")
        return reply.queued(outcome.host_queued_ns)


def _stage_of(api: Api, path: str) -> tuple[Stage, str] | None:
    """Return the stage that a path is for and the path below it; None when there is none."""
    first, _, rest = path.removeprefix("/").partition("/")
    named = api.stages.get(first)
    if named is not None and first != DEFAULT:
        return named, "/" + rest
    stage = api.stages.get(DEFAULT)
    return None if stage is None else (stage, path)


def _route_of(deployment: Deployment, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    by_key = {route.key: route for route in deployment.routes.values()}
    keys = [(m, template) for m, _, template in (key.partition(" ") for key in by_key) if template]
    found = routes.select(keys, method, path)
    if found is not None:
        return by_key[f"{found[0]} {found[1]}"], found[2]
    last = by_key.get(DEFAULT)
    return None if last is None else (last, {})


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, body=json.dumps({"message": message}).encode())
