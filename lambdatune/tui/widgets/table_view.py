"""A table with a cursor, drawn row by row: for sizes and for runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from lambdatune.tui.charts.table import Column, TableRow, table
from lambdatune.tui.widgets.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.geometry import Size

    from lambdatune.tui.charts.canvas import Row


class TableView(Chart, can_focus=True):
    """Rows with a cursor; posts `Moved` and `Chosen`.

    Textual's DataTable draws every visible cell again for one that changed (15 to 19 ms a refresh of 8 x 11 cells);
    this one draws strips of text.

    Args:
        columns: the columns.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--cursor"}

    DEFAULT_CSS = """
    TableView {
        .table--cursor { background: $primary 30%; text-style: bold; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", id="table.up", tooltip="one row up", show=False),
        Binding("down", "move(1)", "Down", id="table.down", tooltip="one row down", show=False),
        Binding("pageup", "move(-10)", "Page up", id="table.page-up", tooltip="ten rows up", show=False),
        Binding("pagedown", "move(10)", "Page down", id="table.page-down", tooltip="ten rows down", show=False),
        Binding("home", "move(-1000000)", "First", id="table.first", tooltip="to the first row", show=False),
        Binding("end", "move(1000000)", "Last", id="table.last", tooltip="to the last row", show=False),
    ]

    cursor = reactive(0)

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, view: TableView, index: int) -> None:
            super().__init__()
            self.view = view
            self.index = index

        @property
        def control(self) -> TableView:
            """The table."""
            return self.view

    class Chosen(Moved):
        """A row was clicked while the cursor was on it."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id, classes=classes)
        self._columns = columns
        self._rows: Sequence[TableRow] = ()
        self._top = 0

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Take other columns; `show_rows` shows them."""
        self._columns = columns

    def show_rows(self, rows: Sequence[TableRow], *, cursor: int | None = None) -> None:
        """Show other rows; the cursor stays where it is unless another row is given."""
        resized = len(rows) != len(self._rows)
        self._rows = rows
        wanted = self.cursor if cursor is None else cursor
        self.cursor = max(min(wanted, len(rows) - 1), 0)
        self.redraw()
        if resized:
            self.refresh(layout=True)

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(min(cursor, len(self._rows) - 1), 0)

    def watch_cursor(self, cursor: int) -> None:
        """Show the row under the cursor and tell where it is."""
        self.redraw()
        if self._rows:
            self.post_message(self.Moved(self, cursor))

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self.cursor += by

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row that was clicked; choose it when it is there."""
        offset = event.get_content_offset(self)
        index = -1 if offset is None else self._top + offset.y - 1
        if 0 <= index < len(self._rows) and (offset is None or offset.y):
            if index == self.cursor:
                self.post_message(self.Chosen(self, index))
            self.cursor = index

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002  Textual's signature
        """Return the height of the heading and all rows, for a height of "auto"."""
        return len(self._rows) + 1

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows around the cursor."""
        room = max(height - 1, 1)
        self._top = max(min(self._top, self.cursor), self.cursor - room + 1, 0)
        self._top = min(self._top, max(len(self._rows) - room, 0))
        cursor = self.cursor if self._rows else None
        return table(self._columns, self._rows, width, height, cursor=cursor, top=self._top)

    def strip_of(self, row: Row, number: int) -> Strip:
        """Return a row, on another background when the cursor is on it."""
        if not self._rows or number != self.cursor - self._top + 1:
            return super().strip_of(row, number)
        ground = Style(bgcolor=self.get_component_rich_style("table--cursor").bgcolor)
        return Strip([Segment(text, self.style_of(role) + ground) for text, role in row], self.size.width)
