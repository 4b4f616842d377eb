"""The log tail of an answer: as little of its base64 is decoded as the REPORT line needs."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from lambdatune.model.report_line import Report, parse_report, start_kind

if TYPE_CHECKING:
    from lambdatune.model.invocation import Start

_WINDOW = 1024
"""Base64 characters decoded first, a multiple of four: 768 bytes hold END and REPORT with an X-Ray line."""


def _encodings(word: bytes) -> tuple[bytes, ...]:
    """Return the base64 that `word` leaves in a longer text, at each of the three alignments."""
    found = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + word + b"\0" * (-(len(word) + shift) % 3))
        first = -(-shift * 8 // 6)
        last = (shift + len(word)) * 8 // 6
        found.append(encoded[first:last])
    return tuple(found)


_INIT_MARKS = _encodings(b"INIT_REPORT") + _encodings(b"platform.initReport")


def read_log_tail(encoded: bytes, request_id: str | None) -> tuple[Report | None, Start]:
    """Return the REPORT of a call, and how its environment started.

    Args:
        encoded: value of the X-Amz-Log-Result header, base64 of at most 4 KB.
        request_id: of the call; None when the answer named none.
    """
    if len(encoded) > _WINDOW and not len(encoded) % 4:
        end = _decode(encoded[-_WINDOW:])
        # An END line in the window keeps the parser from trusting text that the user printed before it.
        if b"END RequestId: " in end and not any(mark in encoded for mark in _INIT_MARKS):
            report = parse_report(end, request_id)
            if report is not None:
                return report, start_kind(report, end)
    tail = _decode(encoded)
    report = parse_report(tail, request_id)
    return report, start_kind(report, tail)


def _decode(encoded: bytes) -> bytes:
    """Return the decoded text; empty when it is not base64."""
    try:
        return binascii.a2b_base64(encoded)
    except binascii.Error:
        return b""
