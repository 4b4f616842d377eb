"""Small questions over a screen: a text, such as a path to write to, and a yes or no."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from lambdatune.model.errors import LambdatuneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult


class AskText(ModalScreen[str | None]):
    """Asks for a text and does something with it; one that cannot be used is said beside it, and asked again.

    Args:
        title: what is asked.
        hint: what may be typed.
        suggestion: stands there at first.
        use: does it, and returns what to tell.
        does: what enter does.
        is_slow: whether it is done in another thread, so that the screen goes on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", id="dialog.cancel", tooltip="go back and do nothing"),
    ]

    def __init__(
        self,
        title: str,
        hint: str,
        suggestion: str,
        use: Callable[[str], str],
        *,
        does: str = "writes it",
        is_slow: bool = False,
    ) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._suggestion = suggestion
        self._use = use
        self._does = does
        self._is_slow = is_slow
        self._busy = False

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = self._title
            yield Static(self._hint, id="hint", markup=False)
            yield Input(self._suggestion, select_on_focus=False, id="text")
            yield Static(id="wrong", markup=False)
            yield Static(f"enter {self._does}   esc cancels", classes="keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Try the text."""
        event.stop()
        if self._busy:
            return
        if self._is_slow:
            self._busy = True
            self._say("… working")
            self.run_worker(self._try_slowly(event.value), group="ask")
            return
        try:
            told = self._use(event.value)
        except LambdatuneError as error:
            self._refuse(error)
        else:
            self.dismiss(told)

    async def _try_slowly(self, text: str) -> None:
        try:
            told = await asyncio.to_thread(self._use, text)
        except LambdatuneError as error:
            self._refuse(error)
        else:
            self.dismiss(told)
        finally:
            self._busy = False

    def _refuse(self, error: LambdatuneError) -> None:
        self._say(f"✗ {error.message}" + (f"\n  {error.hint}" if error.hint else ""))

    def _say(self, text: str) -> None:
        self.query_one("#wrong", Static).update(text)

    def action_leave(self) -> None:
        """Go back without doing anything; what is under way is waited for."""
        if not self._busy:
            self.dismiss(None)


class Confirm(ModalScreen[bool]):
    """Asks whether to do something that cannot be taken back.

    Args:
        title: what is asked.
        question: what will happen, in words.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="do it"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no", tooltip="go back and do nothing"),
    ]

    def __init__(self, title: str, question: str) -> None:
        super().__init__()
        self._title = title
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = self._title
            with VerticalScroll(id="question"):
                yield Static(self._question, markup=False)
            yield Static("y yes   n no", classes="keys")

    def action_answer(self, answer: bool) -> None:
        """Take the answer."""
        self.dismiss(answer)
