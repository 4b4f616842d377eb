"""What was steered while a run measured, as its run.json keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

STEERED = "steering"
"""Key of run.json's environment under which it is kept what was steered: a list of `Steered` as mappings."""


@dataclass(frozen=True, slots=True)
class Steered:
    """A wish that was followed.

    Attributes:
        sentence: what was changed, from what to what, and when.
        order: number of the last order before.
        sets_aside: whether warm calls up to that order were sent under another load.
        ended_mb: the memory size that gets no more calls; None for another wish.
    """

    sentence: str
    order: int
    sets_aside: bool = False
    ended_mb: int | None = None


def steered_of(environment: dict[str, Any]) -> list[Steered]:
    """Return what was steered in a recorded run, first things first."""
    return [Steered(**entry) for entry in environment.get(STEERED, ())]


def set_aside_until(steered: Sequence[Steered]) -> int:
    """Return the last order whose warm calls were sent under another load than the run ended with; 0 for none."""
    return max((entry.order for entry in steered if entry.sets_aside), default=0)
