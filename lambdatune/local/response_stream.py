"""What a runtime streams, on its way to the client: chunk by chunk, and no more in memory than a client takes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_BYTES = 200 * 1024 * 1024
"""Largest streamed response (AWS docs, "Lambda quotas")."""
_HIGH_BYTES = 1024 * 1024
"""How much waits for a client before the runtime waits too."""


class BrokenStreamError(Exception):
    """A response that ended before its end, whose client must not take it for whole."""


class ResponseStream:
    """The streamed response of one call, between the runtime's connection and the client's.

    Attributes:
        content_type: as the runtime said it, once the response has begun.
        queued_ns: how long the call waited for the host's CPU.
        size: bytes that the runtime has sent.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.queued_ns = 0
        self.size = 0
        self._begun = False
        self._ended = False
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._source: asyncio.Transport | None = None
        self._paused = False

    def begin(self, content_type: str, source: asyncio.Transport | None) -> None:
        """Note that the runtime began to respond; `source` is told to wait when the client does not keep up."""
        self.content_type = content_type
        self._source = source
        self._begun = True
        self._news.set()

    def feed(self, data: bytes) -> bool:
        """Take a chunk; return whether the response is still within AWS's limit. What comes too late is dropped."""
        self.size += len(data)
        if self._ended or self.size > MAX_BYTES:
            return self.size <= MAX_BYTES
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self._news.set()
        if self._waiting_bytes > _HIGH_BYTES and not self._paused and self._source is not None:
            self._source.pause_reading()
            self._paused = True
        return True

    def end(self) -> None:
        """Note that the call has ended, so that nothing follows."""
        self._ended = True
        self._news.set()
        self._resume()

    async def begins(self) -> bool:
        """Wait until the response begins (True), or the call ends without (False)."""
        while not self._begun and not self._ended:
            await self._change()
        return self._begun

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give what the runtime sends as it comes, until the call has ended."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting_bytes -= len(chunk)
                if self._waiting_bytes <= _HIGH_BYTES:
                    self._resume()
                yield chunk
            if self._ended:
                return
            await self._change()

    async def _change(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _resume(self) -> None:
        if self._paused and self._source is not None:
            self._paused = False
            if not self._source.is_closing():
                self._source.resume_reading()
