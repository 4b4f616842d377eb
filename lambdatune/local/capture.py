"""What an execution environment writes: lines into its log stream, and the last 4 KB for LogType=Tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.local.logstore import LogStore, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

TAIL_BYTES = 4_096
"""LogResult holds the last 4 KB of the log (AWS API reference, Invoke)."""

_LONGEST_EVENT_BYTES = 256 * 1024
_TRIM_AT_BYTES = 4 * TAIL_BYTES


class Capture:
    """Collects the log of one execution environment.

    Args:
        logs: where the stream is.
        group: the log group.
        stream: the log stream; looked up for each batch, so that it comes back after the group was deleted.
    """

    def __init__(self, logs: LogStore, group: str, stream: str) -> None:
        self._logs = logs
        self._group = group
        self._stream = stream
        self._partial = b""
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take output of the process; an incomplete last line waits for its end."""
        self._keep(data)
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        if len(self._partial) > _LONGEST_EVENT_BYTES:
            lines.append(self._partial)
            self._partial = b""
        if lines:
            self._append([line.decode("utf-8", "replace") + "\n" for line in lines])

    def platform(self, lines: list[str]) -> None:
        """Write lines of the platform (each with its line feed), after whatever the process left unfinished."""
        self.finish_line()
        self._keep("".join(lines).encode())
        self._append(lines)

    def finish_line(self) -> None:
        """End an incomplete line."""
        if self._partial:
            text, self._partial = self._partial.decode("utf-8", "replace"), b""
            self._tail += b"\n"
            self._append([text + "\n"])

    def take_tail(self) -> bytes:
        """Return the last 4 KB since the last call of this, and begin anew."""
        tail = bytes(self._tail[-TAIL_BYTES:])
        self._tail.clear()
        return tail

    def _keep(self, data: bytes) -> None:
        self._tail += data[-TAIL_BYTES:]
        if len(self._tail) > _TRIM_AT_BYTES:
            del self._tail[:-TAIL_BYTES]

    def _append(self, messages: list[str]) -> None:
        append: Callable[[str, int], None] = self._logs.stream(self._group, self._stream).append
        at_ms = now_ms()
        for message in messages:
            append(message, at_ms)
