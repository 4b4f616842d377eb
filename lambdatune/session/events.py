"""What a surface may watch while a session runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lambdatune.stats.rows import Rows


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of a running session; a newer one replaces it.

    Attributes:
        step: what is being done, in a few words.
        calls: calls made so far.
        calls_expected: the number that `calls` is heading for, as far as is known now.
        usd: what the calls would cost on AWS so far.
        detail: the latest finding, in a few words.
        send_slip_ms_p99: how late the generator sent calls, worst order so far; None before the first has ended.
        loop_lag_ms_p99: how late it read answers, likewise.
    """

    step: str
    calls: int
    calls_expected: int
    usd: float
    detail: str = ""
    send_slip_ms_p99: float | None = None
    loop_lag_ms_p99: float | None = None


class Observer(Protocol):
    """A surface that watches; it never blocks the session."""

    def narrate(self, sentence: str) -> None:
        """Tell that something happened."""

    def progress(self, snapshot: Progress) -> None:
        """Show where the session is."""

    def measured(self, rows: Rows) -> None:
        """Take note of calls that ended; they are recorded already."""


class Silent:
    """An observer that shows nothing."""

    def narrate(self, sentence: str) -> None:
        """Show nothing."""

    def progress(self, snapshot: Progress) -> None:
        """Show nothing."""

    def measured(self, rows: Rows) -> None:
        """Show nothing."""
