"""A small HTTP/1.1 server: one request at a time per connection, keep-alive, bounded bodies.

Written by hand because both sides of an invocation (client and runtime) cross it, on the cores that are being
measured: it costs a fraction of a general server's CPU per request.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_HEAD_BYTES = 64 * 1024
_MAX_TRAILER_BYTES = 1024 * 1024
"""A runtime tells the error in the middle of a stream in a trailer."""
_REASON = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Request:
    """One request.

    Attributes:
        method: upper-case method.
        target: path and query as sent.
        path: path as sent (still percent-encoded), without the query.
        raw_query: query as sent, without its question mark.
        headers: names in lower case; of repeated ones the last.
        lines: the headers as sent.
        body: the body; empty when it was over the connection's limit.
        body_bytes: the length of the body as sent.
        too_large: whether the body was over the limit and thrown away.
        trailers: what followed a chunked body, names in lower case.
    """

    __slots__ = (
        "body",
        "body_bytes",
        "headers",
        "lines",
        "method",
        "path",
        "raw_query",
        "target",
        "too_large",
        "trailers",
    )

    def __init__(self, method: str, target: str, headers: dict[str, str], lines: Sequence[str] = ()) -> None:
        self.method = method
        self.target = target
        self.path, _, self.raw_query = target.partition("?")
        self.headers = headers
        self.lines = lines
        self.body = b""
        self.body_bytes = 0
        self.too_large = False
        self.trailers: dict[str, str] = {}

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of repeated names the last."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True)) if self.raw_query else {}

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The query parameters in their order, repeated names included."""
        return parse_qsl(self.raw_query, keep_blank_values=True)

    @property
    def header_pairs(self) -> list[tuple[str, str]]:
        """The headers in their order, names as sent, repeated ones included."""
        parted = [line.partition(":") for line in self.lines]
        return [(name, value.strip()) for name, _, value in parted]


def render(status: int, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """Return the bytes of a response; Content-Length is added, except to 204 which has no body."""
    head = _head(status, headers)
    if status == HTTPStatus.NO_CONTENT:
        return (head + "\r\n").encode("latin-1")
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def _head(status: int, headers: list[tuple[str, str]]) -> str:
    line = _REASON.get(status) or f"HTTP/1.1 {status} Unknown\r\n"  # a handler may answer with any number
    return line + "".join([f"{name}: {value}\r\n" for name, value in headers])


class HttpConnection(asyncio.Protocol):
    """One connection. Subclasses say what to do with a request in `received`, and answer with `answer`.

    Args:
        max_body_bytes: longer bodies are read and thrown away, and the request is marked `too_large`.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body = max_body_bytes
        self._buffer = bytearray()
        self._request: Request | None = None
        self._remaining = 0
        self._chunked: bytearray | None = None
        self._chunk_left: int | None = None
        self._sink: Callable[[bytes], object] | None = None
        self._is_old = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._busy = False
        self._parsing = False
        self._close_after = False
        self._held = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """Forget the transport; an answer that comes later is dropped."""
        self.transport = None
        self._writable.set()

    def pause_writing(self) -> None:
        """Let `drained` wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `drained` go on."""
        self._writable.set()

    def sink_of(self, request: Request) -> Callable[[bytes], object] | None:  # noqa: ARG002  subclasses use it
        """Return what takes the body of a request as it comes, instead of `Request.body`; None for most."""
        return None

    def received(self, request: Request) -> None:  # noqa: ARG002  subclasses use it
        """Handle a whole request; called again only after `answer`."""
        raise AssertionError("a connection class says what to do with a request")

    def answer(self, data: bytes) -> None:
        """Send a rendered response and go on with the next request."""
        self._busy = False
        if self.transport is not None:
            self.transport.write(self._held + data if self._held else data)
            self._held = b""
            if self._close_after:
                self.transport.close()
                return
            if self._buffer and not self._parsing:
                self._parse()

    def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the head of a response whose body comes in chunks; for HTTP/1.0 it ends with the connection."""
        coding = "Connection: close\r\n" if self._is_old else "Transfer-Encoding: chunked\r\n"
        if self.transport is not None:
            self.transport.write(f"{_head(status, headers)}{coding}\r\n".encode("latin-1"))

    async def send(self, chunk: bytes) -> None:
        """Send a chunk of the body, and wait while the client does not keep up; none is sent to one that has gone."""
        if self.transport is not None and chunk:
            self.transport.write(chunk if self._is_old else b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await self._writable.wait()

    def end(self, *, whole: bool) -> None:
        """End a body in chunks, and go on with the next request; one that is not whole ends with the connection."""
        if whole:
            self.answer(b"" if self._is_old else b"0\r\n\r\n")
        elif self.transport is not None:
            self.transport.close()

    def answer_with_next(self, data: bytes) -> None:
        """Send a response together with the one that follows, if the client has sent its next request already.

        Such a client does not wait for this response, and waking it costs CPU on both sides.
        """
        if self._buffer:
            self._held += data
            self._busy = False
        else:
            self.answer(data)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._buffer += data
        if not self._busy:
            self._parse()

    def _parse(self) -> None:
        self._parsing = True
        try:
            while not self._busy and self.transport is not None:
                if self._request is None and not self._read_head():
                    return
                if not self._read_body():
                    return
                request, self._request = self._request, None
                assert request is not None
                self._busy = True
                self.received(request)
        finally:
            self._parsing = False

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD_BYTES:
                self._refuse(431)
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        start = lines[0].split(" ")
        if len(start) != 3:
            self._refuse(400)
            return False
        headers: dict[str, str] = {}
        del lines[0]
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._request = Request(start[0], start[1], headers, lines)
        return self._start_body(headers, start[2])

    def _start_body(self, headers: dict[str, str], version: str) -> bool:
        assert self._request is not None
        self._is_old = version == "HTTP/1.0"
        self._close_after = headers.get("connection", "").lower() == "close" or self._is_old
        length = headers.get("content-length", "0")
        self._chunked = bytearray() if "chunked" in headers.get("transfer-encoding", "").lower() else None
        self._chunk_left = None
        self._sink = None if self._chunked is None else self.sink_of(self._request)
        if not length.isdecimal():
            self._refuse(400)
            return False
        self._remaining = int(length)
        if self._chunked is None:
            self._request.body_bytes = self._remaining
            self._request.too_large = self._remaining > self._max_body
        if headers.get("expect", "").lower() == "100-continue" and self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self) -> bool:
        request = self._request
        assert request is not None
        if self._chunked is not None:
            return self._read_chunks(request, self._chunked)
        if not self._remaining:
            return True
        if request.too_large:
            dropped = min(self._remaining, len(self._buffer))
            del self._buffer[:dropped]
            self._remaining -= dropped
            return not self._remaining
        if len(self._buffer) < self._remaining:
            return False
        request.body = bytes(self._buffer[: self._remaining])
        del self._buffer[: self._remaining]
        return True

    def _read_chunks(self, request: Request, collected: bytearray) -> bool:
        """Read what has come of a chunked body; return whether it is complete."""
        buffer = self._buffer
        while True:
            if self._chunk_left is None and not self._read_chunk_size():
                return False
            if self._chunk_left == 0:
                return self._read_trailers(request, collected)
            assert self._chunk_left is not None
            data = bytes(buffer[: self._chunk_left])
            del buffer[: len(data)]
            self._chunk_left -= len(data)
            self._take(request, collected, data)
            if self._chunk_left:
                return False
            self._chunk_left = None

    def _read_chunk_size(self) -> bool:
        """Read the line before a chunk, and the line feed after the chunk before it."""
        start = 2 if self._buffer.startswith(b"\r\n") else 0
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            if len(self._buffer) > _MAX_HEAD_BYTES:
                self._refuse(400)
            return False
        text = bytes(self._buffer[start:end]).split(b";")[0].strip()
        if not text or text.strip(b"0123456789abcdefABCDEF"):
            self._refuse(400)
            return False
        del self._buffer[: end + 2]
        self._chunk_left = int(text, 16)
        return True

    def _take(self, request: Request, collected: bytearray, data: bytes) -> None:
        request.body_bytes += len(data)
        if self._sink is not None:
            if data:
                self._sink(data)
        elif request.body_bytes > self._max_body:
            request.too_large = True
            collected.clear()
        else:
            collected += data

    def _read_trailers(self, request: Request, collected: bytearray) -> bool:
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > _MAX_TRAILER_BYTES:
                    self._refuse(431)
                return False
            line = self._buffer[:end].decode("latin-1")
            del self._buffer[: end + 2]
            if not line:
                self._sink, self._chunk_left = None, None
                request.body = bytes(collected)
                return True
            name, _, value = line.partition(":")
            request.trailers[name.lower()] = value.strip()

    def _refuse(self, status: int) -> None:
        if self.transport is not None:
            self.transport.write(render(status, [("Connection", "close")], b""))
            self.transport.close()
