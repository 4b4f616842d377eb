"""What is tuned, and where: a function on AWS, on an endpoint that speaks like it, or code on this machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdatune.aws.access import AwsAccess, is_loopback
from lambdatune.aws.account import refuse_other_account, region_of
from lambdatune.aws.deploy import create_from_image, create_from_path
from lambdatune.aws.functions import describe_function
from lambdatune.aws.routing import check_routing
from lambdatune.aws.suitability import refuse_unsuitable
from lambdatune.model.change import Place
from lambdatune.model.errors import UsageError
from lambdatune.session.clone_settings import clone_settings_of, refuse_other_processor
from lambdatune.session.embedded import EmbeddedEndpoint, host_facts

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.model.plan import FunctionSource, Plan

_COLD_BATCH = 10
"""Cold starts forced at once on AWS: one burst on a fresh version."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A function that was found, and the way to it.

    Attributes:
        access: clients of its account and region.
        description: the function as it was found.
        place: where changes are made, for the journal.
        measured: the function as its calls will find it: as it was found, but for the settings of the clone.
        embedded: whether it runs on the run's own embedded endpoint.
        host: what an embedded endpoint says of its host; None on AWS.
        notes: what could not be checked.
    """

    access: AwsAccess
    description: FunctionDescription
    place: Place
    measured: FunctionDescription
    embedded: bool
    host: dict[str, Any] | None
    notes: tuple[str, ...] = ()

    @property
    def costs_money(self) -> bool:
        """Whether calls are billed: not on an embedded endpoint."""
        return self.host is None

    @property
    def cold_batch(self) -> int:
        """How many cold starts to force at once: on an embedded endpoint no more than its cores."""
        return _COLD_BATCH if self.host is None else max(int(self.host.get("cores", 1)), 1)


async def find_subject(
    plan: Plan, stack: AsyncExitStack, *, endpoint: EmbeddedEndpoint | None = None, name: str | None = None
) -> Subject:
    """Return the function that `plan` names; what has to be closed afterwards goes onto `stack`.

    Code on this machine is created as a function on an embedded endpoint.

    Args:
        plan: names the function.
        stack: takes what has to be closed.
        endpoint: the embedded endpoint for code on this machine; None: one is started for it.
        name: what that function is called there; None: its path names it.

    Raises:
        LambdatuneError: when the function does not exist, may not be read or cannot be created.
    """
    source = plan.function
    if not source.is_path:
        region = region_of(source.name, plan.region)
        access = await stack.enter_async_context(
            AwsAccess(region=region, aws_profile=plan.aws_profile, endpoint_url=plan.endpoint_url)
        )
        unchecked = await refuse_other_account(access, source.name)
        description = await describe_function(access, source.name)
        refuse_unsuitable(description, plan.isolation)
        host = await host_facts(plan.endpoint_url) if plan.endpoint_url and is_loopback(plan.endpoint_url) else None
        measured = _measured(plan, description, host)
        place = Place(access.region, plan.endpoint_url, plan.aws_profile)
        shared = await check_routing(access, description, plan.isolation)
        unknown = f"whether the function is in your own account is not known: {unchecked}"
        notes = (*(() if unchecked is None else (unknown,)), *(() if shared is None else (shared,)))
        return Subject(access, description, place, measured, embedded=False, host=host, notes=notes)
    if endpoint is None:
        endpoint = await EmbeddedEndpoint.start()
        stack.push_async_callback(endpoint.stop)
    access = await stack.enter_async_context(
        AwsAccess(region=plan.region or "us-east-1", endpoint_url=endpoint.endpoint_url)
    )
    description = await _deploy(access, source, name or _stem(Path(source.name)))
    place = Place(access.region, endpoint.endpoint_url, embedded_pid=endpoint.pid)
    host = await host_facts(endpoint.endpoint_url)
    return Subject(access, description, place, _measured(plan, description, host), embedded=True, host=host)


def _measured(plan: Plan, found: FunctionDescription, host: dict[str, Any] | None) -> FunctionDescription:
    """Return a function as the plan's calls will find it.

    Raises:
        LambdatuneError: when AWS, or the host of an embedded endpoint, has no such thing.
    """
    refuse_other_processor(plan, host)
    settings = clone_settings_of(plan)
    settings.refuse_unfit(found)
    return settings.applied_to(found)


async def _deploy(access: AwsAccess, source: FunctionSource, wanted: str) -> FunctionDescription:
    path = Path(source.name)
    name = _function_name(wanted)
    if source.entry_point is not None:
        entry_point = shlex.split(source.entry_point)
        await create_from_image(access, name=name, path=path, entry_point=entry_point, timeout_s=source.timeout_s)
        return await describe_function(access, name)
    assert source.runtime is not None
    assert source.handler is not None
    await create_from_path(
        access,
        name=name,
        path=path,
        runtime=source.runtime,
        handler=source.handler,
        timeout_s=source.timeout_s,
    )
    return await describe_function(access, name)


def _stem(path: Path) -> str:
    return path.stem if path.is_file() else path.name


def _function_name(wanted: str) -> str:
    """Return a function's name made of what it is to be called."""
    name = "".join(character if character.isalnum() or character in "-_" else "-" for character in wanted)[:40]
    if not name.strip("-"):
        raise UsageError(f"`{wanted}` gives no name for the function", hint="rename the directory")
    return name
