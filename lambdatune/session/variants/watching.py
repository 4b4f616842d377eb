"""The observers of a comparison: what each variant tells, told as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdatune.session.events import Observer, Progress
    from lambdatune.stats.rows import Rows


class Watched:
    """Adds up the progress of all variants for one observer.

    Args:
        observer: watches the whole.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._last: dict[str, Progress] = {}

    def progress(self, name: str, snapshot: Progress) -> None:
        """Show where the whole is, now that one variant is further."""
        self._last[name] = snapshot
        every = self._last.values()
        slips = [each.send_slip_ms_p99 for each in every if each.send_slip_ms_p99 is not None]
        lags = [each.loop_lag_ms_p99 for each in every if each.loop_lag_ms_p99 is not None]
        whole = replace(
            snapshot,
            step=f"{name} {snapshot.step}",
            calls=sum(each.calls for each in every),
            calls_expected=sum(each.calls_expected for each in every),
            usd=sum(each.usd for each in every),
            detail="",
            send_slip_ms_p99=max(slips, default=None),
            loop_lag_ms_p99=max(lags, default=None),
        )
        self.observer.progress(whole)


class VariantObserver:
    """Watches one variant.

    Args:
        name: of the variant.
        watched: takes what it tells.
    """

    def __init__(self, name: str, watched: Watched) -> None:
        self._name = name
        self._watched = watched

    def narrate(self, sentence: str) -> None:
        """Tell it with the variant's name."""
        self._watched.observer.narrate(f"{self._name}: {sentence}")

    def progress(self, snapshot: Progress) -> None:
        """Show where the whole is."""
        self._watched.progress(self._name, snapshot)

    def measured(self, rows: Rows) -> None:
        """Pass them on."""
        self._watched.observer.measured(rows)
