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
from support.screens import settled

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
    """The app with the Run screen over the list of runs, whose session is told by the test."""

    CSS_PATH = Path(lambdatune.tui.app.__file__).with_name("lambdatune.tcss")

    def __init__(self, screen: RunScreen) -> None:
        super().__init__(Path("runs"))
        self.run_screen = screen

    def on_mount(self, event: Mount) -> None:
        """Show the Run screen, and no plan before it."""
        event.prevent_default()
        self.push_screen(HistoryScreen(self.output))
        self.push_screen(self.run_screen)


@asynccontextmanager
async def watched(
    snapshot: Snapshot | None, *, said: Sequence[Said] = (), size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Pilot[None], RunScreen, Listener]]:
    """Open the Run screen over a snapshot, and wait until it stands still."""
    engine = Listener()
    screen = RunScreen(engine, snapshot)
    app = LiveApp(screen)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for one in said:
            screen.said(one)
        screen._draw()
        await settled(pilot)
        yield pilot, screen, engine
