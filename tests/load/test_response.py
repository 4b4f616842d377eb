from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lambdatune.load.response import KEPT_BODY_BYTES, MalformedAnswer, ResponseParser, header

from .test_event_stream import event


def chunked(body: bytes, sizes: list[int], trailer: bytes) -> bytes:
    out, at = b"", 0
    for size in [*sizes, len(body)]:
        part = body[at : at + size]
        at += len(part)
        if part:
            out += b"%X;ext=1\r\n%s\r\n" % (len(part), part)
    return out + b"0\r\n" + trailer + b"\r\n"


@st.composite
def answers(draw):
    """Return wire bytes, status, body, whether it ends with the connection, whether the connection stays."""
    status = draw(st.sampled_from([200, 204, 304, 403, 429, 500]))
    body = b"" if status in {204, 304} else draw(st.binary(max_size=300))
    framing = "none" if status in {204, 304} else draw(st.sampled_from(["length", "chunked", "close"]))
    closes = draw(st.booleans())
    case = draw(st.sampled_from([bytes.lower, bytes.upper, bytes.title]))
    lines = [(b"X-Amzn-Requestid", b"id-1"), (b"X-Padding", b"p" * draw(st.integers(0, 100)))]
    payload = body
    if framing == "length":
        lines.append((b"content-length", str(len(body)).encode()))
    elif framing == "chunked":
        lines.append((b"transfer-encoding", b"Chunked"))
        sizes = draw(st.lists(st.integers(1, 50), max_size=5))
        payload = chunked(body, sizes, draw(st.sampled_from([b"", b"X-T: 1\r\n"])))
    if closes:
        lines.append((b"connection", b"Close"))
    lines = draw(st.permutations(lines))
    head = b"HTTP/1.1 %d Whatever it is\r\n" % status
    head += b"".join(case(name) + b":" + draw(st.sampled_from([b"", b" ", b"\t"])) + value + b"\r\n"
                     for name, value in lines)  # fmt: skip
    before = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"]))
    return before + head + b"\r\n" + payload, status, body, framing == "close", not closes and framing != "close"


@settings(max_examples=300, deadline=None)
@given(answer=answers(), cuts=st.lists(st.integers(0, 700), max_size=12), kept=st.sampled_from([0, 20, 1000]))
def test_any_cut_reads_the_same(answer, cuts, kept):
    wire, status, body, ends_with_connection, stays = answer
    parser = ResponseParser()
    parser.kept_bytes = kept
    borders = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[a:b] for a, b in itertools.pairwise(borders)]
    results = [parser.feed(piece) for piece in pieces]
    assert not any(results[:-1])
    if ends_with_connection:
        assert not results[-1]
        assert parser.end_of_stream()
    else:
        assert results[-1]
    assert parser.status == status
    assert parser.keep_alive is stays
    assert header(parser.head, parser.lower_head, b"\r\nx-amzn-requestid:") == b"id-1"
    assert parser.body == (body if status >= 300 else body[:kept])
    assert parser.events is None
    parser.reset()
    assert parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert parser.keep_alive


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), prefix=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
def test_garbage_never_breaks_anything_else(data, prefix):
    parser = ResponseParser()
    try:
        parser.feed(prefix + data)
        parser.feed(data)
    except MalformedAnswer:
        pass


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    ],
)
def test_what_is_not_http_is_told(wire):
    with pytest.raises(MalformedAnswer):
        ResponseParser().feed(wire)


@settings(max_examples=100, deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=40), max_size=4),
    sizes=st.lists(st.integers(1, 50), max_size=5),
    cuts=st.lists(st.integers(0, 700), max_size=12),
    framing=st.sampled_from(["length", "chunked"]),
)
def test_events_are_read_through_any_framing(payloads, sizes, cuts, framing):
    body = b"".join(event("PayloadChunk", payload) for payload in payloads) + event("InvokeComplete", b"{}")
    length = b"Content-Length: %d" % len(body) if framing == "length" else b"Transfer-Encoding: chunked"
    wire = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n" + length + b"\r\n\r\n"
    wire += body if framing == "length" else chunked(body, sizes, b"")
    parser = ResponseParser()
    parser.has_events = True
    borders = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    results = [parser.feed(wire[a:b]) for a, b in itertools.pairwise(borders)]
    assert results == [False] * (len(results) - 1) + [True]
    assert parser.events.is_whole
    assert parser.events.chunks == len(payloads)
    assert parser.body == b""
    parser.reset()
    assert parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert parser.events is None


def test_bytes_after_the_answer_end_the_connection():
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc")
    assert not parser.keep_alive


def test_http_1_0_closes_unless_it_says_otherwise():
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert not parser.keep_alive
    parser.reset()
    assert parser.feed(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n")
    assert parser.keep_alive


def test_only_the_beginning_of_an_errors_body_is_kept():
    parser = ResponseParser()
    size = 1_000_000
    assert not parser.feed(b"HTTP/1.1 200 OK\r\nx-AMZ-function-error: Unhandled\r\nContent-Length: %d\r\n\r\n" % size)
    assert parser.wants == size
    for _ in range(9):
        assert not parser.feed(b"x" * 100_000)
    assert parser.feed(b"x" * 100_000)
    assert parser.body == b"x" * KEPT_BODY_BYTES
