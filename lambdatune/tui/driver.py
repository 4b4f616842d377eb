"""Textual's driver for POSIX terminals, made to survive a terminal that vanishes.

Textual writes from a thread with a queue of thirty texts. When the terminal is gone, the first write ends that thread
with an error, the queue fills, and the next write waits for ever: with the loop stands the handler of the very signal
that should end the program (seen in one of five closed terminals).
"""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App


class _Lasting:
    """A file whose writes do not fail: what a terminal that is gone should show is nobody's loss."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class LastingDriver(LinuxDriver):
    """Goes on when the terminal is gone, so that the signal about it is handled and the program ends."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = _Lasting(self._file)
