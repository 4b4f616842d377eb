"""The log tail of an answer: as little of its base64 is decoded as the REPORT line needs."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from binascii import a2b_base64

from lambdatune.model.invocation import Start
from lambdatune.model.report_line import Report, parse_report, start_kind

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
        return a2b_base64(encoded)
    except binascii.Error:
        return b""


_WARM_FIGURES = struct.Struct("<dddi")
WARM_FIGURES_BYTES = _WARM_FIGURES.size
_BEFORE_DURATION = len("END RequestId: ") + 36 + len("\nREPORT RequestId: ") + 36
_ID_LETTERS = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_UNDERSCORE, _QUOTE = b'_"'
_SHORT_WINDOW = 384
"""Base64 characters, a multiple of four, that hold the END and REPORT lines of a warm call and an X-Ray line."""
_XRAY_LINE = re.compile(rb"XRAY TraceId: [\w-]+(?:[\t ]+SegmentId: \w+)?(?:[\t ]+Sampled: \w+)?[\t ]*\n?")
_MOST_ENDINGS = 8192


class WarmTails:
    """Reads the tails of warm calls, whose REPORT lines differ in little more than their Duration.

    What follows the Duration is read by `read_log_tail` once, and remembered: it decides about the line together
    with the END line right before it. Whatever differs from the usual gives None and is read from the beginning.
    """

    def __init__(self) -> None:
        self._endings: dict[bytes, bytes] = {}

    def read(self, encoded: bytes, request_id: bytes) -> tuple[float, bytes] | None:
        """Return the Duration in ms, and the other figures packed as the row holds them; or None.

        Args:
            encoded: value of the X-Amz-Log-Result header.
            request_id: of the call.
        """
        try:
            if len(encoded) <= _WINDOW:
                text = a2b_base64(encoded)
                # A single byte is found at a tenth of the cost, and neither report is without its own.
                if (_UNDERSCORE in text and b"INIT_REPORT" in text) or (
                    _QUOTE in text and b"platform.initReport" in text
                ):
                    return None
            elif len(encoded) % 4 or any(mark in encoded for mark in _INIT_MARKS):
                return None
            else:
                text = a2b_base64(encoded[-_SHORT_WINDOW:])
        except binascii.Error:
            return None
        at = text.rfind(b"\tDuration: ")
        if (
            at < _BEFORE_DURATION
            or text[at - _BEFORE_DURATION : at]
            != b"END RequestId: " + request_id + b"\nREPORT RequestId: " + request_id
            or request_id.translate(None, _ID_LETTERS)
        ):
            return None
        duration, _, ending = text[at + 11 :].partition(b" ms\t")
        # One point with digits on both sides, and nothing else.
        if duration.translate(None, b"0123456789") != b"." or duration[0] == 46 or duration[-1] == 46:
            return None
        figures = self._endings.get(ending)
        if figures is None:
            figures = self._learn(encoded, request_id, float(duration), ending)
            if figures is None:
                return None
        return float(duration), figures

    def _learn(self, encoded: bytes, request_id: bytes, duration_ms: float, ending: bytes) -> bytes | None:
        """Return the figures of an ending that is not known, or that is known but for its X-Ray line."""
        at = ending.find(b"\nXRAY TraceId: ") + 1
        if at and _XRAY_LINE.fullmatch(ending, at):
            # Unlike the rest it differs from call to call.
            ending = ending[:at]
            known = self._endings.get(ending)
            if known is not None:
                return known
        report, start = read_log_tail(encoded, request_id.decode("ascii"))
        if report is None or start is not Start.WARM or report.duration_ms != duration_ms:
            return None
        if report.billed_restore_ms is not None or report.status is not None or report.error_type is not None:
            return None
        figures = _WARM_FIGURES.pack(math.nan, math.nan, report.billed_ms, report.max_memory_used_mb)
        # Only of a line that ends the tail it is certain that nothing before it was needed to read it.
        if ending.find(b"\n") == len(ending) - 1:
            if len(self._endings) >= _MOST_ENDINGS:
                self._endings.clear()
            self._endings[ending] = figures
        return figures
