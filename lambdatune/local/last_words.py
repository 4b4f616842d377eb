"""The end of a runtime's process, held back until what the process had sent is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.outcomes import Happening

LIMIT_S = 0.1
"""How long the end of a process and that of its connections may be known apart: a child may keep connections open."""
_TURNS = 8
"""Of the event loop: more than it takes from a connection in the listening queue to the reading of it."""


class LastWords:
    """Holds back one process's end.

    Args:
        tell: told the end when nothing can come any more.
        connected: whether the runtime has a connection.
    """

    def __init__(self, tell: Callable[[Happening], None], connected: Callable[[], bool]) -> None:
        self._tell = tell
        self._connected = connected
        self._held: Happening | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_settled = False

    @property
    def pending(self) -> bool:
        """Whether an end is held back."""
        return self._held is not None

    def hold(self, end: Happening) -> None:
        """Hold an end back, for the limit at most."""
        self._held, self._has_settled = end, False
        self._timer = asyncio.get_running_loop().call_later(LIMIT_S, self._tell, end)
        self._settle(end, _TURNS)

    def disconnected(self) -> None:
        """Note that no connection is left: all that came was read."""
        if self._held is not None and self._has_settled:
            self._tell(self._held)

    def drop(self) -> None:
        """Hold nothing any more: the end was told, or something else was first."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._held = None

    def _settle(self, end: Happening, turns: int) -> None:
        """Let the loop accept the connections that the process opened last."""
        if end is not self._held:
            return
        if turns:
            asyncio.get_running_loop().call_soon(self._settle, end, turns - 1)
            return
        self._has_settled = True
        if not self._connected():
            self._tell(end)
