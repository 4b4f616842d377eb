"""The Lambda Runtime API that one execution environment speaks to (AWS docs, "Lambda runtime API")."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from lambdatune.local.httpd import HttpConnection, Request, render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
"""Largest response of a synchronous call; AWS's own message says 6291556 bytes."""

_PREFIX = "/2018-06-01/runtime/"
_MODE = "lambda-runtime-function-response-mode"
_STREAMING = "streaming"
_JSON = [("Content-Type", "application/json")]
_ACCEPTED = render(202, _JSON, b'{"status":"OK"}\n')


class RuntimeEvents(Protocol):
    """What a runtime can do; implemented by the execution environment. Bodies are as the runtime sent them."""

    def next_requested(self) -> None:
        """Note that the runtime asks for the next event (and, the first time, is thereby initialised)."""

    def responded(self, request_id: str, request: Request) -> bool:
        """Note that the handler returned; False when no such call is in flight."""

    def failed(self, request_id: str, request: Request) -> bool:
        """Note that the handler raised; False when no such call is in flight."""

    def streaming(
        self, request_id: str, request: Request, source: asyncio.Transport | None
    ) -> Callable[[bytes], object] | None:
        """Return what takes a response that is streamed; None when it is to be collected."""

    def truncated(self, request_id: str) -> None:
        """Note that the connection was lost in the middle of a streamed response."""

    def disconnected(self) -> None:
        """Note that no connection of the runtime is left."""

    def init_failed(self, request: Request) -> None:
        """Note that the runtime could not initialise."""


class RuntimeApi:
    """One listening port for one environment.

    Args:
        events: told what the runtime does.
    """

    def __init__(self, events: RuntimeEvents) -> None:
        self._events = events
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._parked: _Connection | None = None

    async def listen(self) -> str:
        """Open the port; return ``host:port`` for AWS_LAMBDA_RUNTIME_API."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=16)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Close the port and every connection; runtimes that still live end when their connection breaks."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    @property
    def waiting(self) -> bool:
        """Whether the runtime waits for an event."""
        return self._parked is not None

    @property
    def connected(self) -> bool:
        """Whether the runtime, or a child of it, has a connection."""
        return bool(self._connections)

    def send_event(self, headers: Mapping[str, str], payload: bytes) -> None:
        """Answer the waiting ``GET next``."""
        assert self._parked is not None
        connection, self._parked = self._parked, None
        connection.answer(render(200, [*_JSON, *headers.items()], payload))

    def opened(self, connection: _Connection) -> None:
        """Take note of a connection."""
        self._connections.add(connection)

    def lost(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if connection.streams is not None:
            self._events.truncated(connection.streams)
        if not self._connections:
            self._events.disconnected()
        if self._parked is connection:
            self._parked = None

    def received(self, connection: _Connection, request: Request) -> None:
        """Route one request of the runtime."""
        route = request.path.removeprefix(_PREFIX)
        if request.method == "GET" and route == "invocation/next":
            self._parked = connection
            self._events.next_requested()
            return
        parts = route.split("/")
        if request.method == "POST" and len(parts) == 3 and parts[0] == "invocation":
            self._finish(connection, request, parts[1], parts[2])
        elif request.method == "POST" and route in {"init/error", "restore/error"}:
            connection.answer(_ACCEPTED)
            self._events.init_failed(request)
        else:
            what = f"{request.method} {request.path} is not implemented by the embedded lambdatune endpoint"
            connection.answer(_refusal(404, "NotImplemented", what))

    def sink_of(self, connection: _Connection, request: Request) -> Callable[[bytes], object] | None:
        """Return what takes the body of a request of the runtime as it comes, None when it is to be collected."""
        parts = request.path.removeprefix(_PREFIX).split("/")
        is_response = len(parts) == 3 and parts[0] == "invocation" and parts[2] == "response"
        if not is_response or request.headers.get(_MODE, "").lower() != _STREAMING:
            return None
        sink = self._events.streaming(parts[1], request, connection.transport)
        connection.streams = None if sink is None else parts[1]
        return sink

    def _finish(self, connection: _Connection, request: Request, request_id: str, outcome: str) -> None:
        connection.streams = None
        mode = request.headers.get(_MODE)
        if outcome == "response" and mode is not None and mode.lower() != _STREAMING:
            connection.answer(_refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode"))
            return
        if outcome == "response":
            known = self._events.responded(request_id, request)
        elif outcome == "error":
            known = self._events.failed(request_id, request)
        else:
            connection.answer(_refusal(404, "NotFound", request.path))
            return
        if not known:
            connection.answer(_refusal(400, "InvalidRequestID", "Invalid request ID"))
        elif request.too_large:
            size = f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            connection.answer(_refusal(413, "RequestEntityTooLarge", size))
        else:
            connection.answer_with_next(_ACCEPTED)


class _Connection(HttpConnection):
    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(MAX_RESPONSE_BYTES)
        self._api = api
        self.streams: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._api.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._api.lost(self)

    def sink_of(self, request: Request) -> Callable[[bytes], object] | None:
        return self._api.sink_of(self, request)

    def received(self, request: Request) -> None:
        self._api.received(self, request)


def _refusal(status: int, kind: str, message: str) -> bytes:
    return render(status, _JSON, f'{{"errorType":"{kind}","errorMessage":"{message}"}}'.encode())
