"""Steering: what a person wants otherwise while a run measures, checked, carried out and written down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.model.memory import MemoryChoice, parse_memory
from lambdatune.model.quantities import parse_rate_per_s
from lambdatune.model.target import parse_target
from lambdatune.session.steered import Steered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.measure import Measurement


class Steering:
    """Follows a person's wishes while a run measures.

    A wish that cannot be followed changes nothing.

    Args:
        measurement: under way.
        evidence: of the run.
        check_load: raises when the account or the generator does not allow the load of a plan.
        record: is told what was followed and under which plan the run goes on.
    """

    def __init__(
        self,
        measurement: Measurement,
        evidence: Evidence,
        *,
        check_load: Callable[[Plan], Awaitable[None]],
        record: Callable[[Steered, Plan], None],
    ) -> None:
        self._measurement = measurement
        self._evidence = evidence
        self._check_load = check_load
        self._record = record

    def end_size(self, memory_mb: int) -> None:
        """Give a size no more calls; what it has is kept.

        Raises:
            UsageError: when the size is not measured, or was ended before.
        """
        cell = next((cell for cell in self._evidence if cell.cell.memory_mb == memory_mb), None)
        if cell is None:
            known = [str(cell.cell.memory_mb) for cell in self._evidence]
            raise UsageError(
                f"{memory_mb} MB is not measured: expected one of {', '.join(known)}",
                hint=did_you_mean(str(memory_mb), known),
            )
        if cell.ended:
            raise UsageError(f"{memory_mb} MB was ended already", hint="what it has is kept")
        self._measurement.end_size(memory_mb)
        said = f"{memory_mb} MB gets no more calls, by hand, after {cell.calls}"
        self._record(Steered(said, self._orders, ended_mb=memory_mb), self._measurement.plan)

    def add_size(self, memory_mb: int) -> None:
        """Measure another size as well, or go on with one that was ended.

        Raises:
            UsageError: when AWS has no such size, the size is measured already, or the plan has one size alone.
        """
        plan = self._measurement.plan_to_come
        if plan.isolation == "current":
            raise UsageError(
                f"{memory_mb} MB cannot be added: --isolation current measures the function at its own size",
                hint="other sizes need --isolation clone or version",
            )
        parse_memory(str(memory_mb))
        known = {cell.cell.memory_mb: cell for cell in self._evidence}
        if memory_mb in known and not known[memory_mb].ended:
            raise UsageError(f"{memory_mb} MB is measured already", hint="choose another size")
        if memory_mb in known:
            known[memory_mb].ended = False
        memory = plan.memory
        if not memory.is_range and memory_mb not in memory.sizes_mb:
            sizes = tuple(sorted({*memory.sizes_mb, memory_mb}))
            memory = MemoryChoice(sizes, sizes[0], sizes[-1])

        def taken(order: int) -> None:
            self._evidence.index_of(memory_mb)
            self._record(Steered(f"{memory_mb} MB was added after {self._calls} calls", order), self._measurement.plan)

        self._measurement.decide_for(replace(plan, memory=memory), taken)

    def change_targets(self, texts: Iterable[str]) -> None:
        """Decide for other targets from now on, from all that was measured.

        Raises:
            UsageError: when a text is no target.
        """
        targets = tuple(map(parse_target, texts))
        plan = self._measurement.plan_to_come
        before = _listed(map(str, plan.targets))

        def taken(order: int) -> None:
            said = f"target changed from {before} to {_listed(map(str, targets))} after {self._calls} calls"
            self._record(Steered(said, order), self._measurement.plan)

        self._measurement.decide_for(replace(plan, targets=targets), taken)

    async def change_load(self, concurrency: int | None, rate: str | None) -> None:
        """Send another load from now on; warm calls so far are paid for, and count no more.

        Args:
            concurrency: calls in flight.
            rate: arrivals, as the setting is written.

        Raises:
            UsageError: when the load cannot be.
        """
        plan = self._measurement.plan_to_come
        if plan.ramp is not None or plan.burst is not None:
            raise UsageError(
                f"the load is {describe_load(plan)}, which is a whole by itself", hint="start a run with another one"
            )
        if rate is not None:
            wanted = replace(plan, rate_per_s=parse_rate_per_s(rate))
        else:
            if concurrency is None or not 1 <= concurrency <= MOST_IN_FLIGHT:
                raise UsageError(
                    f"{concurrency} calls in flight are not possible: expected 1 to {MOST_IN_FLIGHT}",
                    hint="for example 10, or a rate such as 50/s",
                )
            wanted = replace(plan, rate_per_s=None, arrivals="constant", concurrency=concurrency)
        await self._check_load(wanted)
        before = describe_load(plan)

        def taken(order: int) -> None:
            said = (
                f"load changed from {before} to {describe_load(wanted)} after {self._calls} calls: "
                "warm calls before are in no figure"
            )
            self._record(Steered(said, order, sets_aside=True), self._measurement.plan)

        self._measurement.decide_for(wanted, taken, is_other_load=True)

    @property
    def _orders(self) -> int:
        return self._measurement.orders

    @property
    def _calls(self) -> int:
        return sum(cell.calls + sum(map(len, cell.aside)) for cell in self._evidence)


MOST_IN_FLIGHT = 10_000
"""As the setting `concurrency` has it."""


def describe_load(plan: Plan) -> str:
    """Return the load of warm calls in a few words: ``10 in flight``, ``50/s``."""
    if plan.ramp is not None:
        return f"ramp {plan.ramp}"
    if plan.burst is not None:
        return f"{plan.burst.size} at once every {plan.burst.every_s:g} s"
    if plan.rate_per_s is not None:
        return f"{plan.rate_per_s:g}/s" + (", Poisson arrivals" if plan.arrivals == "poisson" else "")
    return f"{plan.concurrency} in flight"


def _listed(texts: Iterable[str]) -> str:
    return " and ".join(texts) or "none"
