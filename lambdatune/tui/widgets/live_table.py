"""The table of a running session: the cursor follows the size that is measured until a person picks one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from lambdatune.tui.charts.table import Column, TableRow


class LiveTable(TableView):
    """Posts `Picked` when a person moved the cursor, and not when it followed."""

    class Picked(TableView.Moved):
        """A person chose a row, the one under the cursor included."""

    def show_live(self, columns: Sequence[Column], rows: Sequence[TableRow], cursor: int | None) -> None:
        """Show other columns and rows."""
        self.show_columns(columns)
        self.show_rows(rows, cursor=cursor)

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows, and tell."""
        super().action_move(by)
        self._tell()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row that was clicked, and tell."""
        event.prevent_default()
        super().on_click(event)
        self._tell()

    def _tell(self) -> None:
        if self._rows:
            self.post_message(self.Picked(self, self.cursor))
