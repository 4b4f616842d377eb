"""A run among others: when it may begin, when it may send, and what it does when it has seen enough."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from lambdatune.model.result import Spend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.recommend.search import Ask
    from lambdatune.session.embedded import EmbeddedEndpoint
    from lambdatune.session.plan_card import PlanCard

NOTHING = Spend(usd=0.0, invocations=0)


class Lane(Protocol):
    """The place of a session among those that run with it."""

    @property
    def name(self) -> str | None:
        """What the function is called on an embedded endpoint; None where its code names it."""

    @property
    def endpoint(self) -> EmbeddedEndpoint | None:
        """The embedded endpoint for functions of this machine; None: the session starts one of its own."""

    async def confirm(self, card: PlanCard) -> bool:
        """Return whether what the card says may be done."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return the right to send one order; it is waited for when it is entered."""

    async def settled(self, evidence: Evidence, plan: Plan) -> Sequence[Ask]:
        """Return more calls to make when the session has all that it wants for itself; none to end."""

    def spent_elsewhere(self) -> Spend:
        """Return what the others have spent of the limits that all share."""


class Alone:
    """The lane of a session with none beside it.

    Args:
        confirm: is shown the card.
    """

    name: str | None = None
    endpoint: EmbeddedEndpoint | None = None

    def __init__(self, confirm: Callable[[PlanCard], bool] = lambda _: True) -> None:
        self._confirm = confirm

    async def confirm(self, card: PlanCard) -> bool:
        """Ask."""
        return self._confirm(card)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Let it send at any time."""
        return nullcontext()

    async def settled(self, evidence: Evidence, plan: Plan) -> Sequence[Ask]:
        """Let it end."""
        return ()

    def spent_elsewhere(self) -> Spend:
        """Return that nothing was."""
        return NOTHING
