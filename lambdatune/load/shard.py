"""A load process: ``python -m lambdatune.load.shard``, spoken to in frames on standard input and output.

It imports no numpy, no event loop and no user interface. It ends when standard input ends, and on Linux when its
parent dies; whatever goes wrong inside goes to standard error, which the parent shows.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from lambdatune.load.answers import AnswerReader
from lambdatune.load.engine import Engine
from lambdatune.load.forms import answer_form_of, endpoint_of
from lambdatune.load.host import allow_descriptors, settle
from lambdatune.load.messages import (
    ROWS_KIND,
    Begin,
    Close,
    Configure,
    Fault,
    FrameReader,
    Prepare,
    Prepared,
    Ready,
    StopOrder,
    UpdateCredentials,
    decode_to_shard,
    frame,
    message_frame,
)
from lambdatune.load.order import connections_of
from lambdatune.load.outbox import Outbox
from lambdatune.load.pacers import make_pacer
from lambdatune.load.poller import GONE, READ, make_poller
from lambdatune.load.pool import ConnectionPool, EndpointUnreachable, describe
from lambdatune.load.request import PreparedRequests
from lambdatune.load.row_buffer import RowBuffer

if TYPE_CHECKING:
    from lambdatune.load.connection import Connection
    from lambdatune.load.endpoint import Endpoint
    from lambdatune.load.messages import ToShard
    from lambdatune.load.order import Order

_STDIN, _STDOUT = 0, 1
_SPARE_DESCRIPTORS = 64
_IDLE_WAIT_NS = 3_600_000_000_000


class _Ended(Exception):  # noqa: N818  not an error
    """The parent closed the pipe, or said so."""


class Shard:
    """Takes orders one after another.

    Args:
        configure: the first message of the parent.
        frames: what the parent sends after it.
    """

    def __init__(self, configure: Configure, frames: FrameReader, backlog: list[ToShard]) -> None:
        self._endpoint = configure.endpoint
        self._credentials = configure.credentials
        self._number = configure.shard
        self._frames = frames
        self._inbox = backlog
        self._poller = make_poller()
        self._pools: dict[Endpoint, ConnectionPool] = {}
        os.set_blocking(_STDIN, False)
        os.set_blocking(_STDOUT, False)
        self._poller.register(_STDIN, READ)
        self._outbox = Outbox(_STDOUT, self._poller)
        self._engine: Engine | None = None
        self._requests: PreparedRequests | None = None
        self._stop_asked = False

    def serve(self) -> None:
        """Carry out orders until the parent is gone."""
        self._outbox.put(message_frame(Ready(os.getpid())))
        while True:
            message = self._next_message()
            if isinstance(message, Prepare):
                self._stop_asked = False
                self._carry_out(message.order)

    def _next_message(self) -> ToShard:
        """Wait for a message that is not of the kind that takes effect at once."""
        while not self._inbox:
            for fd, mask in self._poller.wait(_IDLE_WAIT_NS, precise=False):
                self._on_other(fd, mask)
        return self._inbox.pop(0)

    def _pool_to(self, endpoint: Endpoint) -> ConnectionPool:
        """Return the connections to an endpoint, which are kept when an order goes to another one."""
        if endpoint not in self._pools:
            self._pools[endpoint] = ConnectionPool(endpoint, self._poller)
        return self._pools[endpoint]

    def _on_idle_connection(self, pool: ConnectionPool, connection: Connection) -> None:
        """Close a connection that the server closed between two orders, or while one goes elsewhere."""
        if connection.unsent is not None:
            try:
                connection.flush()
            except OSError:
                connection.unsent = None
            pool.watch(connection)
        elif connection.is_stale():
            pool.close(connection)

    def _carry_out(self, order: Order) -> None:
        pool = self._pool_to(endpoint_of(order, self._endpoint))
        connections = self._open_connections(order, pool)
        if connections is None:
            return
        self._requests = PreparedRequests(self._endpoint, self._credentials, order)
        rows = RowBuffer(
            order.cell, self._number, order.id,
            lambda batch: self._outbox.put(frame(ROWS_KIND, batch)),
            AnswerReader(answer_form_of(order)),
        )  # fmt: skip
        self._engine = Engine(
            order=order,
            pacer=make_pacer(order.pacing, order.seed),
            requests=self._requests,
            rows=rows,
            pool=pool,
            poller=self._poller,
            connections=connections,
            on_other=self._on_other,
        )
        gc.collect()
        self._outbox.put(message_frame(Prepared(order.id)))
        message = self._next_message()
        while not isinstance(message, Begin):
            message = self._next_message()
        if self._stop_asked:
            self._engine.stop()
        stalled_before_ns = self._outbox.stalled_ns
        done = self._engine.run(max(message.start_ns, time.time_ns()))
        self._engine = self._requests = None
        stalled_ns = self._outbox.stalled_ns - stalled_before_ns
        self._outbox.put(message_frame(msgspec.structs.replace(done, stalled_ns=stalled_ns)))

    def _open_connections(self, order: Order, pool: ConnectionPool) -> list[Connection] | None:
        """Return the connections of an order; None when the parent was told that there are none."""
        count = min(connections_of(order.pacing), order.calls)
        kept = sum(len(other.by_fd) for other in self._pools.values() if other is not pool)
        if not allow_descriptors(count + kept + _SPARE_DESCRIPTORS):
            sentence = f"{count} connections were wanted, but this host allows a process fewer open files"
            self._outbox.put(message_frame(Fault(order.id, sentence, "raise the limit with `ulimit -n`")))
            return None
        try:
            return pool.prepare(count, self._on_other)
        except EndpointUnreachable as error:
            reason, hint = str(error), "check the endpoint URL, the region and the network"
        except OSError as error:
            reason = f"{self._endpoint.ca_file or 'TLS'}: {describe(error)}"
            hint = "check the file of certificate authorities"
        sentence = f"{pool.endpoint.url} cannot be reached: {reason}"
        self._outbox.put(message_frame(Fault(order.id, sentence, hint)))
        return None

    def _on_other(self, fd: int, mask: int) -> None:
        """Serve the pipes, and connections that have no order.

        Raises:
            _Ended: when the parent is gone.
        """
        if fd == _STDOUT:
            self._outbox.write()
        elif fd != _STDIN:
            for pool in self._pools.values():
                connection = pool.by_fd.get(fd)
                if connection is not None:
                    self._on_idle_connection(pool, connection)
        elif mask & (READ | GONE):
            self._read_messages()

    def _read_messages(self) -> None:
        try:
            data = os.read(_STDIN, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            raise _Ended
        for payload in self._frames.feed(data):
            self._take(decode_to_shard(payload))

    def _take(self, message: ToShard) -> None:
        match message:
            case Close():
                raise _Ended
            case StopOrder():
                self._stop_asked = True
                if self._engine is not None:
                    self._engine.stop()
            case UpdateCredentials(credentials):
                self._credentials = credentials
                if self._requests is not None:
                    self._requests.use(credentials)
            case _:
                self._inbox.append(message)


def main() -> int:
    """Run a load process; return its exit status."""
    settle()
    frames = FrameReader()
    backlog: list[ToShard] = []
    while not backlog:
        data = os.read(_STDIN, 1 << 20)
        if not data:
            return 0
        backlog += [decode_to_shard(payload) for payload in frames.feed(data)]
    configure = backlog.pop(0)
    if not isinstance(configure, Configure):
        sys.stderr.write("the first message to a load process configures it\n")
        return 2
    try:
        Shard(configure, frames, backlog).serve()
    except (_Ended, BrokenPipeError):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
