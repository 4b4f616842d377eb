"""What is read the short way is what would have been read the long way."""

from __future__ import annotations

import base64

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from lambdatune.load.answers import Answer
from lambdatune.load.log_tail import WarmTails, read_log_tail
from lambdatune.load.response import MalformedAnswer, ResponseParser, header
from lambdatune.load.row_buffer import RowBuffer
from lambdatune.load.shapes import Shapes
from lambdatune.model.invocation import Start, Status
from lambdatune.model.report_line import parse_report
from lambdatune.stats.rows import ROW_DTYPE

ID = "8f5ee2c4-5c5e-4b0c-9c1e-0123456789ab"
OTHER = "11111111-2222-3333-4444-555555555555"
XRAY = "XRAY TraceId: 1-5e843da6-733cxmple7d0c3c020510040\tSegmentId: 3913xmpl20999446\tSampled: true\t\n"

FRAGMENTS = [
    f"START RequestId: {ID} Version: $LATEST\n", f"END RequestId: {ID}\n", f"END RequestId: {OTHER}\n",
    f"REPORT RequestId: {ID}", f"REPORT RequestId: {OTHER}", "\tDuration: 3.10 ms", "\tDuration: 3 ms",
    "\tDuration: 1_0.0 ms", "\tDuration: .5 ms", "\tDuration: 5. ms", "\tDuration: 1.2.3 ms", "\tDuration: 1e3 ms",
    "\tBilled Duration: 4 ms", "\tMemory Size: 128 MB", "\tMax Memory Used: 64 MB", "\tInit Duration: 9.50 ms",
    "\tRestore Duration: 7.25 ms", "\tBilled Restore Duration: 3 ms", "\tStatus: timeout",
    "\tError Type: Runtime.ExitError", "\t\n", "\n", " \n", XRAY, "XRAY TraceId: 1-2\n", "\t", " ", "user_text \"x\"\n",
    "INIT_REPORT Init Duration: 10007.33 ms\tPhase: init\tStatus: timeout\n",
    '{"time":"t","type":"platform.initReport","record":{"metrics":{"durationMs":1.5},"phase":"init","status":"error"}}\n',
    '{"time":"t","type":"platform.report","record":{"requestId":"' + ID + '","metrics":{"durationMs":2.5,'
    '"billedDurationMs":3,"memorySizeMB":128,"maxMemoryUsedMB":60},"status":"success"}}\n',
]  # fmt: skip
WARM = (
    f"START RequestId: {ID} Version: $LATEST\nEND RequestId: {ID}\nREPORT RequestId: {ID}\tDuration: 3.10 ms\t"
    "Billed Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\t\n"
)


@st.composite
def near_reports(draw):
    """Texts that are a warm tail, or almost."""
    text = draw(st.sampled_from([WARM, WARM.replace("3.10", "871.04"), WARM + XRAY, WARM.replace("\t\n", "\n")]))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:at] + draw(st.sampled_from(FRAGMENTS)) + text[at:]
            case 1:
                text = text[:at] + text[at + draw(st.integers(1, 80)) :]
            case 2:
                text = text[:at] + draw(st.characters(codec="utf-8")) + text[at + 1 :]
            case 3:
                text = "".join(draw(st.lists(st.sampled_from(FRAGMENTS), max_size=12))) + text
    noise = draw(st.sampled_from(["", "x" * 700 + "\n", 'a_b "c"\n' * 200]))
    return (noise + text)[-4096:]


@settings(max_examples=1500, deadline=None)
@given(texts=st.lists(near_reports(), min_size=1, max_size=4), request_id=st.sampled_from([ID, ID, OTHER, "x" * 36]))
@example([WARM, WARM + XRAY, WARM], ID)
def test_a_warm_tail_is_read_as_any_other(texts, request_id):
    tails = WarmTails()
    for text in [*texts, *texts]:
        encoded = base64.b64encode(text.encode())
        read = tails.read(encoded, request_id.encode())
        if read is None:
            continue
        report, start = read_log_tail(encoded, request_id)
        assert report is not None
        assert start is Start.WARM
        assert report == parse_report(text.encode(), request_id)
        duration_ms, packed = read
        figures = np.frombuffer(packed, [("i", "<f8"), ("r", "<f8"), ("b", "<f8"), ("m", "<i4")])[0]
        assert np.isnan([figures["i"], figures["r"]]).all()
        assert (duration_ms, figures["b"], figures["m"]) == (
            report.duration_ms, report.billed_ms, report.max_memory_used_mb,
        )  # fmt: skip


def test_the_usual_tails_are_read_the_short_way():
    tails = WarmTails()
    for text in (WARM, WARM + XRAY, WARM.replace("3.10", "9.99"), "long line of the user\n" * 150 + WARM):
        assert tails.read(base64.b64encode(text.encode()), ID.encode()) is not None
    assert tails.read(b"!!!", ID.encode()) is None
    assert tails.read(base64.b64encode(WARM.encode())[1:], ID.encode()) is None


def answer(request_id: str = ID, *, lines=(), body: bytes = b'"ok"', tail: str = WARM, status: int = 200) -> bytes:
    fields = [
        b"Date: Thu, 01 Jan 2026 00:00:00 GMT", b"Content-Length: %d" % len(body),
        b"x-amzn-RequestId: " + request_id.encode(), b"X-Amz-Log-Result: " + base64.b64encode(tail.encode()), *lines,
    ]  # fmt: skip
    return b"HTTP/1.1 %d OK\r\n" % status + b"".join(line + b"\r\n" for line in fields) + b"\r\n" + body


def taught(*answers: bytes) -> Shapes:
    shapes = Shapes()
    for wire in answers:
        parser = ResponseParser()
        assert parser.feed(wire)
        shapes.learn(wire, parser)
    return shapes


def agrees(shapes: Shapes, wire: bytes) -> bool:
    """Whether `wire` has a known shape; if it has, the parser must read the same in it."""
    shape = shapes.by_bytes.get(len(wire))
    if shape is None or not shape.fits(wire):
        return False
    parser = ResponseParser()
    assert parser.feed(wire), "a known shape, but not the whole answer"
    assert (parser.status, parser.is_error, parser.keep_alive) == (200, False, True)
    assert parser.head == wire[: shape.head_bytes]
    assert header(parser.head, parser.lower_head, b"\r\nx-amzn-requestid:") == wire[shape.id_at : shape.id_end].strip()
    assert header(parser.head, parser.lower_head, b"\r\nx-amz-log-result:") == (
        wire[shape.tail_at : shape.tail_end].strip()
    )
    return True


@settings(max_examples=1000, deadline=None)
@given(data=st.data())
def test_what_has_a_known_shape_is_what_the_parser_reads(data):
    lines = data.draw(st.lists(st.sampled_from([
        b"X-Padding: 0123456789012345678901234567890123456789", b"Connection: keep-alive", b"X-Executed: 1",
    ]), max_size=3, unique=True))  # fmt: skip
    shapes = taught(answer(lines=lines), answer(lines=[line.replace(b"012345", b"999999") for line in lines]))
    wire = bytearray(answer(OTHER, lines=lines))
    for _ in range(data.draw(st.integers(0, 3))):
        planted = data.draw(st.sampled_from([
            b"\r\n", b"\r\n\r\n", b"\r\nConnection: close", b"\r\nContent-Length: 1", b"\r\nX-Amz-Function-Error: U",
            b"\r\nTransfer-Encoding: chunked", b" ", b"\t", b"5", b"\n", b"\0",
        ]))  # fmt: skip
        at = data.draw(st.integers(0, len(wire) - len(planted)))
        wire[at : at + len(planted)] = planted
    try:
        agrees(shapes, bytes(wire))
    except MalformedAnswer:
        pytest.fail("a known shape that the parser refuses")


def test_shapes_allow_for_what_varies_and_for_nothing_else():
    shapes = taught(answer(), answer(lines=[b"X-Count: 1"]), answer(lines=[b"X-Count: 2"]))
    assert agrees(shapes, answer(OTHER))
    assert agrees(shapes, answer(OTHER, lines=[b"X-Count: 3"]))
    assert not agrees(shapes, answer(OTHER, lines=[b"Y-Count: 3"]))
    assert not agrees(shapes, answer(status=429))
    assert not agrees(shapes, answer().replace(b"Length: 4", b"Length: 5"))
    assert not agrees(shapes, answer()[:-1])


@pytest.mark.parametrize(
    "wire",
    [
        answer(status=500), answer(lines=[b"Connection: close"]), answer(lines=[b"X-Amz-Function-Error: Unhandled"]),
        answer(lines=[b"X-Twice: 1", b"X-Twice: 2"]), b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", answer() + b"more",
        answer().replace(b"Content-Length: 4", b"Transfer-Encoding: chunked").replace(b'"ok"', b"0\r\n\r\n"),
    ],
)  # fmt: skip
def test_other_answers_have_no_shape(wire):
    assert not taught(wire).by_bytes


def test_a_server_without_shapes_costs_a_bounded_number_of_lessons():
    shapes = taught(*(answer(body=b"x" * size) for size in range(2000)))
    assert len(shapes.by_bytes) <= 512


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(near_reports(), min_size=1, max_size=40))
def test_rows_are_the_same_either_way(texts):
    short: list[bytes] = []
    long: list[bytes] = []
    one, other = RowBuffer(3, 1, 7, short.append), RowBuffer(3, 1, 7, long.append)
    for number, text in enumerate(texts):
        wire = answer(tail=text)
        shape = taught(wire).by_bytes[len(wire)]
        one.write([(number, number + 1, number + 2, wire, shape)])
        head = wire[: shape.head_bytes]
        other.answered((number, number + 1, number + 2, number + 2), Answer(200, head, head.lower(), b"", False))
    one.flush()
    other.flush()
    assert b"".join(short) == b"".join(long)
    assert one.counts == other.counts


def test_more_rows_than_fit_are_handed_on_and_none_is_lost():
    wire = answer()
    shape = taught(wire).by_bytes[len(wire)]
    batches: list[bytes] = []
    rows = RowBuffer(0, 0, 0, batches.append)
    for first in range(0, 20_000, 1000):
        rows.write([(number, number, number, wire, shape) for number in range(first, first + 1000)])
    rows.flush()
    found = np.frombuffer(b"".join(batches), ROW_DTYPE)
    assert (found["intended_ns"] == np.arange(20_000)).all()
    assert (found["status"] == Status.OK).all()
    assert (found["max_memory_used_mb"] == 64).all()
