"""Function URLs: their configuration, and the requests that come by them (AWS docs, "Lambda function URLs")."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, conflict, invalid, not_found, validation
from lambdatune.local.gateways import payload_v2, url_stream
from lambdatune.local.invoke_api import MAX_PAYLOAD_BYTES
from lambdatune.local.names import parse_reference
from lambdatune.local.reply import Reply, json_body, page
from lambdatune.local.response_stream import ResponseStream
from lambdatune.local.signatures import claimed_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.records import Function
    from lambdatune.local.signatures import SignatureVerifier

PATH = "/_lambdatune/url/"
_ALPHABET = string.ascii_lowercase + string.digits
_ACTIONS = frozenset({"*", "lambda:*", "lambda:invokefunctionurl"})
_DENIED = "Forbidden. For troubleshooting Function URL authorization issues, see: "
_HELP = "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class _Url:
    """A function URL: its id, whose it is, how it is authorised, and its InvokeMode."""

    id: str
    function: Function
    qualifier: str | None
    auth: str
    mode: str
    created: str = field(default_factory=_now)
    modified: str = field(default_factory=_now)


class FunctionUrls:
    """Keeps function URLs and serves them.

    Args:
        functions: the registry.
        invoker: runs the calls.
        naming: makes ARNs.
        signatures: verifies who sent a request, with AuthType AWS_IAM.
        endpoint_url: returns the URL of the endpoint.
    """

    def __init__(
        self,
        functions: Functions,
        invoker: Invoker,
        naming: Naming,
        signatures: SignatureVerifier,
        endpoint_url: Callable[[], str],
    ) -> None:
        self._functions = functions
        self._invoker = invoker
        self._naming = naming
        self._signatures = signatures
        self._endpoint_url = endpoint_url
        self._urls: dict[str, _Url] = {}
        base = "2021-10-31/functions/*"
        self.routes = {
            f"POST {base}/url": self.create,
            f"GET {base}/url": self.get,
            f"PUT {base}/url": self.update,
            f"DELETE {base}/url": self.delete,
            f"GET {base}/urls": self.list,
        }

    async def create(self, reference: str, request: Request) -> Reply:
        """CreateFunctionUrlConfig."""
        function, qualifier = self._named(reference, request)
        body = json_body(request)
        auth = _auth(body.get("AuthType"))
        mode = _mode(body) or "BUFFERED"
        if self._find(function, qualifier) is not None:
            arn = self._naming.function_arn(function.name, qualifier)
            raise conflict(f"Failed to create function url config for [functionArn = {arn}]. Error message: exists")
        identity = "".join(secrets.choice(_ALPHABET) for _ in range(32))
        url = self._urls[identity] = _Url(identity, function, qualifier, auth, mode)
        return Reply(201, self._view(url))

    async def get(self, reference: str, request: Request) -> Reply:
        """GetFunctionUrlConfig."""
        return Reply(200, self._view(self._existing(reference, request)))

    async def update(self, reference: str, request: Request) -> Reply:
        """UpdateFunctionUrlConfig."""
        url = self._existing(reference, request)
        body = json_body(request)
        auth, mode = url.auth if body.get("AuthType") is None else _auth(body["AuthType"]), _mode(body)
        url.auth, url.mode = auth, mode or url.mode
        url.modified = _now()
        return Reply(200, self._view(url))

    async def delete(self, reference: str, request: Request) -> Reply:
        """DeleteFunctionUrlConfig."""
        del self._urls[self._existing(reference, request).id]
        return Reply(204)

    async def list(self, reference: str, request: Request) -> Reply:
        """ListFunctionUrlConfigs."""
        function = self._functions.get(parse_reference(reference)[0])
        self._forget()
        urls = [url for url in self._urls.values() if url.function is function]
        query = request.query
        chosen, marker = page(urls, lambda url: url.id, query.get("Marker"), query.get("MaxItems"), default=50, most=50)
        document: dict[str, Any] = {"FunctionUrlConfigs": [self._view(url) for url in chosen]}
        if marker is not None:
            document["NextMarker"] = marker
        return Reply(200, document)

    def address(self, request: Request) -> tuple[str, str] | None:
        """Return the id of the URL that a request is for and the path below it, None when it is for none."""
        return payload_v2.addressed(request, f"lambda-url.{self._naming.region}.localhost", PATH)

    async def serve(self, identity: str, path: str, request: Request, request_id: str) -> Reply:
        """Serve a request to a function URL."""
        url = self._urls.get(identity)
        if url is None or self._functions.find(url.function.name) is not url.function:
            return _refusal(403, None)
        if request.too_large or request.body_bytes > MAX_PAYLOAD_BYTES:
            return _refusal(413, "Request Too Long")
        account, access_key = "anonymous", None
        if url.auth == "AWS_IAM":
            try:
                self._signatures.verify(request, "lambda")
            except ApiError as error:
                return _refusal(403, error.message)
            account, access_key = self._naming.account_id, claimed_key(request)
        elif not _is_public(url):
            return _refusal(403, _DENIED + _HELP)
        domain = f"{url.id}.lambda-url.{self._naming.region}.localhost"
        request.headers["x-amzn-trace-id"] = payload_v2.trace_id(request)
        address = payload_v2.Address(url.id, account, domain, path, access_key=access_key)
        event = payload_v2.event(request, address, request_id)
        try:
            return await self._call(url, request_id, event, request.headers["x-amzn-trace-id"])
        except ApiError as error:
            return Reply(error.status if error.status in {409, 429} else 502, body=error.body())

    async def _call(self, url: _Url, request_id: str, event: bytes, trace_id: str) -> Reply:
        whose = (url.function.name, url.qualifier, request_id, event, trace_id)
        if url.mode == "RESPONSE_STREAM":
            stream = ResponseStream()
            answer = await url_stream.respond(stream, self._invoker.run(*whose, stream))
            if isinstance(answer, Reply):
                return answer
            reply, outcome = None, answer
        else:
            outcome, _ = await self._invoker.run(*whose)
            reply = None if outcome.function_error else url_stream.buffered(outcome)
        if reply is None:
            reply = _refusal(504 if outcome.status == "timeout" else 502, "Internal Server Error")
        return reply.queued(outcome.host_queued_ns)

    def _named(self, reference: str, request: Request) -> tuple[Function, str | None]:
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        function = self._functions.get(name, qualifier)
        if qualifier is not None and qualifier not in function.aliases:
            raise invalid("Function URLs are of a function without qualifier, or of one of its aliases.")
        return function, qualifier

    def _existing(self, reference: str, request: Request) -> _Url:
        url = self._find(*self._named(reference, request))
        if url is None:
            raise not_found("The resource you requested does not exist.")
        return url

    def _find(self, function: Function, qualifier: str | None) -> _Url | None:
        self._forget()
        found = (u for u in self._urls.values() if u.function is function and u.qualifier == qualifier)
        return next(found, None)

    def _forget(self) -> None:
        """Let go of the URLs of functions that were deleted."""
        gone = [u.id for u in self._urls.values() if self._functions.find(u.function.name) is not u.function]
        for identity in gone:
            del self._urls[identity]

    def _view(self, url: _Url) -> dict[str, Any]:
        return {
            "FunctionUrl": f"{self._endpoint_url()}{PATH}{url.id}/",
            "FunctionArn": self._naming.function_arn(url.function.name, url.qualifier),
            "AuthType": url.auth,
            "CreationTime": url.created,
            "LastModifiedTime": url.modified,
            "InvokeMode": url.mode,
        }


def _is_public(url: _Url) -> bool:
    """Whether the resource policy lets everybody call by the URL."""
    for statement in url.function.policies.get(url.qualifier or "", []):
        condition = statement.get("Condition") or {}
        holds = not condition or condition == {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}
        if statement["Principal"] == "*" and statement["Action"].lower() in _ACTIONS and holds:
            return True
    return False


def _auth(value: object) -> str:
    if value not in ("NONE", "AWS_IAM"):
        raise validation("authType", value, "Member must satisfy enum value set: [NONE, AWS_IAM]")
    return str(value)


def _mode(body: dict[str, Any]) -> str | None:
    """Return the InvokeMode of a request, None when it gives none."""
    if body.get("InvokeMode") not in (None, "BUFFERED", "RESPONSE_STREAM"):
        choices = "Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]"
        raise validation("invokeMode", body["InvokeMode"], choices)
    if body.get("Cors"):
        raise invalid("The embedded lambdatune endpoint does not implement Cors of function URLs.")
    return None if body.get("InvokeMode") is None else str(body["InvokeMode"])


def _refusal(status: int, message: str | None) -> Reply:
    return Reply(status, body=json.dumps({"Message": message}).encode())
