"""Event streams, cut anywhere and damaged anywhere; what is made here is read by botocore too."""

from __future__ import annotations

import itertools
import struct
from binascii import crc32

import hypothesis.strategies as st
import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings

from lambdatune.load.event_stream import EventStream

FIXED = {0: b"", 1: b"", 2: b"\x01", 3: b"\0\1", 4: b"\0" * 4, 5: b"\0" * 8, 8: b"\0" * 8, 9: b"\0" * 16}


def header(name: str, value: str | bytes, kind: int = 7) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    length = struct.pack("!H", len(raw)) if kind in {6, 7} else b""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + length + raw


def message(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return body + struct.pack("!I", crc32(body))


def event(kind: str, payload: bytes, *more: bytes) -> bytes:
    return message(b"".join([header(":event-type", kind), *more, header(":message-type", "event")]), payload)


def state(stream: EventStream) -> tuple[object, ...]:
    return stream.chunks, stream.complete, stream.failure, stream.broken, stream.is_whole


extra = st.sampled_from([header(f"x{kind}", FIXED[kind], kind) for kind in FIXED] + [header("b", b"\xff\0", 6)])
chunk = st.builds(lambda payload, more: event("PayloadChunk", payload, *more), st.binary(max_size=200),
                  st.lists(extra, max_size=3, unique=True))  # fmt: skip
ending = st.sampled_from([
    b"", event("InvokeComplete", b'{"LogResult": "eA=="}'),
    message(header(":message-type", "exception") + header(":exception-type", "ServiceException"), b'{"message": "x"}'),
    message(header(":message-type", "error") + header(":error-code", "500") + header(":error-message", "bad"), b""),
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(chunk, max_size=6),
    last=ending,
    cuts=st.lists(st.integers(0, 1500), max_size=12),
    flip=st.one_of(st.none(), st.tuples(st.integers(0, 1500), st.integers(1, 255))),
    lost=st.integers(0, 40),
)
def test_any_cut_reads_the_same(parts, last, cuts, flip, lost):
    wire = bytearray(b"".join(parts) + last)
    if flip is not None and flip[0] < len(wire):
        wire[flip[0]] ^= flip[1]
    data = bytes(wire[: max(len(wire) - lost, 0)])
    whole, cut = EventStream(), EventStream()
    whole.feed(data)
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(borders):
        cut.feed(data[start:end])
    assert state(cut) == state(whole)
    if flip is None and not lost:
        assert whole.chunks == len(parts)
        assert whole.is_whole is bool(last)
        assert not whole.broken
    if (flip is not None and flip[0] < len(data)) or (lost and last):
        assert not whole.is_whole


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(chunk, max_size=4), last=ending)
def test_botocore_reads_the_same_events(parts, last):
    data = b"".join(parts) + last
    theirs = EventStreamBuffer()
    theirs.add_data(data)
    kinds = [read.headers.get(":event-type") for read in theirs]
    ours = EventStream()
    ours.feed(data)
    assert kinds.count("PayloadChunk") == ours.chunks
    assert ("InvokeComplete" in kinds) is (ours.complete is not None)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), headers=st.binary(max_size=60))
def test_garbage_is_told_and_never_breaks_anything_else(data, headers):
    stream = EventStream()
    stream.feed(data)
    assert not stream.is_whole
    stream = EventStream()
    stream.feed(message(headers, data))
    assert stream.chunks == 0 or b"PayloadChunk" in headers


@pytest.mark.parametrize(
    ("wire", "broken"),
    [
        (event("PayloadChunk", b"x")[:-1] + b"?", "checksum of an event is wrong"),
        (b"\0\0\0\x10\0\0\0\0oops" + b"\0" * 4, "checksum of an event is wrong"),
        (struct.pack("!III", 15, 0, crc32(struct.pack("!II", 15, 0))), "length of an event is wrong"),
        (struct.pack("!III", 1 << 30, 0, crc32(struct.pack("!II", 1 << 30, 0))), "length of an event is wrong"),
        (struct.pack("!III", 20, 9, crc32(struct.pack("!II", 20, 9))), "length of an event is wrong"),
        (message(header("x", b"", 10), b""), "headers of an event are wrong"),
        (message(header("x", "long")[:-1], b""), "headers of an event are wrong"),
    ],
)
def test_what_is_no_event_stream_is_told(wire, broken):
    stream = EventStream()
    stream.feed(wire)
    stream.feed(event("InvokeComplete", b"{}"))
    assert stream.broken == broken
    assert not stream.is_whole
