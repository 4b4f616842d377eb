"""The calls of one order and the connections they are made on: which are free, which broke, what is opened again."""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING

from lambdatune.load.answers import Answer
from lambdatune.load.connection import Connection, State
from lambdatune.load.pool import OPEN_TIMEOUT_NS, describe
from lambdatune.model.invocation import Status

if TYPE_CHECKING:
    from lambdatune.load.order import Order
    from lambdatune.load.pacers import Pacer
    from lambdatune.load.pool import ConnectionPool
    from lambdatune.load.request import PreparedRequests
    from lambdatune.load.row_buffer import RowBuffer

_SURELY_OPEN_NS = 1_000_000
"""A connection that was read from this recently is not asked whether it is still open."""

_IDLE = State.IDLE
_BUSY = State.BUSY


class Calls:
    """Makes calls on idle connections and ends them, whatever becomes of them.

    Args:
        order: what to do.
        pacer: of the order.
        requests: of the order.
        rows: where ended calls go.
        pool: of the shard.
        connections: of the order, open or closed.

    Attributes:
        in_flight: calls that were begun and have not ended, those that wait for a connection included.
        left: calls that were not begun.
        stopping: whether no new call is to be made.
        reopened: connections that were opened while the order ran.
        waited: calls that found no free connection.
        waiting: intended times of the calls that wait for a connection.
        send_delays: from intended to actual send, of calls since the list was last cleared.
        start_ns: Unix time at which the order's clock starts.
    """

    def __init__(
        self,
        *,
        order: Order,
        pacer: Pacer,
        requests: PreparedRequests,
        rows: RowBuffer,
        pool: ConnectionPool,
        connections: list[Connection],
    ) -> None:
        self._order = order
        self._pacer = pacer
        self._requests = requests
        self._rows = rows
        self._pool = pool
        self._connections = connections
        self._free: list[Connection] = []
        self._closed: list[Connection] = []
        self._resting: list[Connection] = []
        self._parsed: list[tuple[tuple[int, int, int, int], Answer, str]] = []
        self._timeout_ns = round(order.timeout_s * 1e9)
        self.waiting: collections.deque[int] = collections.deque()
        self.send_delays: list[int] = []
        self.left = order.calls
        self.in_flight = 0
        self.stopping = False
        self.start_ns = 0
        self.reopened = self.waited = 0

    def begin(self, start_ns: int) -> None:
        """Set the clock, and see which connections are open: the server may have closed some since."""
        self.start_ns = start_ns
        self._free = [connection for connection in self._connections if connection.state is _IDLE]
        self._closed = [connection for connection in self._connections if connection.state is not _IDLE]

    def drop_waiting(self) -> int:
        """Forget the calls that were due and have no connection yet; return how many."""
        dropped = len(self.waiting)
        self.in_flight -= dropped
        self.waiting.clear()
        return dropped

    # Sending

    def make(self, intended_ns: int) -> None:
        """Make a call, now or as soon as there is a connection for it."""
        self.left -= 1
        self.in_flight += 1
        if self._free:
            self._send(self._free.pop(), intended_ns)
            return
        self.waited += 1
        self.waiting.append(intended_ns)
        if self._closed:
            self._open(self._closed.pop())

    def relay(self, connection: Connection, intended_ns: int, now_ns: int) -> None:
        """Make the next call on the connection that was just read from, in place of the one that ended on it."""
        requests = self._requests
        request = requests.only if now_ns < requests.only_until_ns else requests.next(now_ns)
        try:
            connection.send(request)
        except OSError:
            self.waiting.appendleft(intended_ns)
            self._reopen(connection)
            return
        connection.intended_ns = intended_ns
        self.send_delays.append(connection.sent_ns - intended_ns)
        if connection.unsent is not None:
            connection.fresh = False
            self._pool.watch(connection)

    def _send(self, connection: Connection, intended_ns: int) -> None:
        """Send a call on an idle connection; one that the server closed meanwhile is opened again first."""
        now_ns = time.time_ns()
        requests = self._requests
        if connection.parser.started:
            connection.parser.reset()
        is_old = now_ns - connection.opened_ns > _SURELY_OPEN_NS
        if is_old and connection.is_stale():
            self.waiting.appendleft(intended_ns)
            self._reopen(connection)
            return
        try:
            connection.send(requests.only if now_ns < requests.only_until_ns else requests.next(now_ns))
        except OSError as error:
            # The kernel took no byte of the request, so that sending it on a new connection sends it once.
            if is_old or connection.served:
                self.waiting.appendleft(intended_ns)
            else:
                self.failed(intended_ns, describe(error))
            self._reopen(connection)
            return
        connection.state = _BUSY
        connection.intended_ns = intended_ns
        connection.first_ns = 0
        connection.fresh = connection.unsent is None
        self.send_delays.append(connection.sent_ns - intended_ns)
        if connection.unsent is not None:
            self._pool.watch(connection)

    # Ending

    def complete(self, connection: Connection, done_ns: int, *, keep: bool) -> None:
        """End a call whose answer the connection's parser has read, and use the connection for the next one at once."""
        parser = connection.parser
        times_ns = (connection.intended_ns, connection.sent_ns, connection.first_ns, done_ns)
        self._parsed.append((times_ns, _answer_of(connection), ""))
        self.release(connection, done_ns, keep=keep and parser.keep_alive)

    def release(self, connection: Connection, done_ns: int, *, keep: bool) -> None:
        """Let go of the connection of a call that ended well; `keep` tells whether another one may be made on it."""
        connection.served += 1
        connection.fresh = False
        connection.rests = self._pacer.one_call_per_wave
        self._end_call(done_ns)
        if keep:
            connection.state = _IDLE
            connection.opened_ns = time.time_ns()
            self.is_idle(connection)
        else:
            self._reopen(connection)

    def is_idle(self, connection: Connection) -> None:
        """Give an idle connection to the call that waits longest, or keep it."""
        if connection.rests:
            self._resting.append(connection)
        elif self.waiting:
            self._send(connection, self.waiting.popleft())
            return
        else:
            self._free.append(connection)
        if self._resting:
            self._rise()

    def _rise(self) -> None:
        """Let the connections of a wave be used again when its last call has ended."""
        if not self.in_flight:
            for connection in self._resting:
                connection.rests = False
            self._free += self._resting
            self._resting.clear()

    def _end_call(self, done_ns: int) -> None:
        self.in_flight -= 1
        self._pacer.ended(max(done_ns - self.start_ns, 0))
        if self._resting:
            self._rise()

    # Failing

    def failed(self, intended_ns: int, reason: str) -> None:
        """End a call that could not be sent."""
        now_ns = time.time_ns()
        self._rows.failed(Status.CONNECTION_ERROR, (intended_ns, 0, 0, now_ns), reason)
        self._end_call(now_ns)

    def broken(self, connection: Connection, done_ns: int, reason: str, *, began: bool = True) -> None:
        """End a call whose connection broke: it is never sent again, since it may have run.

        Args:
            connection: that broke.
            done_ns: when.
            reason: why, in a few words.
            began: whether what came, if anything did, was the beginning of an answer.
        """
        parser = connection.parser
        times_ns = (connection.intended_ns, connection.sent_ns, connection.first_ns, done_ns)
        if parser.status:
            self._parsed.append((times_ns, _answer_of(connection), reason))
        else:
            status = Status.TRUNCATED if began and parser.started else Status.CONNECTION_ERROR
            self._rows.failed(status, times_ns, reason)
        self._end_call(done_ns)
        self._reopen(connection)

    def give_up_late(self, now_ns: int) -> None:
        """End calls whose answer did not come in time, and openings that did not succeed."""
        for connection in self._connections:
            if connection.state is _BUSY and now_ns - connection.sent_ns > self._timeout_ns:
                times_ns = (connection.intended_ns, connection.sent_ns, connection.first_ns, now_ns)
                reason = f"no answer within {self._order.timeout_s:g} s"
                self._rows.failed(Status.CLIENT_TIMEOUT, times_ns, reason)
                self._end_call(now_ns)
                self._reopen(connection)
            elif (
                connection.state in {State.CONNECTING, State.HANDSHAKING}
                and now_ns - connection.opened_ns > OPEN_TIMEOUT_NS
            ):
                self._pool.close(connection)
                self._not_opened(connection, "no connection within 10 s")

    def write_parsed(self) -> None:
        """Add the rows of the calls whose answers were parsed."""
        if self._parsed:
            for call in self._parsed:
                self._rows.answered(*call)
            self._parsed.clear()

    # Opening

    def _reopen(self, connection: Connection) -> None:
        """Replace a connection that is of no more use, at once, so that the next call need not wait."""
        self._pool.close(connection)
        needed = self.left > 0 or bool(self.waiting)
        if needed and not self.stopping:
            self.reopened += 1
            self._open(connection)
        else:
            self._closed.append(connection)

    def _open(self, connection: Connection) -> None:
        try:
            self._pool.open(connection)
        except OSError as error:
            self._not_opened(connection, describe(error))

    def _not_opened(self, connection: Connection, reason: str) -> None:
        """Let the call that waits longest take a failure to open; try again for the one after it."""
        while self.waiting:
            self.failed(self.waiting.popleft(), reason)
            if not self.waiting:
                break
            try:
                self._pool.open(connection)
            except OSError as error:
                reason = describe(error)
            else:
                return
        self._closed.append(connection)

    def on_idle_or_opening(self, connection: Connection) -> None:
        """See what happened to a connection without a call."""
        if connection.state is _IDLE:
            if connection.unsent is not None or not connection.is_stale():
                self._go_on(connection)
                return
            for group in (self._free, self._resting):
                if connection in group:
                    group.remove(connection)
            # One that the server closes before a single call is opened again only for a call.
            if connection.served:
                self._reopen(connection)
            else:
                self._pool.close(connection)
                self._closed.append(connection)
            return
        try:
            if connection.unsent is not None:
                connection.flush()
            is_open = self._pool.advance(connection)
        except OSError as error:
            self._pool.close(connection)
            self._not_opened(connection, describe(error))
            return
        if is_open:
            self.is_idle(connection)

    def _go_on(self, connection: Connection) -> None:
        """Send the last of a TLS handshake on a connection that counts as open already."""
        try:
            connection.flush()
        except OSError:
            connection.unsent = None
        self._pool.watch(connection)


def _answer_of(connection: Connection) -> Answer:
    parser = connection.parser
    return Answer(parser.status, parser.head, parser.lower_head, parser.body, parser.is_error, parser.events)
