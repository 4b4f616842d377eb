"""invocations.csv: one line per call, appended while the run goes on, and read back exactly.

The columns are those of `lambdatune.model.invocation`, with the cell by its tag, enums by their names, and the
two client clocks worked out (``response_ms``, ``service_ms``) for the eye; an empty field is "unknown".
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.model.invocation import Start, Status
from lambdatune.stats.rows import ROW_DTYPE, clock_ms, empty_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lambdatune.model.cell import Cell
    from lambdatune.stats.rows import Rows

_MS = ("duration_ms", "init_ms", "restore_ms", "billed_ms")
_NS = ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
_COUNTS = ("http_status", "shard", "order")
COLUMNS = (
    "cell", "memory_mb", "start", "status", *_NS, "response_ms", "service_ms", *_MS, "max_memory_used_mb",
    "http_status", "request_id", "error", "shard", "order",
    "started_ns", "finished_ns", "attempts", "batch_size", "invocations",
)  # fmt: skip
_OF_DELIVERY = ("started_ns", "finished_ns", "attempts", "batch_size", "invocations")
_UNDELIVERED = "0,0,0,0,0"
HEADER = ",".join(COLUMNS) + "\n"

_START_NAMES = {start.value: start.name.lower() for start in Start}
_STATUS_NAMES = {status.value: status.name.lower() for status in Status}
_STARTS = {name: value for value, name in _START_NAMES.items()}
_STATUSES = {name: value for value, name in _STATUS_NAMES.items()}
_UNSAFE = str.maketrans({",": " ", '"': "'", "\n": " ", "\r": " "})


def format_rows(rows: Rows, cells: Sequence[Cell]) -> str:
    """Return `rows` as lines of the file."""
    names = [f"{cell.tag},{cell.memory_mb}" for cell in cells]
    columns = [rows[name].tolist() for name in ("cell", "start", "status", *_NS)]
    times = [clock_ms(rows, "response").tolist(), clock_ms(rows, "service").tolist()]
    reported = [rows[name].tolist() for name in (*_MS, "max_memory_used_mb", "http_status")]
    labels = [rows[name].tolist() for name in ("request_id", "error", "shard", "order")]
    delivered = _delivered(rows)
    lines = []
    for (
        cell, start, status, intended_ns, sent_ns, first_byte_ns, done_ns, response_ms, service_ms,
        duration_ms, init_ms, restore_ms, billed_ms, memory_mb, http_status, request_id, error, shard, order,
        delivery,
    ) in zip(*columns, *times, *reported, *labels, delivered, strict=True):  # fmt: skip
        # One string and two replacements cost a fraction of formatting each number by itself.
        numbers = (
            f"{intended_ns},{sent_ns},{first_byte_ns},{done_ns},{response_ms!r},{service_ms!r},{duration_ms!r},"
            f"{init_ms!r},{restore_ms!r},{billed_ms!r},{memory_mb if memory_mb >= 0 else ''},{http_status},"
        )
        lines.append(
            f"{names[cell]},{_START_NAMES[start]},{_STATUS_NAMES[status]},"
            f"{numbers.replace('nan', '').replace('.0,', ',')}"
            f"{_text(request_id)},{_text(error) if error else ''},{shard},{order},{delivery}\n"
        )
    return "".join(lines)


def _delivered(rows: Rows) -> list[str]:
    """Return the last columns of each row, which are the same in every call that waits for its result."""
    if not rows["attempts"].any():
        return [_UNDELIVERED] * len(rows)
    columns = [rows[name].tolist() for name in _OF_DELIVERY]
    return [",".join(map(repr, values)) for values in zip(*columns, strict=True)]


def read_rows(path: Path, cells: Sequence[Cell]) -> Rows:
    """Return the rows of a file; a last line that a crash cut short is left out.

    Raises:
        UsageError: when the file is not of this form, naming the first line that is not.
    """
    if not path.exists():
        return empty_rows(0)
    text = path.read_text(encoding="utf-8", errors="replace")
    complete, _, _ = text.rpartition("\n")
    table = list(csv.reader(complete.splitlines()))
    if not table:
        return empty_rows(0)
    lines = table[1:]
    if tuple(table[0]) == COLUMNS[: -len(_OF_DELIVERY)]:  # of a version that only knew calls that wait
        lines = [[*line, *_UNDELIVERED.split(",")] for line in lines]
    elif tuple(table[0]) != COLUMNS:
        raise UsageError(
            f"`{path}` is not a file of invocation rows: its header differs", hint="use the version that wrote it"
        )
    index_of = {cell.tag: index for index, cell in enumerate(cells)}
    try:
        return _rows_of(lines, index_of)
    except (KeyError, ValueError) as error:
        number = next(number for number, line in enumerate(lines, start=2) if not _readable(line, index_of))
        raise UsageError(f"`{path}` line {number} cannot be read: {error}") from error


def drop_cut_line(path: Path) -> None:
    """Remove a last line that a crash cut short, so that the next row begins a line of its own."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def _rows_of(lines: Sequence[Sequence[str]], index_of: dict[str, int]) -> Rows:
    rows = empty_rows(len(lines))
    if not lines:
        return rows
    fields = dict(zip(COLUMNS, zip(*lines, strict=True), strict=True))
    rows["cell"] = [index_of[tag] for tag in fields["cell"]]
    rows["start"] = [_STARTS[name] for name in fields["start"]]
    rows["status"] = [_STATUSES[name] for name in fields["status"]]
    for name in (*_NS, *_COUNTS, *_OF_DELIVERY[:-1]):
        rows[name] = list(map(int, fields[name]))
    rows["invocations"] = list(map(float, fields["invocations"]))
    for name in _MS:
        rows[name] = [float(field or "nan") for field in fields[name]]
    rows["max_memory_used_mb"] = [int(field or -1) for field in fields["max_memory_used_mb"]]
    for name in ("request_id", "error"):
        rows[name] = [field.encode() for field in fields[name]]
    return rows


def _readable(line: Sequence[str], index_of: dict[str, int]) -> bool:
    try:
        _rows_of([line], index_of)
    except (KeyError, ValueError):
        return False
    return True


def recorded_sizes(path: Path) -> list[int]:
    """Return the memory sizes in MB of which a file has complete rows, ascending; none without a file."""
    if not path.exists():
        return []
    complete, _, _ = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    place = COLUMNS.index("memory_mb")
    fields = (line.split(",", place + 1) for line in complete.splitlines()[1:])
    return sorted({int(found[place]) for found in fields if len(found) > place and found[place].isdecimal()})


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").translate(_UNSAFE)


assert set(ROW_DTYPE.names or ()) <= {*COLUMNS}
