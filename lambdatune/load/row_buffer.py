"""Invocation rows, packed into preallocated bytes exactly as `stats.rows.ROW_DTYPE` reads them.

The shard packs with `struct`: half the time of an assignment to a numpy row, and no numpy to import.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from lambdatune.load.answers import Answer, AnswerReader
from lambdatune.load.log_tail import WARM_FIGURES_BYTES, WarmTails
from lambdatune.model.invocation import INVOCATION_COLUMNS, Start, Status, was_preinitialised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambdatune.load.shapes import Shape

_CODES = {"u1": "B", "<u2": "H", "<u4": "I", "<i4": "i", "<i8": "q", "<f8": "d"}
_FORMS = [_CODES.get(code) or f"{code[1:]}s" for _, code in INVOCATION_COLUMNS]
ROW_BYTES = struct.calcsize("<" + "".join(_FORMS))
_SENT = [name for name, _ in INVOCATION_COLUMNS].index("error") + 1
_ROW = struct.Struct("<" + "".join(_FORMS[:_SENT]))
"""What a load process knows of a call; the columns after it are not its own, and stay zero."""
_ROW_START = struct.Struct("<HHIBBH")
_WARM_ROW = struct.Struct(f"<{_ROW_START.size}s4qd{WARM_FIGURES_BYTES}s36s48s")
"""A row again, with what is the same in many rows packed before."""
_CAPACITY = 8192
_OK = Status.OK
_UNKNOWN_MB = -1
_MAX_SAMPLES = 16
_MAX_ERROR_BYTES = 48
_NS_PER_MS = 1e6


Whole = tuple[int, int, int, bytes, "Shape"]
"""A call whose answer has a known shape: intended, sent and done times in ns, the answer's bytes, the shape."""


class RowBuffer:
    """Turns ended calls into rows, and hands them on in batches.

    Args:
        cell: of the order.
        shard: number of this shard.
        order: id of the order.
        emit: takes the bytes of a batch of whole rows.
        reader: of the order's answers; None for Invoke's.

    Attributes:
        reader: of the order's answers.
        written: rows so far.
        counts: of them, by `Status`.
        messages: first message of each kind of error.
    """

    def __init__(
        self, cell: int, shard: int, order: int, emit: Callable[[bytes], None], reader: AnswerReader | None = None
    ) -> None:
        self._key = (cell, shard, order)
        self.reader = reader or AnswerReader()
        self._warm_start = _ROW_START.pack(*self._key, Start.WARM, _OK, 200)
        self._warm_tails = WarmTails()
        self._emit = emit
        self._bytes = bytearray(_CAPACITY * ROW_BYTES)
        self._count = 0
        self.written = 0
        self.counts = [0] * len(Status)
        self.messages: dict[str, str] = {}

    def write(self, ended: Iterable[Whole]) -> None:
        """Add the rows of calls whose answers have known shapes."""
        room, pack, read = len(self._bytes), _WARM_ROW.pack_into, self._warm_tails.read
        at = self._count * ROW_BYTES
        added = 0
        for intended_ns, sent_ns, done_ns, answer, shape in ended:
            request_id = answer[shape.id_at : shape.id_end]
            figures = read(answer[shape.tail_at : shape.tail_end], request_id) if at < room else None
            if figures is not None:
                pack(
                    self._bytes, at, self._warm_start, intended_ns, sent_ns, done_ns, done_ns,
                    figures[0], figures[1], request_id, b"",
                )  # fmt: skip
                at += ROW_BYTES
                added += 1
                continue
            self._count_warm(added)
            added = 0
            head = answer[: shape.head_bytes]
            parsed = Answer(200, head, head.lower(), b"", is_error=False)
            self.answered((intended_ns, sent_ns, done_ns, done_ns), parsed)
            at = self._count * ROW_BYTES
        self._count_warm(added)

    def _count_warm(self, added: int) -> None:
        self._count += added
        self.written += added
        self.counts[_OK] += added

    def answered(self, times_ns: tuple[int, int, int, int], answer: Answer, broken: str = "") -> None:
        """Add the row of a call that got an answer, or the beginning of one.

        Args:
            times_ns: intended, sent, first byte, done.
            answer: what was read.
            broken: why the answer ended before its last byte; empty when it did not.
        """
        status, error, message, request_id, report, start = self.reader.read(answer)
        if start is Start.COLD and report is not None and report.init_ms is not None:
            _, sent_ns, _, done_ns = times_ns
            if was_preinitialised(report.init_ms, report.duration_ms, (done_ns - sent_ns) / _NS_PER_MS):
                start = Start.PREINITIALISED
        if broken:
            status, error, message = Status.TRUNCATED, broken, broken
        if error:
            self._remember(error, message)
        if report is None:
            figures = (math.nan, math.nan, math.nan, math.nan, _UNKNOWN_MB)
        else:
            figures = (
                report.duration_ms,
                math.nan if report.init_ms is None else report.init_ms,
                math.nan if report.restore_ms is None else report.restore_ms,
                report.billed_ms,
                report.max_memory_used_mb,
            )
        self._add(start, status, answer.status, times_ns, figures, request_id, error)

    def failed(self, status: Status, times_ns: tuple[int, int, int, int], error: str) -> None:
        """Add the row of a call that got no answer."""
        self._remember(error, error)
        unknown = (math.nan, math.nan, math.nan, math.nan, _UNKNOWN_MB)
        self._add(Start.UNKNOWN, status, 0, times_ns, unknown, b"", error)

    def _remember(self, error: str, message: str) -> None:
        """Keep the first message of each kind of error."""
        if error not in self.messages and len(self.messages) < _MAX_SAMPLES:
            self.messages[error] = message

    def _add(
        self,
        start: Start,
        status: Status,
        http_status: int,
        times_ns: tuple[int, int, int, int],
        figures: tuple[float, float, float, float, int],
        request_id: bytes,
        error: str,
    ) -> None:
        if self._count == _CAPACITY:
            self.flush()
        # A cut inside a character would leave bytes that cannot be decoded.
        encoded = error.encode("ascii", "replace")[:_MAX_ERROR_BYTES] if error else b""
        _ROW.pack_into(
            self._bytes, self._count * ROW_BYTES,
            *self._key, start, status, http_status, *times_ns, *figures, request_id, encoded,
        )  # fmt: skip
        self._count += 1
        self.written += 1
        self.counts[status] += 1

    def flush(self) -> None:
        """Hand on the rows that are there."""
        if self._count:
            self._emit(bytes(memoryview(self._bytes)[: self._count * ROW_BYTES]))
            self._count = 0
