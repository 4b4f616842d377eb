"""Choosing a function from those of the account or endpoint, or a bundled one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.live.messages import FunctionListed, FunctionsListed, ListFunctions
from lambdatune.session.samples import sample_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from lambdatune.session.live.link import Engine

_CUT_AT = 1000
"""As many functions as are listed at the most (`lambdatune.aws.functions.MOST_LISTED`)."""

_NAME_COLUMNS = 26
_DATE_ROOM = 66


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

    def compose(self) -> ComposeResult:
        """Lay the list out."""
        with Vertical(id="dialog", classes="pick") as dialog:
            dialog.border_title = "Choose a function"
            yield Input(placeholder="filter: words of name, runtime or size", id="filter")
            yield OptionList(id="functions", markup=False)
            yield Static(id="said", markup=False)
            yield Static("↑↓ move   enter takes it   esc cancels", classes="keys")

    def on_mount(self) -> None:
        """Ask for the functions; the bundled ones are there at once."""
        self.query_one(OptionList).can_focus = False
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

    def on_resize(self) -> None:
        """Fit the rows into the width."""
        self._show()

    @on(Input.Changed)
    def _show(self) -> None:
        words = self.query_one("#filter", Input).value.casefold().split()
        listed = self.query_one(OptionList)
        room = max(listed.content_size.width, 30)
        options = [
            Option(row, id=name)
            for name, row in [
                *((sample, _sample_row(sample)) for sample in sample_names()),
                *((function.name, _row(function, room)) for function in self._functions),
            ]
            if all(word in f"{name} {row}".casefold() for word in words)
        ]
        listed.clear_options()
        listed.add_options(options)
        if options:
            listed.highlighted = 0
        said = self.query_one("#said", Static)
        said.update(self._said if options else f"{self._said}\n○ none of them holds these words")

    def action_move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        listed = self.query_one(OptionList)
        if listed.option_count:
            listed.highlighted = min(max((listed.highlighted or 0) + by, 0), listed.option_count - 1)

    @on(Input.Submitted)
    def _take(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is not None:
            self.dismiss(option.id)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_leave(self) -> None:
        """Go back without choosing."""
        self.dismiss(None)


def _sample_row(name: str) -> Content:
    return Content.assemble(name.ljust(_NAME_COLUMNS), "  bundled, needs no account")


def _row(function: FunctionListed, room: int) -> Content:
    runtime = function.runtime or "image"
    facts = f"{runtime:<11} {function.memory_mb:>5} MB"
    if room >= _DATE_ROOM:
        facts += f"  {function.architecture:<7}  {function.modified[:10]}"
    columns = max(room - len(facts) - 3, 10)
    name = function.name if len(function.name) <= columns else f"{function.name[: columns - 1]}…"
    return Content(f"{name:<{min(columns, _NAME_COLUMNS) if len(name) <= _NAME_COLUMNS else columns}}  {facts}")


def _refusal(message: str, hint: str | None) -> str:
    return f"✗ {message}" + (f"\nhint: {hint}" if hint else "")
