"""The loop that carries out one order: send when the pacer intends it, read answers, write rows.

Sending comes first: an answer's REPORT is read and its row is written only after every socket that was ready
has been served, so that the work on one call does not delay another one's send.
"""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING

from lambdatune.load.connection import Connection, State
from lambdatune.load.host import ClockWatch, cpu_ns
from lambdatune.load.lags import LagHistogram
from lambdatune.load.messages import OrderDone
from lambdatune.load.poller import GONE, WRITE
from lambdatune.load.pool import OPEN_TIMEOUT_NS, describe
from lambdatune.load.response import MalformedAnswer
from lambdatune.model.invocation import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.load.order import Order
    from lambdatune.load.pacers import Pacer
    from lambdatune.load.poller import Poller
    from lambdatune.load.pool import ConnectionPool
    from lambdatune.load.request import PreparedRequests
    from lambdatune.load.row_buffer import RowBuffer

_TICK_NS = 100_000_000
_SURELY_OPEN_NS = 1_000_000
"""A connection that was read from this recently is not asked whether it is still open."""

_IDLE = State.IDLE
_BUSY = State.BUSY


class Engine:
    """Carries out one order on prepared connections.

    Args:
        order: what to do.
        pacer: of the order.
        requests: of the order.
        rows: where ended calls go.
        pool: of the shard.
        poller: of the shard.
        connections: of the order, open or closed.
        on_other: called with descriptors that are ready and no connections, and their masks.
    """

    def __init__(
        self,
        *,
        order: Order,
        pacer: Pacer,
        requests: PreparedRequests,
        rows: RowBuffer,
        pool: ConnectionPool,
        poller: Poller,
        connections: list[Connection],
        on_other: Callable[[int, int], None],
    ) -> None:
        self._order = order
        self._pacer = pacer
        self._requests = requests
        self._rows = rows
        self._pool = pool
        self._poller = poller
        self._on_other = on_other
        self._connections = connections
        self._free: list[Connection] = []
        self._closed: list[Connection] = []
        self._resting: list[Connection] = []
        self._waiting: collections.deque[int] = collections.deque()
        self._ended: list[tuple[tuple[int, int, int, int], tuple[int, bytes, bytes, bytes], bool, str]] = []
        self._timeout_ns = round(order.timeout_s * 1e9)
        self._tick_ns = max(min(_TICK_NS, self._timeout_ns // 4), 1_000_000)
        self._left = order.calls
        self._in_flight = 0
        self._stopping = False
        self._start_ns = 0
        self._next_due_ns: int | None = None
        self._send_delay = LagHistogram()
        self._receive_lag = LagHistogram()
        self._user_stamps = self._reopened = self._waited = 0

    def stop(self) -> None:
        """Make no new call; `run` returns when those in flight have ended."""
        self._stopping = True

    def run(self, start_ns: int) -> OrderDone:
        """Carry out the order from Unix time `start_ns` on."""
        self._start_ns = start_ns
        # Only now: the server may have closed some since they were prepared.
        self._free = [connection for connection in self._connections if connection.state is _IDLE]
        self._closed = [connection for connection in self._connections if connection.state is not _IDLE]
        clock = ClockWatch()
        began_cpu_ns, began_ns = cpu_ns(), time.monotonic_ns()
        next_tick_ns = time.time_ns() + self._tick_ns
        by_fd = self._pool.by_fd
        overdue = 0
        while True:
            self._issue()
            if self._stopping and self._waiting:
                # Calls that were due and had no connection yet are not made any more.
                overdue += len(self._waiting)
                self._in_flight -= len(self._waiting)
                self._waiting.clear()
            if not self._in_flight and (self._stopping or not self._left):
                break
            for fd, mask in self._wait(next_tick_ns):
                connection = by_fd.get(fd)
                if connection is None:
                    self._on_other(fd, mask)
                elif connection.state is _BUSY:
                    self._on_answer(connection, mask)
                else:
                    self._on_idle_or_opening(connection)
            self._write_rows()
            now_ns = time.time_ns()
            if now_ns >= next_tick_ns:
                self._rows.flush()
                self._give_up_late(now_ns)
                clock.look()
                next_tick_ns = now_ns + self._tick_ns
        clock.look()
        self._write_rows()
        self._rows.flush()
        return self._done(overdue, clock, cpu_ns() - began_cpu_ns, time.monotonic_ns() - began_ns)

    def _done(self, overdue: int, clock: ClockWatch, used_cpu_ns: int, wall_ns: int) -> OrderDone:
        unmade = self._left + overdue
        return OrderDone(
            order=self._order.id,
            counts=self._rows.counts,
            unmade=unmade,
            overdue=overdue,
            was_stopped=unmade > 0,
            setup=self._pool.setup.counts,
            reopened=self._reopened,
            send_delay=self._send_delay.counts,
            receive_lag=self._receive_lag.counts,
            kernel_stamps=self._receive_lag.total,
            user_stamps=self._user_stamps,
            waited=self._waited,
            stalled_ns=0,
            clock_step_ns=clock.largest_step_ns,
            cpu_ns=used_cpu_ns,
            wall_ns=wall_ns,
            messages=self._rows.messages,
        )

    def _wait(self, next_tick_ns: int) -> list[tuple[int, int]]:
        due_ns = self._next_due_ns
        if due_ns is not None and due_ns < next_tick_ns:
            return self._poller.wait(due_ns - time.time_ns(), precise=True)
        return self._poller.wait(next_tick_ns - time.time_ns(), precise=False)

    # Sending

    def _issue(self) -> None:
        """Make every call whose intended time has come."""
        self._next_due_ns = None
        while self._left and not self._stopping:
            due_ns = self._pacer.due_ns()
            if due_ns is None:
                return
            intended_ns = self._start_ns + due_ns
            if intended_ns > time.time_ns():
                self._next_due_ns = intended_ns
                return
            self._pacer.take()
            self._left -= 1
            self._in_flight += 1
            if self._free:
                self._send(self._free.pop(), intended_ns)
            else:
                self._wait_for_connection(intended_ns)

    def _wait_for_connection(self, intended_ns: int) -> None:
        self._waited += 1
        self._waiting.append(intended_ns)
        if self._closed:
            self._open(self._closed.pop())

    def _send(self, connection: Connection, intended_ns: int) -> None:
        """Send a call on an idle connection; one that the server closed meanwhile is opened again first."""
        now_ns = time.time_ns()
        connection.parser.reset()
        is_old = now_ns - connection.opened_ns > _SURELY_OPEN_NS
        if is_old and connection.is_stale():
            self._waiting.appendleft(intended_ns)
            self._reopen(connection)
            return
        try:
            connection.send(self._requests.next(now_ns))
        except OSError as error:
            # The kernel took no byte of the request, so that sending it on a new connection sends it once.
            if is_old or connection.served:
                self._waiting.appendleft(intended_ns)
            else:
                self._failed(intended_ns, describe(error))
            self._reopen(connection)
            return
        connection.state = _BUSY
        connection.intended_ns = intended_ns
        connection.first_ns = 0
        self._send_delay.record(connection.sent_ns - intended_ns)
        if connection.unsent is not None:
            self._pool.watch(connection)

    # Receiving

    def _on_answer(self, connection: Connection, mask: int) -> None:
        """Read what came on a connection with a call in flight."""
        if mask & WRITE and connection.unsent is not None:
            try:
                connection.flush()
            except OSError:
                # What the server said before it closed is still there to be read.
                connection.unsent = None
            self._pool.watch(connection)
            if mask == WRITE:
                return
        try:
            data, stamp_ns = connection.receive()
        except OSError as error:
            self._broken(connection, time.time_ns(), describe(error))
            return
        now_ns = time.time_ns()
        if connection.sent_ns <= stamp_ns <= now_ns:
            self._receive_lag.record(now_ns - stamp_ns)
        else:
            stamp_ns = now_ns
            self._user_stamps += data is not None
        if data is None:
            return
        if not data:
            if connection.parser.end_of_stream():
                self._complete(connection, stamp_ns, keep=False)
            else:
                started = connection.parser.started
                reason = "answer ended early" if started else "connection closed without an answer"
                self._broken(connection, stamp_ns, reason)
            return
        if not connection.first_ns:
            connection.first_ns = stamp_ns
        try:
            complete = connection.parser.feed(data)
        except MalformedAnswer:
            self._broken(connection, stamp_ns, "answer is not HTTP", began=False)
            return
        if complete:
            self._complete(connection, stamp_ns, keep=not mask & GONE and connection.unsent is None)

    def _complete(self, connection: Connection, done_ns: int, *, keep: bool) -> None:
        """End a call whose answer is complete, and use its connection for the next one at once."""
        parser = connection.parser
        self._ended.append((
            (connection.intended_ns, connection.sent_ns, connection.first_ns, done_ns),
            (parser.status, parser.head, parser.lower_head, parser.body),
            parser.is_error,
            "",
        ))  # fmt: skip
        connection.served += 1
        connection.rests = self._pacer.one_call_per_wave
        self._end_call(done_ns)
        if keep and parser.keep_alive:
            connection.state = _IDLE
            connection.opened_ns = time.time_ns()
            self._is_idle(connection)
        else:
            self._reopen(connection)
        self._issue()

    def _is_idle(self, connection: Connection) -> None:
        """Give an idle connection to the call that waits longest, or keep it."""
        if connection.rests:
            self._resting.append(connection)
        elif self._waiting:
            self._send(connection, self._waiting.popleft())
            return
        else:
            self._free.append(connection)
        self._rise()

    def _rise(self) -> None:
        """Let the connections of a wave be used again when its last call has ended."""
        if self._resting and not self._in_flight:
            for connection in self._resting:
                connection.rests = False
            self._free += self._resting
            self._resting.clear()

    def _end_call(self, done_ns: int) -> None:
        self._in_flight -= 1
        self._pacer.ended(max(done_ns - self._start_ns, 0))
        self._rise()

    # Failing

    def _failed(self, intended_ns: int, reason: str) -> None:
        """End a call that could not be sent."""
        now_ns = time.time_ns()
        self._rows.failed(Status.CONNECTION_ERROR, (intended_ns, 0, 0, now_ns), reason)
        self._end_call(now_ns)

    def _broken(self, connection: Connection, done_ns: int, reason: str, *, began: bool = True) -> None:
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
            answer = (parser.status, parser.head, parser.lower_head, parser.body)
            self._ended.append((times_ns, answer, parser.is_error, reason))
        else:
            status = Status.TRUNCATED if began and parser.started else Status.CONNECTION_ERROR
            self._rows.failed(status, times_ns, reason)
        self._end_call(done_ns)
        self._reopen(connection)

    def _give_up_late(self, now_ns: int) -> None:
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

    # Opening

    def _reopen(self, connection: Connection) -> None:
        """Replace a connection that is of no more use, at once, so that the next call need not wait."""
        self._pool.close(connection)
        needed = self._left > 0 or bool(self._waiting)
        if needed and not self._stopping:
            self._reopened += 1
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
        while self._waiting:
            self._failed(self._waiting.popleft(), reason)
            if not self._waiting:
                break
            try:
                self._pool.open(connection)
            except OSError as error:
                reason = describe(error)
            else:
                return
        self._closed.append(connection)

    def _on_idle_or_opening(self, connection: Connection) -> None:
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
            self._is_idle(connection)

    def _go_on(self, connection: Connection) -> None:
        """Send the last of a TLS handshake on a connection that counts as open already."""
        try:
            connection.flush()
        except OSError:
            connection.unsent = None
        self._pool.watch(connection)

    def _write_rows(self) -> None:
        if self._ended:
            for times_ns, answer, is_error, broken in self._ended:
                self._rows.answered(times_ns, answer, is_error=is_error, broken=broken)
            self._ended.clear()
