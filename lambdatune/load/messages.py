"""What a shard and its parent tell each other, and the frames that carry it over two pipes.

A frame is a kind (1 byte), a length (4 bytes, little-endian) and that many bytes: msgpack of one message, or the
bytes of whole rows. Credentials travel only here: never in arguments, in the environment or in logs.
"""

import struct
from collections.abc import Iterator

import msgspec

from lambdatune.load.endpoint import Credentials, Endpoint
from lambdatune.load.order import Order

_HEADER = struct.Struct("<BI")
HEADER_BYTES = _HEADER.size
MESSAGE_KIND = 0
ROWS_KIND = 1


class Configure(msgspec.Struct, frozen=True, tag=True):
    """First message to a shard."""

    endpoint: Endpoint
    credentials: Credentials
    shard: int


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Open the connections that an order needs; answered with Prepared or Fault."""

    order: Order


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Start the clock of the prepared order at Unix time `start_ns`."""

    start_ns: int


class StopOrder(msgspec.Struct, frozen=True, tag=True):
    """Make no new call, wait for those in flight, report."""


class UpdateCredentials(msgspec.Struct, frozen=True, tag=True):
    """Sign with other credentials from now on."""

    credentials: Credentials


class Close(msgspec.Struct, frozen=True, tag=True):
    """End, whatever is in flight."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The shard is configured."""

    pid: int


class Prepared(msgspec.Struct, frozen=True, tag=True):
    """The connections of an order are open."""

    order: int


class Fault(msgspec.Struct, frozen=True, tag=True):
    """An order could not be begun; `message` is a sentence without its full stop."""

    order: int
    message: str
    hint: str


class OrderDone(msgspec.Struct, frozen=True, tag=True):
    """Every row of an order was sent.

    Attributes:
        order: its id.
        counts: rows by Status.
        unmade: calls that were not made because the order was stopped.
        overdue: of those, calls whose intended time had come.
        was_stopped: whether it was stopped before its last call.
        setup: counts of connection set-up times, see `LagHistogram`.
        reopened: connections that were opened again while the order ran.
        send_delay: counts of the times from intended to actual send.
        receive_lag: counts of the times from the kernel's receive stamp to the shard's reading it.
        kernel_stamps: reads whose time came from the kernel.
        user_stamps: reads whose time was taken by the process.
        waited: calls that found no free connection when they were due.
        stalled_ns: time during which the parent did not take rows fast enough.
        clock_step_ns: largest jump of the wall clock against the monotonic clock.
        cpu_ns: CPU time of the shard between the start and the end.
        wall_ns: from the start to the end.
        messages: first message of each kind of error, for people.
    """

    order: int
    counts: list[int]
    unmade: int
    overdue: int
    was_stopped: bool
    setup: dict[int, int]
    reopened: int
    send_delay: dict[int, int]
    receive_lag: dict[int, int]
    kernel_stamps: int
    user_stamps: int
    waited: int
    stalled_ns: int
    clock_step_ns: int
    cpu_ns: int
    wall_ns: int
    messages: dict[str, str]


ToShard = Configure | Prepare | Begin | StopOrder | UpdateCredentials | Close
FromShard = Ready | Prepared | Fault | OrderDone

_to_shard: msgspec.msgpack.Decoder[ToShard] = msgspec.msgpack.Decoder(ToShard)
_from_shard: msgspec.msgpack.Decoder[FromShard] = msgspec.msgpack.Decoder(FromShard)


def frame(kind: int, payload: bytes) -> bytes:
    """Return a frame."""
    return _HEADER.pack(kind, len(payload)) + payload


def message_frame(message: ToShard | FromShard) -> bytes:
    """Return the frame of a message."""
    return frame(MESSAGE_KIND, msgspec.msgpack.encode(message))


def split_header(header: bytes) -> tuple[int, int]:
    """Return the kind and the length that a frame's first `HEADER_BYTES` bytes announce."""
    kind, length = _HEADER.unpack(header)
    return kind, length


def decode_to_shard(payload: bytes) -> ToShard:
    """Read a message to a shard."""
    return _to_shard.decode(payload)


def decode_from_shard(payload: bytes) -> FromShard:
    """Read a message from a shard."""
    return _from_shard.decode(payload)


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the payload of each frame that `data` completes."""
        self._pending += data
        while len(self._pending) >= HEADER_BYTES:
            _, length = split_header(bytes(self._pending[:HEADER_BYTES]))
            end = HEADER_BYTES + length
            if len(self._pending) < end:
                return
            payload = bytes(self._pending[HEADER_BYTES:end])
            del self._pending[:end]
            yield payload
