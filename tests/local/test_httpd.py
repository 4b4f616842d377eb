"""The small HTTP server, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lambdatune.local.httpd import HttpConnection, Request, render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Echo(HttpConnection):
    """Answers with what it understood."""

    def received(self, request: Request) -> None:
        text = f"{request.method} {request.path} {request.query} {request.too_large} {request.body_bytes} ".encode()
        self.answer(render(200, [], text + request.body))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(lambda: Echo(16), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def _exchange(port: int, *pieces: bytes, count: int = 1) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answers = []
    for _ in range(count):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        if head.startswith(b"HTTP/1.1 100"):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        answers.append(head.split(b" ")[1] + b" " + await reader.readexactly(length))
    writer.close()
    await writer.wait_closed()
    return answers


async def test_pieces_and_pipelining(port: int) -> None:
    two = b"POST /a?x=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n"
    whole = await _exchange(port, two, count=2)
    bytewise = await _exchange(port, *(bytes([byte]) for byte in two), count=2)
    assert whole == bytewise == [b"200 POST /a {'x': '1'} False 3 abc", b"200 GET /b {} False 0 "]


async def test_chunks(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await _exchange(port, head + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n") == [b"200 POST / {} False 7 abcdefg"]
    large = head + b"14\r\n" + b"x" * 20 + b"\r\n1\r\ny\r\n0\r\n\r\n"
    assert await _exchange(port, large) == [b"200 POST / {} True 21 "]


async def test_large_bodies_are_thrown_away_and_the_connection_goes_on(port: int) -> None:
    large = b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + b"x" * 100
    answers = await _exchange(port, large, b"GET /next HTTP/1.1\r\n\r\n", count=2)
    assert answers == [b"200 POST / {} True 100 ", b"200 GET /next {} False 0 "]


async def test_expect_continue(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    assert await _exchange(port, head, b"ok") == [b"200 POST / {} False 2 ok"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"431 "),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400 "),
    ],
)
async def test_broken_requests_are_refused(port: int, request_bytes: bytes, status: bytes) -> None:
    assert await _exchange(port, request_bytes) == [status]


async def test_a_body_for_a_sink_comes_in_pieces_and_trailers_after_it() -> None:
    pieces: list[bytes] = []
    requests: list[Request] = []

    class Streamed(HttpConnection):
        def sink_of(self, request: Request) -> Callable[[bytes], object] | None:
            return pieces.append if request.path == "/s" else None

        def received(self, request: Request) -> None:
            requests.append(request)
            self.answer(render(200, [], request.body))

    server = await asyncio.get_running_loop().create_server(lambda: Streamed(4), "127.0.0.1", 0)
    whole = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX-One: 1\r\nx-two:2\r\n\r\n"
    head = b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for step in (1, 2, 5, len(whole)):
        pieces.clear()
        requests.clear()
        parts = [whole[start : start + step] for start in range(0, len(whole), step)]
        # Without a sink the body is collected, and thrown away over the limit.
        answers = await _exchange(
            server.sockets[0].getsockname()[1], b"PUT /s" + head, *parts, b"PUT /c" + head, *parts, count=2
        )
        assert answers == [b"200 ", b"200 "]
        assert b"".join(pieces) == b"abc0123456789"
        streamed, collected = requests
        assert streamed.trailers == collected.trailers == {"x-one": "1", "x-two": "2"}
        assert (streamed.body_bytes, streamed.too_large) == (13, False)
        assert (collected.body_bytes, collected.too_large) == (13, True)
    server.close()


@pytest.mark.parametrize("size", [b"-1", b"", b"0x3", b"1_0", b"g"])
async def test_a_chunk_without_a_size_is_refused(port: int, size: bytes) -> None:
    head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    (answer,) = await _exchange(port, head, size + b"\r\n\r\n")
    assert answer.startswith(b"400")
