"""The endpoint's port: which API a request is for, request ids, and errors in AWS's shape."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lambdatune.local import stream_api, sts
from lambdatune.local.errors import ApiError, not_implemented, too_large
from lambdatune.local.events.s3.api import own_id as s3_id
from lambdatune.local.httpd import HttpConnection, Request, render
from lambdatune.local.reply import Reply
from lambdatune.local.response_stream import BrokenStreamError
from lambdatune.local.signatures import claimed_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lambdatune.local.events.sources import EventSources
    from lambdatune.local.function_urls import FunctionUrls
    from lambdatune.local.functions_api import FunctionsApi
    from lambdatune.local.invoke_api import InvokeApi
    from lambdatune.local.logs_api import LogsApi
    from lambdatune.local.names import Naming
    from lambdatune.local.provisioned_api import ProvisionedApi
    from lambdatune.local.settings_api import SettingsApi
    from lambdatune.local.signatures import SignatureVerifier

_log = logging.getLogger(__name__)

_MAX_BODY_BYTES = 70_167_211
"""Room for a 50 MB zip in base64 and the rest of CreateFunction; AWS's own message has this number."""

_INVOKE_PREFIX = "/2015-03-31/functions/"
_INVOKE_SUFFIX = "/invocations"
_LOGS_TARGET = "Logs_20140328."
_GATEWAY_PATHS = ("/v2/", "/restapis", "/tags/")
_FORMS = frozenset({"sns", "elasticloadbalancing"})
"""Services of the query protocol besides STS."""

Handler = Callable[..., Awaitable[Reply]]


class Front:
    """Routes requests.

    Args:
        invoke: Invoke.
        functions: functions and versions.
        settings: aliases, concurrency, tags, account.
        provisioned: provisioned concurrency.
        logs: CloudWatch Logs.
        sources: the event sources.
        urls: function URLs.
        signatures: verifies who sent a request.
        naming: makes ARNs.
        host: returns the document of ``GET /_lambdatune/host``.
    """

    def __init__(
        self,
        *,
        invoke: InvokeApi,
        functions: FunctionsApi,
        settings: SettingsApi,
        provisioned: ProvisionedApi,
        logs: LogsApi,
        sources: EventSources,
        urls: FunctionUrls,
        signatures: SignatureVerifier,
        naming: Naming,
        host: Callable[[], dict[str, object]],
    ) -> None:
        self._invoke = invoke
        self._functions = functions
        self._logs = logs
        self._sources = sources
        self._urls = urls
        self._signatures = signatures
        self._naming = naming
        self._host = host
        self._routes = {**_routes(functions, settings, provisioned), **sources.routes, **urls.routes}
        self._connections: set[FrontConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection(self) -> FrontConnection:
        """Return the protocol of a new connection."""
        return FrontConnection(self)

    def opened(self, connection: FrontConnection) -> None:
        """Take note of a connection."""
        self._connections.add(connection)

    def lost(self, connection: FrontConnection) -> None:
        """Forget a connection; a call that it made goes on, as on AWS."""
        self._connections.discard(connection)

    def received(self, connection: FrontConnection, request: Request) -> None:
        """Serve a request in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._serve(connection, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the requests under way (their environments have ended by now), then close all connections."""
        for connection in self._connections:
            connection.hurry()
        await asyncio.gather(*self._tasks)
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.close()

    async def _serve(self, connection: FrontConnection, request: Request) -> None:
        """Serve one request; never raises."""
        request_id = str(uuid.uuid4())
        try:
            reply = await self._route(request, request_id)
        except ApiError as error:
            connection.answer(self._error(error, request, request_id))
            return
        except Exception:  # noqa: BLE001  the border of the program: a client gets AWS's 500, the log the traceback
            _log.exception("%s %s failed", request.method, request.path)
            failure = ApiError("ServiceException", "The embedded lambdatune endpoint failed; its log has details.", 500)
            connection.answer(self._error(failure, request, request_id))
            return
        own_id = reply.own_id or ("x-amzn-RequestId", request_id)
        headers = [("Content-Type", reply.content_type), *([own_id] if own_id[1] else []), *reply.headers]
        if reply.stream is not None:
            await _stream(connection, request, reply.status, headers, reply.stream)
            return
        content = reply.content()
        data = render(reply.status, headers, content)
        # The answer to HEAD tells the length of a body that is not sent.
        connection.answer(data[: len(data) - len(content)] if request.method == "HEAD" else data)

    async def _route(self, request: Request, request_id: str) -> Reply:
        path = request.path
        for door in (self._urls, *self._sources.doors):
            address = door.address(request)
            if address is not None:
                if path != address[1]:  # it came by path, not by a host name of its own
                    _check_host(request)
                return await door.serve(*address, request, request_id)
        _check_host(request)
        if path.startswith("/_lambdatune/"):
            return self._own(request)
        if request.too_large:
            # Its body was thrown away, so that nothing can tell who signed it.
            raise too_large()
        service = self._service(request)
        self._signatures.verify(request, service)
        if service in self._sources.others:
            return await self._sources.others[service](request, request_id)
        if request.method == "POST" and path.endswith(_INVOKE_SUFFIX) and path.startswith(_INVOKE_PREFIX):
            name = unquote(path[len(_INVOKE_PREFIX) : -len(_INVOKE_SUFFIX)])
            return await self._invoke.invoke(name, request, request_id)
        if request.method == "POST" and path.endswith(stream_api.SUFFIX) and path.startswith(stream_api.PREFIX):
            name = unquote(path[len(stream_api.PREFIX) : -len(stream_api.SUFFIX)])
            return await stream_api.serve(self._invoke, name, request, request_id)
        target, _, action = request.headers.get("x-amz-target", "").partition(".")
        if target in self._sources.targets:
            return await self._sources.targets[target].serve(action, request)
        if path == "/":
            return self._by_target(request, request_id)
        parts = [unquote(part) for part in path.strip("/").split("/")]
        name, further = (parts[2] if len(parts) > 2 else ""), parts[4:5]
        pattern = "/".join("*" if index in {2, 4} else part for index, part in enumerate(parts))
        handler = self._routes.get(f"{request.method} {pattern}")
        if handler is None:
            raise not_implemented(f"{request.method} {path}")
        return await handler(name, request, *further)

    def _service(self, request: Request) -> str:
        """Return the service that a request has to be signed for."""
        target = request.headers.get("x-amz-target", "").partition(".")[0]
        source = self._sources.targets.get(target)
        if source is not None:
            return source.scope
        # S3 has paths of its users' own making, and SNS the forms that STS has: the scope says which is meant.
        scope = claimed_service(request)
        if scope == "apigateway" and request.path.startswith(_GATEWAY_PATHS):
            return scope
        return scope if scope == "s3" or (scope in _FORMS and _is_form(request)) else _service(request)

    def _error(self, error: ApiError, request: Request, request_id: str) -> bytes:
        """Return an error in the shape of the service that was asked."""
        service = self._service(request)
        body, kind = error.body(), "application/json"
        if service == "sts":
            body, kind = sts.refusal(error, request_id), "text/xml"
        elif service in self._sources.refusals:
            body, kind = self._sources.refusals[service](error, request_id), "text/xml"
        elif "x-amz-target" in request.headers:
            body = json.dumps({"__type": error.code, "message": error.message}).encode()
        own_id = ("x-amz-request-id", s3_id(request_id)) if service == "s3" else ("x-amzn-RequestId", request_id)
        headers = [("Content-Type", kind), own_id, ("x-amzn-ErrorType", error.code)]
        return render(error.status, headers, b"" if request.method == "HEAD" else body)

    def _by_target(self, request: Request, request_id: str) -> Reply:
        target = request.headers.get("x-amz-target", "")
        if target.startswith(_LOGS_TARGET):
            return self._logs.serve(target.removeprefix(_LOGS_TARGET), request)
        if _is_form(request):
            return sts.serve(request, self._naming, request_id)
        raise not_implemented(f"the action {target}" if target else f"{request.method} /")

    def _own(self, request: Request) -> Reply:
        if request.path == "/_lambdatune/host":
            return Reply(200, self._host())
        if request.path == "/_lambdatune/messages":
            return self._sources.messages(request)
        if request.path.startswith("/_lambdatune/code/"):
            reply = self._functions.code(request.path.rpartition("/")[2])
            if reply is not None:
                return reply
        raise ApiError("ResourceNotFoundException", f"There is nothing at {request.path}", 404)


class FrontConnection(HttpConnection):
    """A client's connection."""

    def __init__(self, front: Front) -> None:
        super().__init__(_MAX_BODY_BYTES)
        self._front = front
        self._hurries = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register."""
        super().connection_made(transport)
        self._front.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister."""
        super().connection_lost(exc)
        self._front.lost(self)

    def received(self, request: Request) -> None:
        """Hand a request over."""
        self._front.received(self, request)

    def hurry(self) -> None:
        """Wait no more for a client that does not keep up: the endpoint ends."""
        self._hurries = True
        self.resume_writing()

    def pause_writing(self) -> None:
        """Let a stream wait."""
        if not self._hurries:
            super().pause_writing()


async def _stream(
    connection: FrontConnection,
    request: Request,
    status: int,
    headers: list[tuple[str, str]],
    chunks: AsyncIterator[bytes],
) -> None:
    """Send a response as it comes. It is taken to its end also where the client has gone, as on AWS."""
    is_bare = request.method == "HEAD" or status in {204, 304}
    if not is_bare:
        connection.begin(status, headers)
    whole = True
    try:
        async for chunk in chunks:
            if not is_bare:
                await connection.send(chunk)
    except BrokenStreamError:
        whole = False
    if is_bare:
        connection.answer(render(status, headers, b""))
    else:
        connection.end(whole=whole)


def _check_host(request: Request) -> None:
    """Refuse other names than loopback's: a web page could reach us under its own name (DNS rebinding).

    Raises:
        ApiError: InvalidSignatureException (403).
    """
    name = request.headers.get("host", "").partition(":")[0].lower()
    # SDKs put "sync-" before the host of StartSyncExecution.
    bare = name.removeprefix("sync-")
    # Names below "localhost" are loopback's own (RFC 6761), so that "sync-" before one of them can be resolved.
    if bare not in {"", "127.0.0.1", "localhost"} and not bare.endswith(".localhost"):
        sentence = f"The embedded lambdatune endpoint answers to 127.0.0.1 and localhost, not to '{name}'."
        raise ApiError("InvalidSignatureException", sentence, 403)


def _is_form(request: Request) -> bool:
    """Whether a request is of AWS's query protocol, in which STS is asked."""
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _service(request: Request) -> str:
    """Return the service that a request has to be signed for."""
    if request.path != "/":
        return "lambda"
    return "sts" if _is_form(request) and "x-amz-target" not in request.headers else "logs"


def _routes(functions: FunctionsApi, settings: SettingsApi, provisioned: ProvisionedApi) -> dict[str, Handler]:
    base = "2015-03-31/functions"
    return {
        f"POST {base}": functions.create,
        f"GET {base}": functions.list,
        f"GET {base}/*": functions.get,
        f"DELETE {base}/*": functions.delete,
        f"GET {base}/*/configuration": functions.get_configuration,
        f"PUT {base}/*/configuration": functions.update_configuration,
        f"PUT {base}/*/code": functions.update_code,
        f"POST {base}/*/versions": functions.publish,
        f"GET {base}/*/versions": functions.list_versions,
        f"POST {base}/*/aliases": settings.create_alias,
        f"GET {base}/*/aliases": settings.list_aliases,
        f"GET {base}/*/aliases/*": settings.get_alias,
        f"PUT {base}/*/aliases/*": settings.update_alias,
        f"DELETE {base}/*/aliases/*": settings.delete_alias,
        "PUT 2017-10-31/functions/*/concurrency": settings.put_concurrency,
        "DELETE 2017-10-31/functions/*/concurrency": settings.delete_concurrency,
        "GET 2019-09-30/functions/*/concurrency": settings.get_concurrency,
        "PUT 2019-09-30/functions/*/provisioned-concurrency": provisioned.put,
        "GET 2019-09-30/functions/*/provisioned-concurrency": provisioned.get,
        "DELETE 2019-09-30/functions/*/provisioned-concurrency": provisioned.delete,
        "GET 2020-06-30/functions/*/code-signing-config": functions.code_signing,
        "GET 2021-07-20/functions/*/runtime-management-config": functions.runtime_management,
        "GET 2016-08-19/account-settings": settings.account_settings,
        "GET 2017-03-31/tags/*": settings.list_tags,
        "POST 2017-03-31/tags/*": settings.tag,
        "DELETE 2017-03-31/tags/*": settings.untag,
    }
