"""One keep-alive connection: a non-blocking socket of our own, plain or TLS, with kernel receive times.

On Linux the kernel stamps what it receives (SO_TIMESTAMPNS, socket(7)); the stamp is that of the last segment
a read returned, on CLOCK_REALTIME, and it does not depend on when this process was scheduled. Elsewhere the
time is read when the process wakes.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
import sys
from enum import IntEnum
from time import time_ns
from typing import Any

from lambdatune.load.response import ResponseParser

_SO_TIMESTAMPNS = 35
"""asm-generic/socket.h (SO_TIMESTAMPNS_OLD, of two C longs); Python's socket module has no name for it."""
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_READ_BYTES = 16 * 1024
_LARGE_READ_BYTES = 256 * 1024
HAS_KERNEL_STAMPS = sys.platform == "linux"
"""Whether the kernel stamps what arrives, so that a busy generator does not make answers late."""

_NS_PER_S = 1_000_000_000

SocketAddress = tuple[socket.AddressFamily, Any]


class State(IntEnum):
    """What a connection is doing."""

    CLOSED = 0
    CONNECTING = 1
    HANDSHAKING = 2
    IDLE = 3
    BUSY = 4


class Connection:
    """A plain connection.

    Attributes:
        state: what it is doing.
        fd: descriptor of the socket; -1 when closed.
        parser: of the answer.
        rests: whether it may make no other call in this wave.
        served: calls whose answers came since it was opened.
        opened_ns: when it began to open, or began to be idle.
        unsent: the part of the request that the kernel did not take yet.
        fresh: whether a call is in flight, wholly sent, and nothing of its answer was read.
        intended_ns: of the call in flight; 0 when there is none.
        sent_ns: of the call in flight.
        first_ns: arrival of the first byte of the answer; 0 before.
    """

    __slots__ = (
        "_recvmsg", "_send", "_sock", "fd", "first_ns", "fresh", "intended_ns", "opened_ns", "parser",
        "rests", "sent_ns", "served", "state", "unsent",
    )  # fmt: skip

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self.state = State.CLOSED
        self.fd = -1
        self.parser = ResponseParser()
        self.served = 0
        self.rests = False
        self.opened_ns = 0
        self.unsent: memoryview | None = None
        self.fresh = False
        self.intended_ns = self.sent_ns = self.first_ns = 0

    @property
    def sock(self) -> socket.socket:
        """The socket of a connection that is not closed."""
        assert self._sock is not None
        return self._sock

    def open(self, address: SocketAddress) -> None:
        """Begin to connect.

        Raises:
            OSError: when connecting failed at once.
        """
        family, target = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        self._sock, self.fd = sock, sock.fileno()
        # Looked up once: each of them is called once a call.
        self._recvmsg, self._send = sock.recvmsg, sock.send
        self.state = State.CONNECTING
        self.served = 0
        self.rests = False
        self.opened_ns = time_ns()
        self.unsent = None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if HAS_KERNEL_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        code = sock.connect_ex(target)
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))

    def advance(self) -> bool:
        """Go on with opening after the socket became ready; return whether it is open.

        Raises:
            OSError: when connecting or the handshake failed; ssl.SSLError is one.
        """
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self.state = State.IDLE
        return True

    def close(self) -> None:
        """Close the socket, whatever is in flight."""
        if self._sock is not None:
            self._sock.close()
        self._sock, self.fd = None, -1
        self.state = State.CLOSED
        self.unsent = None
        self.fresh = False

    def is_stale(self) -> bool:
        """Whether the server closed the idle connection, or sent what nobody asked for."""
        try:
            return self.receive()[0] is not None
        except OSError:
            return True

    def send(self, request: bytes) -> None:
        """Hand a request to the kernel, as far as it takes it; the rest is in `unsent`.

        Raises:
            OSError: when the connection is broken; the kernel then took nothing.
        """
        self.sent_ns = time_ns()
        # As in `_hand_over`: this is the line that every call goes through.
        try:
            taken = self._send(request)
        except BlockingIOError:
            taken = 0
        if taken < len(request):
            self.unsent = memoryview(request)[taken:]

    def _hand_over(self, wire: bytes) -> None:
        try:
            taken = self._send(wire)
        except BlockingIOError:
            taken = 0
        if taken < len(wire):
            self.unsent = memoryview(wire)[taken:]

    def flush(self) -> None:
        """Hand more of `unsent` to the kernel.

        Raises:
            OSError: when the connection is broken.
        """
        while self.unsent is not None:
            try:
                taken = self._send(self.unsent)
            except BlockingIOError:
                return
            self.unsent = self.unsent[taken:] if taken < len(self.unsent) else None

    def receive(self) -> tuple[bytes | None, int]:
        """Return the bytes that are there, and when the last of them arrived.

        Returns:
            None when nothing is there, ``b""`` when the server closed; and Unix ns of the kernel's receive time,
            0 when the kernel gave none.

        Raises:
            OSError: when the connection was reset.
        """
        size = _READ_BYTES if self.fresh or self.parser.wants < _READ_BYTES else _LARGE_READ_BYTES
        try:
            data, ancillary, _, _ = self._recvmsg(size, _ANCILLARY_BYTES)
        except BlockingIOError:
            return None, 0
        if ancillary and ancillary[0][1] == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            return data, seconds * _NS_PER_S + nanoseconds
        return data, 0


class TlsConnection(Connection):
    """TLS over two memory buffers, so that the socket stays ours to read with kernel stamps.

    Args:
        context: shared by all connections (one each would cost 26 ms and 850 KB).
        host: name for SNI and for the check of the certificate.
    """

    __slots__ = ("_context", "_host", "_incoming", "_outgoing", "_tls")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__()
        self._context = context
        self._host = host
        self._make_tls()

    def _make_tls(self) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._host)

    def open(self, address: SocketAddress) -> None:
        """Begin to connect; see `Connection.open`."""
        self._make_tls()
        super().open(address)

    def advance(self) -> bool:
        """Go on with connecting and the handshake; see `Connection.advance`."""
        if self.state is State.CONNECTING:
            super().advance()
            self.state = State.HANDSHAKING
        else:
            data, _ = super().receive()
            if data == b"":
                raise ConnectionResetError(errno.ECONNRESET, "the server closed during the TLS handshake")
            if data:
                self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        else:
            self.state = State.IDLE
            return True
        finally:
            self._push()

    def _push(self) -> None:
        """Hand what TLS itself wants to say to the kernel."""
        if self._outgoing.pending:
            wire = self._outgoing.read()
            if self.unsent is not None:
                self.unsent = memoryview(bytes(self.unsent) + wire)
            else:
                self._hand_over(wire)

    def send(self, request: bytes) -> None:
        """Encrypt and send; see `Connection.send`."""
        self._tls.write(request)
        wire = self._outgoing.read()
        self.sent_ns = time_ns()
        self._hand_over(wire)

    def receive(self) -> tuple[bytes | None, int]:
        """Receive and decrypt; see `Connection.receive`."""
        data, stamp_ns = super().receive()
        if not data:
            return data, stamp_ns
        self._incoming.write(data)
        parts: list[bytes] = []
        try:
            while part := self._tls.read(_READ_BYTES):
                parts.append(part)
                if not self._incoming.pending and not self._tls.pending():
                    break
            else:
                return b"".join(parts), stamp_ns
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            return b"".join(parts), stamp_ns
        self._push()
        return b"".join(parts) if parts else None, stamp_ns


def tls_context(ca_file: str | None, *, verify: bool) -> ssl.SSLContext:
    """Return the context that all connections of a shard share.

    Raises:
        OSError: when `ca_file` cannot be read; ssl.SSLError, which is one, when it holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
