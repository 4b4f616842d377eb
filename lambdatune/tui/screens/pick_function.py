"""Choosing a function from those of the account or endpoint, or a bundled one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.live.messages import FunctionListed, FunctionsListed, ListFunctions
from lambdatune.session.samples import sample_names
from lambdatune.tui.charts.canvas import PLAIN
from lambdatune.tui.charts.table import Column
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from lambdatune.session.live.link import Engine
    from lambdatune.tui.charts.table import TableRow

_CUT_AT = 1000
"""As many functions as are listed at the most (`lambdatune.aws.functions.MOST_LISTED`)."""

_ROOM = 80
"""Columns of the terminal from which names are cut later."""

_NAME_COLUMNS, _NAME_COLUMNS_LEAST = 30, 26
_COLUMNS = (
    Column("name", "function", right=False),
    Column("runtime", "runtime", right=False, drop=1),
    Column("memory", "memory", drop=2),
    Column("architecture", "", right=False, drop=4),
    Column("modified", "changed", right=False, drop=3),
)


class PickFunction(ModalScreen[str | None]):
    """Lists functions, those that hold the typed words; gives the name of the chosen one.

    Args:
        engine: is asked for the functions.
        place: where they are looked for.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", id="pick.cancel", tooltip="go back and choose none"),
        Binding("up", "move(-1)", "Up", id="pick.up", tooltip="the function above", show=False),
        Binding("down", "move(1)", "Down", id="pick.down", tooltip="the function below", show=False),
        Binding("pageup", "move(-10)", "Page up", id="pick.page-up", tooltip="ten functions up", show=False),
        Binding("pagedown", "move(10)", "Page down", id="pick.page-down", tooltip="ten functions down", show=False),
    ]

    def __init__(self, engine: Engine, place: ListFunctions) -> None:
        super().__init__()
        self._engine = engine
        self._place = place
        self._functions: Sequence[FunctionListed] = ()
        self._said = "… looking for functions"
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        """Lay the list out."""
        with Vertical(id="dialog", classes="pick") as dialog:
            dialog.border_title = "Choose a function"
            yield Input(placeholder="filter: words of name, runtime or size", id="filter")
            yield TableView(_COLUMNS, id="functions")
            yield Static(id="said", markup=False)
            yield Static("↑↓ move   enter takes it   esc cancels", classes="keys")

    def on_mount(self) -> None:
        """Ask for the functions; the bundled ones are there at once."""
        self.query_one(TableView).can_focus = False
        self._show()
        self._look()

    @work
    async def _look(self) -> None:
        try:
            answer = await self._engine.ask(self._place)
        except LambdatuneError as error:
            self._said = _refusal(error.message, error.hint)
        else:
            if isinstance(answer, FunctionsListed):
                self._functions = answer.functions
                count = len(answer.functions)
                some = f"the first {count:,} functions" if count >= _CUT_AT else f"{count} function{'s' * (count != 1)}"
                self._said = f"{some} {answer.place}" if count else f"○ there is no function {answer.place}"
            else:
                self._said = _refusal(getattr(answer, "message", "no list came"), getattr(answer, "hint", None))
        self._show()

    @on(Input.Changed)
    def _show(self) -> None:
        words = self.query_one("#filter", Input).value.casefold().split()
        columns = _NAME_COLUMNS if self.size.width >= _ROOM else _NAME_COLUMNS_LEAST
        found = [
            *((name, _bundled(name)) for name in sample_names()),
            *((function.name, _row(function, columns)) for function in self._functions),
        ]
        found = [(name, row) for name, row in found if all(word in _searched(name, row) for word in words)]
        rows = [row for _, row in found]
        self._shown = [name for name, _ in found]
        self.query_one(TableView).show_rows(rows, cursor=0)
        said = self._said if rows else f"{self._said}\n○ none of them holds these words"
        self.query_one("#said", Static).update(said)
        self._name_whole()

    def on_resize(self) -> None:
        """Fit the names into the width."""
        self._show()

    @on(TableView.Moved)
    def _name_whole(self) -> None:
        """Tell the whole name under the cursor, which the table may have no room for."""
        cursor = self.query_one(TableView).cursor
        name = self._shown[cursor] if cursor < len(self._shown) else ""
        self.query_one("#dialog").border_subtitle = name

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self.query_one(TableView).action_move(by)

    @on(Input.Submitted)
    @on(TableView.Chosen)
    def _take(self) -> None:
        if self._shown:
            self.dismiss(self._shown[self.query_one(TableView).cursor])

    def action_leave(self) -> None:
        """Go back without choosing."""
        self.dismiss(None)


def _bundled(name: str) -> TableRow:
    return {"name": (name, PLAIN), "runtime": ("bundled", PLAIN), "modified": ("no account", PLAIN)}


def _row(function: FunctionListed, columns: int) -> TableRow:
    return {
        "name": (_short(function.name, columns), PLAIN),
        "runtime": (function.runtime or "image", PLAIN),
        "architecture": (function.architecture, PLAIN),
        "memory": (f"{function.memory_mb} MB", PLAIN),
        "modified": (function.modified[:10], PLAIN),
    }


def _short(name: str, columns: int) -> str:
    """Return a name with its middle left out: functions of one stack differ at both ends."""
    end = columns // 3
    return name if len(name) <= columns else f"{name[: columns - end - 1]}…{name[-end:]}"


def _searched(name: str, row: TableRow) -> str:
    return " ".join([name, *(text for text, _ in row.values())]).casefold()


def _refusal(message: str, hint: str | None) -> str:
    return f"✗ {message}" + (f"\nhint: {hint}" if hint else "")
