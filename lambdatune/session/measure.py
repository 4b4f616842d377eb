"""The measuring: the search asks, the load driver calls, the recorder records, until a reason to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdatune.aws.versions import REFUSED_SIZE
from lambdatune.load.order import (
    Burst,
    Order,
    Stages,
    TimedBurst,
    connections_of,
)
from lambdatune.model.errors import AwsRefused
from lambdatune.model.result import Spend
from lambdatune.recommend.evidence import spend
from lambdatune.session.events import Progress
from lambdatune.session.generator import GeneratorWatch
from lambdatune.session.lane import Alone
from lambdatune.session.outcome import Outcome
from lambdatune.session.pacing import warm_pacing
from lambdatune.session.room import Left, room_for
from lambdatune.session.silence import silent_calls
from lambdatune.session.versions_in_use import VersionsInUse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.aws.isolation import Isolation, Version
    from lambdatune.load.order import Pacing
    from lambdatune.model.plan import Plan
    from lambdatune.recommend.cell_evidence import CellEvidence
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.recommend.search import Ask, Search
    from lambdatune.session.continuing import Continuation
    from lambdatune.session.events import Observer
    from lambdatune.session.lane import Lane
    from lambdatune.session.outcome import EndedBy
    from lambdatune.session.recorder import Recorder
    from lambdatune.session.sending import Sender
    from lambdatune.session.standing_meter import StandingMeter


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A plan that waits for the end of an order, and who is told when it is in force."""

    plan: Plan
    taken: tuple[Callable[[int], None], ...]
    is_other_load: bool


_DRAIN_S = 30.0
"""Seconds at the most for which an interrupted run waits for the calls in flight."""
_CLIENT_PATIENCE_S = 20.0
"""Seconds over the function's own timeout after which a call is given up."""


class Measurement:
    """Serves the search's asks one after the other.

    Args:
        plan: limits, load and payloads.
        evidence: one per cell; cells are added as the search asks for new sizes.
        search: which size gets the next calls.
        sender: sends the orders.
        isolation: where versions come from.
        meter: counts what versions cost by time; None where nothing does.
        recorder: takes the rows.
        observer: watches.
        continued: the run that goes on; None for a new one.
        further: is asked for more calls when the search is satisfied, until it wants none.
        lane: gives the turn to each order, and wants more calls of its own at the end; None for a run that is alone.

    Attributes:
        outcome: how it ended, as far as that is known.
        serving: the order that is carried out now; None between.
        last_cell: the cell of the last order; None before the first.
        is_over: whether the last call has ended.
    """

    def __init__(
        self,
        plan: Plan,
        evidence: Evidence,
        search: Search,
        *,
        sender: Sender,
        isolation: Isolation,
        meter: StandingMeter | None = None,
        recorder: Recorder,
        observer: Observer,
        continued: Continuation | None = None,
        further: Callable[[Evidence, Plan], Sequence[Ask]] | None = None,
        lane: Lane | None = None,
    ) -> None:
        self._plan = plan
        self._evidence = evidence
        self._search = search
        self._sender = sender
        self._isolation = isolation
        self._recorder = recorder
        self._observer = observer
        self._further = further
        self._lane = lane or Alone()
        self._versions = VersionsInUse(isolation, sender, meter)
        self._generator = GeneratorWatch(None if continued is None else continued.generator())
        self._orders = 0 if continued is None else continued.orders
        # Limits of a run that is continued count what is added to it.
        self._before = spend(evidence)
        self._began_s = 0.0
        self._is_satisfied = False
        self._stopping = False
        self._abandoned = False
        self._reports_seen = False
        self._in_flight = 0
        self._drain: asyncio.TimerHandle | None = None
        self._serving: asyncio.Task[None] | None = None
        self._go = asyncio.Event()
        self._go.set()
        self._pause_began_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._wanted: _Wanted | None = None
        self._replanned = False
        self.serving: Order | None = None
        self.last_cell: int | None = None
        self._paused_s = 0.0
        self.is_over = False
        self.outcome = Outcome()

    def stop(self, *, abandon: bool = False) -> None:
        """End the measuring: nothing new is sent, calls in flight are awaited or abandoned. Safe at any time.

        They are awaited for the function's timeout, and 30 s at the most. Of calls that are abandoned there is
        no row; rows that the load processes had sent by then are kept.
        """
        self._end("interrupt", "interrupted")
        self._sender.stop()
        if abandon:
            self._abandon()
        elif self._drain is None:
            patience_s = min(_DRAIN_S, self._isolation.source.timeout_s) + self._sender.grace_s
            self._drain = asyncio.get_running_loop().call_later(patience_s, self._give_up, patience_s)

    def _give_up(self, patience_s: float) -> None:
        if self._serving is not None and not self._serving.done():
            self._observer.narrate(f"calls in flight did not end within {patience_s:g} s: they are given up")
            self._abandon()

    def _abandon(self) -> None:
        if self._serving is not None and not self._serving.done():
            self._abandoned = True
            self._serving.cancel()
            self.outcome = replace(self.outcome, generator=self._generator.record(given_up=self._in_flight))

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    @property
    def orders(self) -> int:
        """Orders begun so far."""
        return self._orders

    @property
    def in_flight(self) -> int:
        """Calls in flight now, at the most."""
        return self._in_flight

    @property
    def is_paused(self) -> bool:
        """Whether nothing new is sent; `serving` tells whether calls are still in flight."""
        return not self._go.is_set()

    @property
    def is_ending(self) -> bool:
        """Whether nothing more will be sent."""
        return self._stopping

    @property
    def paused_s(self) -> float:
        """How long it was paused, the pause that lasts included."""
        lasting_s = asyncio.get_running_loop().time() - self._pause_began_s if self.is_paused else 0.0
        return self._paused_s + lasting_s

    def pause(self) -> None:
        """Send nothing new until `resume`; a ramp or bursts that have begun end first. The limit of time waits too."""
        if self.is_paused or self._stopping:
            return
        self._go.clear()
        self._pause_began_s = asyncio.get_running_loop().time()
        self._end_order()
        if self._timer is not None:
            self._timer.cancel()

    def resume(self) -> None:
        """Go on after `pause`."""
        if not self.is_paused:
            return
        now_s = asyncio.get_running_loop().time()
        lasted_s = now_s - self._pause_began_s
        self._paused_s += lasted_s
        self._began_s += lasted_s
        if self._timer is not None:
            self._allow(max(self._timer.when() - self._pause_began_s, 0.0))
        self._go.set()

    def end_size(self, memory_mb: int) -> None:
        """Give a size no more calls; those in flight end."""
        index = self._evidence.index_of(memory_mb)
        self._evidence[index].ended = True
        if self.serving is not None and self.serving.cell == index:
            self._end_order()

    def decide_for(self, plan: Plan, taken: Callable[[int], None], *, is_other_load: bool = False) -> None:
        """Go on under another plan as soon as the order that is carried out has ended.

        Args:
            plan: of the same function and mode.
            taken: is called then, with the number of the last order under the plan before.
            is_other_load: whether warm calls so far were sent under another load: they are set aside.
        """
        before = self._wanted
        also = () if before is None else before.taken
        other = is_other_load or (before is not None and before.is_other_load)
        self._wanted = _Wanted(plan, (*also, taken), other)
        if self.serving is None:
            self._take_wanted()
        else:
            self._end_order()

    @property
    def plan_to_come(self) -> Plan:
        """The plan that will be in force when the order that is carried out has ended."""
        return self._plan if self._wanted is None else self._wanted.plan

    def _take_wanted(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        self._plan = wanted.plan
        self._evidence.decide_for(wanted.plan, set_aside_until=self._orders if wanted.is_other_load else 0)
        self._search = self._search.for_plan(wanted.plan)
        self._replanned = True
        for taken in wanted.taken:
            taken(self._orders)

    def _end_order(self) -> None:
        """End the order that is carried out, unless its calls only mean something together."""
        serving = self.serving
        if serving is not None and not isinstance(serving.pacing, Stages | TimedBurst):
            self._sender.end_order()

    def _allow(self, seconds: float) -> None:
        minutes = self._plan.limits.max_minutes
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._end, "limit", f"the limit of {minutes:g} minutes")

    async def run(self) -> None:
        """Serve the search until it is satisfied, a limit is reached or `stop` is called."""
        minutes = self._plan.limits.max_minutes
        self._began_s = asyncio.get_running_loop().time()
        if minutes is not None:
            self._allow(minutes * 60)
        self._serving = asyncio.create_task(self._serve_search())
        try:
            await self._serving
        except asyncio.CancelledError:
            if not self._abandoned:
                raise
        finally:
            self.is_over = True
            self._lane.left()
            for handle in (self._timer, self._drain):
                if handle is not None:
                    handle.cancel()

    async def _serve_search(self) -> None:
        while not self._stopping:
            await self._go.wait()
            self._replanned = False
            asks = self._search.next_block(self._evidence)
            if not asks:
                self._is_satisfied = True
                asks = tuple(await self._wanted_further())
            if not asks:
                return
            for ask in asks:
                for part in self._parts(ask):
                    await self._go.wait()
                    if self._is_wanted():
                        async with self._lane.turn():
                            # Others may have taken their time, and what the limits left.
                            if self._is_wanted():
                                await self._serve(part)

    async def _wanted_further(self) -> Sequence[Ask]:
        """Return what is asked for when the search is satisfied: by the gate, and then by those that run with it."""
        further = () if self._further is None else self._further(self._evidence, self._plan)
        return further or await self._lane.settled(self._evidence, self._plan)

    def _is_wanted(self) -> bool:
        """Whether what was asked for is still wanted."""
        return not self._stopping and not self._replanned

    def _parts(self, ask: Ask) -> list[Ask]:
        """Return what is asked as orders: warm calls in whole bursts, or in one order for each ramp."""
        if ask.cold:
            return [ask]
        calls = self._plan.in_blocks(ask.calls)
        if self._plan.ramp is None:
            return [replace(ask, calls=calls)]
        ramp = self._plan.ramp.calls
        return [replace(ask, calls=ramp)] * (calls // ramp)

    def _end(self, by: EndedBy, because: str) -> None:
        if not self._stopping:
            self._stopping = True
            if by == "limit" and self._is_satisfied:
                # The evidence that the plan takes was in: what a limit cut short was more than that.
                self._observer.narrate(f"{because} ended the further calls")
                by = "evidence"
            self.outcome = replace(self.outcome, ended_by=by, ended_because=because)
        self._go.set()
        self._sender.end_order()

    async def _serve(self, ask: Ask) -> None:
        index = self._evidence.index_of(ask.memory_mb)
        cell = self._evidence[index]
        calls = 0 if cell.ended else self._within_limits(ask, cell)
        if calls == 0:
            return
        try:
            version = await self._versions.version(ask.memory_mb, is_fresh=ask.cold)
        except AwsRefused as error:
            if error.code not in REFUSED_SIZE:
                raise
            self._evidence[index].failed_reason = error.message
            self._observer.narrate(f"{ask.memory_mb} MB is left out: {error.message}")
            return
        pacing: Pacing = Burst(calls) if ask.cold else warm_pacing(self._plan)
        # That takes seconds on AWS: a stop or a pause in the meantime is seen below, before anything is sent.
        await self._versions.point_to(version)
        await self._go.wait()
        if not self._is_wanted():
            return
        await self._send(ask, version, pacing, calls)
        cell = self._evidence[index]
        if not self._reports_seen:
            silent = silent_calls(self._evidence)
            self._reports_seen = not silent and cell.warm_calls + cell.cold_calls > 0
            if silent:
                # More calls would cost more, and say as little.
                self._end("limit", "the lack of REPORT lines")

    async def _send(self, ask: Ask, version: Version, pacing: Pacing, calls: int) -> None:
        cell = self._evidence.index_of(ask.memory_mb)
        step = f"{ask.memory_mb} MB, {'cold' if ask.cold else 'warm'}"
        self._orders += 1
        order = Order(
            id=self._orders,
            cell=cell,
            function=version.function,
            qualifier=version.version,
            payloads=self._sender.payloads(version, self._plan.payloads),
            pacing=pacing,
            calls=calls,
            seed=self._plan.seed + self._orders,
            timeout_s=self._isolation.source.timeout_s + _CLIENT_PATIENCE_S,
        )
        self._show(step)
        self._in_flight = min(connections_of(pacing), calls)
        self.serving = order
        self.last_cell = cell
        async for batch in self._sender.run(order):
            self._recorder.record(batch, cold=ask.cold)
            self._observer.measured(batch)
            self._show(step)
        self.serving = None
        self._in_flight = 0
        self._note_generator()
        self._take_wanted()

    def _within_limits(self, ask: Ask, cell: CellEvidence) -> int:
        """Return how many of the asked calls the limits leave room for, and end the run when none."""
        minutes = self._plan.limits.max_minutes
        now_s = asyncio.get_running_loop().time()
        elsewhere, own = self._lane.spent_elsewhere(), spend(self._evidence)
        is_fresh = ask.cold or ask.memory_mb not in self._versions
        left = Left(
            seconds=None if minutes is None else self._began_s + minutes * 60 - now_s,
            used=Spend(elsewhere.usd + own.usd - self._before.usd, elsewhere.invocations + self._recorder.calls),
            version_usd=self._evidence.version_usd(ask.memory_mb) if is_fresh else 0.0,
            timeout_s=self._isolation.source.timeout_s,
        )
        calls, because = room_for(ask, cell, self._plan, left)
        if because is not None:
            self._end("limit", because)
        return calls

    def _note_generator(self) -> None:
        outcome = self._sender.last_outcome
        if outcome is None:
            return
        self._generator.note(outcome)
        record = self._generator.record(given_up=self._sender.given_up)
        self.outcome = replace(self.outcome, generator=record)

    def show_waiting(self, sent: int, awaited: int) -> None:
        """Tell the observer how many of the messages that were sent have not ended."""
        if awaited:
            self._show(f"{sent} messages sent, {awaited} not executed yet")

    def _show(self, step: str) -> None:
        calls = self._before.invocations + self._recorder.calls
        verdicts = [f"{cell.cell.memory_mb} MB {cell.verdict}" for cell in self._evidence if cell.decided]
        self._observer.progress(
            Progress(
                step=step,
                calls=calls,
                calls_expected=max(self._search.calls_expected(self._evidence), calls),
                usd=spend(self._evidence).usd,
                detail=", ".join(verdicts),
                send_slip_ms_p99=self.outcome.generator.send_slip_ms_p99,
                loop_lag_ms_p99=self.outcome.generator.loop_lag_ms_p99,
            )
        )
