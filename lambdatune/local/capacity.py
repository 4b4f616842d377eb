"""The honest gate: no more CPU is promised at once than this host has; what is over waits its turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = 1_000_000
"""Shares are counted in whole millionths of a core, so that adding and taking away leaves no rounding behind."""


class Capacity:
    """Admits work while the sum of its shares fits the host, first come first served; one always runs.

    Args:
        cores: cores of the host; a fraction where a container has a CPU quota.
        reserve: cores kept for the client and the server.
        clock_ns: a monotonic clock in nanoseconds.
    """

    def __init__(self, cores: float, reserve: float, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.cores = cores
        self.limit = max(cores - reserve, 0.1)
        self._limit_units = round(self.limit * _UNITS)
        self._clock_ns = clock_ns
        self._busy_units = 0
        self._running = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.queued_count = 0
        self.queued_max_ns = 0

    @property
    def busy(self) -> float:
        """The sum of the shares that run now, in cores."""
        return self._busy_units / _UNITS

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    @property
    def init_weight(self) -> float:
        """The share of one init: as many as there are cores fit at once."""
        return self.limit / self.cores

    async def acquire(self, share: float) -> int:
        """Wait until `share` cores are free; return how long that took, in nanoseconds (0: not at all)."""
        units = round(min(share, self.cores) * _UNITS)
        if not self._queue and self._fits(units):
            self._take(units)
            return 0
        began_ns = self._clock_ns()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((units, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(share)
            raise
        waited_ns = self._clock_ns() - began_ns
        self.queued_count += 1
        self.queued_max_ns = max(self.queued_max_ns, waited_ns)
        return waited_ns

    def release(self, share: float) -> None:
        """Give `share` cores back and let those in whose turn it is."""
        self._busy_units -= round(min(share, self.cores) * _UNITS)
        self._running -= 1
        while self._queue:
            units, turn = self._queue[0]
            if not turn.cancelled() and not self._fits(units):
                return
            self._queue.popleft()
            if not turn.cancelled():
                self._take(units)
                turn.set_result(None)

    def _fits(self, units: int) -> bool:
        return self._running == 0 or self._busy_units + units <= self._limit_units

    def _take(self, units: int) -> None:
        self._busy_units += units
        self._running += 1
