"""The isolation of a plan: which one, what it asks of the plan, and its share of the account's concurrency."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdatune.aws.account import unreserved_concurrency
from lambdatune.aws.clone import Clone
from lambdatune.aws.isolation import Current
from lambdatune.aws.modes.registry import mode_names_versions
from lambdatune.aws.versions import OwnVersions
from lambdatune.load.order import connections_of
from lambdatune.model.errors import AwsRefused, UsageError
from lambdatune.model.memory import MemoryChoice
from lambdatune.model.modes import MODES
from lambdatune.recommend.sizes import spread_sizes
from lambdatune.session.clone_settings import clone_settings_of
from lambdatune.session.pacing import warm_pacing

if TYPE_CHECKING:
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.isolation import Isolation
    from lambdatune.aws.marks import Maker
    from lambdatune.model.plan import Plan
    from lambdatune.session.subject import Subject


_KEPT_UNRESERVED = 100
"""Concurrency that AWS keeps for functions without a reservation, whatever is provisioned (AWS docs, quotas)."""


def isolation_of(plan: Plan, subject: Subject, maker: Maker) -> Isolation:
    """Return the isolation that `plan` asks for."""
    source = subject.description
    if plan.isolation == "current":
        return Current(source)
    if plan.isolation == "version":
        return OwnVersions(subject.access, source, maker, subject.place)
    settings = clone_settings_of(plan)
    if not mode_names_versions(plan.mode):
        settings = replace(settings, provisioned_concurrency=0)  # the alias has it, which the mode moves
    return Clone(subject.access, source, maker, subject.place, settings)


def fitted(plan: Plan, source: FunctionDescription) -> Plan:
    """Return `plan` with what its isolation leaves no choice in: `current` has the function's own size alone.

    Raises:
        UsageError: when the plan asks for other sizes.
    """
    if plan.isolation != "current":
        return plan
    own_mb = source.memory_mb
    # A range was not asked for: `build_plan` refuses one that is given, and what is not given is a range.
    if not plan.memory.is_range and plan.memory.sizes_mb != (own_mb,):
        raise UsageError(
            f"--memory {plan.memory}: --isolation current measures `{source.name}` at its own size, {own_mb} MB",
            hint="leave --memory out; other sizes need --isolation clone or version",
        )
    return replace(plan, memory=MemoryChoice((own_mb,), own_mb, own_mb))


@dataclass(frozen=True, slots=True)
class Share:
    """How many calls at once the load may make.

    Attributes:
        most: calls at once; None when it is not known or not limited.
        note: why it is not known; None when there is nothing to tell.
    """

    most: int | None = None
    note: str | None = None


async def allowed_share(plan: Plan, subject: Subject) -> Share:
    """Return the plan's share of the concurrency that is free, and refuse a plan above it.

    Free is what the account has unreserved; for calls to the function itself what is reserved for it, if anything is.
    An embedded endpoint of the run's own has no other users: nothing is limited there.

    Raises:
        UsageError: naming the numbers that would be accepted.
    """
    if subject.embedded:
        return Share()
    reserved = None if plan.isolation == "clone" else subject.description.reserved_concurrency
    free, whose = reserved, "reserved for the function"
    if free is None:
        whose = "that the account has unreserved"
        try:
            free = await unreserved_concurrency(subject.access)
        except AwsRefused as error:
            return Share(note=f"warning: the account's free concurrency is not known, and not kept to: {error.message}")
    most = max(math.floor(plan.concurrency_share * free), 1)
    _refuse_too_many_provisioned(plan, most, free, whose)
    if MODES[plan.mode].is_delivered:
        return Share(most)  # what is sent waits for its turn; how many run at once is the event source's to say
    peak = connections_of(warm_pacing(plan))
    if peak > most:
        raise UsageError(
            f"the plan makes up to {peak} calls at once: {plan.concurrency_share:.0%} of the {free} concurrent "
            f"executions {whose} are {most}",
            hint=_accepted(plan, most, peak, free),
        )
    return Share(most)


def _refuse_too_many_provisioned(plan: Plan, most: int, free: int, whose: str) -> None:
    """Refuse provisioned environments that take more of the account's concurrency than the plan, or AWS, allows.

    Raises:
        UsageError: naming the number that would be accepted.
    """
    sizes = len(spread_sizes(plan.memory)) if mode_names_versions(plan.mode) else 1
    wanted = plan.provisioned_concurrency * sizes
    most = min(most, max(free - _KEPT_UNRESERVED, 0))
    if wanted <= most:
        return
    at_sizes = f" at each of {sizes} sizes" if sizes > 1 else ""
    accepted = f"accepted is --provisioned-concurrency {most // sizes}" if most >= sizes else "ask AWS for more of them"
    raise UsageError(
        f"--provisioned-concurrency {plan.provisioned_concurrency}{at_sizes} takes {wanted} concurrent executions: "
        f"{plan.concurrency_share:.0%} of the {free} {whose} are {most}, {_KEPT_UNRESERVED} kept unreserved, as AWS "
        "wants it",
        hint=f"{accepted}; fewer sizes in --memory take fewer, and --concurrency-share allows more",
        setting="provisioned-concurrency",
    )


def _accepted(plan: Plan, most: int, peak: int, free: int) -> str:
    """Return what would be accepted in place of the plan's load."""
    options = [f"--concurrency {most}"] if plan.concurrency > most else []
    if plan.ramp is not None and plan.ramp.peak_per_s > most:
        options.append(f"a --ramp of up to {most}/s")
    elif plan.burst is not None:
        options.append(f"--burst {max(math.floor(most * min(plan.burst.every_s, 1)), 1)}/{plan.burst.every_s:g}s")
    elif plan.rate_per_s is not None and plan.rate_per_s > most:
        options.append(f"--rate {most}/s")
    accepted = " with ".join(options)
    if peak > free:
        return f"accepted is {accepted}"
    return f"accepted is {accepted}; or --concurrency-share {math.ceil(100 * peak / free)}%"
