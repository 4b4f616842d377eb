"""AWS's event stream (``application/vnd.amazon.eventstream``), read from bytes as they come.

Source: Smithy specification, "Amazon Event Stream": a message is its total length, the length of its headers, the
CRC-32 of those eight bytes, headers, payload, and the CRC-32 of all before; numbers are big-endian. A header is the
length of its name (8 bits), name, type of its value (8 bits), value. Events: API reference, InvokeWithResponseStream.
"""

from __future__ import annotations

import struct
from binascii import crc32

CONTENT_TYPE = b"application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_LENGTH = struct.Struct("!H")
_LEAST_BYTES = _PRELUDE.size + _CRC.size
_MOST_BYTES = 25 * 1024 * 1024
"""A message has at most 24 MB of payload and 128 KB of headers."""
_FIXED_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Length of a header's value by its type: two booleans, byte, short, integer, long, timestamp, UUID."""
_WITH_LENGTH = (6, 7)
"""Types whose values say their length: bytes and text."""


class EventStream:
    """The events of one answer.

    Attributes:
        chunks: payload chunks that came whole and undamaged.
        complete: payload of InvokeComplete; None before it.
        failure: type and payload of an exception or an error in the stream; None when there was none.
        broken: why the rest cannot be read; empty when it can.
    """

    __slots__ = ("_pending", "_wanted", "broken", "chunks", "complete", "failure")

    def __init__(self) -> None:
        self._pending = bytearray()
        self._wanted = _PRELUDE.size
        self.chunks = 0
        self.complete: bytes | None = None
        self.failure: tuple[str, bytes] | None = None
        self.broken = ""

    @property
    def is_whole(self) -> bool:
        """Whether all events came, with the last one that there has to be."""
        return not (self.broken or self._pending) and (self.complete is not None or self.failure is not None)

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the body; after bytes that are no event stream nothing more is read."""
        pending = self._pending
        pending += data
        while len(pending) >= self._wanted:
            if self.broken:
                pending.clear()
            elif self._wanted == _PRELUDE.size:
                self._read_prelude(pending)
            else:
                message = bytes(pending[: self._wanted])
                del pending[: self._wanted]
                self._wanted = _PRELUDE.size
                self._read_message(message)

    def _read_prelude(self, pending: bytearray) -> None:
        total, header_bytes, crc = _PRELUDE.unpack_from(pending)
        if crc32(pending[:8]) != crc:
            self.broken = "checksum of an event is wrong"
        elif not _LEAST_BYTES + header_bytes <= total <= _MOST_BYTES:
            self.broken = "length of an event is wrong"
        else:
            self._wanted = total

    def _read_message(self, message: bytes) -> None:
        _, header_bytes, _ = _PRELUDE.unpack_from(message)
        if crc32(message[: -_CRC.size]) != _CRC.unpack_from(message, len(message) - _CRC.size)[0]:
            self.broken = "checksum of an event is wrong"
            return
        payload_at = _PRELUDE.size + header_bytes
        headers = _headers(message[_PRELUDE.size : payload_at])
        if headers is None:
            self.broken = "headers of an event are wrong"
            return
        self._take(headers, message[payload_at : -_CRC.size])

    def _take(self, headers: dict[str, str], payload: bytes) -> None:
        kind, event = headers.get(":message-type", "event"), headers.get(":event-type")
        if kind != "event":
            name = headers.get(":exception-type") or headers.get(":error-code") or kind
            self.failure = (name, payload or headers.get(":error-message", "").encode())
        elif event == "PayloadChunk":
            self.chunks += 1
        elif event == "InvokeComplete":
            self.complete = payload


def _headers(data: bytes) -> dict[str, str] | None:
    """Return the headers whose values are text; None when they do not end where they should."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            kind = data[name_end]
            start = name_end + 1
            size = _FIXED_BYTES.get(kind)
            if size is None:
                if kind not in _WITH_LENGTH:
                    return None
                size = _LENGTH.unpack_from(data, start)[0]
                start += _LENGTH.size
            if kind == _WITH_LENGTH[1]:
                found[data[at + 1 : name_end].decode("utf-8", "replace")] = data[start : start + size].decode(
                    "utf-8", "replace"
                )
            at = start + size
    except (IndexError, struct.error):
        return None
    return found if at == len(data) else None
