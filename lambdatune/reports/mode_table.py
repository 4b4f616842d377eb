"""What only some invocation modes measure, in tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.reports.plain_table import UNKNOWN, ms, table

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, Delivery, RunResult

_TIMES = (
    ("", "MB"), ("cold queued", "p50"), ("", "p95"), ("cold e2e", "p50"), ("", "p95"),
    ("warm queued", "p50"), ("", "p95"), ("warm e2e", "p50"), ("", "p95"), ("", "p99"),
)  # fmt: skip
_MESSAGES = (
    ("", "MB"), ("", "sent"), ("", "executed"), ("", "retried"), ("", "twice"), ("", "dead"), ("", "lost"),
    ("", "batch"), ("", "per s"), ("drain", "ms"),
)  # fmt: skip
_TIMES_MEAN = "ms; queued: accepted to started; e2e: intended send to the end of the execution"
_MESSAGES_MEAN = (
    "twice: executed more than once; dead: given up after retries; batch: messages of an invocation; costs are per "
    "million messages"
)
_STREAM = (("", "MB"), ("cold first byte", "p50"), ("", "p95"), ("warm first byte", "p50"), ("", "p95"), ("", "p99"))
_STREAM_MEAN = "ms; first byte: from the send"


@dataclass(frozen=True, slots=True)
class ModeTable:
    """Quantities that only some modes have.

    Attributes:
        headers: of each column, the group that begins with it (or nothing) and its own name.
        rows: a text for each column, cell by cell.
        meaning: what the columns mean.
    """

    headers: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]
    meaning: str

    @property
    def names(self) -> list[str]:
        """A name for each column that says its group too."""
        found, group = [], ""
        for beginning, name in self.headers:
            group = beginning or group
            found.append(f"{group} {name}".strip())
        return found


def mode_tables(result: RunResult) -> list[ModeTable]:
    """Return the tables of what only the run's mode measures; none where it has no quantities of its own."""
    cells = [cell for cell in result.cells if cell.invocations]
    told = [(cell, cell.delivery) for cell in cells if cell.delivery is not None]
    if told:
        return [
            ModeTable(_TIMES, tuple(_times(cell) for cell, _ in told), _TIMES_MEAN),
            ModeTable(_MESSAGES, tuple(_messages(cell, delivery) for cell, delivery in told), _MESSAGES_MEAN),
        ]
    if any(cell.warm.first_byte_ms is not None for cell in cells):
        return [ModeTable(_STREAM, tuple(map(_streamed, cells)), _STREAM_MEAN)]
    return []


def mode_table(result: RunResult) -> list[str]:
    """Return the lines of the tables in plain text, and what their columns mean."""
    lines: list[str] = []
    for told in mode_tables(result):
        lines += ["", *table(told.headers, told.rows), "", told.meaning]
    return lines


def _times(cell: CellResult) -> tuple[str, ...]:
    cold, warm = cell.cold, cell.warm
    return (
        str(cell.memory_mb),
        ms(cold.queue_delay_ms, "p50"), ms(cold.queue_delay_ms, "p95"), ms(cold.e2e_ms, "p50"), ms(cold.e2e_ms, "p95"),
        ms(warm.queue_delay_ms, "p50"), ms(warm.queue_delay_ms, "p95"),
        ms(warm.e2e_ms, "p50"), ms(warm.e2e_ms, "p95"), ms(warm.e2e_ms, "p99"),
    )  # fmt: skip


def _messages(cell: CellResult, delivery: Delivery) -> tuple[str, ...]:
    batch, per_s, drain_ms = delivery.batch_size_mean, delivery.throughput_per_s, delivery.drain_ms
    return (
        str(cell.memory_mb), str(delivery.sent), str(delivery.executed), str(delivery.retried),
        str(delivery.duplicated), str(delivery.dead_lettered), str(delivery.lost),
        UNKNOWN if batch is None else f"{batch:.1f}", UNKNOWN if per_s is None else f"{per_s:.1f}",
        UNKNOWN if drain_ms is None else f"{drain_ms:.0f}",
    )  # fmt: skip


def _streamed(cell: CellResult) -> tuple[str, ...]:
    cold, warm = cell.cold.first_byte_ms, cell.warm.first_byte_ms
    return (str(cell.memory_mb), ms(cold, "p50"), ms(cold, "p95"), ms(warm, "p50"), ms(warm, "p95"), ms(warm, "p99"))
