"""An HTTP/1.1 answer, read from bytes as they come: `bytes.find`, no regular expression, no copy of a body.

Handles what servers and proxies really send: header names in any case, Content-Length, chunked bodies, bodies
that end with the connection, 1xx answers before the real one, 204 and 304, and any cut between two reads
(RFC 9112).
"""

from __future__ import annotations

from enum import IntEnum

from lambdatune.load.event_stream import CONTENT_TYPE, EventStream

KEPT_BODY_BYTES = 64 * 1024
"""How much of the body of an error is kept, to find its type and message."""

_MAX_HEAD_BYTES = 256 * 1024
_MAX_LINE_BYTES = 16 * 1024


class MalformedAnswer(Exception):  # noqa: N818  the name says what is malformed
    """What came is not HTTP/1.1."""


class _State(IntEnum):
    HEAD = 0
    LENGTH = 1
    CHUNK_SIZE = 2
    CHUNK_DATA = 3
    TRAILER = 4
    UNTIL_CLOSE = 5
    DONE = 6


_HEAD = _State.HEAD
_LENGTH = _State.LENGTH
_DONE = _State.DONE


class ResponseParser:
    """Reads one answer after another; `reset` between them.

    Attributes:
        status: HTTP status; 0 until the head was read.
        head: status line and header lines with their CRLFs, as they came.
        lower_head: `head` in lower case, with the same positions.
        body: the first bytes of the body, of an answer that tells of an error `KEPT_BODY_BYTES`.
        is_error: whether the status or X-Amz-Function-Error tells of an error.
        keep_alive: whether another request may be sent on the connection.
        kept_bytes: how much is kept of a body that tells of no error; stays when another answer is expected.
        has_events: whether a body may be an event stream; stays too.
        events: what came of one; None when the body is something else.
    """

    __slots__ = (
        "_kept_bytes",
        "_left",
        "_pending",
        "_state",
        "body",
        "events",
        "has_events",
        "head",
        "is_error",
        "keep_alive",
        "kept_bytes",
        "lower_head",
        "started",
        "status",
    )

    def __init__(self) -> None:
        self.kept_bytes = 0
        self.has_events = False
        self.reset()

    def reset(self) -> None:
        """Expect a new answer."""
        self.status = 0
        self.head = self.lower_head = self.body = b""
        self.keep_alive = True
        self.is_error = self.started = False
        self._state: _State = _HEAD
        self._pending = b""
        self._left = self._kept_bytes = 0
        self.events: EventStream | None = None

    def feed(self, data: bytes) -> bool:
        """Read the next bytes of the connection; return whether the answer is complete.

        Raises:
            MalformedAnswer: when this is not HTTP/1.1.
        """
        self.started = True
        if self._state is _HEAD:
            if self._pending:
                data = self._pending + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._pending = data
                if len(data) > _MAX_HEAD_BYTES or not b"HTTP/1."[: len(data)] == data[:7]:
                    raise MalformedAnswer
                return False
            return self._read_head(data, end)
        if self._state is _LENGTH:
            return self._read_length(data)
        if self._state is _State.UNTIL_CLOSE:
            self._keep(data)
            return False
        return self._read_chunks(data)

    def end_of_stream(self) -> bool:
        """Learn that the server closed the connection; return whether that completes the answer."""
        if self._state is _State.UNTIL_CLOSE:
            self._state = _DONE
            return True
        return False

    @property
    def wants(self) -> int:
        """Bytes of the body that are known to be missing; 0 when that is not known."""
        return self._left

    def _read_head(self, data: bytes, end: int) -> bool:
        head = data[: end + 2]
        if head[:7] != b"HTTP/1." or not head[9:12].isdigit():
            raise MalformedAnswer
        status = int(head[9:12])
        if status < 200:
            if status == 101:
                raise MalformedAnswer
            self._pending = b""
            return self.feed(data[end + 4 :]) if len(data) > end + 4 else False
        lower = head.lower()
        self.status, self.head, self.lower_head = status, head, lower
        self._pending = b""
        self.is_error = status >= 300 or b"\r\nx-amz-function-error:" in lower
        self._kept_bytes = KEPT_BODY_BYTES if self.is_error else self.kept_bytes
        if self.has_events and status == 200:
            kind = header(lower, lower, b"\r\ncontent-type:") or b""
            self.events = EventStream() if kind.startswith(CONTENT_TYPE) else None
        at = lower.find(b"\r\nconnection:")
        if at >= 0:
            tokens = lower[at + 13 : lower.index(b"\r\n", at + 13)]
            self.keep_alive = b"close" not in tokens and (head[7:8] == b"1" or b"keep-alive" in tokens)
        elif head[7:8] == b"0":
            self.keep_alive = False
        return self._read_framing(data[end + 4 :])

    def _read_framing(self, rest: bytes) -> bool:
        """Find out how the body ends, and read what came of it."""
        if self.status in {204, 304}:
            self._state = _DONE
            self.keep_alive = self.keep_alive and not rest
            return True
        lower = self.lower_head
        if b"\r\ntransfer-encoding:" in lower:
            coding = header(lower, lower, b"\r\ntransfer-encoding:") or b""
            chunked = coding.endswith(b"chunked")
            self._state = _State.CHUNK_SIZE if chunked else _State.UNTIL_CLOSE
            self.keep_alive = self.keep_alive and chunked
            return self.feed(rest) if rest else False
        at = lower.find(b"\r\ncontent-length:")
        if at < 0:
            self._state = _State.UNTIL_CLOSE
            self.keep_alive = False
            return self.feed(rest) if rest else False
        length = lower[at + 17 : lower.index(b"\r\n", at + 17)].strip()
        if not length.isdigit():
            raise MalformedAnswer
        self._state = _LENGTH
        self._left = int(length)
        return self._read_length(rest)

    def _read_length(self, data: bytes) -> bool:
        if self._kept_bytes or self.events is not None:
            self._keep(data[: self._left])
        self._left -= len(data)
        if self._left > 0:
            return False
        if self._left < 0:
            # Bytes that no request asked for: the connection cannot be trusted with another one.
            self.keep_alive = False
            self._left = 0
        self._state = _DONE
        return True

    def _read_chunks(self, data: bytes) -> bool:
        data = self._pending + data
        self._pending = b""
        while True:
            if self._state is _State.CHUNK_DATA:
                body = max(self._left - 2, 0)  # the CRLF after the data counts as the chunk's
                self._keep(data[:body])
                taken = min(len(data), self._left)
                self._left -= taken
                data = data[taken:]
                if self._left:
                    return False
                self._state = _State.CHUNK_SIZE
            end = data.find(b"\r\n")
            if end < 0:
                if len(data) > _MAX_LINE_BYTES:
                    raise MalformedAnswer
                self._pending = data
                return False
            line, data = data[:end], data[end + 2 :]
            if self._state is _State.TRAILER:
                if not line:
                    self._state = _DONE
                    self.keep_alive = self.keep_alive and not data
                    return True
                continue
            size = _chunk_size(line)
            self._state = _State.CHUNK_DATA if size else _State.TRAILER
            self._left = size + 2 if size else 0

    def _keep(self, data: bytes) -> None:
        """Keep the beginning of a body that is needed."""
        if self.events is not None:
            self.events.feed(data)
        elif len(self.body) < self._kept_bytes:
            self.body += data[: self._kept_bytes - len(self.body)]


def header(head: bytes, lower_head: bytes, name: bytes) -> bytes | None:
    r"""Return a header's value, without blanks around it; None when it is not there.

    Args:
        head: status line and header lines with their CRLFs.
        lower_head: `head` in lower case.
        name: as it stands in `lower_head`: ``b"\r\nconnection:"``.
    """
    at = lower_head.find(name)
    if at < 0:
        return None
    start = at + len(name)
    return head[start : head.index(b"\r\n", start)].strip()


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    # int() would also take signs, underscores and 0x.
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):
        raise MalformedAnswer
    return int(digits, 16)
