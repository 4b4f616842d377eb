"""Requests to REST APIs (AWS docs, "Working with REST APIs")."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError
from lambdatune.local.gateways import payload_v1, payload_v2, routes
from lambdatune.local.reply import Reply
from lambdatune.local.signatures import claimed_key

if TYPE_CHECKING:
    from lambdatune.local.gateways.calling import Caller
    from lambdatune.local.gateways.rest_apis import RestApis
    from lambdatune.local.gateways.rest_records import Method, RestApi, RestStage
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.signatures import SignatureVerifier

PATH = "/_lambdatune/rest/"
_MAX_BYTES = 10 * 1024 * 1024
"""Largest request (AWS docs, "Quotas for REST APIs")."""


class RestDoor:
    """Serves requests to REST APIs.

    Args:
        registry: of the APIs.
        caller: calls their functions.
        naming: makes ARNs.
        signatures: verifies who sent a request, to methods with AWS_IAM.
    """

    def __init__(self, registry: RestApis, caller: Caller, naming: Naming, signatures: SignatureVerifier) -> None:
        self._registry = registry
        self._caller = caller
        self._naming = naming
        self._signatures = signatures

    def address(self, request: Request) -> tuple[str, str] | None:
        """Return the id of the API that a request is for and the path below it, None when it is for none."""
        found = payload_v2.addressed(request, f"execute-api.{self._naming.region}.localhost", PATH)
        by_path = request.path.startswith(PATH)
        # HTTP APIs have names of the same form.
        return found if found is not None and (by_path or found[0] in self._registry.apis) else None

    async def serve(self, identity: str, path: str, request: Request, request_id: str) -> Reply:
        """Serve a request to an API. Its id is the API's own; Lambda's is another."""
        extended_id = base64.b64encode(secrets.token_bytes(11)).decode()
        trace_id = payload_v2.trace_id(request)
        request.headers["x-amzn-trace-id"] = trace_id
        reply = await self._answer(identity, path, request, (request_id, extended_id))
        reply.headers += [("x-amz-apigw-id", extended_id), ("X-Amzn-Trace-Id", trace_id)]
        return reply

    async def _answer(self, identity: str, path: str, request: Request, ids: tuple[str, str]) -> Reply:
        api = self._registry.apis.get(identity)
        first, _, rest = path.removeprefix("/").partition("/")
        stage = None if api is None else api.stages.get(first)
        if api is None or stage is None:
            return _refusal(403, "Forbidden", "ForbiddenException")
        below = "/" + rest
        methods = api.deployments[stage.deployment_id].methods
        found = routes.select(methods, request.method, below.rstrip("/") or "/")
        if found is None:
            return _no_token()
        resource_id, method = methods[found[0], found[1]]
        if request.too_large or request.body_bytes > _MAX_BYTES:
            return _refusal(413, "Request Too Long", "RequestTooLargeException")
        access_key = None
        if method.authorization == "AWS_IAM":
            if not request.headers.get("authorization"):
                return _no_token()
            try:
                self._signatures.verify(request, "execute-api")
            except ApiError as error:
                return _refusal(403, error.message, error.code)
            access_key = claimed_key(request)
        address = payload_v2.Address(
            api.id,
            self._naming.account_id,
            f"{api.id}.execute-api.{self._naming.region}.localhost",
            below,
            stage=stage.name,
            access_key=access_key,
            variables=found[2],
            stage_variables=stage.variables,
        )
        resource = payload_v1.Resource(resource_id, found[1], path, ids[1], stage.deployment_id)
        event = payload_v1.event(request, address, resource, ids[0])
        return await self._call(method, self._source(api, stage, request.method, found[1]), event, request)

    def _source(self, api: RestApi, stage: RestStage, method: str, template: str) -> str:
        """Return the ARN that a resource policy sees; variables are asterisks in it."""
        path = "/".join("*" if part.startswith("{") else part for part in routes.segments(template))
        base = f"arn:aws:execute-api:{self._naming.region}:{self._naming.account_id}"
        return f"{base}:{api.id}/{stage.name}/{method}/{path}"

    async def _call(self, method: Method, source: str, event: bytes, request: Request) -> Reply:
        trace_id = request.headers["x-amzn-trace-id"]
        try:
            outcome = await self._caller.call(method.arn, source, event, trace_id, method.limit_ms / 1_000)
        except TimeoutError:
            return _refusal(504, "Endpoint request timed out", "InternalServerErrorException")
        except ApiError:
            return _refusal(500, "Internal server error", "InternalServerErrorException")
        reply = None if outcome.function_error else payload_v1.response(outcome.payload)
        if reply is None:
            reply = _refusal(502, "Internal server error", "InternalServerErrorException")
        return reply.queued(outcome.host_queued_ns)


def _no_token() -> Reply:
    return _refusal(403, "Missing Authentication Token", "MissingAuthenticationTokenException")


def _refusal(status: int, message: str, kind: str) -> Reply:
    body = json.dumps({"message": message}).encode()
    return Reply(status, body=body, headers=[("x-amzn-ErrorType", kind)])
