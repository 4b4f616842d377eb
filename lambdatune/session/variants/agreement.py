"""The one question before a comparison: it waits for the card of every variant."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lambdatune.model.errors import LambdatuneError
    from lambdatune.session.events import Observer
    from lambdatune.session.plan_card import PlanCard

FEWEST = 2


class Agreement:
    """Asks once, when every variant could start or has shown that it cannot.

    Args:
        optional: of each variant, in order, whether the others may go on without it.
        confirm: is shown the cards of those that can start.
        observer: is told who is left out, and why.
    """

    def __init__(
        self,
        optional: Mapping[str, bool],
        confirm: Callable[[Sequence[tuple[str, PlanCard]]], bool],
        observer: Observer,
    ) -> None:
        self._optional = optional
        self._confirm = confirm
        self._observer = observer
        self._cards: dict[str, PlanCard] = {}
        self._failed: dict[str, LambdatuneError] = {}
        self._awaited = set(optional)
        self._is_asked = asyncio.Event()
        self._agreed = False
        self._refused: Exception | None = None

    @property
    def is_reached(self) -> bool:
        """Whether all that can start have started."""
        return self._agreed

    async def confirm(self, name: str, card: PlanCard) -> bool:
        """Return whether all may start.

        Raises:
            UsageError: when too few are left to compare.
            Exception: that the question raised.
        """
        self._cards[name] = card
        self._arrive(name)
        await self._is_asked.wait()
        if self._refused is not None:
            raise self._refused
        return self._agreed

    def fail(self, name: str, error: LambdatuneError) -> None:
        """Note that a variant cannot start, or not go on."""
        if not self._is_asked.is_set():
            self._failed[name] = error

    def withdraw(self, name: str) -> None:
        """Wait no more for a variant that has ended."""
        if name in self._awaited:
            self._arrive(name)

    def end(self) -> None:
        """Let all go on that wait, with nothing agreed: the comparison was stopped before it began."""
        self._is_asked.set()

    def may_lack(self, name: str) -> bool:
        """Whether the others go on without a variant that could not start."""
        return self._optional[name] and name in self._failed

    def _arrive(self, name: str) -> None:
        self._awaited.discard(name)
        if self._awaited or self._is_asked.is_set():
            return
        try:
            self._agreed = self._may_start()
        except Exception as error:  # noqa: BLE001  each of the sessions that wait raises it
            self._refused = error
        self._is_asked.set()

    def _may_start(self) -> bool:
        if any(not self._optional[name] for name in self._failed):
            return False
        for name, error in self._failed.items():
            self._observer.narrate(f"{name} is left out: {error.message}")
        if not self._cards:
            return False
        if len(self._cards) < FEWEST:
            left_out = "; ".join(f"{name}: {error.message}" for name, error in self._failed.items())
            raise UsageError(
                f"only {next(iter(self._cards))} of the variants can be measured here: {left_out}",
                hint="install another runtime, or compare other variants",
            )
        return self._confirm([(name, self._cards[name]) for name in self._optional if name in self._cards])
