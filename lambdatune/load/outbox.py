"""The shard's pipe to its parent: never blocks the loop until too much is waiting, and never loses a byte."""

from __future__ import annotations

import collections
import os
import select
import time
from typing import TYPE_CHECKING

from lambdatune.load.poller import WRITE

if TYPE_CHECKING:
    from lambdatune.load.poller import Poller

_MOST_WAITING_BYTES = 64 * 1024 * 1024


class Outbox:
    """Writes frames to a pipe.

    Args:
        fd: the pipe's descriptor, non-blocking.
        poller: of the shard; the pipe is watched there only while something waits.

    Attributes:
        stalled_ns: time spent blocked, because the parent left more than 64 MB waiting.
    """

    def __init__(self, fd: int, poller: Poller) -> None:
        self.fd = fd
        self._poller = poller
        self._waiting: collections.deque[memoryview] = collections.deque()
        self._waiting_bytes = 0
        self._watched = False
        self.stalled_ns = 0

    def put(self, data: bytes) -> None:
        """Write `data` now or later.

        Raises:
            BrokenPipeError: when the parent is gone.
        """
        self._waiting.append(memoryview(data))
        self._waiting_bytes += len(data)
        self.write()
        if self._waiting_bytes > _MOST_WAITING_BYTES:
            self._block()

    def write(self) -> None:
        """Write what the pipe takes.

        Raises:
            BrokenPipeError: when the parent is gone.
        """
        while self._waiting:
            data = self._waiting[0]
            try:
                taken = os.write(self.fd, data)
            except BlockingIOError:
                break
            self._waiting_bytes -= taken
            if taken == len(data):
                self._waiting.popleft()
            else:
                self._waiting[0] = data[taken:]
        if bool(self._waiting) is not self._watched:
            self._watched = bool(self._waiting)
            if self._watched:
                self._poller.register(self.fd, WRITE)
            else:
                self._poller.unregister(self.fd)

    def drain(self) -> None:
        """Write everything, waiting as long as it takes.

        Raises:
            BrokenPipeError: when the parent is gone.
        """
        while self._waiting:
            select.select((), (self.fd,), ())
            self.write()

    def _block(self) -> None:
        began_ns = time.monotonic_ns()
        while self._waiting_bytes > _MOST_WAITING_BYTES // 2:
            select.select((), (self.fd,), ())
            self.write()
        self.stalled_ns += time.monotonic_ns() - began_ns
