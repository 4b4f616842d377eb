"""AWS's event stream encoding (``application/vnd.amazon.eventstream``; Smithy specification, "Amazon Event Stream").

A message is: total length, header length, CRC-32 of those eight bytes, headers, payload, CRC-32 of all before it; every
number big-endian with 32 bits. A header is: length of its name (8 bits), name, type (7: text), length (16 bits), value.
"""

from __future__ import annotations

import struct
from binascii import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7


def message(event_type: str, content_type: str, payload: bytes) -> bytes:
    """Return one event."""
    named = ((":event-type", event_type), (":content-type", content_type), (":message-type", "event"))
    headers = b"".join([_header(name, value) for name, value in named])
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return body + struct.pack("!I", crc32(body))


def _header(name: str, value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(raw)) + raw
