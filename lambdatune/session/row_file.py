"""invocations.csv: one line per call, appended while the run goes on, and read back exactly.

The columns are those of `lambdatune.model.invocation`, with the cell by its tag, enums by their names, and the
two client clocks worked out (``response_ms``, ``service_ms``) for the eye; an empty field is "unknown".
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.model.invocation import Start, Status
from lambdatune.stats.rows import ROW_DTYPE, clock_ms, empty_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from lambdatune.model.cell import Cell
    from lambdatune.stats.rows import Rows

_MS = ("duration_ms", "init_ms", "restore_ms", "billed_ms")
_NS = ("intended_ns", "sent_ns", "first_byte_ns", "done_ns")
_COUNTS = ("http_status", "shard", "order")
COLUMNS = (
    "cell", "memory_mb", "start", "status", *_NS, "response_ms", "service_ms", *_MS, "max_memory_used_mb",
    "http_status", "request_id", "error", "shard", "order",
)  # fmt: skip
HEADER = ",".join(COLUMNS) + "\n"

_START_NAMES = {start.value: start.name.lower() for start in Start}
_STATUS_NAMES = {status.value: status.name.lower() for status in Status}
_UNSAFE = str.maketrans({",": " ", '"': "'", "\n": " ", "\r": " "})


def format_rows(rows: Rows, cells: Sequence[Cell]) -> str:
    """Return `rows` as lines of the file."""
    response_ms, service_ms = clock_ms(rows, "response"), clock_ms(rows, "service")
    lines = []
    for row, response, service in zip(rows, response_ms.tolist(), service_ms.tolist(), strict=True):
        cell = cells[int(row["cell"])]
        memory_used = int(row["max_memory_used_mb"])
        fields = [
            cell.tag,
            str(cell.memory_mb),
            _START_NAMES[int(row["start"])],
            _STATUS_NAMES[int(row["status"])],
            *(str(int(row[name])) for name in _NS),
            _number(response),
            _number(service),
            *(_number(float(row[name])) for name in _MS),
            "" if memory_used < 0 else str(memory_used),
            str(int(row["http_status"])),
            row["request_id"].decode("ascii", "replace").translate(_UNSAFE),
            row["error"].decode("utf-8", "replace").translate(_UNSAFE),
            str(int(row["shard"])),
            str(int(row["order"])),
        ]
        lines.append(",".join(fields))
    return "\n".join(lines) + "\n" if lines else ""


def read_rows(path: Path, cells: Sequence[Cell]) -> Rows:
    """Return the rows of a file; a last line that a crash cut short is left out.

    Raises:
        UsageError: when the file is not of this form.
    """
    if not path.exists():
        return empty_rows(0)
    text = path.read_text(encoding="utf-8", errors="replace")
    complete, _, _ = text.rpartition("\n")
    table = list(csv.reader(complete.splitlines()))
    if not table:
        return empty_rows(0)
    if tuple(table[0]) != COLUMNS:
        raise UsageError(
            f"`{path}` is not a file of invocation rows: its header differs",
            hint="use the version that wrote it",
        )
    index_of = {cell.tag: index for index, cell in enumerate(cells)}
    rows = empty_rows(len(table) - 1)
    for number, fields in enumerate(table[1:]):
        try:
            _fill(rows[number], dict(zip(COLUMNS, fields, strict=True)), index_of)
        except (KeyError, ValueError) as error:
            raise UsageError(f"`{path}` line {number + 2} cannot be read: {error}") from error
    return rows


def recorded_sizes(path: Path) -> list[int]:
    """Return the memory sizes in MB of which a file has complete rows, ascending; none without a file."""
    if not path.exists():
        return []
    complete, _, _ = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    place = COLUMNS.index("memory_mb")
    fields = (line.split(",", place + 1) for line in complete.splitlines()[1:])
    return sorted({int(found[place]) for found in fields if len(found) > place and found[place].isdecimal()})


def _fill(row: np.void, fields: dict[str, str], index_of: dict[str, int]) -> None:
    row["cell"] = index_of[fields["cell"]]
    row["start"] = Start[fields["start"].upper()]
    row["status"] = Status[fields["status"].upper()]
    for name in (*_NS, *_COUNTS):
        row[name] = int(fields[name])
    for name in _MS:
        row[name] = float(fields[name]) if fields[name] else math.nan
    row["max_memory_used_mb"] = int(fields["max_memory_used_mb"] or -1)
    row["request_id"] = fields["request_id"].encode()
    row["error"] = fields["error"].encode()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{round(value, 6):.10g}"


assert set(ROW_DTYPE.names or ()) <= {*COLUMNS}
