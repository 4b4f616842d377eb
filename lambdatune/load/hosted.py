"""The far end of a shard on a Dask worker: a load process like any other, whose frames are passed on.

Functions here run in the worker's event loop, called by `load.cluster` through the scheduler. Load that nobody wants
must not go on: a worker that does not hear from its client for most of a second halts the load process, and ends it
after some seconds more. A client that was only busy finds it as it was; the calls that were due meanwhile are late,
and their rows say so.
"""

from __future__ import annotations

import asyncio
import logging
import time

import lambdatune
from lambdatune.load.process import ShardProcess

SILENCE_S = 0.7
"""Without a word of the client for so long, nothing more is sent: with the time to notice it, less than a second."""
_LOOK_EVERY_S = SILENCE_S / 10
LEASE_S = 5.0
"""Without a word of the client for so long, it is gone, and not just busy."""

_WAITING_FRAMES = 64
_MOST_BYTES = 4 * 1024 * 1024

_hosted: dict[str, _Hosted] = {}


class Frames(bytes):
    """Frames on their way to a load process, credentials among them: their text form, which logs may hold, is empty."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


class _Routine(logging.Filter):
    """Keeps out of a worker's log that it was asked again, several times a second."""

    def filter(self, record: logging.LogRecord) -> bool:
        named = record.args[0] if isinstance(record.args, tuple) and record.args else None
        return named not in {"put_frames", "take_frames"} or record.levelno > logging.INFO


class _Hosted:
    """A load process on this worker, and the frames of it that wait to be fetched."""

    def __init__(self, process: ShardProcess) -> None:
        self.process = process
        self.frames: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(_WAITING_FRAMES)
        self._heard_s = time.monotonic()
        self._halted = False
        self._reader = asyncio.create_task(self._read())
        self.watch: asyncio.Task[None] | None = None

    def hear(self) -> None:
        """Note that the client is there."""
        self._heard_s = time.monotonic()
        if self._halted:
            self._halted = False
            self.process.resume()

    def look(self) -> bool:
        """Halt the load when the client is silent; return whether it is gone."""
        silent_s = time.monotonic() - self._heard_s
        if silent_s > SILENCE_S and not self._halted:
            self._halted = True
            self.process.halt()
        return silent_s > LEASE_S

    async def _read(self) -> None:
        frame: tuple[int, bytes] | None = (0, b"")
        while frame is not None:
            frame = await self.process.receive_frame()
            await self.frames.put(frame)

    async def end(self) -> None:
        if self._halted:
            # Not resumed: it would make the calls that were due.
            self.process.kill()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.process.close()


async def open_shard(key: str, number: int) -> str:
    """Start load process `number` under the name `key`; return this worker's version of lambdatune.

    Raises:
        LambdatuneError: when this host starts no process.
    """
    log = logging.getLogger("distributed.worker")
    if not any(isinstance(each, _Routine) for each in log.filters):
        log.addFilter(_Routine())
    hosted = _hosted[key] = _Hosted(await ShardProcess.start(number))
    hosted.watch = asyncio.create_task(_watch(key, hosted))
    return lambdatune.__version__


async def put_frames(key: str, frames: Frames) -> None:
    """Pass frames, or none as a sign of life, on to a load process."""
    hosted = _hosted.get(key)
    if hosted is not None:
        hosted.hear()
        hosted.process.pass_on(frames)


async def take_frames(key: str, wait_s: float) -> list[tuple[int, bytes]] | None:
    """Return what a load process has sent, after waiting for it for `wait_s` at the most; None when it has ended."""
    hosted = _hosted.get(key)
    if hosted is None:
        return None
    hosted.hear()
    try:
        frame = await asyncio.wait_for(hosted.frames.get(), wait_s)
    except TimeoutError:
        return []
    found: list[tuple[int, bytes]] = []
    size = 0
    while frame is not None:
        found.append(frame)
        size += len(frame[1])
        if hosted.frames.empty() or size > _MOST_BYTES:
            return found
        frame = hosted.frames.get_nowait()
    # Its end is told of the next time, after what it sent before.
    hosted.frames.put_nowait(None)
    return found or None


async def close_shard(key: str) -> str | None:
    """End a load process; return how it ended if it had ended by itself, None otherwise."""
    hosted = _hosted.pop(key, None)
    if hosted is None:
        return None
    said = await hosted.process.obituary() if hosted.process.has_ended else None
    await hosted.end()
    return said


async def _watch(key: str, hosted: _Hosted) -> None:
    while _hosted.get(key) is hosted:
        began_s = time.monotonic()
        await asyncio.sleep(_LOOK_EVERY_S)
        if time.monotonic() - began_s > 2 * _LOOK_EVERY_S:
            # The worker itself was busy: what the client said meanwhile is read before the look.
            await asyncio.sleep(_LOOK_EVERY_S)
        if hosted.look():
            del _hosted[key]
            await hosted.end()
