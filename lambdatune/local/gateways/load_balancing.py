"""Requests to load balancers (AWS docs, "Use Lambda functions as targets of an Application Load Balancer")."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError
from lambdatune.local.gateways import payload_v1, payload_v2
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from lambdatune.local.gateways.calling import Caller
    from lambdatune.local.gateways.load_balancer_records import LoadBalancer, TargetGroup
    from lambdatune.local.gateways.load_balancers import LoadBalancers
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

PATH = "/_lambdatune/alb/"
_MAX_BYTES = 1024 * 1024
"""Of the body of a request, and of what the function returns."""
_PHRASES = {503: "Service Temporarily Unavailable", 413: "Request Entity Too Large"}


class LoadBalancerDoor:
    """Serves requests to load balancers.

    Args:
        registry: of load balancers and target groups.
        caller: calls the functions.
        naming: tells the region.
    """

    def __init__(self, registry: LoadBalancers, caller: Caller, naming: Naming) -> None:
        self._registry = registry
        self._caller = caller
        self._domain = f"{naming.region}.elb.localhost"

    def address(self, request: Request) -> tuple[str, str] | None:
        """Return which load balancer a request is for and the path below it, None when it is for none."""
        return payload_v2.addressed(request, self._domain, PATH)

    async def serve(self, identity: str, path: str, request: Request, _request_id: str) -> Reply:
        """Serve a request to a load balancer, which gives it no id of its own."""
        request.headers["x-amzn-trace-id"] = payload_v2.trace_id(request)
        reply = await self._answer(identity, path, request)
        reply.own_id = ("", "")
        return reply

    async def _answer(self, identity: str, path: str, request: Request) -> Reply:
        name, _, port = identity.partition(":")
        balancer = self._find(name)
        if balancer is None:
            return _refusal(404)
        listeners = sorted(balancer.listeners.values(), key=lambda listener: listener.port)
        listener = next((each for each in listeners if not port or str(each.port) == port), None)
        group = None if listener is None else self._registry.groups.get(listener.group_arn)
        if group is None or group.function_arn is None or not balancer.active:
            return _refusal(503)
        if request.too_large or request.body_bytes > _MAX_BYTES:
            return _refusal(413)
        event = _event(request, balancer, group, path)
        try:
            outcome = await self._caller.call(group.function_arn, group.arn, event, request.headers["x-amzn-trace-id"])
        except ApiError:
            return _refusal(502)
        reply = None
        if outcome.function_error is None and len(outcome.payload) <= _MAX_BYTES:
            reply = _response(outcome.payload, multi_value=group.multi_value)
        return (reply or _refusal(502)).queued(outcome.host_queued_ns)

    def _find(self, name: str) -> LoadBalancer | None:
        """Return the load balancer of a name or of a domain's first label."""
        every = self._registry.balancers.values()
        return next((each for each in every if name in {each.name, each.domain.partition(".")[0]}), None)


def _event(request: Request, balancer: LoadBalancer, group: TargetGroup, path: str) -> bytes:
    """Return the event, JSON. A load balancer does not decode what stands in the query."""
    pairs = [tuple(part.split("=", 1)) if "=" in part else (part, "") for part in request.raw_query.split("&") if part]
    query = payload_v1.grouped([(pair[0], pair[1]) for pair in pairs])
    named = [(name.lower(), value) for name, value in request.header_pairs]
    headers = payload_v1.grouped([pair for pair in named if pair[0] not in {"host", "x-amzn-trace-id"}])
    headers["host"] = [balancer.domain]
    headers["x-amzn-trace-id"] = [request.headers["x-amzn-trace-id"]]
    for name, value in payload_v2.forwarded(request).items():
        headers[name] = [value]
    text, is_base64 = payload_v2.body_text(request)
    document: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": group.arn}},
        "httpMethod": request.method,
        "path": path,
    }
    if group.multi_value:
        document |= {"multiValueQueryStringParameters": query, "multiValueHeaders": headers}
    else:
        document["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        document["headers"] = {name: values[-1] for name, values in headers.items()}
    return json.dumps({**document, "body": text, "isBase64Encoded": is_base64}).encode()


def _response(payload: bytes, *, multi_value: bool) -> Reply | None:
    """Return the response that a handler's answer stands for; None when it stands for none."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("body"), str | None):
        return None
    # The target group's attribute says which of the two members is read.
    kept = "multiValueHeaders" if multi_value else "headers"
    pairs = payload_v1.header_pairs({kept: answer.get(kept)})
    reply = None if pairs is None else payload_v2.built(answer, pairs)
    if reply is not None and not any(name.lower() == "content-type" for name, _ in pairs or ()):
        reply.content_type = "application/octet-stream"
    return reply


def _refusal(status: int) -> Reply:
    """Return one of the pages that a load balancer makes itself."""
    line = f"{status} {_PHRASES.get(status) or HTTPStatus(status).phrase}"
    page = (
        f"<html>\r\n<head><title>{line}</title></head>\r\n<body>\r\n<center><h1>{line}</h1></center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Reply(status, body=page.encode(), content_type="text/html", headers=[("Server", "awselb/2.0")])
