"""The far end of a shard on a Dask worker: a load process like any other, whose frames are passed on.

Functions here run in the worker's event loop, called by `load.cluster` through the scheduler. A worker that does not
hear from its client for some seconds ends the load process: load that nobody wants must not go on.
"""

from __future__ import annotations

import asyncio
import logging
import time

import lambdatune
from lambdatune.load.process import ShardProcess

LEASE_S = 2.5
"""Without a word of the client for so long, it is gone: longer than it may be busy, short enough to stop soon."""

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
        self.heard_s = time.monotonic()
        self._reader = asyncio.create_task(self._read())
        self.watch: asyncio.Task[None] | None = None

    async def _read(self) -> None:
        frame: tuple[int, bytes] | None = (0, b"")
        while frame is not None:
            frame = await self.process.receive_frame()
            await self.frames.put(frame)

    async def end(self) -> None:
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
        hosted.heard_s = time.monotonic()
        hosted.process.pass_on(frames)


async def take_frames(key: str, wait_s: float) -> list[tuple[int, bytes]] | None:
    """Return what a load process has sent, after waiting for it for `wait_s` at the most; None when it has ended."""
    hosted = _hosted.get(key)
    if hosted is None:
        return None
    hosted.heard_s = time.monotonic()
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
        await asyncio.sleep(LEASE_S / 10)
        if time.monotonic() - hosted.heard_s > LEASE_S:
            del _hosted[key]
            await hosted.end()
