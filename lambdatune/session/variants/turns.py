"""Whose turn it is to send: randomised rounds, in each of which every variant sends one order.

So a drift of the host, of AWS or of the hour hits all of them alike (randomised complete blocks; Bulej et al., "Duet
Benchmarking", ICPE 2020, go as far as sending both at once, which on one host would make them wait for each other).
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Turns:
    """Gives the turn to the variants in randomised rounds.

    A round waits for each variant that takes part: one that is slow to prepare does not fall behind the others.

    Args:
        names: of the variants that take part.
        seed: of the order in each round.
    """

    def __init__(self, names: Sequence[str], seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311  an order of measuring, not a secret
        self._taking_part = list(names)
        self._round: list[str] = []
        self._is_held = False
        self._is_open = True
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn of `name`, hold it, and pass it on; after `end` at once."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_open or self._is_next(name))
            self._is_held = True
        try:
            yield
        finally:
            async with self._changed:
                self._is_held = False
                if name in self._round:
                    self._round.remove(name)
                self._changed.notify_all()

    def _is_next(self, name: str) -> bool:
        if self._is_held:
            return False
        if not self._round:
            self._round = self._rng.sample(self._taking_part, len(self._taking_part))
        return self._round[0] == name

    async def leave(self, name: str) -> None:
        """Take part no more, until `join`; the others do not wait for it."""
        async with self._changed:
            self._taking_part = [each for each in self._taking_part if each != name]
            self._round = [each for each in self._round if each != name]
            self._changed.notify_all()

    async def join(self, names: Sequence[str]) -> None:
        """Take part again, from the next round on."""
        async with self._changed:
            self._taking_part = list(names)
            self._round = []
            self._changed.notify_all()

    async def end(self) -> None:
        """Let all go on that wait: nothing more is sent."""
        async with self._changed:
            self._is_open = False
            self._changed.notify_all()
