"""The connections of a shard: opened before the clock of an order starts, kept between orders."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING

from lambdatune.load.connection import Connection, SocketAddress, State, TlsConnection, tls_context
from lambdatune.load.lags import LagHistogram
from lambdatune.load.poller import READ, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.load.endpoint import Endpoint
    from lambdatune.load.poller import Poller

_PARALLEL_OPENINGS = 64
"""A server's queue of connections that wait to be accepted is often 128 long."""
OPEN_TIMEOUT_NS = 10_000_000_000
_POLL_NS = 100_000_000


class EndpointUnreachable(Exception):  # noqa: N818  the name says what is the matter
    """No connection could be made; the text tells why."""


class ConnectionPool:
    """Opens, watches and closes connections to one endpoint.

    Args:
        endpoint: where to.
        poller: of the shard; connections are registered there while they are not closed.

    Attributes:
        endpoint: where to.
        by_fd: every connection that is not closed.
        setup: times from the beginning to the end of opening, TLS handshake included.
    """

    def __init__(self, endpoint: Endpoint, poller: Poller) -> None:
        self.endpoint = endpoint
        self._poller = poller
        self._context: ssl.SSLContext | None = None
        self._addresses: list[SocketAddress] = []
        self._next_address = 0
        self.by_fd: dict[int, Connection] = {}
        self.setup = LagHistogram()

    def prepare(self, count: int, on_other: Callable[[int, int], None]) -> list[Connection]:
        """Return `count` connections, open if they can be; those that cannot are closed.

        Args:
            count: how many.
            on_other: called with descriptors that are ready and no connections, and their masks.

        Raises:
            EndpointUnreachable: when not one connection could be opened.
        """
        self.setup = LagHistogram()
        ready = self._healthy(count)
        if len(ready) < count:
            self._resolve()
        closed = [self._new() for _ in range(count - len(ready))]
        failed: list[Connection] = []
        opening = 0
        reason = ""
        while closed or opening:
            while closed and opening < _PARALLEL_OPENINGS:
                connection = closed.pop()
                try:
                    self.open(connection)
                    opening += 1
                except OSError as error:
                    reason = describe(error)
                    failed.append(connection)
            for connection, failure in self._opened(on_other):
                opening -= 1
                if failure is None:
                    ready.append(connection)
                else:
                    reason = failure
                    failed.append(connection)
            if failed and self._drop_address():
                closed, failed = closed + failed, []
        if not ready:
            raise EndpointUnreachable(reason)
        return ready + failed

    def open(self, connection: Connection) -> None:
        """Begin to open a connection to the next address.

        Raises:
            OSError: when that failed at once; the connection is closed then.
        """
        address = self._addresses[self._next_address % len(self._addresses)]
        self._next_address += 1
        try:
            connection.open(address)
        except OSError:
            connection.close()
            raise
        self.by_fd[connection.fd] = connection
        self._poller.register(connection.fd, READ | WRITE)

    def advance(self, connection: Connection) -> bool:
        """Go on with opening a connection whose socket is ready; return whether it is open.

        Raises:
            OSError: when opening failed; the connection is closed then.
        """
        try:
            is_open = connection.advance()
        except OSError:
            self.close(connection)
            raise
        if is_open:
            now_ns = time.time_ns()
            self.setup.record(now_ns - connection.opened_ns)
            connection.opened_ns = now_ns
        self.watch(connection)
        return is_open

    def watch(self, connection: Connection) -> None:
        """Watch a connection for what it needs: writability only while something is unsent."""
        self._poller.modify(connection.fd, READ if connection.unsent is None else READ | WRITE)

    def close(self, connection: Connection) -> None:
        """Close a connection and forget its descriptor."""
        if connection.state is not State.CLOSED:
            self._poller.unregister(connection.fd)
            del self.by_fd[connection.fd]
            connection.close()

    def close_all(self) -> None:
        """Close every connection."""
        for connection in list(self.by_fd.values()):
            self.close(connection)

    def _new(self) -> Connection:
        if self.endpoint.scheme == "http":
            return Connection()
        if self._context is None:
            self._context = tls_context(self.endpoint.ca_file, verify=self.endpoint.verify_tls)
        return TlsConnection(self._context, self.endpoint.host)

    def _healthy(self, count: int) -> list[Connection]:
        """Return up to `count` idle connections that the server kept open, and close all others."""
        healthy: list[Connection] = []
        for connection in list(self.by_fd.values()):
            if len(healthy) < count and connection.state is State.IDLE and not connection.is_stale():
                healthy.append(connection)
            else:
                self.close(connection)
        return healthy

    def _resolve(self) -> None:
        host, port = self.endpoint.host, self.endpoint.port
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise EndpointUnreachable(f"the name {host} has no address: {describe(error)}") from error
        self._addresses = [(family, address) for family, _, _, _, address in found]
        self._next_address = 0

    def _drop_address(self) -> bool:
        """Forget the family of addresses that was tried first when another one is left."""
        first = self._addresses[0][0]
        others = [address for address in self._addresses if address[0] != first]
        if others:
            self._addresses, self._next_address = others, 0
        return bool(others)

    def _opened(self, on_other: Callable[[int, int], None]) -> list[tuple[Connection, str | None]]:
        """Wait for connections that are opening; return those that are done, and why they failed."""
        done: list[tuple[Connection, str | None]] = []
        for fd, mask in self._poller.wait(_POLL_NS, precise=False):
            connection = self.by_fd.get(fd)
            if connection is None:
                on_other(fd, mask)
            elif connection.state is State.IDLE:
                self.watch(connection)
            else:
                try:
                    if self.advance(connection):
                        done.append((connection, None))
                except OSError as error:
                    done.append((connection, describe(error)))
        late_ns = time.time_ns() - OPEN_TIMEOUT_NS
        for connection in list(self.by_fd.values()):
            if connection.state in {State.CONNECTING, State.HANDSHAKING} and connection.opened_ns < late_ns:
                self.close(connection)
                done.append((connection, "no connection within 10 s"))
        return done


def describe(error: OSError) -> str:
    """Return why a connection failed, in a few words: ``connection refused``."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'no reason given').replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return error.strerror or "name not resolved"
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
