"""The conductor of a comparison: one session for each variant, whose orders take turns."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from lambdatune.model.errors import ExitCode, LambdatuneError, UsageError
from lambdatune.model.result import Spend
from lambdatune.recommend.evidence import spend
from lambdatune.session.embedded import EmbeddedEndpoint
from lambdatune.session.results import timestamp
from lambdatune.session.run_directory import new_run_id
from lambdatune.session.session import Session
from lambdatune.session.variants.agreement import Agreement
from lambdatune.session.variants.directory import ComparisonDirectory
from lambdatune.session.variants.duel import Duel
from lambdatune.session.variants.recorded import compare_recorded
from lambdatune.session.variants.turns import Turns
from lambdatune.session.variants.watching import VariantObserver, Watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from lambdatune.model.compared import Comparison
    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.recommend.search import Ask
    from lambdatune.session.events import Observer
    from lambdatune.session.plan_card import PlanCard
    from lambdatune.session.variants.settings import Variant


class ComparisonSession:
    """Measures variants side by side, in one go.

    Args:
        variants: two at least; limits, targets and the seed are those of the first.
        output: directory in which the comparison's directory is made.
        observer: watches.
        confirm: is shown the card of every variant before anything is changed; False ends it with nothing done.

    Attributes:
        directory: of the comparison; None before it began.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        *,
        output: Path,
        observer: Observer,
        confirm: Callable[[Sequence[tuple[str, PlanCard]]], bool] = lambda _: True,
    ) -> None:
        self.directory: ComparisonDirectory | None = None
        self._variants = variants
        self._output = output
        self._observer = observer
        self._watched = Watched(observer)
        self._started = dt.datetime.now(dt.UTC)
        self._id = new_run_id(self._started)
        names = [variant.name for variant in variants]
        self._turns = Turns(names, variants[0].plan.seed)
        self._duel = Duel(names, self._turns, observer.narrate)
        self._agreement = Agreement({variant.name: variant.is_optional for variant in variants}, confirm, observer)
        self._endpoint: EmbeddedEndpoint | None = None
        self._sessions: dict[str, Session] = {}
        self._failures: dict[str, LambdatuneError] = {}
        self._is_stopped = False

    def stop(self, *, abandon: bool = False) -> None:
        """End early: what was measured is kept, what was changed is undone.

        Args:
            abandon: give up the calls in flight instead of waiting for them.
        """
        self._is_stopped = True
        for session in self._sessions.values():
            session.stop(abandon=abandon)
        self._agreement.end()
        self._duel.end()
        self._turns.end()

    async def run(self) -> Comparison | None:
        """Measure all variants; return how they compare, or None when that was not confirmed or ended too early.

        Raises:
            LambdatuneError: what went wrong with a variant that is not optional. What was measured of the others is
                compared and in the directory by then, and everything changed is undone, unless it is NotUndone.
        """
        async with AsyncExitStack() as stack:
            if any(variant.plan.function.is_path for variant in self._variants):
                self._endpoint = await EmbeddedEndpoint.start()
                stack.push_async_callback(self._endpoint.stop)
            ended = await asyncio.gather(*map(self._carry_out, self._variants), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        serious = [error for name, error in self._failures.items() if not self._agreement.may_lack(name)]
        if serious:
            self._compared()
            raise max(serious, key=lambda error: error.exit_code == ExitCode.NOT_UNDONE)
        return self._compared()

    async def _carry_out(self, variant: Variant) -> None:
        name = variant.name
        lane = _VariantLane(name, self)
        observer = VariantObserver(name, self._watched)
        session = Session(variant.plan, output=self._output / self._id, observer=observer, lane=lane)
        self._sessions[name] = session
        try:
            if not self._is_stopped:
                await session.run()
        except LambdatuneError as error:
            self._failures[name] = error
            self._agreement.fail(name, error)
            if self._agreement.is_reached:
                self._observer.narrate(f"{name}: error: {error.message}")
        finally:
            self._agreement.withdraw(name)
            self._duel.leave(name)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn of a variant to send."""
        self._note()
        async with self._turns.turn(name):
            yield

    def spent_beside(self, name: str) -> Spend:
        """Return what the variants but one have spent."""
        spent = [
            spend(session.underway.evidence)
            for other, session in self._sessions.items()
            if other != name and session.underway is not None
        ]
        return Spend(sum(each.usd for each in spent), sum(each.invocations for each in spent))

    def _note(self) -> None:
        """Write down which run is whose, when another one has begun."""
        runs = {
            variant.name: run
            for variant in self._variants
            if variant.name in self._sessions and (run := self._sessions[variant.name].run_directory) is not None
        }
        if self.directory is None and runs:
            self.directory = ComparisonDirectory((self._output / self._id).absolute())
        if self.directory is not None and len(runs) > self._noted:
            self.directory.note(timestamp(self._started), runs)
            self._noted = len(runs)

    _noted = 0

    def _compared(self) -> Comparison | None:
        """Return how the variants compare that have calls, and record it; None when fewer than two have some."""
        self._note()
        if self.directory is None:
            return None
        try:
            comparison = compare_recorded(self.directory)
        except UsageError as error:
            self._observer.narrate(error.message)
            return None
        self.directory.write(comparison)
        return comparison


class _VariantLane:
    """The place of one variant's session in the comparison."""

    def __init__(self, name: str, whole: ComparisonSession) -> None:
        self.name: str | None = name
        self._name = name
        self._whole = whole

    @property
    def endpoint(self) -> EmbeddedEndpoint | None:
        return self._whole._endpoint  # noqa: SLF001  a part of it

    async def confirm(self, card: PlanCard) -> bool:
        return await self._whole._agreement.confirm(self._name, card)  # noqa: SLF001

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self._whole.turn(self._name)

    async def settled(self, evidence: Evidence, plan: Plan) -> Sequence[Ask]:
        return await self._whole._duel.settled(self._name, evidence, plan)  # noqa: SLF001

    def left(self) -> None:
        self._whole._duel.leave(self._name)  # noqa: SLF001

    def spent_elsewhere(self) -> Spend:
        return self._whole.spent_beside(self._name)
