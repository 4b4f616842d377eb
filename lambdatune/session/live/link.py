"""The screens' end of the engine process: started, asked, watched, and always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Protocol

import msgspec

from lambdatune.load.messages import HEADER_BYTES, MESSAGE_KIND, frame, split_header
from lambdatune.model.errors import LambdatuneError
from lambdatune.session.live.messages import Ended, FromEngine, Ready, Refused, Said, Snapshot, Started, Stop, ToEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import IO

    from lambdatune.session.live.messages import Answer, Question

News = Started | Said | Snapshot | Ended | Refused
"""What an engine tells unasked; a Refused without a question is about a steering."""

_END_WITHIN_S = 5.0
_POLL_S = 0.02
_STDERR_BYTES = 16 * 1024
_BUFFER_BYTES = 1 << 22


class Engine(Protocol):
    """An engine as a screen sees it."""

    def tell(self, message: ToEngine) -> None:
        """Send a message that is not answered; nothing happens when the engine is gone."""

    async def ask(self, question: Question) -> Answer:
        """Return the answer to a question, whose number is given here."""


class EngineProcess:
    """The child process that runs sessions.

    Attributes:
        pid: of the process.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stdin: asyncio.WriteTransport,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._stdin, self._stdout, self._stderr_stream = stdin, stdout, stderr
        self._questions = 0
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._news: deque[News] = deque()
        self._heard = asyncio.Event()
        self._gone = False
        self._stderr = b""
        self._readers = (asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr()))

    @classmethod
    async def start(cls) -> EngineProcess:
        """Start an engine.

        Its session is its own, so that neither Ctrl-C nor the end of the terminal reaches it: the screens say when it
        ends, and when they are gone it stops, undoes and ends by itself. It is no child of asyncio's, which would kill
        it in the middle of that when the screens' loop ends.

        Raises:
            LambdatuneError: when the host starts no process, or it does not get ready.
        """
        try:
            process = subprocess.Popen(  # noqa: ASYNC220  asyncio's own would kill it with the loop
                [sys.executable, "-m", "lambdatune.session.live"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise LambdatuneError(f"the engine could not be started: {error.strerror}") from error
        assert process.stdin is not None
        loop = asyncio.get_running_loop()
        stdin, _ = await loop.connect_write_pipe(asyncio.Protocol, process.stdin)
        return cls(process, stdin, await _reader(process.stdout), await _reader(process.stderr))

    @property
    def is_gone(self) -> bool:
        """Whether the process ended, by itself or not."""
        return self._gone

    def tell(self, message: ToEngine) -> None:
        """Send a message; nothing happens when the engine is gone, which `watch` tells."""
        if not self._stdin.is_closing():
            self._stdin.write(frame(MESSAGE_KIND, msgspec.msgpack.encode(message)))

    async def ask(self, question: Question) -> Answer:
        """Return the answer to a question.

        Raises:
            LambdatuneError: when the engine is gone.
        """
        if self._gone:
            raise LambdatuneError(f"the engine {await self.obituary()}")
        self._questions += 1
        number = self._questions
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self.tell(msgspec.structs.replace(question, question=number))
        try:
            return await answer
        finally:
            self._asked.pop(number, None)

    async def watch(self) -> AsyncIterator[News]:
        """Yield what the engine tells, until it is gone; of snapshots that wait only the newest."""
        while True:
            while self._news:
                yield self._news.popleft()
            if self._gone:
                return
            self._heard.clear()
            await self._heard.wait()

    async def obituary(self) -> str:
        """Return how the process ended and the last line it said, after `watch` ended."""
        status = await self._wait()
        await self._readers[1]
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()}" if lines else how

    async def close(self, within_s: float = _END_WITHIN_S) -> None:
        """End the process: it stops and undoes what it does, then is terminated, then killed. It is reaped after."""
        try:
            self.tell(Stop(abandon=True))
            self._stdin.close()
            for insist, patience_s in ((self._process.terminate, within_s), (self._process.kill, _END_WITHIN_S)):
                try:
                    await asyncio.wait_for(self._wait(), patience_s)
                    break
                except TimeoutError:
                    insist()
        finally:
            if self._process.poll() is None:
                self._process.kill()
            await self._wait()
            await asyncio.gather(*self._readers, return_exceptions=True)

    async def _wait(self) -> int:
        """Return the status of the process when it has ended."""
        while (status := self._process.poll()) is None:  # noqa: ASYNC110  a child of no loop tells no event
            await asyncio.sleep(_POLL_S)
        return status

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                _, length = split_header(await self._stdout.readexactly(HEADER_BYTES))
                self._take(_DECODER.decode(await self._stdout.readexactly(length)))
        self._gone = True
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(Refused(None, f"the engine {await self.obituary()}", exit_code=1))
        self._heard.set()

    def _take(self, message: FromEngine) -> None:
        if isinstance(message, Ready):
            return
        if isinstance(message, News) and not (isinstance(message, Refused) and message.question is not None):
            if isinstance(message, Snapshot) and self._news and isinstance(self._news[-1], Snapshot):
                self._news.pop()
            self._news.append(message)
            self._heard.set()
            return
        answer = self._asked.get(message.question or 0)
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _read_stderr(self) -> None:
        """Keep the last of what the process says on standard error."""
        while data := await self._stderr_stream.read(_STDERR_BYTES):
            self._stderr = (self._stderr + data)[-_STDERR_BYTES:]


_DECODER: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


async def _reader(pipe: IO[bytes] | None) -> asyncio.StreamReader:
    """Return a pipe as a stream."""
    reader = asyncio.StreamReader(_BUFFER_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
