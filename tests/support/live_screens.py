"""The Run screen without a session: an engine that keeps what it is told, and the app around the screen."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textual.events import Mount

import lambdatune.tui.app
from lambdatune.tui.app import LambdatuneApp
from lambdatune.tui.screens.history import HistoryScreen
from lambdatune.tui.screens.run import RunScreen
from support.screens import settled, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from textual.pilot import Pilot

    from lambdatune.session.live.messages import Answer, Question, Said, Snapshot, ToEngine


class Listener:
    """The other side of the protocol: keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[ToEngine] = []

    def tell(self, message: ToEngine) -> None:
        """Keep a message."""
        self.heard.append(message)

    async def ask(self, question: Question) -> Answer:
        """Answer nothing: the Run screen has no question."""
        raise AssertionError(question)


class LiveApp(LambdatuneApp):
    """The app with the list of runs, over which a test opens Run screens."""

    CSS_PATH = Path(lambdatune.tui.app.__file__).with_name("lambdatune.tcss")

    def __init__(self) -> None:
        super().__init__(Path("runs"))

    def on_mount(self, event: Mount) -> None:
        """Show the list of runs, and no plan over it."""
        event.prevent_default()
        self.push_screen(HistoryScreen(self.output))


class Watch:
    """The app under test, in which one Run screen after the other is opened: the app takes longest to start."""

    def __init__(self, app: LiveApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def open(self, snapshot: Snapshot | None, said: Sequence[Said] = ()) -> tuple[RunScreen, Listener]:
        """Open a Run screen in place of the one before, and wait until it stands still."""
        self.app.clear_notifications()
        while len(self.app.screen_stack) > 2:
            await self.app.pop_screen()
        engine = Listener()
        screen = RunScreen(engine, snapshot)
        await self.app.push_screen(screen)
        for one in said:
            screen.said(one)
        await drawn(self.pilot, screen)
        return screen, engine

    def text(self) -> str:
        """Return what is on the screen as plain text."""
        return text_of(self.pilot)


async def drawn(pilot: Pilot[None], screen: RunScreen) -> None:
    """Have a screen drawn now, in place of when it is time again, and wait until it is."""
    screen._draw()
    await settled(pilot)


@asynccontextmanager
async def watched(size: tuple[int, int] = (120, 36)) -> AsyncIterator[Watch]:
    """Open the app."""
    app = LiveApp()
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield Watch(app, pilot)
