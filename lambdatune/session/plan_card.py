"""What a plan will do and about what it will cost, before it does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.aws.marks import CLONE_PREFIX
from lambdatune.aws.modes.permissions import needs_of_mode
from lambdatune.load.order import connections_of
from lambdatune.model.modes import MODES
from lambdatune.pricing.cost import money
from lambdatune.recommend.evidence import spend
from lambdatune.session.pacing import warm_pacing
from lambdatune.session.preflight import ground_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.aws.isolation import Isolation
    from lambdatune.aws.modes.protocol import InvocationMode
    from lambdatune.model.cell import Cell
    from lambdatune.model.plan import Plan
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.recommend.search import Search
    from lambdatune.session.subject import Subject

ASSUMED_BILLED_MS = 100.0
"""No call has been made yet, so its time is not known: dollars are shown for this billed time per call."""


@dataclass(frozen=True, slots=True)
class PlanCard:
    """A plan as it is shown before it starts.

    Attributes:
        function: name of the function.
        place: where it runs.
        sizes_mb: sizes that are tried.
        calls: about how many calls, if each verdict comes as soon as it can.
        usd_per_100ms: dollars of all calls if each were billed 100 ms.
        load: when the warm calls come and how long that takes, where the plan says so; None in the closed loop.
        currency: of `usd_per_100ms`: ``USD``, in China ``CNY``.
        costs_money: whether the calls are real calls on AWS.
        changes: every change that will be made, and how it is undone.
        warnings: how what is measured differs from the function, and what others may notice.
    """

    function: str
    place: str
    sizes_mb: tuple[int, ...]
    calls: int
    usd_per_100ms: float
    load: str | None
    currency: str
    costs_money: bool
    changes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the card as lines of text."""
        price = money(self.usd_per_100ms, self.currency, 4)
        sizes = ", ".join(map(str, self.sizes_mb))
        lines = [
            f"tuning {self.function} {self.place} at {sizes} MB",
            f"about {self.calls} calls"
            + (f", about {price} for each 100 ms that a call is billed" if self.costs_money else
               "; nothing is billed: they run on this machine"),
        ]  # fmt: skip
        if self.load is not None:
            lines.append(self.load)
        lines += [f"change: {change}" for change in self.changes]
        lines += [f"note: {warning}" for warning in self.warnings]
        if self.costs_money:
            lines.append("the calls are real: whatever the function does (writes, mails, payments), it does")
        return lines


def plan_card(
    plan: Plan,
    cells: Sequence[Cell],
    evidence: Evidence,
    search: Search,
    *,
    subject: Subject,
    isolation: Isolation,
    mode: InvocationMode | None = None,
    standing: Sequence[str] = (),
) -> PlanCard:
    """Return the card of a plan for a function that was found; what was measured already is not in its figures.

    `standing` says what is billed beside the calls.
    """
    set_up = () if mode is None else tuple(mode.changes)
    told = () if mode is None else (*mode.warnings, *_permissions(plan, subject))
    calls = max(search.calls_expected(evidence) - spend(evidence).invocations, 0)
    per_call_usd = [cell.tariff.per_million(ASSUMED_BILLED_MS, cell.cell.memory_mb) / 1e6 for cell in evidence]
    endpoint_url = subject.place.endpoint_url
    place = f"at {endpoint_url}" if endpoint_url else f"in {subject.place.region}"
    return PlanCard(
        function=subject.description.shown_name,
        place="on the embedded endpoint" if subject.embedded else place,
        sizes_mb=tuple(cell.memory_mb for cell in cells),
        calls=calls,
        usd_per_100ms=calls * sum(per_call_usd) / len(per_call_usd),
        load=_load(plan, max(calls - plan.cold_starts * len(cells), 0)),
        currency=evidence.tariff.currency,
        costs_money=subject.costs_money,
        changes=(*isolation.changes, *set_up),
        warnings=(*isolation.warnings, *standing, *_spilling(plan), *told, *subject.notes),
    )


def _spilling(plan: Plan) -> tuple[str, ...]:
    """Return what becomes of calls that find no provisioned environment free, where the plan makes as many."""
    environments = plan.provisioned_concurrency
    if not environments:
        return ()
    at_once = connections_of(warm_pacing(plan))
    said = (
        "no cold starts are forced: a provisioned environment is initialised before its first call, whose REPORT line "
        "tells of that init"
    )
    if MODES[plan.mode].is_delivered or at_once <= environments:
        return (said,)
    spilling = (
        f"up to {at_once} calls come at once for {environments} provisioned environments: what finds none free spills "
        "over to environments on demand, which start cold"
    )
    return (said, spilling)


def _permissions(plan: Plan, subject: Subject) -> tuple[str, ...]:
    """Return what the mode needs to be permitted beside the clone's needs; the run's own endpoint asks nothing."""
    if subject.embedded:
        return ()
    description = subject.description
    ground = ground_of(plan, subject.place.region, CLONE_PREFIX, account=None, description=description)
    actions: dict[str, dict[str, None]] = {}
    for need in needs_of_mode(ground, plan.mode, plan.mode_options):
        service, _, action = need.action.partition(":")
        actions.setdefault(service, {})[action] = None
    if not actions:
        return ()
    listed = "; ".join(f"{service}: {', '.join(names)}" for service, names in actions.items())
    return (f"mode {plan.mode} needs these permissions beside the clone's: {listed}",)


def _load(plan: Plan, warm_calls: int) -> str | None:
    per_s = plan.arrivals_per_s
    if per_s is None:
        return None
    seconds = warm_calls / per_s
    calls = "messages" if MODES[plan.mode].is_delivered else "warm calls"
    takes = f"about {seconds / 60:.0f} minutes of them" if seconds >= 90 else f"about {seconds:.0f} s of them"
    if plan.ramp is not None:
        whole = f"{plan.ramp.calls} calls in {plan.ramp.duration_s:g} s"
        return f"{calls} come in ramps {plan.ramp}, {whole}, at each size: {takes}"
    if plan.burst is not None:
        return f"{calls} come {plan.burst.size} at once every {plan.burst.every_s:g} s: {takes}"
    return f"{calls} come at {per_s:g}/s: {takes}"
