"""A table as rows of text: columns drop out where there is no room, the least needed first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.tui.charts.canvas import PLAIN, Canvas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.tui.charts.canvas import Row, Run

_GAP = 2
CURSOR_MARK = "▌"
"""Stands before the row under the cursor: the cursor is not told by colour alone."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        key: its name in the rows.
        title: its heading.
        right: whether it is aligned to the right.
        drop: the column of the highest number goes first where there is no room; 0 stays.
        stretch: takes the rest of the width, and is cut where there is too little.
    """

    key: str
    title: str
    right: bool = True
    drop: int = 0
    stretch: bool = False


TableRow = dict[str, tuple[str, str]]
"""Text and role by the key of the column."""


def table(
    columns: Sequence[Column], rows: Sequence[TableRow], width: int, height: int, *, cursor: int | None, top: int = 0
) -> list[Row]:
    """Return a heading and the rows from `top` on, as many as fit.

    Args:
        columns: in their order.
        rows: one each.
        width: columns of characters.
        height: rows of characters.
        cursor: the row that is marked; None for none.
        top: the first row shown.
    """
    canvas = Canvas(width, height)
    shown = fitting(columns, rows, width)
    x = 1
    for column in shown:
        room = _room(column, rows, width - x)
        _field(canvas, x, 0, room, column, (column.title, "title"))
        for line, row in enumerate(rows[top : top + max(height - 1, 0)], start=1):
            _field(canvas, x, line, room, column, row.get(column.key, ("", PLAIN)))
        x += room + _GAP
    if cursor is not None and top <= cursor < len(rows):
        canvas.put(0, cursor - top + 1, CURSOR_MARK, "mark")
    return canvas.rows()


def fitting(columns: Sequence[Column], rows: Sequence[Mapping[str, Run]], width: int) -> list[Column]:
    """Return the columns that there is room for."""
    shown = list(columns)
    while sum(_wanted(column, rows) + _GAP for column in shown) - _GAP + 1 > width:
        worst = max(shown, key=lambda column: column.drop)
        if not worst.drop:
            break
        shown.remove(worst)
    return shown


_STRETCH_LEAST = 12


def _wanted(column: Column, rows: Sequence[Mapping[str, Run]]) -> int:
    longest = max((len(row.get(column.key, ("", ""))[0]) for row in rows), default=0)
    if column.stretch:
        longest = min(longest, _STRETCH_LEAST)
    return max(longest, len(column.title))


def _room(column: Column, rows: Sequence[Mapping[str, Run]], left: int) -> int:
    return max(left, 0) if column.stretch else _wanted(column, rows)


def _field(canvas: Canvas, x: int, y: int, room: int, column: Column, field: Run) -> None:
    text, role = field
    if len(text) > room:
        text = f"{text[: max(room - 1, 0)]}…" if room else ""
    canvas.put(x, y, text.rjust(room) if column.right else text, role)
