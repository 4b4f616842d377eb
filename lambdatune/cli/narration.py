"""stderr: what is going on. A bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from types import TracebackType

    from lambdatune.session.events import Progress as Snapshot
    from lambdatune.stats.rows import Rows

LINE_EVERY_S = 5.0


def _whoever_listens() -> contextlib.suppress:
    """Go on without narrating when the terminal was closed: what was changed on AWS has to be undone all the same."""
    return contextlib.suppress(OSError)


class PlainNarration:
    """Lines without cursor movement: for CI logs, pipes, screen readers and dumb terminals."""

    def __init__(self) -> None:
        self._next_line_s = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; nothing is left on the screen to clear."""

    def narrate(self, sentence: str) -> None:
        """Print a line."""
        with _whoever_listens():
            print(sentence, file=sys.stderr, flush=True)

    def progress(self, snapshot: Snapshot) -> None:
        """Print a line if the last one is long enough ago."""
        now_s = time.monotonic()
        if now_s >= self._next_line_s:
            self._next_line_s = now_s + LINE_EVERY_S
            detail = f"; {snapshot.detail}" if snapshot.detail else ""
            if snapshot.send_slip_ms_p99 is not None and snapshot.loop_lag_ms_p99 is not None:
                late = f"{snapshot.send_slip_ms_p99:.2f} ms late to send, {snapshot.loop_lag_ms_p99:.2f} ms to read"
                detail += f"; generator at p99: {late}"
            self.narrate(f"{snapshot.calls} of about {snapshot.calls_expected} calls, at {snapshot.step}{detail}")

    def measured(self, rows: Rows) -> None:
        """Print nothing: the progress tells how many."""


class BarNarration:
    """A progress bar that sentences scroll past."""

    def __init__(self) -> None:
        self._progress = Progress(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.completed:.0f} of about {task.total:.0f} calls, at {task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("start", total=1)

    def __enter__(self) -> Self:
        """Show the bar."""
        with _whoever_listens():
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        with _whoever_listens():
            self._progress.stop()

    def narrate(self, sentence: str) -> None:
        """Print a line above the bar."""
        with _whoever_listens():
            self._progress.console.print(sentence, markup=False)

    def progress(self, snapshot: Snapshot) -> None:
        """Move the bar."""
        with _whoever_listens():
            self._progress.update(
                self._task,
                completed=snapshot.calls,
                total=max(snapshot.calls_expected, 1),
                description=snapshot.step,
            )

    def measured(self, rows: Rows) -> None:
        """Show nothing: the progress tells how many."""


class QuietNarration(PlainNarration):
    """Nothing but the result."""

    def narrate(self, sentence: str) -> None:
        """Print nothing."""

    def progress(self, snapshot: Snapshot) -> None:
        """Print nothing."""


def narration(*, plain: bool, quiet: bool) -> PlainNarration | BarNarration:
    """Return what fits the terminal and the options."""
    if quiet:
        return QuietNarration()
    console = Console(stderr=True)
    if plain or not console.is_terminal or console.is_dumb_terminal:
        return PlainNarration()
    return BarNarration()
