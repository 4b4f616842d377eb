"""A load process as its parent sees it: started, spoken to, and always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from lambdatune.load.messages import (
    HEADER_BYTES,
    MESSAGE_KIND,
    Close,
    decode_from_shard,
    message_frame,
    split_header,
)
from lambdatune.model.errors import LambdatuneError

if TYPE_CHECKING:
    from lambdatune.load.messages import FromShard, ToShard

_END_WITHIN_S = 2.0
_STDERR_BYTES = 16 * 1024
_BUFFER_BYTES = 1 << 20


class ShardProcess:
    """One child process.

    Attributes:
        number: of the shard.
        pid: of the process.
    """

    survivable = False
    """A process of this machine that dies is a fault of this machine: the order ends."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self.number = number
        self.pid = process.pid
        self._process = process
        self._stderr = b""
        self._stderr_reader = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, number: int) -> ShardProcess:
        """Start a load process.

        Its process group is its own, so that Ctrl-C in the terminal reaches the parent only. AWS's variables
        are taken out of its environment: credentials travel through the pipe.

        Raises:
            LambdatuneError: when the host starts no process.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "lambdatune.load.shard",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                limit=_BUFFER_BYTES,
                process_group=0,
            )  # fmt: skip
        except OSError as error:
            raise LambdatuneError(f"a load process could not be started: {error.strerror}") from error
        return cls(number, process)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, by itself or not."""
        return self._process.returncode is not None

    def send(self, message: ToShard) -> None:
        """Send a message; nothing happens when the process is gone, which `receive` tells."""
        self.pass_on(message_frame(message))

    def pass_on(self, frames: bytes) -> None:
        """Send whole frames as they are."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(frames)

    def halt(self) -> None:
        """Stop the process where it is, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a halted process go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(which)

    async def receive(self) -> FromShard | bytes | None:
        """Return the next message or batch of rows; None when the process ended."""
        frame = await self.receive_frame()
        if frame is None:
            return None
        kind, payload = frame
        return decode_from_shard(payload) if kind == MESSAGE_KIND else payload

    async def receive_frame(self) -> tuple[int, bytes] | None:
        """Return kind and payload of the next frame; None when the process ended."""
        assert self._process.stdout is not None
        try:
            kind, length = split_header(await self._process.stdout.readexactly(HEADER_BYTES))
            return kind, await self._process.stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def obituary(self) -> str:
        """Return how the process ended and the last line it said, after `receive` returned None."""
        try:
            status = await asyncio.wait_for(self._process.wait(), _END_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            status = await self._process.wait()
        await self._stderr_reader
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()}" if lines else how

    async def close(self) -> None:
        """End the process: asked, then terminated, then killed. Returns when it is reaped."""
        assert self._process.stdin is not None
        try:
            self.send(Close())
            self._process.stdin.close()
            for insist in (self._process.terminate, self._process.kill):
                try:
                    await asyncio.wait_for(self._process.wait(), _END_WITHIN_S)
                    break
                except TimeoutError:
                    insist()
        finally:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            await self._stderr_reader

    async def _read_stderr(self) -> None:
        """Keep the last of what the process says on standard error."""
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_STDERR_BYTES):
            self._stderr = (self._stderr + data)[-_STDERR_BYTES:]
