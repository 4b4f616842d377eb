"""The loop that carries out one order: send when the pacer intends it, read answers, write rows.

Sending comes first: an answer's REPORT is read and its row is written only after every socket that was ready
has been served, so that the work on one call does not delay another one's send.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lambdatune.load.calls import Calls
from lambdatune.load.connection import State
from lambdatune.load.host import ClockWatch, cpu_ns
from lambdatune.load.lags import LagHistogram
from lambdatune.load.messages import OrderDone
from lambdatune.load.poller import GONE, READ, WRITE
from lambdatune.load.pool import describe
from lambdatune.load.response import MalformedAnswer
from lambdatune.load.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.load.connection import Connection
    from lambdatune.load.order import Order
    from lambdatune.load.pacers import Pacer
    from lambdatune.load.poller import Poller
    from lambdatune.load.pool import ConnectionPool
    from lambdatune.load.request import PreparedRequests
    from lambdatune.load.row_buffer import RowBuffer, Whole

_TICK_NS = 100_000_000
_ROWS_AT_ONCE = 32
"""Rows that are written between two looks at the clock: about 0.1 ms."""
_MOST_BEHIND = 4096
"""Answers that may wait for their rows to be written while sends are due."""

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
        self._rows = rows
        self._pool = pool
        self._poller = poller
        self._on_other = on_other
        self._calls = Calls(
            order=order, pacer=pacer, requests=requests, rows=rows, pool=pool, connections=connections
        )  # fmt: skip
        reader = rows.reader
        for connection in connections:
            connection.parser.kept_bytes, connection.parser.has_events = reader.kept_bytes, reader.has_events
        self._has_shapes = reader.has_shapes
        self._shapes = Shapes()
        self._whole: list[Whole] = []
        self._receive_lags: list[int] = []
        self._tick_ns = max(min(_TICK_NS, round(order.timeout_s * 1e9) // 4), 1_000_000)
        self._next_due_ns: int | None = None
        self._send_delay = LagHistogram()
        self._receive_lag = LagHistogram()
        self._user_stamps = 0

    def stop(self) -> None:
        """Make no new call; `run` returns when those in flight have ended."""
        self._calls.stopping = True

    def run(self, start_ns: int) -> OrderDone:
        """Carry out the order from Unix time `start_ns` on."""
        calls = self._calls
        calls.begin(start_ns)
        clock = ClockWatch()
        began_cpu_ns, began_ns = cpu_ns(), time.monotonic_ns()
        next_tick_ns = time.time_ns() + self._tick_ns
        overdue = 0
        while True:
            self._issue()
            if calls.stopping and calls.waiting:
                # Calls that were due and had no connection yet are not made any more.
                overdue += calls.drop_waiting()
            if not calls.in_flight and (calls.stopping or not calls.left):
                break
            self._serve(self._wait(next_tick_ns))
            self._write_rows()
            now_ns = time.time_ns()
            if now_ns >= next_tick_ns:
                self._rows.flush()
                calls.give_up_late(now_ns)
                clock.look()
                next_tick_ns = now_ns + self._tick_ns
        clock.look()
        self._next_due_ns = None
        self._write_rows()
        self._rows.flush()
        return self._done(overdue, clock, cpu_ns() - began_cpu_ns, time.monotonic_ns() - began_ns)

    def _done(self, overdue: int, clock: ClockWatch, used_cpu_ns: int, wall_ns: int) -> OrderDone:
        unmade = self._calls.left + overdue
        return OrderDone(
            order=self._order.id,
            counts=self._rows.counts,
            unmade=unmade,
            overdue=overdue,
            was_stopped=unmade > 0,
            setup=self._pool.setup.counts,
            reopened=self._calls.reopened,
            send_delay=self._send_delay.counts,
            receive_lag=self._receive_lag.counts,
            kernel_stamps=self._receive_lag.total,
            user_stamps=self._user_stamps,
            waited=self._calls.waited,
            stalled_ns=0,
            clock_step_ns=clock.largest_step_ns,
            cpu_ns=used_cpu_ns,
            wall_ns=wall_ns,
            messages=self._rows.messages,
        )

    def _wait(self, next_tick_ns: int) -> list[tuple[int, int]]:
        if self._whole:
            return self._poller.wait(0, precise=True)
        due_ns = self._next_due_ns
        if due_ns is not None and due_ns < next_tick_ns:
            return self._poller.wait(due_ns - time.time_ns(), precise=True)
        return self._poller.wait(next_tick_ns - time.time_ns(), precise=False)

    def _issue(self) -> None:
        """Make every call whose intended time has come."""
        calls, pacer = self._calls, self._pacer
        self._next_due_ns = None
        while calls.left and not calls.stopping:
            due_ns = pacer.due_ns()
            if due_ns is None:
                return
            intended_ns = calls.start_ns + due_ns
            if intended_ns > time.time_ns():
                self._next_due_ns = intended_ns
                return
            pacer.take()
            calls.make(intended_ns)

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        """Serve what is ready: answers of a known shape here, whatever else there is elsewhere."""
        calls, by_fd, by_bytes = self._calls, self._pool.by_fd, self._shapes.by_bytes
        relays, time_ns = self._pacer.relays, time.time_ns
        for fd, mask in ready:
            connection = by_fd.get(fd)
            if connection is None:
                self._on_other(fd, mask)
                continue
            if mask != READ or not connection.fresh:
                self._on_unusual(connection, mask)
                continue
            try:
                data, stamp_ns = connection.receive()
            except OSError as error:
                calls.broken(connection, time_ns(), describe(error))
                continue
            now_ns = time_ns()
            shape = by_bytes.get(len(data)) if data else None
            if data is None or shape is None or not shape.fits(data) or not connection.sent_ns <= stamp_ns <= now_ns:
                self._on_data(connection, data, stamp_ns, now_ns, mask)
                continue
            self._receive_lags.append(now_ns - stamp_ns)
            self._whole.append((connection.intended_ns, connection.sent_ns, stamp_ns, data, shape))
            if relays and calls.left and not calls.waiting and not calls.stopping:
                calls.left -= 1
                connection.served += 1
                calls.relay(connection, max(stamp_ns, calls.start_ns), now_ns)
                continue
            calls.release(connection, stamp_ns, keep=True)
            if self._next_due_ns is None or now_ns >= self._next_due_ns:
                self._issue()

    def _on_unusual(self, connection: Connection, mask: int) -> None:
        """Serve a connection that has no call in flight, or that is in the middle of a request or an answer."""
        if connection.state is not _BUSY:
            self._calls.on_idle_or_opening(connection)
            return
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
            self._calls.broken(connection, time.time_ns(), describe(error))
            return
        self._on_data(connection, data, stamp_ns, time.time_ns(), mask)

    def _on_data(self, connection: Connection, data: bytes | None, stamp_ns: int, now_ns: int, mask: int) -> None:
        """Read what came on a connection with a call in flight; None is nothing, no bytes are the end."""
        if connection.sent_ns <= stamp_ns <= now_ns:
            self._receive_lags.append(now_ns - stamp_ns)
        else:
            stamp_ns = now_ns
            self._user_stamps += data is not None
        if data is None:
            return
        calls, parser = self._calls, connection.parser
        if not data:
            if parser.end_of_stream():
                self._complete(connection, stamp_ns, keep=False)
            else:
                reason = "answer ended early" if parser.started else "connection closed without an answer"
                calls.broken(connection, stamp_ns, reason)
            return
        if not connection.first_ns:
            connection.first_ns = stamp_ns
        is_whole = self._has_shapes and not parser.started
        chunks_before = 0 if parser.events is None else parser.events.chunks
        connection.fresh = False
        try:
            complete = parser.feed(data)
        except MalformedAnswer:
            calls.broken(connection, stamp_ns, "answer is not HTTP", began=False)
            return
        if parser.events is not None and parser.events.chunks and not chunks_before:
            # Of a stream the first payload counts, which the head may precede by long.
            connection.first_ns = stamp_ns
        if complete:
            if is_whole:
                self._shapes.learn(data, parser)
            self._complete(connection, stamp_ns, keep=not mask & GONE and connection.unsent is None)

    def _complete(self, connection: Connection, done_ns: int, *, keep: bool) -> None:
        self._calls.complete(connection, done_ns, keep=keep)
        self._issue()

    def _write_rows(self) -> None:
        """Write the rows of the calls that ended, until a send is due."""
        self._calls.write_parsed()
        delays, lags, whole = self._calls.send_delays, self._receive_lags, self._whole
        if delays:
            self._send_delay.record_all(delays)
            delays.clear()
        if lags:
            self._receive_lag.record_all(lags)
            lags.clear()
        while whole:
            if len(whole) <= _ROWS_AT_ONCE:
                self._rows.write(whole)
                whole.clear()
                return
            self._rows.write(whole[:_ROWS_AT_ONCE])
            del whole[:_ROWS_AT_ONCE]
            due_ns = self._next_due_ns
            if due_ns is not None and len(whole) < _MOST_BEHIND and time.time_ns() >= due_ns:
                return
