"""How fast AWS lets a function scale: 1,000 new execution environments every 10 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BURST = 1_000
_PER_SECOND = 100.0


class StartRate:
    """A token bucket: up to 1000 at once, refilled continuously at 100 a second (AWS docs, "scaling behavior").

    Args:
        clock: a monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens = float(_BURST)
        self._at_s = clock()

    def take(self) -> bool:
        """Take one token; return False when there is none."""
        now_s = self._clock()
        self._tokens = min(_BURST, self._tokens + (now_s - self._at_s) * _PER_SECOND)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
