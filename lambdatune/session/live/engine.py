"""The engine process: answers questions of the screens, runs one session at a time, and follows its steering.

When the screens are gone (end of standard input) a run is stopped and undone, and the process ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lambdatune.load.messages import MESSAGE_KIND, FrameReader, frame
from lambdatune.model.errors import ExitCode, LambdatuneError, UsageError
from lambdatune.session.continuing import Continuation
from lambdatune.session.live.answers import answer_to
from lambdatune.session.live.messages import (
    AddSize,
    ChangeLoad,
    ChangeTargets,
    Continue,
    Ended,
    EndSize,
    Follow,
    Pause,
    Question,
    Ready,
    Refused,
    Resume,
    Said,
    Snapshot,
    Start,
    Started,
    Stop,
    ToEngine,
)
from lambdatune.session.live.plans import plan_of_settings
from lambdatune.session.live.snapshot import snapshot_of
from lambdatune.session.live.tally import Tally
from lambdatune.session.run_directory import RunDirectory
from lambdatune.session.session import Session, exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from lambdatune.model.plan import Plan
    from lambdatune.session.events import Progress
    from lambdatune.session.live.messages import FromEngine
    from lambdatune.stats.rows import Rows

_SNAPSHOT_EVERY_S = 0.25
"""The screens draw no more often."""
_STDIN, _STDOUT = 0, 1
_Steering = Pause | Resume | EndSize | AddSize | ChangeTargets | ChangeLoad | Follow | Stop


class LiveRun:
    """One session and what is told of it.

    Args:
        plan: what to measure.
        output: directory in which the run's directory is made.
        tell: sends a message to the screens.
        continued: the run that goes on; None for a new one.

    Attributes:
        session: not begun yet.
    """

    def __init__(
        self, plan: Plan, output: Path, tell: Callable[[FromEngine], None], continued: Continuation | None = None
    ) -> None:
        self.session = Session(plan, output=output, observer=self, continued=continued)
        self._tell = tell
        self._began_s = time.monotonic()
        self._tally = Tally(time.time_ns())
        self._progress: Progress | None = None
        self._followed: int | None = None
        self._set_aside = -1
        self._has_begun = False

    def narrate(self, sentence: str) -> None:
        """Pass on that something happened."""
        self._tell_begun()
        is_warning = sentence.startswith("warning:")
        self._tell(Said(self._elapsed_s, sentence, "warning" if is_warning else "info"))

    def progress(self, snapshot: Progress) -> None:
        """Keep where the session is for the next snapshot."""
        self._progress = snapshot

    def measured(self, rows: Rows) -> None:
        """Count calls."""
        self._tally.add(rows)

    async def run(self) -> Ended:
        """Run the session; return how it ended."""
        watching = asyncio.create_task(self._watch())
        try:
            result = await self.session.run()
            # Of the last calls, too, before the screens are told of the end.
            self._snapshot()
        except LambdatuneError as error:
            return Ended(error.exit_code, self._path, error.message, error.hint)
        except Exception as error:  # noqa: BLE001  the border of the process: the screens get a sentence, the log the rest
            traceback.print_exc()
            return Ended(ExitCode.INTERNAL, self._path, f"internal error: {type(error).__name__}: {error}")
        finally:
            watching.cancel()
        if result is None:
            return Ended(ExitCode.INTERRUPTED, None)
        return Ended(exit_code(result), self._path)

    async def steer(self, wish: _Steering) -> None:
        """Follow a wish.

        Raises:
            UsageError: when it cannot be followed; nothing is changed then.
        """
        if isinstance(wish, Stop):
            self.session.stop(abandon=wish.abandon)
            return
        if isinstance(wish, Follow):
            self._followed = wish.cell
            self._snapshot()
            return
        underway = self.session.underway
        if underway is None or underway.measurement.is_over:
            raise UsageError(
                "nothing is measured now, so that there is nothing to steer", hint="wait for the first call"
            )
        steering, measurement = underway.steering, underway.measurement
        match wish:
            case Pause():
                measurement.pause()
            case Resume():
                measurement.resume()
            case EndSize(memory_mb):
                steering.end_size(memory_mb)
            case AddSize(memory_mb):
                steering.add_size(memory_mb)
            case ChangeTargets(targets):
                steering.change_targets(targets)
            case ChangeLoad(concurrency, rate):
                await steering.change_load(concurrency, rate)
        self._snapshot()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_SNAPSHOT_EVERY_S)
            self._snapshot()

    def _snapshot(self) -> None:
        self._tell_begun()
        underway = self.session.underway
        if underway is None:
            return
        set_aside = sum(len(rows) for cell in underway.evidence for rows in cell.aside)
        if set_aside != self._set_aside:
            # At first, too: a run that goes on has rows already.
            self._set_aside = set_aside
            self._tally.begin_anew(underway.evidence)
        self._tell(
            snapshot_of(
                underway, self._tally, self._progress,
                elapsed_s=self._elapsed_s, now_ns=time.time_ns(), followed=self._followed,
            )
        )  # fmt: skip

    def _tell_begun(self) -> None:
        directory = self.session.run_directory
        if directory is not None and not self._has_begun:
            self._has_begun = True
            self._tell(Started(directory.id, str(directory.path)))

    @property
    def _path(self) -> str | None:
        directory = self.session.run_directory
        return None if directory is None else str(directory.path)

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


class EngineServer:
    """Reads messages and serves them, each in a task of its own.

    Args:
        writer: to the screens.
    """

    def __init__(self, writer: asyncio.WriteTransport) -> None:
        self._writer = writer
        self._tasks: set[asyncio.Task[None]] = set()
        self._run: LiveRun | None = None

    def tell(self, message: FromEngine) -> None:
        """Send a message; a snapshot only when the one before has left, so that slow screens get the newest."""
        if self._writer.is_closing():
            return
        if isinstance(message, Snapshot) and self._writer.get_write_buffer_size():
            return
        self._writer.write(frame(MESSAGE_KIND, msgspec.msgpack.encode(message)))

    def take(self, message: ToEngine) -> None:
        """Begin to serve a message."""
        if isinstance(message, Start | Continue):
            self._begin(self._start(message))
        elif isinstance(message, Question):
            self._begin(self._answer(message))
        elif isinstance(message, _Steering):
            self._begin(self._steer(message))

    def stop(self, *, abandon: bool) -> None:
        """End the run, if any."""
        if self._run is not None:
            self._run.session.stop(abandon=abandon)

    async def finish(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, question: Question) -> None:
        number = question.question
        try:
            self.tell(await answer_to(question))
        except LambdatuneError as error:
            self.tell(_refused(number, error))
        except Exception as error:  # noqa: BLE001  as in LiveRun.run
            traceback.print_exc()
            self.tell(Refused(number, f"internal error: {type(error).__name__}: {error}", exit_code=ExitCode.INTERNAL))

    async def _start(self, start: Start | Continue) -> None:
        if self._run is not None:
            self.tell(Refused(None, "a run is under way", "stop it first"))
            return
        try:
            run = self._run = self._made(start)
        except LambdatuneError as error:
            self.tell(Ended(error.exit_code, None, error.message, error.hint))
            return
        try:
            ended = await run.run()
        finally:
            self._run = None
        self.tell(ended)

    def _made(self, start: Start | Continue) -> LiveRun:
        """Return the run that is asked for, not begun yet.

        Raises:
            UsageError: when it cannot be begun, or gone on with.
        """
        if isinstance(start, Start):
            return LiveRun(plan_of_settings(start.settings), Path(start.output), self.tell)
        directory = RunDirectory(Path(start.run_path))
        continued = Continuation.of(directory)
        return LiveRun(continued.plan, directory.path.parent, self.tell, continued)

    async def _steer(self, wish: _Steering) -> None:
        run = self._run
        if run is None:
            if not isinstance(wish, Stop):
                self.tell(Refused(None, "no run is under way", "start one first"))
            return
        try:
            await run.steer(wish)
        except LambdatuneError as error:
            self.tell(_refused(None, error))


def _refused(number: int | None, error: LambdatuneError) -> Refused:
    return Refused(number, error.message, error.hint, error.setting, error.exit_code)


async def serve() -> None:
    """Serve until the screens are gone and a run, if any, is undone."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(_STDOUT, "wb", closefd=False))
    server = EngineServer(transport)

    def terminate() -> None:
        server.stop(abandon=True)
        ended.set()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    server.tell(Ready(os.getpid()))
    await loop.connect_read_pipe(lambda: _Input(server, ended), os.fdopen(_STDIN, "rb", closefd=False))
    await ended.wait()
    server.stop(abandon=False)
    await server.finish()
    transport.close()


class _Input(asyncio.Protocol):
    """Standard input: frames in, and its end."""

    def __init__(self, server: EngineServer, ended: asyncio.Event) -> None:
        self._server = server
        self._ended = ended
        self._frames = FrameReader()

    def data_received(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self._server.take(_DECODER.decode(payload))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._ended.set()


_DECODER: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)


def main() -> int:
    """Run an engine process; return its exit status."""
    # The screens' terminal is not the engine's to end with: what is changed has to be undone first.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(serve())
    return 0
