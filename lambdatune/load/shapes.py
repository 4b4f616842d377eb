r"""Answers of a known shape: recognised by comparing a few slices, instead of reading their heads again.

Lambda answers every call of a function with the same head, but for the values of some headers. A shape is what
an answer that `ResponseParser` read had in common with those like it: every byte of its head that is not the
value of a header that varies. An answer of the same length with the same bytes in the same places, and with no
line feed in between, has the same headers with the same framing; nothing else is taken for one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdatune.load.response import ResponseParser

_REQUEST_ID, _LOG_RESULT = b"x-amzn-requestid", b"x-amz-log-result"
_VARIES_AT_AWS = frozenset({b"date", b"x-amzn-trace-id", _REQUEST_ID, _LOG_RESULT})
_FRAMING = frozenset({
    b"connection", b"content-length", b"keep-alive", b"trailer", b"transfer-encoding", b"upgrade",
    b"x-amz-function-error",
})  # fmt: skip
"""Headers that say where an answer ends, what becomes of its connection, and whether it tells of an error."""

_LINE_FEED = 10
_MOST_SHAPES = 512
_MOST_LESSONS = 4096
"""A server whose answers have no shape in common costs the learning of one so many times, and no more."""


class Shape:
    """What answers of one length have in common.

    Attributes:
        head_bytes: length of the head, without the empty line.
        id_at: where the request id begins.
        id_end: where it ends.
        tail_at: where the log tail, in base64, begins.
        tail_end: where it ends.
    """

    __slots__ = ("_constants", "_cut", "head_bytes", "id_at", "id_end", "tail_at", "tail_end")

    def __init__(self, answer: bytes, head_bytes: int, gaps: dict[bytes, tuple[int, int]]) -> None:
        constants, form, at = [], "", 0
        for start, end in gaps.values():
            constants.append(answer[at:start])
            form += f"{start - at}s{end - start}s"
            at = end
        # The empty line after the head belongs to what is compared: the body begins at the same place.
        end = head_bytes + 2
        constants.append(answer[at:end])
        self._constants = tuple(constants)
        self._cut = struct.Struct(f"{form}{end - at}s{len(answer) - end}x").unpack
        self.head_bytes = head_bytes
        self.id_at, self.id_end = gaps[_REQUEST_ID]
        self.tail_at, self.tail_end = gaps[_LOG_RESULT]

    def fits(self, answer: bytes) -> bool:
        """Whether `answer`, of the length that this shape is known by, has this shape."""
        parts = self._cut(answer)
        # A value that varies could hold a line feed, and so another header.
        return parts[::2] == self._constants and _LINE_FEED not in b"".join(parts[1::2])


class Shapes:
    """The shapes of the answers of one order.

    Attributes:
        by_bytes: the last shape that was learned of each length.
    """

    def __init__(self) -> None:
        self.by_bytes: dict[int, Shape] = {}
        self._varying = set(_VARIES_AT_AWS)
        self._values: dict[bytes, bytes] = {}
        self._lessons = 0

    def learn(self, answer: bytes, parser: ResponseParser) -> None:
        """Learn the shape of an answer that came in one piece and that `parser` has read to its end.

        Answers that tell of an error or end their connection, or that lack a request id or a log tail, have none.
        """
        head = parser.head
        is_plain = parser.status == 200 and not parser.is_error and parser.keep_alive
        is_framed = b"\r\ncontent-length:" in parser.lower_head and answer.startswith(head + b"\r\n")
        is_full = len(self.by_bytes) >= _MOST_SHAPES and len(answer) not in self.by_bytes
        if not (is_plain and is_framed) or is_full or self._lessons >= _MOST_LESSONS:
            return
        self._lessons += 1
        places = _value_places(head, parser.lower_head)
        if places is None or not places.keys() >= {_REQUEST_ID, _LOG_RESULT}:
            return
        values = {name: head[start:end] for name, (start, end) in places.items()}
        self._varying |= {name for name, value in values.items() if self._values.get(name, value) != value}
        self._varying -= _FRAMING
        self._values = values
        gaps = {name: at for name, at in places.items() if name in self._varying}
        self.by_bytes[len(answer)] = Shape(answer, len(head), gaps)


def _value_places(head: bytes, lower_head: bytes) -> dict[bytes, tuple[int, int]] | None:
    """Return where each header's value begins and ends, in order; None when there is more than one of a name."""
    places: dict[bytes, tuple[int, int]] = {}
    at = head.index(b"\r\n") + 2
    while at < len(head):
        end = head.index(b"\r\n", at)
        colon = head.find(b":", at, end)
        name = lower_head[at:colon]
        if colon < 0 or name in places:
            return None
        value = head[colon + 1 : end]
        start = end - len(value.lstrip())
        places[name] = start, start + len(value.strip())
        at = end + 2
    return places
