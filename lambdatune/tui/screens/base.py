"""What every screen has: a bar at the top, its body, the keys below, and one line where the terminal is too small."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

LEAST_WIDTH, LEAST_HEIGHT = 60, 20
_ROOM_FOR_NOTES = 23
"""Rows below which a screen leaves out what is only said besides."""


class LambdatuneScreen(Screen[None]):
    """A full screen; subclasses give `body` and `bar`.

    Classes ``-tiny``, ``-narrow`` and ``-wide`` tell the width, ``-low``, ``-short`` and ``-tall`` the height. They
    stand on the screen itself, and a screen's stylesheet does not reach the screen: rules begin with its name.
    """

    MEANWHILE: ClassVar[str] = "q leaves"
    """What is said besides where the terminal is too small."""

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  Textual declares it
        (0, "-tiny"), (LEAST_WIDTH, "-narrow"), (100, "-wide"),
    ]  # fmt: skip
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012  Textual declares it
        (0, "-low"), (LEAST_HEIGHT, "-short"), (32, "-tall"),
    ]  # fmt: skip

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="bar")
        with Container(id="body"):
            yield from self.body()
        yield Static(id="too-small")
        yield Footer(show_command_palette=False, compact=True)

    def body(self) -> Iterable[Widget]:
        """Return the widgets between the bar and the keys."""
        return ()

    def say(self, *parts: str | tuple[str, str]) -> None:
        """Write the bar at the top: texts, or texts with their style, after the name of the program."""
        content = Content.assemble((" lambdatune  ", "bold"), *parts)
        self.query_one("#bar", Static).update(content, layout=False)

    def on_resize(self, event: events.Resize) -> None:
        """Say what is needed when the terminal is too small for the screen."""
        size = event.size
        self.set_class(size.height < _ROOM_FOR_NOTES, "is-cramped")
        self.query_one("#too-small", Static).update(
            f"{LEAST_WIDTH}x{LEAST_HEIGHT} needed, have {size.width}x{size.height}; {self.MEANWHILE}"
        )
