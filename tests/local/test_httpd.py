"""The small HTTP server, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lambdatune.local.httpd import HttpConnection, Request, render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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
