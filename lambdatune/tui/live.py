"""The run that the screens make: the engine process, which screen its news go to, and how it ends with the screens."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.model.errors import ExitCode
from lambdatune.session.live.link import EngineProcess
from lambdatune.session.live.messages import Continue, Ended, Refused, Said, Snapshot, Start, Started, Stop
from lambdatune.session.run_directory import RunDirectory
from lambdatune.tui.screens.run import RunScreen

if TYPE_CHECKING:
    from lambdatune.session.live.link import News
    from lambdatune.session.live.messages import PlanSettings
    from lambdatune.tui.app import LambdatuneApp

_UNDO_WITHIN_S = 90.0
"""Longest wait for an engine that stops and undoes: calls in flight are given up, AWS may ask for patience."""


class LiveRun:
    """The engine and the run that it makes, if any.

    Args:
        app: whose screens show it.

    Attributes:
        ended: how the last run ended; None before.
        failure: what went wrong in it, as a sentence with its hint; None when nothing did.
    """

    def __init__(self, app: LambdatuneApp) -> None:
        self.ended: Ended | None = None
        self.failure: str | None = None
        self._app = app
        self._engine: EngineProcess | None = None
        self._watching: asyncio.Task[None] | None = None
        self._screen: RunScreen | None = None
        self._path: str | None = None
        self._is_continuing = False
        self._over = asyncio.Event()
        self._over.set()

    @property
    def is_under_way(self) -> bool:
        """Whether a run is made."""
        return not self._over.is_set()

    @property
    def directory(self) -> RunDirectory | None:
        """The directory of the run; None before it began."""
        return None if self._path is None else RunDirectory(Path(self._path))

    async def engine(self) -> EngineProcess:
        """Return the engine, which is started when there is none.

        Raises:
            LambdatuneError: when it cannot be started.
        """
        if self._engine is None or self._engine.is_gone:
            self._engine = await EngineProcess.start()
            self._watching = asyncio.create_task(self._watch(self._engine))
        return self._engine

    async def start(self, settings: PlanSettings, output: Path) -> None:
        """Begin a run and show it.

        Raises:
            LambdatuneError: when there is no engine.
        """
        await self._begin(Start(settings, str(output)))

    async def go_on(self, run: RunDirectory) -> None:
        """Go on with a recorded run and show it.

        Raises:
            LambdatuneError: when there is no engine.
        """
        await self._begin(Continue(str(run.path)))

    async def _begin(self, message: Start | Continue) -> None:
        engine = await self.engine()
        self.ended = self.failure = self._path = None
        self._is_continuing = isinstance(message, Continue)
        self._over.clear()
        self._screen = RunScreen(engine)
        await self._app.push_screen(self._screen)
        engine.tell(message)

    async def stop(self) -> None:
        """End the run at once and wait until what it changed is undone."""
        if self._engine is None or not self.is_under_way:
            return
        self._engine.tell(Stop(abandon=True))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), _UNDO_WITHIN_S)

    async def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            await self._engine.close(_UNDO_WITHIN_S if self.is_under_way else 5.0)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self, engine: EngineProcess) -> None:
        async for news in engine.watch():
            self._pass_on(news)
        if self.is_under_way:
            self._engine_died(f"the engine {await engine.obituary()}")

    def _pass_on(self, news: News) -> None:
        screen = self._screen
        if screen is None:
            return
        match news:
            case Snapshot():
                screen.show(news)
            case Said():
                screen.said(news)
            case Refused():
                screen.refused(news)
            case Started():
                self._path = news.run_path
            case Ended():
                self._end(news)

    def _end(self, ended: Ended) -> None:
        self.ended = ended
        hint = f"\nhint: {ended.hint}" if ended.hint else ""
        self.failure = None if ended.message is None else ended.message + hint
        self._over.set()
        self._path = ended.run_path
        self._screen = None
        self._app.run_ended(self.directory, self.failure, was_continued=self._is_continuing)

    def _engine_died(self, sentence: str) -> None:
        self.ended = Ended(ExitCode.INTERNAL, self._path, sentence)
        self.failure = sentence + (
            f"\nhint: `lambdatune restore {self._path}` undoes what is left" if self._path else ""
        )
        self._over.set()
        if self._screen is not None:
            self._screen.gone(sentence, self._path)


def yield_the_cores() -> None:
    """Let every other process of this machine go first: the screens must not be felt by what is measured.

    Children start with the usual priority. Where the host has no such class, or forbids it, nothing changes.
    """
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))
